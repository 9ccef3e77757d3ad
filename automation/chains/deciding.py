"""What becomes of some runs of a chain at a moment. Nothing is written here.

For any number of runs the number of queries is the same: one for the rows that are there, one for
the goal, and for each transition one for those that match (with what an event needs to know of
them in the same statement, so that an event never shows values that do not match).
"""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet, Value, prefetch_related_objects
from django.utils.translation import gettext as _

from automation.chains.chain import Chain
from automation.chains.names import DONE, Outcome
from automation.chains.runs import ZONE_LENGTH, ChainRun
from automation.chains.transitions import Transition
from automation.chains.waiting import Unit, after
from automation.events.event import GROUP_LENGTH, Event
from automation.events.models import template_data
from automation.rules.databases import database
from automation.rules.dates import said_moment
from automation.rules.keys import key_expression, key_field, key_text
from automation.rules.models import Rule
from automation.rules.snapshot import Snapshot, snapshots
from automation.rules.sources import Source
from automation.rules.templating import TemplateError, parse

#: Somebody from whose state nothing leads on is looked at so often, as a goal may be reached, or
#: the chain may be changed.
DEAD_END = datetime.timedelta(days=1)


@dataclass
class Decision:
    """What becomes of one run: it takes ``transition`` (with the event that makes), it ends with
    an ``outcome``, or it stays, for the reasons in ``problems``, by name of transition."""

    run: ChainRun
    transition: Transition | None = None
    event: Event | None = None
    outcome: str = ""
    next_update: datetime.datetime | None = None
    problems: dict[str, list[str]] = field(default_factory=dict)
    #: Of the person, as the row has it when the run comes into another state; None: as before.
    new_zone: str | None = None

    @property
    def time_zone(self) -> str:
        """The time zone that the run has afterwards."""
        return self.run.time_zone if self.new_zone is None else self.new_zone

    @property
    def state(self) -> str:
        """The state that the run is in afterwards."""
        return self.transition.to_state if self.transition else self.run.state


