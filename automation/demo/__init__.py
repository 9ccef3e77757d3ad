"""Roof: a small shop to try everything on. Nothing below the roof knows it."""
