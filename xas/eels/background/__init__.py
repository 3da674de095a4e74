"""The background in front of an edge: fitted, extrapolated, subtracted, doubted."""
