"""Payloads of runs as other implementations write and read them. Our own journal has nothing to do with it."""
