"""What the pages of chains do and show."""
