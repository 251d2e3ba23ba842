"""The enclave and relay dialect of the network, as library code: hashes, signatures, JSON, checks of both sides."""
