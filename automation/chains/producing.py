"""What chains tell those who wait for their events."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from automation.chains.checking import shape_of
from automation.chains.deciding import Plan, event_of
from automation.chains.models import ChainRun, Transition
from automation.chains.names import NEW
from automation.chains.traffic import those_at_the_start
from automation.events.event import Event
from automation.events.groups import Chunk, Producer, group_pattern
from automation.events.models import EVENT_SHAPE
from automation.rules import plain
from automation.rules.counting import Counted, counted, in_time
from automation.rules.keys import key_field, key_meant, key_text
from automation.rules.models import BrokenRule
from automation.rules.snapshot import snapshots
from automation.rules.templating import TemplateError


def producers() -> Iterator[Producer]:
    """A producer for each transition that makes an event, of chains whose source exists."""
    making = Transition.objects.exclude(group_template="").select_related("chain")
    for transition in making.order_by("chain_id", "position", "pk"):
        chain = transition.chain
        try:
            source = chain.source_or_error()
        except BrokenRule:
            continue
        yield TransitionProducer(
            key=key_prefix(transition),
            label=_("%(chain)s: %(transition)s") % {"chain": chain, "transition": transition},
            group=group_pattern(transition.group_template),
            shape={**shape_of(source), **EVENT_SHAPE},
            transition=transition,
        )


def events_before(
    transition: Transition,
    rows: QuerySet[Any],
    now: datetime.datetime,
    left_out: list[str] | None = None,
) -> list[Event]:
    """The events that ``rows`` would make if each of them took ``transition`` at ``now`` for the
    first time, in order of their primary keys. Rows for which the group cannot be made have none:
    the reasons are given to ``left_out``."""
    plan, made = Plan(transition.chain), []
    wait = transition.wait
    waited = {"days": wait.number, "weeks": 7 * wait.number}.get(wait.unit, 0)
    began = now - datetime.timedelta(days=waited)
    state = next(iter(transition.from_states), NEW)
    for snapshot in snapshots(plan.source, rows, now):
        key = key_text(snapshot.pk)
        run = ChainRun(
            chain=transition.chain, subject_key=key, state=state, started_at=began,
            entered_at=began, time_zone=snapshot.time_zone,
        )  # fmt: skip
        try:
            event = event_of(plan, run, transition, snapshot, now)
        except TemplateError as error:
            if left_out is not None:
                left_out.append(str(error))
            continue
        made.append(event.replaced(key=f"{key_prefix(transition)}{key}"))
    return made


def key_prefix(transition: Transition) -> str:
    """The start of what names its events before they happen."""
    return f"transition:{transition.pk}:"


@dataclass(frozen=True)
class TransitionProducer(Producer):
    """The events of a transition before they happen: those of rows that match it now, as if each
    of them took it for the first time at this moment."""

    transition: Transition

    @property
    def source(self) -> str:
        return self.transition.source

    def rows(self, now: datetime.datetime) -> QuerySet[Any]:
        """The rows that match it; of a step from the start those that come in, or are there."""
        narrow, rows = those_at_the_start(self.transition, now), self.transition.rows(now)
        return narrow(rows) if narrow else rows

    def sample(self, now: datetime.datetime, count: int, search: str = "") -> list[Event]:
        rows = self.rows(now)
        newest = rows.filter(self._searched(search)).order_by("-pk")
        with in_time(rows.db):
            first = list(newest.values_list("pk", flat=True)[:count])
            made = events_before(self.transition, rows.filter(pk__in=first), now)
        place = {key_text(pk): number for number, pk in enumerate(first)}
        return sorted(made, key=lambda event: place[event.row_pk])

    def event_of(self, now: datetime.datetime, row_name: str) -> Event | None:
        if not row_name.startswith(self.key):
            return None
        pk = self._pk(row_name.removeprefix(self.key))
        if pk is None:
            return None
        rows = self.rows(now).filter(pk=pk)
        return next(iter(events_before(self.transition, rows, now)), None)

    def count(self, now: datetime.datetime, patience: float) -> Counted:
        return counted(self.rows(now), patience=patience)

    def chunks(self, now: datetime.datetime, size: int, after: str = "") -> Iterator[Chunk]:
        rows, last = self.rows(now), self._pk(after) if after else None
        while True:
            following = rows if last is None else rows.filter(pk__gt=last)
            pks = list(following.order_by("pk").values_list("pk", flat=True)[:size])
            if not pks:
                return
            last = pks[-1]
            made = events_before(self.transition, rows.filter(pk__in=pks), now)
            yield Chunk(made, len(pks) - len(made), key_text(last))
            if len(pks) < size:
                return

    def _searched(self, search: str) -> Q:
        """The rows that have this number, or are about people whose address contains this."""
        if not search:
            return Q()
        pk = self._pk(key_meant(search.removeprefix(self.key)))
        asked = Q(pk=pk) if pk is not None else Q(pk__in=[])
        recipient = self.transition.source_or_error().recipient
        if recipient:
            asked |= Q(**{f"{recipient}__icontains": plain.text(search)})
        return asked

    def _pk(self, text: str) -> Any:
        """What ``key_text`` wrote as a primary key, None if it cannot be one."""
        try:
            return key_field(self.transition.source_or_error().model).to_python(plain.text(text))
        except ValidationError:
            return None
