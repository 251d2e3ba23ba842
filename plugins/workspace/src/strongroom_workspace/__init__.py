"""Capability ``workspace@1.0.0``: workflows read, write and watch the encrypted workspaces of their host."""
