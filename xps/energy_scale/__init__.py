"""The binding-energy scale: reference lines and Fermi edges."""
