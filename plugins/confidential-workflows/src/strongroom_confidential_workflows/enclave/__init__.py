"""What runs inside an enclave runner process: one execution, its key, its secrets, its guest."""
