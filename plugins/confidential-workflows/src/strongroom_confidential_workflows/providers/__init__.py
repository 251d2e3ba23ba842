"""Where evidence of the enclave runner comes from: one provider for each kind, each from its own device."""
