"""The plugin kvstore of strongroom."""
