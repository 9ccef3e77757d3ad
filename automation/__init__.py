"""Flint: no-code automation in the Django admin."""

__version__ = "0.1.0"
