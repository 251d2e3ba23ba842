"""Capability ``http-trigger@1.0.0-alpha``: signed HTTP requests that start workflows."""
