"""Order of Ni and Mn in LiNi0.5Mn1.5O4: evidence and verdict."""
