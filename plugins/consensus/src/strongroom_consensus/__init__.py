"""The plugin consensus of strongroom."""
