"""Encrypted project workspaces: CRDT documents whose values are sealed one by one before they are stored or sent."""
