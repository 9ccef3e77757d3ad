"""Calls of queued listeners: their outbox, their history, and how they are made."""
