"""What a generator's panel shows beside counts and rows: how many rows would be new, the events
that the rows shown would make, and who hears them. Nothing is written here."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from automation.events.admin import moment, state_badge
from automation.events.audience import whereto
from automation.events.event import Event, stored_key
from automation.events.groups import group_pattern
from automation.events.models import EventRecord
from automation.rules.counting import Counted, TooSlow, counted, counted_together, in_time
from automation.rules.keys import key_text
from automation.rules.models import BrokenRule
from automation.rules.panel import Column, Narrow, Panel
from automation.rules.templating import TemplateError
from automation.rules.views import linked
from generators import running
from generators.models import MEANING_FIELDS, Generator


@dataclass(frozen=True)
class FirstEvents:
    """The events that some rows would make, by primary key of the row, and why others make
    none."""

    by_row: dict[Any, Event] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


def new_ones(generator: Generator, now: datetime.datetime) -> Narrow:
    """What picks, of some rows, those that would make an event at ``now``; none of them if
    nobody can tell."""

    def narrow(rows: QuerySet[Any]) -> QuerySet[Any]:
        try:
            return running.without_events(rows, generator, now)
        except BrokenRule:  # told by ``further``
            return rows.none()

    return narrow


def further(
    generator: Generator, found: Panel, now: datetime.datetime, wrong: dict[str, list[str]]
) -> dict[str, Any]:
    """What the panel shows of ``generator`` as it stands, for the rows that were ``found`` at
    ``now``. What depends on a field that is ``wrong`` is left out."""
    shown: dict[str, Any] = {"has_no_condition": not found.lines}
    if not wrong.keys() & {"repeat", "repeat_days", "key_template"}:
        try:
            with in_time(found.rows.db):
                unseen = running.without_events(found.rows, generator, now)
            # What has taken too long for all that match is not tried again for those of them.
            is_slow = not found.matching.exact
            shown["new"] = counted_together([unseen])[0] if is_slow else counted(unseen)
        except TooSlow:
            shown["new"] = Counted(None, exact=False)
        except BrokenRule as error:
            return {**shown, "troubles": [str(error)]}
    if wrong.keys() & set(MEANING_FIELDS):
        return shown
    first = first_events(generator, found, now)
    return {
        **shown,
        "columns": _columns(first),
        "troubles": first.troubles,
        "whereto": whereto(
            group_pattern(generator.group_template),
            [event.group for event in first.by_row.values()],
        ),
    }


def first_events(generator: Generator, found: Panel, now: datetime.datetime) -> FirstEvents:
    """The events of the rows that the panel shows, in their order."""
    pks = {key_text(sample.pk): sample.pk for sample in found.sample}
    left_out: list[str] = []
    try:
        with in_time(found.rows.db):
            rows = found.rows.filter(pk__in=pks.values())
            made = list(running.events(generator, rows, now, left_out))
    except TemplateError as error:
        return FirstEvents(troubles=[str(error)])
    except TooSlow:
        return FirstEvents()
    by_row = {pks[event.row_pk]: event for event in made}
    return FirstEvents(
        {pk: by_row[pk] for pk in pks.values() if pk in by_row},
        [_("Left out: %(reason)s") % {"reason": reason} for reason in left_out],
    )


def _columns(first: FirstEvents) -> Sequence[Column]:
    """The event of each row: its group, its person, and whether it was made before."""
    if not first.by_row:
        return []
    events = first.by_row.items()
    nobody = format_html('<span class="went-wrong">{}</span>', _("no address"))
    return [
        Column(_("event group"), {pk: event.group for pk, event in events}),
        Column(_("person"), {pk: event.recipient or nobody for pk, event in events}),
        Column(_("event"), _made_before(first)),
    ]


def _made_before(first: FirstEvents) -> dict[Any, str]:
    keys = {pk: stored_key(event.key) for pk, event in first.by_row.items()}
    records = {
        record.key: record
        for record in EventRecord.objects.filter(key__in=keys.values()).defer("context")
    }
    said: dict[Any, str] = {}
    making: set[str] = set()
    for pk, key in keys.items():
        if record := records.get(key):
            had = _("had it on %(when)s") % {"when": moment(record.recorded_at)}
            said[pk] = linked(record._meta, record.pk, had)
        else:
            # Rows with the same key of their own make one event together.
            new = state_badge("new", capfirst(_("new")))
            said[pk] = _("together with another row") if key in making else new
            making.add(key)
    return said
