"""Capabilities by id, and the plugins that offer them."""
