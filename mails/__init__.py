"""Floor 2: events become mails."""
