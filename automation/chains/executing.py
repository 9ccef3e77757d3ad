"""Executing a run of a chain in code: which transition is valid, and taking it.

1. The run is taken for this process until a lease runs out, so that a process that dies keeps
   nobody away for ever.
2. The transitions are asked, outside of any transaction: they are other people's code.
3. In one transaction, and only while the run is still ours: its new state, the step in its history,
   the event with all that it causes, the callback. All of it or nothing.
"""

import datetime
import logging
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, router, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.chains.code import (
    ChainError,
    Disabled,
    Execution,
    Locked,
    NextUpdate,
    NotDue,
    Transition,
    UnknownChain,
    UnknownState,
    zone_of,
)
from automation.chains.names import DONE, Outcome
from automation.chains.registry import Callback, CodeChain, code_chains, takes_time
from automation.chains.runs import ChainRun, ChainStep, key_is_taken, who
from automation.events.claims import unlocked
from automation.events.models import EventRecord
from automation.events.recording import Writer, moment
from automation.rules import conf
from automation.rules.dates import at, said_moment

logger = logging.getLogger(__name__)

_FREE: dict[str, Any] = {"lease_token": None, "lease_until": None, "deaths": 0}

#: The runs whose callbacks are at work here.
_calling_back: ContextVar[frozenset[int]] = ContextVar("calling_back", default=frozenset())


@dataclass(frozen=True)
class Wanted:
    """How a run is to be executed; ``now`` is aware."""

    now: datetime.datetime
    context: Mapping[str, Any] | None = None
    callback: Callback | None = None
    callback_kwargs: Mapping[str, Any] = field(default_factory=dict)
    requested_by: Any = ""


def execute(run: ChainRun, wanted: Wanted, *, dry_run: bool, force: bool) -> Execution:
    """See ``ChainRun.execute``."""
    moment(wanted.now)
    chain = chain_of(run)
    fresh = ChainRun.objects.get(pk=run.pk)
    if fresh.is_over:
        _show(fresh, run)
        return Execution(run, fresh.state, fresh.state, dry_run=dry_run)
    if fresh.pk in _calling_back.get() and not dry_run:
        raise ChainError(_executes_itself())
    _make_sure_that_it_may(fresh, wanted.now, force)
    if dry_run:
        if not _free(fresh).exists():
            raise Locked(_locked())
        return _decide(chain, fresh, wanted, dry_run=True)
    token = _take(fresh)
    execution = execute_taken(chain, fresh, token, wanted)
    _show(fresh, run)
    return execution


def chain_of(run: ChainRun) -> CodeChain:
    """Raises ``UnknownChain``."""
    if not run.chain_type:
        raise UnknownChain(
            _("“%(run)s” is on a chain that was built in the admin: the cluster moves it on.")
            % {"run": run}
        )
    return code_chains.get(run.chain_type)


def execute_taken(chain: CodeChain, run: ChainRun, token: uuid.UUID, wanted: Wanted) -> Execution:
    """Execute ``run``, which was taken with ``token`` and is as it is in the database. Raises what
    the code of the chain raises; in the database the run is free then, and as it was."""
    try:
        found = _decide(chain, run, wanted)
        become = _move if found.moved else _stay
        return become(chain, found, token, wanted)
    except BaseException:
        _give_back(token)
        raise


# Whether it may --------------------------------------------------------------------------


def _make_sure_that_it_may(run: ChainRun, now: datetime.datetime, force: bool) -> None:
    if run.is_paused:
        raise Disabled(_("“%(run)s” is paused.") % {"run": run})
    if run.not_before is not None and run.not_before > now and not force:
        local = run.not_before.astimezone(zone_of(run))
        raise NotDue(
            _("“%(run)s” is not to be looked at before %(when)s.")
            % {"run": run, "when": said_moment(local)},
            run.not_before,
        )


def _locked() -> str:
    return _("Another process has this run at the moment. Try again later.")


def _free(run: ChainRun) -> Any:
    """The run, if it is free and still as it was read."""
    free = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    known = {"pk": run.pk, "steps": run.steps, "ended_at": None, "is_paused": False}
    return ChainRun.objects.filter(free, **known)


def _take(run: ChainRun) -> uuid.UUID:
    """Raises ``Locked`` instead of waiting for another process."""
    token, database = uuid.uuid4(), router.db_for_write(ChainRun)
    with transaction.atomic(using=database):
        free = unlocked(_free(run).using(database))
        taken = bool(free.values_list("pk")) and _free(run).using(database).update(
            lease_token=token, lease_until=lease()
        )
    if not taken:
        raise Locked(_locked())
    return token


def lease() -> datetime.datetime:
    """Until when what is taken now is held, by the clock of the wall."""
    return timezone.now() + datetime.timedelta(seconds=conf.get().DELIVERY_LEASE)


def _give_back(token: uuid.UUID) -> None:
    try:
        ChainRun.objects.give_back(token)
    except (DatabaseError, transaction.TransactionManagementError):
        # In a broken transaction of the caller, which takes the lease back with all the rest; if
        # the database is gone, the lease runs out.
        logger.warning("A run of a chain could not be given back", exc_info=True)


# What becomes of it ----------------------------------------------------------------------


def _decide(chain: CodeChain, run: ChainRun, wanted: Wanted, dry_run: bool = False) -> Execution:
    if run.state not in chain.transitions:
        raise UnknownState(
            _("The chain %(chain)s has no state “%(state)s” (any more).")
            % {"chain": chain.name, "state": run.state}
        )
    context = chain.context_for(run) if wanted.context is None else wanted.context
    errors: dict[str, list[str]] = {}
    for declared in chain.transitions[run.state]:
        transition = declared(run, context, wanted.now)
        if transition.is_valid():
            return Execution(
                run, transition.final_state, run.state, transition, errors, dry_run=dry_run
            )
        errors[str(transition)] = [str(error) for error in transition.errors]
    return Execution(run, run.state, run.state, None, errors, dry_run)


