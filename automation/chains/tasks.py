"""What the cluster calls for chains."""

import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from automation.chains import advancing, entering, executing_due
from automation.chains.chain import Chain, State
from automation.chains.runs import ChainRun
from automation.events import bell
from automation.rules.databases import database
from automation.rules.keys import key_text
from automation.rules.sources import Source, sources

ADVANCE_TASK = "automation.chains.tasks.advance"
ENTER_TASK = "automation.chains.tasks.enter"
CODE_TASK = "automation.chains.tasks.execute_due"
LOOK_TASK = "automation.chains.tasks.look"


def ring_for_chains(now: datetime.datetime, **kwargs: Any) -> None:
    """Ring if runs are due, and for each chain that is to look for new rows."""
    for pk in list(Chain.objects.entering(now).order_by("next_entry_at").values_list("pk")):
        bell.enqueue(ENTER_TASK, *pk)
    if advancing.due_chains(now).exists():
        bell.enqueue(ADVANCE_TASK)


def advance() -> None:
    """Advance what is due, for a bounded time; what is left is another task.

    A full chunk may not be the last one: another worker is called to help.
    """

    def ring() -> None:
        bell.enqueue(ADVANCE_TASK)

    done = advancing.work(on_full=ring)
    if any(each.unfinished for each in done.values()):
        ring()


def ring_for_code(now: datetime.datetime, **kwargs: Any) -> None:
    """Ring if runs of chains in code are due."""
    if executing_due.due(now):
        bell.enqueue(CODE_TASK)


def execute_due() -> None:
    """Execute the runs of chains in code that are due, for a bounded time; the next tick rings for
    the rest."""
    executing_due.work()


def enter(pk: int) -> None:
    """Let new rows into the chain if it is (still) time; who need not wait goes on at once."""
    now = timezone.now()
    chain = Chain.objects.entering(now).filter(pk=pk).first()
    if chain is not None and (found := entering.enter(chain, now)) and found.new:
        bell.enqueue(ADVANCE_TASK)


def row_saved(sender: Any, instance: Any, using: str, raw: bool = False, **kwargs: Any) -> None:
    """Ring for those on their way whose row was saved, when it is committed. Whoever saves it is
    not to suffer for us: what goes wrong stands in the log, and they are looked at in time."""
    keys = sources.keys_of(instance)
    if raw or not keys or using != database():
        return

    def ring() -> None:
        rows = {(_model(each), key_text(keys[each.key])) for each in sources if each.key in keys}
        for model, key in rows:
            if _sleeping(_about(model), key, timezone.now()).exists():
                bell.enqueue(LOOK_TASK, model, key)

    transaction.on_commit(ring, using=using, robust=True)


def look(model: str, key: str) -> None:
    """Look at the runs of one row now."""
    now = timezone.now()
    if _sleeping(_about(model), key, now).wake(now):
        advance()


def _model(source: Source) -> str:
    """The model whose rows ``source`` is about; of a proxy that behind it."""
    concrete: Any = source.model._meta.concrete_model
    return str(concrete._meta.label_lower)


def _about(model: str) -> list[str]:
    return [source.key for source in sources if _model(source) == model]


def _sleeping(keys: list[str], key: str, now: datetime.datetime) -> Any:
    """The runs of one row that are on their way, and not to be looked at yet."""
    runs = ChainRun.objects.filter(chain__source__in=keys, chain__state=State.ARMED)
    return runs.filter(subject_key=key, next_update__gt=now)
