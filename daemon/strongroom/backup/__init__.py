"""Backups of a host: one file, made beside its work, verified without it, restored into an empty place."""
