"""What areas of lines stand for: composition, layers, limits of detection, splittings."""
