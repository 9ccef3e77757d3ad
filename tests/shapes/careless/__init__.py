"""An app whose author forgot what can be forgotten."""
