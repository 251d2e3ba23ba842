"""What an operator decides: settings in layers, and the manifest of plugins. Parsed once into frozen values."""
