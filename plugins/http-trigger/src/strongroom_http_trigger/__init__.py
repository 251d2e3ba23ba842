"""The plugin http-trigger of strongroom."""