class Plan:
    """A chain as it stands now, read once for a chunk of its runs."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.transitions: list[Transition] = list(
            Transition.objects.filter(chain=chain).in_order().prefetch_related("conditions")
        )
        for transition in self.transitions:
            transition.chain = chain
        self.goal = chain.goal_rule()
        if self.goal is not None:
            conditions_of(self.goal)  # it is asked twice: whoever arrives, and before a step

    @cached_property
    def source(self) -> Source:
        return self.chain.source_or_error()

    def leading_from(self, state: str) -> list[Transition]:
        return [each for each in self.transitions if each.leads_from(state)]

    def over(self, transition: Transition, run: ChainRun) -> datetime.datetime:
        """When the run has waited long enough for ``transition``."""
        return transition.wait.over(run.entered_at, self.chain.zone(run.time_zone))

    def limit_of(self, run: ChainRun) -> datetime.datetime | None:
        """When the time of the run is over; None if it has no end."""
        return self.limit(run.started_at, run.time_zone)

    def limit(self, started: datetime.datetime, zone: str) -> datetime.datetime | None:
        days = self.chain.limit_days
        return after(started, days, Unit.DAYS, self.chain.zone(zone)) if days else None

    def first_look(
        self, state: str, entered: datetime.datetime, started: datetime.datetime, zone: str
    ) -> datetime.datetime:
        """When somebody is looked at who entered ``state`` at ``entered``."""
        clock = self.chain.zone(zone)
        moments = [each.wait.over(entered, clock) for each in self.leading_from(state)]
        limit = self.limit(started, zone)
        return min([*(moments or [entered + DEAD_END]), *([limit] if limit else [])])


def decide(plan: Plan, runs: Sequence[ChainRun], now: datetime.datetime) -> list[Decision]:
    """What becomes of ``runs`` at ``now`` (aware). Raises ``BrokenRule`` if one of the chain's
    rules cannot be asked."""
    return _Deciding(plan, runs, now).decided()


def standing(plan: Plan, decisions: Sequence[Decision], now: datetime.datetime) -> QuerySet[Any]:
    """The runs of ``decisions`` for which these still hold whenever this is asked: of those that
    take a step, whose row is there, matches that step, and has not reached the goal."""
    moving: dict[Transition, list[ChainRun]] = {}
    for each in decisions:
        if each.transition is not None:
            moving.setdefault(each.transition, []).append(each.run)
    stands = Q(pk__in=[each.run.pk for each in decisions if each.transition is None])
    for transition, taking in moving.items():
        goes_on = Q(subject_key__in=_keys(plan, transition, taking, now))
        if plan.goal is not None:
            goes_on &= ~Q(subject_key__in=_keys(plan, plan.goal, taking, now))
        stands |= Q(pk__in=[run.pk for run in taking]) & goes_on
    runs: QuerySet[Any] = ChainRun.objects.using(database())
    return runs.filter(stands)


def _keys(
    plan: Plan, rule: Rule, runs: Sequence[ChainRun], now: datetime.datetime
) -> QuerySet[Any]:
    """For a subquery: the keys of those rows of ``runs`` that match ``rule``."""
    pks = {primary_key(plan.source, run.subject_key) for run in runs}
    matching = rule.rows(now).filter(pk__in=pks).order_by()
    return matching.annotate(_run_key=key_expression(plan.source.model)).values("_run_key")


class _Deciding:
    def __init__(self, plan: Plan, runs: Sequence[ChainRun], now: datetime.datetime) -> None:
        self.plan = plan
        self.now = now
        self.open = {run.pk: run for run in runs}
        self.found: dict[int, Decision] = {}
        self.pks = {run.pk: primary_key(plan.source, run.subject_key) for run in runs}
        #: The time zones of the rows, by primary key.
        self.zones: dict[Any, str] = {}
        self.notes: dict[int, dict[str, list[str]]] = {}
        #: When each run could be valid for something it still waits for.
        self.waits: dict[int, list[datetime.datetime]] = {}

    def decided(self) -> list[Decision]:
        runs = list(self.open.values())
        self._keep_strangers()
        self._end_gone()
        self._end_at_goal()
        self._end_at_limit()
        for transition in self.plan.transitions:
            self._try(transition)
        for run in list(self.open.values()):
            self._settle(self._staying(run))
        return [self.found[run.pk] for run in runs]

    def _settle(self, decision: Decision) -> None:
        self.found[decision.run.pk] = decision
        del self.open[decision.run.pk]

    def _keep_strangers(self) -> None:
        """Whose row is of another kind than those that the chain is about stays: the row with the
        same number is somebody else's. Only time ends it."""
        source = self.plan.source
        for run in [run for run in self.open.values() if is_of_another_kind(run, source)]:
            limit = self.plan.limit_of(run)
            if limit is not None and limit <= self.now:
                self._settle(Decision(run, outcome=Outcome.LIMIT))
                continue
            said = _("This chain is about %(source)s, and this is not one of them: %(row)s.")
            self.notes[run.pk] = {"": [said % {"source": source, "row": run.subject}]}
            self._settle(self._staying(run))

    # Who leaves ------------------------------------------------------------------------------

    def _end_gone(self) -> None:
        self.zones = zones_of(self.plan.source, {self.pks[run.pk] for run in self.open.values()})
        for run in [run for run in self.open.values() if self.pks[run.pk] not in self.zones]:
            self._settle(Decision(run, outcome=Outcome.LEFT))

    def _end_at_goal(self) -> None:
        goal = self.plan.goal
        if goal is None:
            return
        arrived = set(self._asked(goal.rows(self.now), self.open.values()))
        for run in [run for run in self.open.values() if self.pks[run.pk] in arrived]:
            self._settle(Decision(run, outcome=Outcome.GOAL))

    def _end_at_limit(self) -> None:
        for run in list(self.open.values()):
            limit = self.plan.limit_of(run)
            if limit is not None and limit <= self.now:
                self._settle(Decision(run, outcome=Outcome.LIMIT))

    def _asked(self, rows: Any, runs: Iterable[ChainRun]) -> Iterable[Any]:
        pks = {self.pks[run.pk] for run in runs} - {None}
        return rows.filter(pk__in=pks).values_list("pk", flat=True) if pks else ()

    # Who goes on -----------------------------------------------------------------------------

    def _try(self, transition: Transition) -> None:
        """Let those take it who may, have waited long enough, and match."""
        ready = []
        for run in self.open.values():
            if not transition.leads_from(run.state):
                continue
            over = self.plan.over(transition, run)
            if over <= self.now:
                ready.append(run)
            else:
                self.waits.setdefault(run.pk, []).append(over)
                local = over.astimezone(self.plan.chain.zone(run.time_zone))
                said = _("It waits until %(when)s.")
                self._note(run, transition, said % {"when": _moment(local)})
        if transition.group_template.strip():
            matched = self._with_events(transition, ready)
        elif conditions_of(transition):
            matched = dict.fromkeys(self._asked(transition.rows(self.now), ready))
        else:
            matched = dict.fromkeys(self.pks[run.pk] for run in ready)
        for run in ready:
            pk = self.pks[run.pk]
            if pk not in matched:
                self._note(run, transition, _("Its conditions do not hold."))
                continue
            self._take(run, transition, matched[pk])

    def _with_events(
        self, transition: Transition, ready: Sequence[ChainRun]
    ) -> dict[Any, Snapshot | None]:
        pks = {self.pks[run.pk] for run in ready}
        if not pks:
            return {}
        rows = transition.rows(self.now).filter(pk__in=pks)
        return {found.pk: found for found in snapshots(self.plan.source, rows, self.now)}

    def _take(self, run: ChainRun, transition: Transition, snapshot: Snapshot | None) -> None:
        try:
            zone = self.zones[self.pks[run.pk]]
            self._settle(taking(self.plan, run, transition, snapshot, zone, self.now))
        except TemplateError as error:
            # It is the one to be taken, so no other one is: somebody has to correct it.
            self._note(run, transition, str(error))
            self._settle(self._staying(run))

    # Who stays -------------------------------------------------------------------------------

    def _note(self, run: ChainRun, transition: Transition, said: str) -> None:
        self.notes.setdefault(run.pk, {})[transition.name] = [said]

    def _staying(self, run: ChainRun) -> Decision:
        """It is looked at again when the next wait is over, or its time; and every now and then
        if it has waited and only does not match."""
        notes, waits = self.notes.get(run.pk, {}), self.waits.get(run.pk, [])
        moments = [*waits]
        if len(notes) > len(waits):
            moments.append(self.now + datetime.timedelta(minutes=self.plan.chain.look_minutes))
        if not notes:
            moments.append(self.now + DEAD_END)
        if limit := self.plan.limit_of(run):
            moments.append(limit)
        return Decision(run, next_update=min(moments), problems=notes)


