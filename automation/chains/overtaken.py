"""Events of steps that are to reach nobody any more, as their row has reached the goal since."""

import datetime
import logging
import re
from collections import defaultdict
from collections.abc import Sequence

from django.db import connections
from django.utils.translation import gettext as _

from automation.chains.database_errors import in_words, is_busy, raise_if_gone
from automation.chains.deciding import is_of_another_kind, primary_key
from automation.chains.runs import ChainRun
from automation.chains.transitions import Goal
from automation.events.conditions import as_if_without
from automation.events.models import EventRecord
from automation.rules.conditions import spoken
from automation.rules.counting import PATIENCE, in_time
from automation.rules.databases import database

logger = logging.getLogger(__name__)

_KEY = re.compile(r"chain:([0-9]{1,18}):[0-9]+")


def overtaken(events: Sequence[EventRecord], now: datetime.datetime) -> dict[int, str]:
    """Of ``events`` those made by a step of a chain whose row matches its goal at ``now`` (aware),
    each with the reason, by primary key: for ``automation.events.wanted``.

    The goal is asked as if those of ``events`` that the chain made had not happened, so no event
    overtakes itself. A goal that cannot be asked, or takes too long, overtakes nothing. Raises when
    the database is gone, or only others were in the way.
    """
    by_chain = _by_chain(events)
    if not by_chain:
        return {}
    goals = Goal.objects.using(database()).filter(chain__in=by_chain)
    reasons: dict[int, str] = {}
    for goal in goals.select_related("chain").prefetch_related("conditions"):
        made, connected = by_chain[goal.chain_id], connections[database()].connection
        try:
            with as_if_without([event.pk for event, _run in made]):
                reasons |= _arrived(goal, made, now)
        except Exception as error:
            raise_if_gone(error)
            # A connection that broke in a transaction of its own has been replaced already.
            if is_busy(error) or connections[database()].connection is not connected:
                raise
            logger.warning(
                "The goal of the chain %s cannot be asked, what its steps caused goes out: %s",
                goal.chain.slug,
                in_words(error),
            )
    return reasons


def _by_chain(
    events: Sequence[EventRecord],
) -> dict[int, list[tuple[EventRecord, ChainRun]]]:
    """Those of ``events`` that runs of chains in the database made, with the run, by chain."""
    matched = {event.pk: _KEY.fullmatch(event.key) for event in events}
    numbers = {pk: int(match[1]) for pk, match in matched.items() if match}
    if not numbers:
        return {}
    runs = ChainRun.objects.using(database()).filter(pk__in=set(numbers.values()))
    known = {
        run.pk: run for run in runs.exclude(chain=None).only("chain_id", "subject_key", "row_model")
    }
    found: dict[int, list[tuple[EventRecord, ChainRun]]] = defaultdict(list)
    for event in events:
        run = known.get(numbers.get(event.pk, 0))
        # Whoever else gave an event such a key: it is about something else.
        if run is not None and run.chain_id is not None and run.subject_key == event.row_pk:
            found[run.chain_id].append((event, run))
    return found


def _arrived(
    goal: Goal, made: Sequence[tuple[EventRecord, ChainRun]], now: datetime.datetime
) -> dict[int, str]:
    """Those of ``made`` whose row matches ``goal``, with the reason. Raises ``BrokenRule`` and
    ``TooSlow``."""
    conditions = list(goal.conditions.all())
    if not conditions:
        return {}
    source = goal.source_or_error()
    pks = {
        event.pk: primary_key(source, run.subject_key)
        for event, run in made
        if not is_of_another_kind(run, source)
    }
    rows = goal.rows(now).filter(pk__in=set(pks.values()) - {None}).order_by()
    with in_time(rows.db, PATIENCE):
        there = set(rows.values_list("pk", flat=True))
    if not there:
        return {}
    reason = _("“%(chain)s” has reached its goal meanwhile: %(goal)s.") % {
        "chain": goal.chain,
        "goal": spoken(source, conditions),
    }
    return {event: reason for event, pk in pks.items() if pk in there}