def _stay(chain: CodeChain, found: Execution, token: uuid.UUID, wanted: Wanted) -> Execution:
    said = {name: list(why) or [_("It is not valid yet.")] for name, why in found.errors.items()}
    following = wanted.now + chain.look_every if chain.look_every is not None else None
    not_before = found.run.not_before
    if not_before is not None and not_before > wanted.now:  # it was looked at by force
        following = not_before
    else:
        not_before = None
    _write(
        found.run,
        token,
        problems=said,
        looked_at=wanted.now,
        not_before=not_before,
        next_update=following,
    )
    return found


def _move(chain: CodeChain, found: Execution, token: uuid.UUID, wanted: Wanted) -> Execution:
    run, transition = found.run, found.transition
    assert transition is not None
    database = router.db_for_write(EventRecord)
    with transaction.atomic(using=database):
        _write(run, token, **_moved(chain, run, transition, wanted.now))
        event = transition.build_event()
        step = ChainStep.objects.create(
            run=run,
            from_state=found.from_state,
            to_state=run.state,
            at=wanted.now,
            transition=str(transition),
            requested_by=who(wanted.requested_by),
            event=_recorded(run, transition, event, wanted.now) if event else None,
        )
        with _step_of(run):
            _call_back(chain, transition, wanted)
        if transaction.get_rollback(using=database):
            raise ChainError(
                _("Its callback kept an error of the database to itself, so nothing of this step "
                  "could be written. Let it raise, or put transaction.atomic() around what may "
                  "fail.")
            )  # fmt: skip
    return Execution(run, run.state, found.from_state, transition, found.errors, step=step)


def _moved(
    chain: CodeChain, run: ChainRun, transition: Transition, now: datetime.datetime
) -> dict[str, Any]:
    """What is written of ``run`` when it takes ``transition``."""
    ends = transition.final_state == DONE
    not_before = None if ends else moment_of(transition.next_update, run, now)
    following = not_before
    if chain.look_every is not None and not ends and (not_before is None or not_before <= now):
        # What says that it takes time takes some, also when it does not know how much.
        following = now + chain.look_every if takes_time(type(transition)) else now
    return {
        "state": transition.final_state,
        "entered_at": now,
        "steps": run.steps + 1,
        "problems": {},
        "looked_at": now,
        "not_before": not_before,
        "next_update": following,
        "ended_at": now if ends else None,
        "outcome": Outcome.DONE if ends else "",
    }


def _write(run: ChainRun, token: uuid.UUID, **values: Any) -> None:
    """Write ``values`` into the run, in the database and here, and let it go. Raises ``Locked`` if
    another process has taken it over."""
    values = {**values, **_FREE}
    if not ChainRun.objects.filter(pk=run.pk, lease_token=token).update(**values):
        raise Locked(
            _("It took so long that another process has taken this run over. Nothing was changed.")
        )
    for name, value in values.items():
        setattr(run, name, value)


def _recorded(
    run: ChainRun, transition: Transition, event: Any, now: datetime.datetime
) -> EventRecord | None:
    """Record ``event`` with all that it causes. One with a key of the code's own happens once,
    whoever makes it. Raises ``ChainError`` if somebody else has the key of this step."""
    own = run.event_key(transition.step)
    if not event.key:
        event = event.replaced(key=own)
    writer = Writer(now=now)
    writer.write([event])
    found = EventRecord.objects.filter(recording=writer.recording.id).first()
    if found is None and event.key == own:
        raise ChainError(key_is_taken(own))
    return found


@contextmanager
def _step_of(run: ChainRun) -> Iterator[None]:
    """Inside, ``run`` is not executed again: its step is not written yet."""
    before = _calling_back.set(_calling_back.get() | {run.pk})
    try:
        yield
    finally:
        _calling_back.reset(before)


def _executes_itself() -> str:
    return _(
        "A callback cannot execute its own run: the step is not written yet. Execute it again when "
        "execute() has returned."
    )


def _call_back(chain: CodeChain, transition: Transition, wanted: Wanted) -> None:
    """The transition's own callback, or else the one given, or that of the chain; at the end of a
    chain only its own."""
    own = getattr(transition, "callback", None)
    given = wanted.callback if wanted.callback is not None else chain.callback
    if own is not None:
        own(**wanted.callback_kwargs)
    elif given is not None and transition.final_state != DONE:
        given(transition, **wanted.callback_kwargs)


def moment_of(
    given: NextUpdate | None, run: ChainRun, now: datetime.datetime
) -> datetime.datetime | None:
    """The moment (UTC) that a transition means by its ``next_update``; a day begins in the time
    zone of the run. Raises ``TypeError`` and ``ValueError`` for what is none."""
    if given is None:
        return None
    if isinstance(given, datetime.timedelta):
        return now.astimezone(datetime.UTC) + given
    if isinstance(given, datetime.datetime):
        if timezone.is_naive(given):
            raise ValueError(f"next_update has no time zone: {given!r}.")
        return given.astimezone(datetime.UTC)
    if isinstance(given, datetime.date):
        return at(given, datetime.time(), zone_of(run))
    raise TypeError(f"next_update is a datetime, a date or a timedelta, and not {given!r}.")


def _show(fresh: ChainRun, run: ChainRun) -> None:
    """Let the caller's ``run`` be as it is in the database now."""
    for each in ChainRun._meta.concrete_fields:
        setattr(run, each.attname, getattr(fresh, each.attname))
