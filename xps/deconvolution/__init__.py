"""Core levels fitted with linked lines, and how sure each number is."""
