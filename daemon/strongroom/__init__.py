"""strongroom: a confidential execution host."""

__version__ = "0.1.0"
