"""Mails in the admin, a module for each kind of page."""

from mails.admin import accounts, designs, mails, messages, pictures

__all__ = ["accounts", "designs", "mails", "messages", "pictures"]
