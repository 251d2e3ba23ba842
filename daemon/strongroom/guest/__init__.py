"""Guests: their binaries, their ids, and the keyless processes that execute them."""
