"""An app with queued listeners, for tests with a real cluster."""
