"""Intensities brought to one scale."""
