"""An event as a value: what happened, before it is recorded."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from automation.rules import plain

KEY_LENGTH = 255
GROUP_LENGTH = 100
ADDRESS_LENGTH = 320


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    ``group`` decides who cares; ``key`` is unique over all events, ever: the same key is
    recorded once. ``context`` is plain data (see ``automation.rules.plain``).
    ``recipient`` is the address of the person it is about, ``language`` and ``time_zone``
    theirs. ``row_model`` (``"shop.cart"``) and ``row_pk`` name the row it came from.
    """

    group: str
    key: str
    context: Mapping[str, Any] = field(default_factory=dict)
    recipient: str = ""
    language: str = ""
    time_zone: str = ""
    row_model: str = ""
    row_pk: str = ""


def stored_event(event: Event) -> Event:
    """``event`` as it is stored, with everything cleaned that no database can hold. A
    recipient that is longer than any address is none. Raises ``ValueError`` as
    ``stored_key`` and ``stored_group`` do."""
    stored: dict[str, Any] = {
        "key": stored_key(event.key),
        "group": stored_group(event.group),
        "recipient": stored_address(event.recipient),
        "language": plain.text(event.language)[:20],
        "time_zone": plain.text(event.time_zone)[:50],
        "row_model": plain.text(event.row_model)[:100],
        "row_pk": plain.text(event.row_pk)[:255],
    }
    # Nearly always nothing has to change, and a copy would cost more than all the rest.
    changed = {name: text for name, text in stored.items() if text != getattr(event, name)}
    return replace(event, **changed) if changed else event


def stored_address(address: str) -> str:
    return plain.text(address) if len(address) <= ADDRESS_LENGTH else ""


def stored_key(key: str) -> str:
    """``key`` as it is stored: a longer one than the column is cut and ends in its SHA-256,
    so that it is still unique. Raises ``ValueError`` for an empty one."""
    if not key:
        raise ValueError("An event needs a key: it is what makes it happen only once.")
    key = plain.text(key)
    if len(key) <= KEY_LENGTH:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: KEY_LENGTH - len(digest) - 1]}:{digest}"


def stored_group(group: str) -> str:
    """``group`` as it is stored. Raises ``ValueError`` if it is empty or too long."""
    group = plain.text(group).strip()
    if not group or len(group) > GROUP_LENGTH:
        raise ValueError(
            f"An event's group has 1 to {GROUP_LENGTH} characters; this one has {len(group)}."
        )
    return group
