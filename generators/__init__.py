"""Floor 2: rows become events."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from generators.descriptions import Description, DescriptionError
    from generators.one_pass import events_from

__all__ = ["Description", "DescriptionError", "events_from"]

if not TYPE_CHECKING:  # a name that is not there is an error for type checkers, too

    def __getattr__(name: str) -> Any:
        # They need the models, which are not there yet while the app is being loaded.
        if name == "events_from":
            from generators.one_pass import events_from

            return events_from
        if name in ("Description", "DescriptionError"):
            from generators import descriptions

            return getattr(descriptions, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
