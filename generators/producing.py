"""What generators tell those who wait for their events."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from automation.events.event import Event
from automation.events.groups import Chunk, Producer, group_pattern
from automation.events.models import EVENT_SHAPE
from automation.rules import plain
from automation.rules.counting import Counted, counted, in_time
from automation.rules.keys import key_field, key_meant, key_text
from automation.rules.models import BrokenRule
from automation.rules.templating import TemplateError
from generators.models import Generator
from generators.running import events, windows


def producers() -> Iterator[Producer]:
    """A producer for each generator whose source exists."""
    for generator in Generator.objects.all():
        try:
            source = generator.source_or_error()
        except BrokenRule:
            continue
        yield GeneratorProducer(
            key=generator.key_prefix(),
            label=generator.name,
            group=group_pattern(generator.group_template),
            shape={**source.shape, **EVENT_SHAPE},
            generator=generator,
        )


@dataclass(frozen=True)
class GeneratorProducer(Producer):
    """A generator's events before they happen. Rows for which the group cannot be made have
    none, as when it runs."""

    generator: Generator

    @property
    def source(self) -> str:
        return self.generator.source

    def sample(self, now: datetime.datetime, count: int, search: str = "") -> list[Event]:
        rows = self.generator.rows(now)
        asked = [self._numbered(search), self._addressed(search)] if search else [Q()]
        newest = rows.order_by("-pk").values_list("pk", flat=True)
        pks: dict[Any, None] = {}
        with in_time(rows.db):
            for question in asked:
                pks |= dict.fromkeys(newest.filter(question)[:count])
            first = list(pks)[:count]
            made = self._events(rows.filter(pk__in=first), now)
        place = {key_text(pk): number for number, pk in enumerate(first)}
        return sorted(made, key=lambda event: place[event.row_pk])

    def event_of(self, now: datetime.datetime, row_name: str) -> Event | None:
        if not row_name.startswith(self.key):
            return None
        pk = self._pk(row_name.removeprefix(self.key))
        rows = self.generator.rows(now).filter(pk=pk) if pk is not None else None
        return next(iter(self._events(rows, now)), None) if rows is not None else None

    def count(self, now: datetime.datetime, patience: float) -> Counted:
        return counted(self.generator.rows(now), patience=patience)

    def chunks(self, now: datetime.datetime, size: int, after: str = "") -> Iterator[Chunk]:
        rows = self.generator.rows(now)
        following = rows.filter(pk__gt=self._pk(after)) if after else rows
        for pks in windows(following):
            for start in range(0, len(pks), size):
                chunk = list(pks[start : start + size])
                left_out: list[str] = []
                made = self._events(rows.filter(pk__in=chunk), now, left_out)
                yield Chunk(made, len(left_out), key_text(chunk[-1]))

    def _events(
        self, rows: QuerySet[Any], now: datetime.datetime, left_out: list[str] | None = None
    ) -> list[Event]:
        try:
            return list(events(self.generator, rows, now, [] if left_out is None else left_out))
        except TemplateError as error:
            raise BrokenRule(str(error)) from error

    def _numbered(self, search: str) -> Q:
        """The rows that have this number, or whose event has this key; of a generator with
        keys of its own none is known by its key."""
        number = search.removeprefix(self.key)
        pks = (self._pk(text) for text in (key_meant(number), number.rpartition(":")[0]))
        # Not pk__in: that lets numbers through that are larger than a database has.
        return reduce(or_, (Q(pk=pk) for pk in pks if pk is not None), Q(pk__in=[]))

    def _addressed(self, search: str) -> Q:
        """The rows about people whose address contains this."""
        recipient = self.generator.source_or_error().recipient
        return Q(**{f"{recipient}__icontains": plain.text(search)}) if recipient else Q(pk__in=[])

    def _pk(self, text: str) -> Any:
        """What ``key_text`` wrote as a primary key, None if it cannot be one."""
        try:
            return key_field(self.generator.source_or_error().model).to_python(plain.text(text))
        except ValidationError:
            return None
