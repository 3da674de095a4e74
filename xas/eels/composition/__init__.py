"""Ratios of elements: intensities of edges, cross-sections."""
