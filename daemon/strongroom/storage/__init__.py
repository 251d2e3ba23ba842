"""Rows and statements. Knows no keys: what arrives here is sealed already, and what leaves is checked by its reader."""
