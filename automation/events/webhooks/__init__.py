"""Webhooks: events as signed calls to other sites."""
