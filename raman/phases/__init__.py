"""Which phases explain a set of bands."""
