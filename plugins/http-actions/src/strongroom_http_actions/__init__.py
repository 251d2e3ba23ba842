"""Capability ``http-actions@1.0.0-alpha``: HTTP requests that workflows make, within what the operator allows."""
