"""Decides: admits, routes, runs, cancels, drains. Owns deadlines and limits; everything below it is told what to do."""
