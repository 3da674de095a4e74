"""The edge step and what is divided by it: E0, ranges, tabulated scattering factors, over-absorption."""
