"""What runs inside a runner process: the only code of strongroom that imports wasmtime."""
