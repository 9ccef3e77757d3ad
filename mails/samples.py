"""Events to look at a mail with: those that happened, and those of rows that match now."""

import datetime
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from automation.events.event import Event, stored_event
from automation.events.groups import Producer, producers
from automation.events.models import EventRecord
from automation.events.rows import titles
from automation.rules import plain
from automation.rules.counting import Counted, TooSlow, in_time
from automation.rules.keys import key_meant, without_hyphens
from automation.rules.models import BrokenRule
from mails.mail import Mail

#: So many events are offered, and so many rows of each producer, the newest first.
SAMPLES = 25
#: So many recorded events are read at most to find those that a pattern with ``*`` hears.
READ = 5 * SAMPLES
#: So many producers are asked at most where an answer is wanted at once.
ASKED = 2


@dataclass(frozen=True)
class Sample:
    """An event to look at a mail with: one that happened (``record`` is its number), or that a
    row would make now. ``name``: the event's key, or what names the row; ``row``: what people
    call the row, of those that ``name_rows`` gives."""

    name: str
    event: Event
    label: str
    record: int | None = None
    row: str = ""

    @property
    def recorded(self) -> bool:
        return self.record is not None


@dataclass
class Samples:
    """What was found, and ``notes`` for people on what could not be looked through."""

    found: list[Sample] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def position(self, name: str) -> int | None:
        """Where the sample with this name stands: the first without one, None for one that is
        not there. Never another one: it would be somebody else's data."""
        if not name:
            return 0 if self.found else None
        names = [sample.name for sample in self.found]
        return names.index(name) if name in names else None


def find(mail: Mail, now: datetime.datetime, search: str = "") -> Samples:
    """The newest recorded events that reach ``mail``, and rows that match ``now`` (aware) and
    have none yet. With ``search`` those whose key or row number it is, then those in whose
    person's address it occurs."""
    search = plain.text(search.strip())
    samples = Samples()
    try:
        samples.found += _happened(mail, search)
    except TooSlow:
        samples.found += _heard(mail, _recorded(mail).filter(_exactly(search)))
        samples.notes.append(
            _("There are too many events to search quickly. Write the whole address or key.")
        )
    keys = {sample.event.key for sample in samples.found}
    for producer in producers(mail.group):
        try:
            events = producer.sample(now, SAMPLES, search)
        except BrokenRule:
            continue  # its own page says what is wrong with it
        except TooSlow:
            samples.notes.append(
                _("“%s” has too many rows to look through them quickly.") % producer.label
            )
            continue
        for event in events:
            if event.key in keys or not mail.hears(event.group):
                continue
            try:
                samples.found.append(_of(producer, event))
            except (TypeError, ValueError) as error:
                samples.notes.append(f"{producer.label}, {event.row_pk}: {error}")
    return samples


def named(mail: Mail, name: str, now: datetime.datetime) -> Sample | None:
    """The sample with this name: an event, however old it is, or a row if it matches ``now``."""
    name = plain.text(name)
    for record in EventRecord.objects.filter(key=name):
        if mail.hears(record.group):
            return _happening(record)
    for producer in producers(mail.group):
        try:
            event = producer.event_of(now, name)
            if event is not None and mail.hears(event.group):
                return _of(producer, event)
        except (BrokenRule, TypeError, ValueError):
            continue
    return None


def name_rows(found: list[Sample]) -> list[Sample]:
    """The samples with what people call their rows: numbers are enough, other keys are not."""
    keys = [(sample.event.row_model, sample.event.row_pk) for sample in found]
    named = titles(row for row in keys if not row[1].isdecimal())
    return [
        replace(sample, row=named.get(row, row[1])) for sample, row in zip(found, keys, strict=True)
    ]


def newest(mail: Mail, now: datetime.datetime, most: int) -> list[Event]:
    """The newest recorded events that reach ``mail``; if none happened yet, those of rows that
    match ``now``. Quick: rows are only asked where there are no events, and of few producers."""
    recorded = _recorded(mail)[: 2 * most]
    found = [record.as_event() for record in recorded if mail.hears(record.group)][:most]
    for producer in () if found else producers(mail.group)[:ASKED]:
        with suppress(BrokenRule, TooSlow, TypeError, ValueError):
            found += [as_recorded(event) for event in producer.sample(now, most)]
    return found[:most]


def count(mail: Mail, now: datetime.datetime, patience: float = 1.0) -> Counted:
    """How many rows match ``now`` whose events may reach ``mail``; of each producer within
    about twice ``patience`` seconds."""
    total, exact = 0, True
    for producer in producers(mail.group):
        try:
            counted = producer.count(now, patience)
        except BrokenRule:
            continue
        if counted.number is None:
            return Counted(None, exact=False)
        total += counted.number
        exact = exact and counted.exact
    return Counted(total, exact)


def as_recorded(event: Event) -> Event:
    """``event`` as it would come back from the database. Raises ``TypeError`` or
    ``ValueError`` if it could not be recorded."""
    return stored_event(event.replaced(context=plain.loads(plain.dumps(event.context))))


def _happened(mail: Mail, search: str) -> list[Sample]:
    """Raises ``TooSlow``."""
    recorded = _recorded(mail)
    with in_time(recorded.db):
        if not search:
            return list(_heard(mail, recorded))
        meant = key_meant(search)
        numbered = Q(row_pk__in={meant, without_hyphens(meant)})
        found = list(_heard(mail, recorded.filter(_exactly(search) | numbered)))
        # The addresses of all events are read for that: no index knows a part of one.
        others = recorded.filter(recipient__icontains=search)
        others = others.exclude(pk__in=[sample.record for sample in found])
        return [*found, *_heard(mail, others)][:SAMPLES]


def _exactly(search: str) -> Q:
    """What indexes find."""
    return Q(recipient=search) | Q(key__in={search, without_hyphens(search)})


def _recorded(mail: Mail) -> QuerySet[EventRecord]:
    """Recorded events that may reach ``mail``, the newest first; its pattern tells whether."""
    recorded = EventRecord.objects.order_by("-pk")
    first, *others = mail.group.strip().split("*")
    if not others:
        return recorded.filter(group=first)
    return recorded.filter(group__startswith=first, group__endswith=others[-1])


def _heard(mail: Mail, recorded: QuerySet[EventRecord]) -> Iterator[Sample]:
    most = READ if "*" in mail.group else SAMPLES
    heard = (record for record in recorded[:most] if mail.hears(record.group))
    for record in islice(heard, SAMPLES):
        yield _happening(record)


def _happening(record: EventRecord) -> Sample:
    return Sample(record.key, record.as_event(), str(record), record.pk)


def _of(producer: Producer, event: Event) -> Sample:
    label = f"{producer.label}: {event.row_pk}"
    return Sample(producer.row_name(event), as_recorded(event), label)
