"""Starting chains on events: what the cluster does with each delivery."""

import datetime
from collections.abc import Sequence

from django.db import DatabaseError
from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.chains.chain import State
from automation.chains.entering import NotArmed, NotStarted, start
from automation.chains.starting import ChainStart
from automation.events.delivering import Accepted, Courier, Fail, Later, Prepared, Skip, Wait
from automation.events.states import Cause
from automation.rules.models import BrokenRule

#: For so long a start waits for a chain that is paused at the moment.
PATIENCE = datetime.timedelta(days=3)
PAUSE = datetime.timedelta(minutes=10)


class StartCourier(Courier):
    def begin(self, batch: Sequence[ChainStart]) -> None:
        prefetch_related_objects(batch, "event", "start__chain")

    def prepare(self, delivery: ChainStart) -> Prepared:
        chain, event = delivery.start.chain, delivery.event
        if chain.state == State.PAUSED:
            self._wait(delivery, _("The chain “%(chain)s” is paused.") % {"chain": chain})
        if chain.state != State.ARMED:
            raise Skip(_("The chain “%(chain)s” is not armed.") % {"chain": chain})
        try:
            model = chain.source_or_error().model
        except BrokenRule as error:
            raise Fail(str(error), Cause.ERROR) from error
        if event.row_model != model._meta.label_lower:
            about = event.row_model or _("nothing")
            said = _("The event is about %(found)s, and the chain about %(wanted)s.")
            raise Fail(said % {"found": about, "wanted": model._meta.label_lower}, Cause.ERROR)
        return Prepared()

    def hand_over(self, delivery: ChainStart, prepared: Prepared) -> Accepted:
        now = timezone.now()
        try:
            run = start(delivery.start.chain, delivery.event.row_pk, now, event=delivery.event)
        except NotArmed as error:
            raise Later(str(error)) from error
        except NotStarted as error:
            raise Skip(str(error)) from error
        except DatabaseError as error:
            raise Later(str(error)) from error
        return Accepted(written={"run_id": run.pk})

    def _wait(self, delivery: ChainStart, reason: str) -> None:
        now = timezone.now()
        if now > delivery.created_at + PATIENCE:
            raise Skip(reason, Cause.EXPIRED)
        raise Wait(reason, now + PAUSE)
