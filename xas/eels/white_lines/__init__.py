"""L3 and L2: positions, areas, their ratio by five methods, what the literature prints."""
