"""Floor 2: rows become events."""
