"""Stacks of frames: drift between energies, change under the beam."""
