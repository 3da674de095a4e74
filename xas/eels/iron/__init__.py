"""Fe3+ and Fe2+ from the white lines of iron."""
