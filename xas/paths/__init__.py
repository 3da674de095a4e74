"""Scattering paths of FEFF fitted to the fine structure."""
