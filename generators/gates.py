"""What decides beside the conditions whether a row makes an event, for the page that says why."""

import datetime
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.translation import gettext as _

from automation.events.admin import moment
from automation.events.event import stored_key
from automation.events.models import EventRecord
from automation.rules.keys import key_text
from automation.rules.templating import TemplateError
from automation.rules.views import linked
from generators import running
from generators.models import Generator, State
from generators.timing import Repeat


@dataclass(frozen=True)
class Gate:
    """One thing that decides, said for people, and whether it lets the row through."""

    said: str
    is_open: bool


def gates(generator: Generator, pk: Any, now: datetime.datetime) -> list[Gate]:
    """What else decides at ``now`` whether the row ``pk`` makes an event of ``generator``.
    Raises ``BrokenRule``."""
    found = [_armed(generator), _event(generator, pk, now)]
    if not generator.conditions.all():
        said = _("Add a condition first: without one it would mean every row there is.")
        return [Gate(said, is_open=False), *found]
    return found


def _armed(generator: Generator) -> Gate:
    if generator.state == State.PAUSED:
        said = _("The generator is paused: it makes no events until it is armed again.")
        return Gate(f"{said} {generator.state_reason}".strip(), is_open=False)
    if generator.state != State.ARMED:
        said = _("The generator is a draft: it makes no events until it is armed.")
        return Gate(said, is_open=False)
    if generator.next_run_at is None:
        return Gate(_("The generator is armed."), is_open=True)
    when = moment(generator.next_run_at)
    return Gate(_("The generator is armed. Next run: %(when)s.") % {"when": when}, is_open=True)


def _event(generator: Generator, pk: Any, now: datetime.datetime) -> Gate:
    """Whether the event that the row would make was made before."""
    rows = generator.source_or_error().rows([]).filter(pk=pk)
    try:
        event = next(running.events(generator, rows, now), None)
    except TemplateError as error:
        said = _("Its event cannot be made: %(reason)s") % {"reason": error}
        return Gate(said, is_open=False)
    if event is None:
        return Gate(_("The row is not there any more."), is_open=False)
    record = EventRecord.objects.filter(key=stored_key(event.key)).defer("context").first()
    if record is None:
        person = event.recipient or _("no address")
        said = _("It has not had its event yet: %(group)s for %(person)s.")
        return Gate(said % {"group": event.group, "person": person}, is_open=True)
    if record.row_pk != key_text(pk):
        said = _("Another row with the same key has made its event: {event}.")
    elif generator.repeat == Repeat.ONCE:
        said = _("It has had its event, and each row makes only one: {event}.")
    else:
        said = _("It has had its event, and makes no other one for now: {event}.")
    name = f"{record.group}, {moment(record.recorded_at)}"
    return Gate(format_html(said, event=linked(record._meta, record.pk, name)), is_open=False)
