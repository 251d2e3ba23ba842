"""Workspaces on disk: the sealed log of updates, its compaction, and the names of local databases."""
