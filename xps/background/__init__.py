"""Inelastic backgrounds of core levels, static and inside the fit."""
