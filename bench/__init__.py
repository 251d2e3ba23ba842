"""Side-by-side benchmarks: the figures that strongroom demands of itself, each beside a bare counterpart."""
