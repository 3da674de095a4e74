"""The audit: what is asked of a fit."""
