"""strongroom plugin: basic-test."""
