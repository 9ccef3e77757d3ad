"""Mails in the admin, a module for each kind of page."""

from mails.admin import designs, mails, messages, pictures

__all__ = ["designs", "mails", "messages", "pictures"]
