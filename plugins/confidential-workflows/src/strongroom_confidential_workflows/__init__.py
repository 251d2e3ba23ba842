"""strongroom plugin: confidential-workflows."""
