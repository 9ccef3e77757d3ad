"""Coming into a chain: by its own rule, because of an event, or because somebody wants it.

The number of a run says how manieth time its row is on the chain; row, chain and number are unique,
so whatever runs at once, nobody comes in twice at a time.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, router, transaction
from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from automation.chains.chain import Chain, Reentry, State
from automation.chains.claiming import CHUNK
from automation.chains.deciding import Plan, zone_name
from automation.chains.failing import note_failure, note_success
from automation.chains.names import NEW
from automation.chains.runs import ChainRun, who
from automation.events.inserting import insert_rows
from automation.events.models import EventRecord
from automation.events.recording import moment
from automation.rules import conf
from automation.rules.keys import key_expression, key_field, key_text
from automation.rules.models import BrokenRule
from automation.rules.sources import Source

#: How often a row tries to come in while others of it come in at the same moment.
TRIES = 20


class NotStarted(Exception):
    """A row did not come into a chain; the reason is for people."""


class NotArmed(NotStarted):
    """The chain lets nobody in for now."""


@dataclass
class Entered:
    """What came of looking for new rows: how many came in, and the error that stopped it."""

    new: int = 0
    error: str = ""


def enter(chain: Chain, now: datetime.datetime) -> Entered | None:
    """Let in whoever matches the entry of ``chain`` at ``now`` (aware) and may come in.

    Idempotent; set-based, chunk by chunk, each only while the chain is armed. None if another
    worker is at it, or the chain is not armed. A rule that cannot be asked pauses the chain with
    the reason. Raises ``ValueError`` for a naive ``now``.
    """
    now = moment(now)
    if not chain.claim_entry():
        return None
    found = Entered()
    try:
        for count in _chunks(chain, now):
            found.new += count
    except BrokenRule as error:
        found.error = str(error)
        chain.stop(found.error, Q(lease_token=chain.lease_token))
    except Exception as error:
        found.error = note_failure(chain, error, "entry_failures")
    else:
        note_success(chain, "entry_failures")
    finally:
        chain.finish_entry(now)
    return found


def candidates(chain: Chain, now: datetime.datetime) -> QuerySet[Any] | None:
    """The rows that would come into ``chain`` by its own rule at ``now``; None if it has none.
    Raises ``BrokenRule``."""
    entry = chain.entry_rule()
    return None if entry is None else newcomers(chain, entry.rows(now))


def newcomers(chain: Chain, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those of ``rows`` that may come into ``chain`` by its own rule, as they match it."""
    runs = _runs_of_row(chain)
    keeps_out = {
        Reentry.NEVER: Q(),
        Reentry.AFTER_DONE: Q(ended_at=None) | Q(has_left=False),
        Reentry.ALWAYS: Q(has_left=False),
    }[Reentry(chain.reentry)]
    # Not EXISTS: PostgreSQL makes a join of that, and a table that it knows nothing of yet it
    # then reads through for each row, as long as the first ones come in.
    kept_out_by = Subquery(runs.filter(keeps_out).order_by().values("pk")[:1])
    return rows.alias(_kept_out_by=kept_out_by).filter(_kept_out_by=None)


def _runs_of_row(chain: Chain) -> QuerySet[Any]:
    """For a subquery about rows: the runs of each."""
    model = chain.source_or_error().model
    key = key_expression(model, OuterRef("pk"))
    return ChainRun.objects.filter(chain=chain, subject_key=key)


def _chunks(chain: Chain, now: datetime.datetime) -> Any:
    """Let in one chunk after the other; gives how many came in each time."""
    rows = candidates(chain, now)
    if rows is None:
        return
    plan = Plan(chain)
    if chain.reentry != Reentry.NEVER:
        _note_who_left(chain, now)
    size, last, database = conf.get().RECORD_CHUNK, None, router.db_for_write(ChainRun)
    while True:
        following = rows if last is None else rows.filter(pk__gt=last)
        read = _read(chain, plan.source, following)[:size]
        with transaction.atomic(using=database):
            found = list(read)
            if not found:
                return
            last = found[-1][0]
            new = _insert(plan, found, now)
            # Whatever changes a chain pauses it: so nothing of this was read half changed.
            if not chain.renew_entry():
                transaction.set_rollback(True, using=database)
                return
        yield new
        if len(found) < size:
            return


def _read(chain: Chain, source: Source, rows: QuerySet[Any]) -> Any:
    """Primary key, time zone, and the number of the last run of each of ``rows``, in order."""
    zone = F(source.time_zone) if source.time_zone else models.Value("")
    last: Any = models.Value(0)
    if chain.reentry != Reentry.NEVER:
        runs = _runs_of_row(chain).order_by().values("subject_key")
        last = Coalesce(Subquery(runs.annotate(last=Max("number")).values("last")), 0)
    named = rows.annotate(_run_zone=zone, _run_number=last)
    return named.order_by("pk").values_list("pk", "_run_zone", "_run_number")


