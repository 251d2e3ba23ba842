"""Wires every object by hand; nothing is created at import time."""
