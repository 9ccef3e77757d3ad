from automation.events import Event, listen


@listen("full", queue=True)
def note_shelf(event: Event) -> None:
    """Once for each shelf that is full."""
