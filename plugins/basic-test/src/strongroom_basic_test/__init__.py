"""strongroom plugin: the four test capabilities that every host of the reference contract can be tested with."""
