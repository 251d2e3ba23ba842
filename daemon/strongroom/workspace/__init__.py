"""Encrypted project workspaces: CRDT documents whose values are sealed one by one before anything stores or syncs them."""
