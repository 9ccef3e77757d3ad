"""Who works at which runs, and what people decide about them.

A run is claimed by a worker until its lease runs out; all that it then writes is written in one
transaction, and only while the claim is still its own. So a worker that dies at any moment has
either done all of a step or nothing of it.
"""

import datetime
import logging
import uuid
from collections.abc import Iterable
from itertools import islice
from typing import Any, Self

from django.db import connections, models, router, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.chains.names import DONE, Outcome
from automation.events.claims import locked
from automation.events.recording import moment
from automation.rules import conf

logger = logging.getLogger(__name__)

#: How many runs a worker claims, and looks at in one transaction.
CHUNK = 1_000

#: A run is paused when so many workers died while they had it, the last ones nothing else.
MOST_DEATHS = 6

#: After so many workers that died of it, or failed with it, a run is taken by itself.
ALONE = 3

FREE: dict[str, Any] = {"lease_token": None, "lease_until": None}


class ChainRunQuerySet(models.QuerySet[Any]):
    def due(self, now: datetime.datetime) -> Self:
        """Those to be looked at, and that no worker has, the longest waiting first."""
        return self.filter(next_update__lte=now, lease_until=None).order_by("next_update", "pk")

    def on_their_way(self) -> Self:
        return self.filter(ended_at=None)

    def held(self, token: uuid.UUID) -> Self:
        """Those that are claimed with ``token``. Who sleeps is not read for that."""
        return self.filter(lease_token=token, lease_until__isnull=False)

    def claim(self, now: datetime.datetime, limit: int | None = None) -> list[Any]:
        """Take up to ``limit`` (``CHUNK``) of these that are due at ``now`` (aware), for this
        worker, until the lease runs out by the clock of the wall. Committed before it returns.

        Those that a worker died of, perhaps, are taken by themselves and ever fewer at a time.
        """
        token = uuid.uuid4()
        database = router.db_for_write(self.model)
        most = min(CHUNK, limit or CHUNK)
        with transaction.atomic(using=database):
            due = self.using(database).due(now)
            chosen = locked(due, lambda deaths: max(most // 10**deaths, 1))
            self.model._base_manager.using(database).filter(pk__in=chosen, lease_until=None).update(
                lease_token=token, lease_until=_lease()
            )
        mine = self.model._default_manager.using(database).filter(pk__in=chosen, lease_token=token)
        return list(mine.order_by("pk"))

    def give_back(self, token: uuid.UUID) -> int:
        """Let others have what was claimed with ``token``; nothing is wrong with it."""
        return self.held(token).change(FREE)

    def sweep(self) -> int:
        """Free what dead workers had; returns how many runs. One that its workers die of is
        paused. Whoever holds the lock of a run lives, however long it takes."""
        over = self.filter(lease_until__lt=timezone.now())
        said = _("Each worker that had it died, %(count)d of them.") % {"count": MOST_DEATHS}
        stopped = {"is_paused": True, "next_update": None, "deaths": 0, "problems": {"": [said]}}
        killers = over.filter(deaths__gte=MOST_DEATHS - 1).change(
            {**FREE, **stopped}, skip_locked=True
        )
        if killers:
            logger.warning("%d runs of chains killed their workers and are paused", killers)
        return killers + over.change({**FREE, "deaths": F("deaths") + 1}, skip_locked=True)

    def wake(self, now: datetime.datetime) -> int:
        """Let those of these that sleep be looked at from ``now`` (aware) on, and those in code
        that began before the cluster executed their chain."""
        now = moment(now)
        never = Q(next_update=None, ended_at=None, is_paused=False, chain=None)
        asleep = Q(next_update__gt=now) | never & _looked_at_by_the_cluster()
        return self.filter(asleep).change({"next_update": now})

    def look_anew(self, now: datetime.datetime) -> int:
        """Let these, unless they are paused, be looked at from ``now`` (aware) on, and take them
        from the workers that have them. Waits for whoever has one of them take a step."""
        now = moment(now)
        soon = Case(When(next_update__gt=now, then=Value(now)), default=F("next_update"))
        meant = self.filter(Q(lease_until__isnull=False) | Q(next_update__isnull=False))
        return meant.change({**FREE, "next_update": soon})

    def change(
        self,
        values: dict[str, Any],
        pks: Iterable[int] | None = None,
        *,
        skip_locked: bool = False,
    ) -> int:
        """Write ``values`` into these (those of ``pks``, if they are given), some at a time and
        each time locked in the order of primary keys: so whoever writes to the same runs waits,
        and nobody locks the other out. With ``skip_locked`` those are left out that somebody
        writes to. Returns how many they were."""
        database, changed = router.db_for_write(self.model), 0
        every = self.model._base_manager.using(database)
        skips = skip_locked and connections[database].features.has_select_for_update_skip_locked
        meant = self.values_list("pk", flat=True) if pks is None else pks
        remaining = iter(sorted(set(meant)))
        while some := list(islice(remaining, CHUNK)):
            with transaction.atomic(using=database):
                held = every.filter(pk__in=some).select_for_update(skip_locked=skips)
                locked = list(held.order_by("pk").values_list("pk", flat=True))
                changed += self.using(database).filter(pk__in=locked).update(**values)
        return changed

    # What people decide ----------------------------------------------------------------------

    def pause(self) -> int:
        """Leave these where they are until they are resumed. Returns how many it was for."""
        going = self.filter(ended_at=None, is_paused=False)
        return going.change({"is_paused": True, "next_update": None, **FREE})

    def resume(self, now: datetime.datetime) -> int:
        """Let paused ones go on; they are looked at from ``now`` (aware) on."""
        now = moment(now)
        paused = self.filter(ended_at=None, is_paused=True)
        following = Case(When(_looked_at_by_the_cluster(), then=Value(now)), default=None)
        going = {"is_paused": False, "next_update": following, "deaths": 0, "problems": {}}
        return paused.change({**going, **FREE})

    def cancel(self, now: datetime.datetime) -> int:
        """End these where they are, at ``now`` (aware). Returns for how many that was possible."""
        ended = {"ended_at": moment(now), "outcome": Outcome.CANCELLED, "next_update": None}
        return self.filter(ended_at=None).change({**ended, "is_paused": False, **FREE})

    def move(
        self, to_state: str, now: datetime.datetime, requested_by: Any = "", note: str = ""
    ) -> int:
        """Put these into another state at ``now`` (aware), whatever leads there; no event is made
        by that. Those that are there already, or have ended, stay as they are. Returns how many
        moved."""
        now = moment(now)
        moved, remaining = 0, iter(sorted(self.filter(ended_at=None).values_list("pk", flat=True)))
        while pks := list(islice(remaining, CHUNK)):
            moved += self._move_some(pks, to_state, now, requested_by, note)
        return moved

    def _move_some(
        self, pks: list[int], to_state: str, now: datetime.datetime, requested_by: Any, note: str
    ) -> int:
        from automation.chains.runs import ChainStep, who

        database = router.db_for_write(self.model)
        ends = to_state == DONE
        ended = {"ended_at": now, "outcome": Outcome.DONE, "next_update": None, "is_paused": False}
        over = ended if ends else {}
        with transaction.atomic(using=database):
            runs = self.model._base_manager.using(database).filter(pk__in=pks, ended_at=None)
            held = runs.exclude(state=to_state).select_for_update()
            before = list(held.order_by("pk").values_list("pk", "state"))
            going = runs.filter(pk__in=[pk for pk, _state in before])
            changed = {
                "state": to_state,
                "entered_at": now,
                "steps": F("steps") + 1,
                "problems": {},
                "not_before": None,
            }
            going.update(**changed, **FREE, **over)
            if not ends:
                awake = going.filter(_looked_at_by_the_cluster(), is_paused=False)
                awake.update(next_update=now)
            ChainStep.objects.using(database).bulk_create(
                ChainStep(
                    run_id=pk, from_state=state, to_state=to_state, at=now,
                    requested_by=who(requested_by), note=note,
                )
                for pk, state in before
            )  # fmt: skip
        return len(before)


def _looked_at_by_the_cluster() -> Q:
    """Every run but those of chains in code that are executed by code alone."""
    from automation.chains.registry import code_chains

    return Q(chain__isnull=False) | Q(chain_type__in=[each.name for each in code_chains.automatic])


def _lease() -> datetime.datetime:
    return timezone.now() + datetime.timedelta(seconds=conf.get().DELIVERY_LEASE)
