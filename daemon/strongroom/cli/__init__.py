"""The command line: `strongroom` for people and scripts, `strongroomd` for service managers."""
