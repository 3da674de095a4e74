"""The Raman axis: standards found, matched, fitted, applied."""
