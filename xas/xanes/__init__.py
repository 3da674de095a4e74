"""The edge and what stands near it: positions, white line, pre-edge peaks, valence."""
