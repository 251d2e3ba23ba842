"""Plaintext views of a workspace on the machine of its user. They are rebuilt from the document and never synced."""
