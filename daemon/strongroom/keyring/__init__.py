"""Which key seals what: root secrets by version, and the keys derived from them for each purpose and run."""