def taking(
    plan: Plan,
    run: ChainRun,
    transition: Transition,
    snapshot: Snapshot | None,
    zone: str,
    now: datetime.datetime,
) -> Decision:
    """That ``run`` takes ``transition`` at ``now``; ``snapshot`` is what its event knows of the
    row, None if it makes no event; ``zone`` is the name of the time zone that the row has now.
    Raises ``TemplateError`` if the event cannot be made."""
    event = event_of(plan, run, transition, snapshot, now) if snapshot is not None else None
    if transition.to_state == DONE:
        return Decision(run, transition, event, Outcome.DONE)
    following = plan.first_look(transition.to_state, now, run.started_at, zone)
    return Decision(run, transition, event, next_update=following, new_zone=zone)


def event_of(
    plan: Plan, run: ChainRun, transition: Transition, snapshot: Snapshot, now: datetime.datetime
) -> Event:
    """The event that ``run`` makes by taking ``transition`` at ``now``. Raises ``TemplateError``
    if it cannot be made."""
    zone, step = plan.chain.zone(run.time_zone), run.steps + 1

    def days_since(moment: datetime.datetime) -> int:
        return (now.astimezone(zone).date() - moment.astimezone(zone).date()).days

    known = {
        "name": plan.chain.name,
        "state": transition.to_state,
        "from_state": run.state,
        "days_in_state": days_since(run.entered_at),
        "days": days_since(run.started_at),
        "step": step,
    }
    event = Event(
        group=transition.group_template.strip(),
        key=run.event_key(step),
        context={**snapshot.context, "chain": known},
        recipient=snapshot.recipient,
        language=snapshot.language,
        time_zone=snapshot.time_zone,
        row_model=plan.source.model._meta.label_lower,
        row_pk=key_text(snapshot.pk),
    )
    if "{" not in transition.group_template:
        return event
    return event.replaced(group=_group(transition.group_template, event))


def _group(template: str, event: Event) -> str:
    group = parse(template).render(template_data(event)).strip()
    if not group:
        raise TemplateError(_("The event group is empty."))
    if len(group) > GROUP_LENGTH:
        raise TemplateError(_("The event group is too long."))
    return group


def conditions_of(rule: Rule) -> list[Any]:
    """Its conditions, read once."""
    prefetch_related_objects([rule], "conditions")
    return list(rule.conditions.all())


def is_of_another_kind(run: ChainRun, source: Source) -> bool:
    """Whether the row of ``run`` is none of ``source``: the chain was about something else."""
    return run.row_model not in ("", source.model._meta.label_lower)


def zones_of(source: Source, pks: Iterable[Any]) -> dict[Any, str]:
    """The names of the time zones of those rows that are there, by primary key. One query."""
    known = set(pks) - {None}
    if not known:
        return {}
    zone = F(source.time_zone) if source.time_zone else Value("")
    found = source.rows([]).filter(pk__in=known).annotate(_run_zone=zone)
    return {pk: zone_name(name) for pk, name in found.values_list("pk", "_run_zone")}


def zone_name(given: Any) -> str:
    """A time zone of a row as it is kept on a run."""
    return str(given or "")[:ZONE_LENGTH]


def primary_key(source: Source, text: str) -> Any:
    """What ``key_text`` wrote as a primary key; None if it cannot be one (any more)."""
    try:
        return key_field(source.model).to_python(text)
    except ValidationError:
        return None


def _moment(local: datetime.datetime) -> str:
    return f"{said_moment(local)} ({local.tzname()})"
