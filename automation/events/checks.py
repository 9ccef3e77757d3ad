"""System checks of how long what is kept."""

import datetime
import difflib
from typing import Any

from django.core.checks import CheckMessage, Error, register

from automation.events.housekeeping.chore import chores
from automation.rules import conf


@register()
def check_keep_days(**kwargs: Any) -> list[CheckMessage]:
    if conf.faults():
        return []  # told by a check of its own
    given = conf.configured().get("KEEP_DAYS", {})
    if not isinstance(given, dict):
        return [_error("KEEP_DAYS must be a dict of days by kind of data.", "E001")]
    found = []
    for name, days in given.items():
        if name not in chores.names:
            near = difflib.get_close_matches(str(name), chores.names, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known are: {_known()}."
            found.append(_error(f"KEEP_DAYS has an unknown kind of data '{name}'.", "E002", hint))
        elif days is not None and (not isinstance(days, int) or isinstance(days, bool) or days < 1):
            found.append(
                _error(
                    f"KEEP_DAYS['{name}'] is {days!r}.",
                    "E003",
                    "Write a whole number of days from 1 on, or None for ever.",
                )
            )
    return found


@register()
def check_prune_at(**kwargs: Any) -> list[CheckMessage]:
    if conf.faults():
        return []
    given = conf.configured().get("PRUNE_AT", "")
    try:
        valid = isinstance(given, str) and (
            not given or datetime.time.fromisoformat(given).tzinfo is None
        )
    except ValueError:
        valid = False
    if valid:
        return []
    hint = 'Write it as "03:30", or "" for never.'
    return [_error(f"PRUNE_AT is {given!r}, which is no time of day.", "E004", hint)]


def _error(said: str, number: str, hint: str = "") -> CheckMessage:
    return Error(
        f"AUTOMATION: {said}",
        hint=hint or "docs/personal-data.md says more.",
        id=f"automation_events.{number}",
    )


def _known() -> str:
    return ", ".join(chores.names)
