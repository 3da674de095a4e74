"""Scans made ready: energies aligned, glitches taken out, repeats merged, points rebinned."""