def _insert(
    plan: Plan, found: Sequence[tuple[Any, Any, int]], now: datetime.datetime, **constants: Any
) -> int:
    """Write a run for each row of ``found``: primary key, time zone, number of its last run.
    Returns how many were new."""
    looks: dict[str, datetime.datetime] = {}
    rows = []
    for pk, zone, last in found:
        zone = zone_name(zone)
        if zone not in looks:
            looks[zone] = plan.first_look(NEW, now, now, zone)
        key = key_text(pk)
        rows.append((key, key, zone, last + 1, looks[zone]))
    columns = ("subject_key", "row_pk", "time_zone", "number", "next_update")
    return insert_rows(
        ChainRun,
        columns,
        rows,
        {
            "chain_id": plan.chain.pk,
            "row_model": plan.source.model._meta.label_lower,
            "state": NEW,
            "entered_at": now,
            "started_at": now,
            "problems": {},
            **constants,
        },
    )


def _note_who_left(chain: Chain, now: datetime.datetime) -> None:
    """Note whose row does not match the entry any more: it may match anew."""
    entry = chain.entry_rule()
    if entry is None:
        return
    matching = entry.rows(now).order_by()
    keys = matching.annotate(_key=key_expression(entry.source_or_error().model))
    here = ChainRun.objects.filter(chain=chain, has_left=False).order_by()
    # EXCEPT sorts or hashes both sides, whatever PostgreSQL knows of them. Of NOT EXISTS and NOT IN
    # it reads through all rows for each run when it takes them for few.
    left = iter(here.values_list("subject_key").difference(keys.values_list("_key")))
    while some := [key for (key,) in islice(left, CHUNK)]:
        here.filter(subject_key__in=some).change({"has_left": True})


# One row ----------------------------------------------------------------------------------


def start(
    chain: Chain,
    row: Any,
    now: datetime.datetime,
    *,
    requested_by: Any = "",
    event: EventRecord | None = None,
) -> ChainRun:
    """Let one row (or what its primary key is) come in at ``now`` (aware). Raises ``NotArmed``,
    ``NotStarted``. With ``event`` it is idempotent: an event lets a row in once."""
    now = moment(now)
    source = chain.source_or_error()
    pk = _primary_key(source, row)
    if event is not None and (made := _started_by(chain, event)):
        return made
    known = {"started_by_id": event.pk if event else None, "requested_by": who(requested_by)}
    for _try in range(TRIES):
        number = _try_to_start(chain, source, pk, now, known)
        if event is not None and (made := _started_by(chain, event)):
            return made
        if number is not None:
            started: ChainRun = ChainRun.objects.get(
                chain=chain, subject_key=key_text(pk), number=number
            )
            return started
    raise NotStarted(_("Another one came in at the same moment."))


def _try_to_start(
    chain: Chain, source: Source, pk: Any, now: datetime.datetime, known: dict[str, Any]
) -> int | None:
    """The number of the new run; None if another one came in at the same moment. Raises
    ``NotArmed``, ``NotStarted``."""
    with transaction.atomic(using=router.db_for_write(ChainRun)):
        if not Chain.objects.filter(pk=chain.pk, state=State.ARMED).exists():
            raise NotArmed(_("The chain “%(chain)s” is not armed.") % {"chain": chain})
        found = list(_read(chain, source, source.rows([]).filter(pk=pk)))
        if not found:
            said = _("There is no %(kind)s %(row)s.")
            raise NotStarted(said % {"kind": source.model._meta.verbose_name, "row": key_text(pk)})
        last = _make_sure_that_it_may(chain, key_text(pk))
        new = _insert(Plan(chain), [(pk, found[0][1], last)], now, **known)
    return last + 1 if new else None


def _started_by(chain: Chain, event: EventRecord) -> ChainRun | None:
    found: ChainRun | None = ChainRun.objects.filter(chain=chain, started_by=event).first()
    return found


def _make_sure_that_it_may(chain: Chain, key: str) -> int:
    """The number of the last run of the row. Raises ``NotStarted`` if there must be no other."""
    runs = ChainRun.objects.filter(chain=chain, subject_key=key).order_by("-number")
    last = runs.first()
    if last is None:
        return 0
    if chain.reentry == Reentry.NEVER:
        raise NotStarted(_("It was on this chain before, and nobody comes in again."))
    if chain.reentry == Reentry.AFTER_DONE and runs.filter(ended_at=None).exists():
        raise NotStarted(_("It is on its way already."))
    return int(last.number)


def _primary_key(source: Source, row: Any) -> Any:
    if isinstance(row, models.Model):
        if not isinstance(row, source.model):
            raise NotStarted(
                _("This chain is about %(source)s, and this is not one of them: %(row)s.")
                % {"source": source, "row": row}
            )
        return row.pk
    try:
        return key_field(source.model).to_python(row)
    except ValidationError as error:
        raise NotStarted(
            _("“%(row)s” is no primary key of %(source)s.") % {"row": row, "source": source}
        ) from error
