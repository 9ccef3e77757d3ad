"""Executing the runs of chains in code whose time has come, by the cluster.

Only those of chains that were registered with ``look_every``. Each run is executed by itself, as
code decides about each; one that fails stops no other.
"""

import datetime
import logging
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import Q, QuerySet, prefetch_related_objects
from django.utils import timezone

from automation.chains.advancing import Advanced
from automation.chains.code import ChainError, Execution
from automation.chains.database_errors import in_words, is_busy, raise_if_gone
from automation.chains.executing import Wanted, execute_taken, lease
from automation.chains.registry import CodeChain, code_chains
from automation.chains.runs import ChainRun
from automation.events.recording import moment

logger = logging.getLogger(__name__)

#: How many runs a worker claims at once: their code may take its time.
CHUNK = 20

#: For how long a worker goes on by default, in seconds.
SECONDS = 120

#: When a run is tried again that others were in the way of.
SOON = datetime.timedelta(minutes=1)


def due(now: datetime.datetime) -> bool:
    """Whether the cluster has something to execute at ``now`` (aware). A query for each chain in
    code that it executes, which reads the index of what is due."""
    return any(due_of(chain, now).exists() for chain in code_chains.automatic)


def due_of(chain: CodeChain, now: datetime.datetime) -> QuerySet[ChainRun]:
    """The runs of ``chain`` that are to be looked at, and that no living worker has."""
    free = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    return ChainRun.objects.filter(free, chain_type=chain.name, next_update__lte=now)


def work(
    now: datetime.datetime | None = None,
    *,
    chains: Iterable[CodeChain] | None = None,
    seconds: float = SECONDS,
    progress: Callable[[CodeChain, Advanced], Any] | None = None,
) -> dict[str, Advanced]:
    """Execute what is due at ``now`` (aware; None: at each moment as it comes), of ``chains`` or
    all that the cluster executes, until nothing is left or ``seconds`` are over. Any number of
    workers at once share the work. Returns what came of it by the name of the chain; ``error`` is
    the last one. Raises only when the database is gone, and ``ValueError`` for a naive ``now``."""
    now = now and moment(now)
    end = time.monotonic() + seconds
    found: dict[str, Advanced] = {}
    ChainRun.objects.sweep()
    for chain in code_chains.automatic if chains is None else chains:
        total = Advanced()
        while time.monotonic() < end and _work_on_some(chain, now, total):
            found[chain.name] = total
            if progress is not None:
                progress(chain, total)
    return found


def foresee(chain: CodeChain, now: datetime.datetime) -> Advanced:
    """What would come of the runs of ``chain`` that are due. Nothing is written."""
    found = Advanced()
    for run in due_of(chain, now).prefetch_related("resources").iterator(chunk_size=CHUNK):
        try:
            _count(found, run.execute(now=now, dry_run=True))
        except ChainError as error:
            found.error = str(error)
        except Exception as error:
            found.error = in_words(error)
    return found


def _work_on_some(chain: CodeChain, now: datetime.datetime | None, total: Advanced) -> bool:
    """Whether there was something to do."""
    runs = ChainRun.objects.filter(chain_type=chain.name)
    claimed = runs.claim(now or timezone.now(), CHUNK)
    if not claimed:
        return False
    token = claimed[0].lease_token
    prefetch_related_objects(claimed, "resources")
    try:
        for run in claimed:
            if own := _take_over(run, token):
                _execute_one(chain, run, own, now or timezone.now(), total)
    except BaseException:
        _give_back(token)
        raise
    return True


def _take_over(run: ChainRun, token: uuid.UUID) -> uuid.UUID | None:
    """A token for this run alone, if it is still ours after the others took their time."""
    own = uuid.uuid4()
    mine = ChainRun.objects.filter(pk=run.pk, lease_token=token)
    return own if mine.update(lease_token=own, lease_until=lease()) else None


def _execute_one(
    chain: CodeChain, run: ChainRun, token: uuid.UUID, now: datetime.datetime, total: Advanced
) -> None:
    if run.not_before is not None and run.not_before > now:
        # Somebody has woken it: it sleeps on.
        ChainRun.objects.held(token).update(next_update=run.not_before)
        _give_back(token)
        return
    steps = run.steps
    try:
        _count(total, execute_taken(chain, run, token, Wanted(now)))
    except Exception as error:
        raise_if_gone(error)
        logger.error("The run %s of the chain %s failed", run.pk, chain.name, exc_info=error)
        total.looked_at += 1
        total.error = in_words(error)
        following = now + SOON if is_busy(error) else now + (chain.look_every or SOON)
        _note_failure(run.pk, steps, total.error, now, following)


def _count(total: Advanced, execution: Execution) -> None:
    total.looked_at += 1
    total.moved += execution.moved
    if execution.transition is not None:
        total.steps[str(execution.transition)] += 1
        total.events += execution.step is not None and execution.step.event_id is not None
        if execution.run.outcome:
            total.ended[execution.run.outcome] += 1


def _note_failure(
    pk: int, steps: int, said: str, now: datetime.datetime, following: datetime.datetime
) -> None:
    """Say on the run what went wrong; it is tried again at ``following``. Not on one that another
    process has by now."""
    ChainRun.objects.filter(
        pk=pk, steps=steps, ended_at=None, is_paused=False, lease_until=None
    ).update(problems={"": [said]}, looked_at=now, next_update=following, deaths=0)


def _give_back(token: uuid.UUID) -> None:
    try:
        ChainRun.objects.give_back(token)
    except (OperationalError, InterfaceError):
        logger.exception("Runs of a chain could not be given back; their claim runs out")
