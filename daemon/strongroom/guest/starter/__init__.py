"""Who starts runners: the host itself, or the program ``strongroom-runner``, which holds no key and no state."""
