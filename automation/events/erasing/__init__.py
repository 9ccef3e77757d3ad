"""Erasing a person: from what happened, and from what is still to happen."""
