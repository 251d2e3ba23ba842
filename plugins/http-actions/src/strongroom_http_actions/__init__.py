"""The plugin http-actions of strongroom."""
