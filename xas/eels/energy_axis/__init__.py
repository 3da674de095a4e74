"""The energy scale: the zero-loss peak, features of known energy."""
