"""What executes a workflow: one protocol, two kinds, and the one place that chooses between them."""
