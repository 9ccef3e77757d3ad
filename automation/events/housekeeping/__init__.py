"""Housekeeping: what is older than it is kept goes, a little at a time."""
