"""Plural scattering and the instrument's broadening taken off."""
