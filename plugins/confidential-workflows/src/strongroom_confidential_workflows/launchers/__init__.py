"""Ways to start an enclave runner: as a process, in namespaces of its own, or on another machine."""
