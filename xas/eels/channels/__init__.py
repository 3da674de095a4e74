"""Channels under an edge: the curves through them, their weighted sums and the variance of these."""
