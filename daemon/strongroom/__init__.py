"""strongroom: a confidential execution host."""
