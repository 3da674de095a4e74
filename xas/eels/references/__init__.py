"""Edges as sums of reference edges."""
