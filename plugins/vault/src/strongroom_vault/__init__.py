"""strongroom plugin: vault."""
