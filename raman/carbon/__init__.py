"""D and G of carbon."""
