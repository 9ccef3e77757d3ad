"""Calling queued listeners in the cluster."""

import datetime
import logging
from collections.abc import Sequence

from django.conf import settings
from django.db import router
from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.events.declared import unharmed
from automation.events.delivering import Accepted, Courier, Fail, Later, Prepared, Wait
from automation.events.dispatch import listeners
from automation.events.listeners.calls import ListenerCall, reason
from automation.events.states import Cause

logger = logging.getLogger(__name__)

#: A listener may take as long as a task of the cluster, if that has no end of its own.
LONGEST = 600
#: A new listener may not be known yet to a worker of the release before: it has so long to come.
ROLL_OUT = datetime.timedelta(hours=1)
PAUSE = datetime.timedelta(minutes=1)


class ListenerCourier(Courier):
    def begin(self, batch: Sequence[ListenerCall]) -> None:
        prefetch_related_objects(batch, "event")

    def prepare(self, delivery: ListenerCall) -> Prepared:
        if listeners.named(delivery.listener) is not None:
            return Prepared()
        gone = _("There is no listener of this name: it was renamed or removed.")
        now = timezone.now()
        if now < delivery.created_at + ROLL_OUT:
            raise Wait(gone, now + PAUSE)
        raise Fail(gone, Cause.GONE)

    def hand_over(self, delivery: ListenerCall, prepared: Prepared) -> Accepted:
        listener = listeners.named(delivery.listener)
        assert listener is not None
        _hold(delivery)
        try:
            # Within a transaction, as in a test, that must go on if the database refuses something.
            with unharmed(router.db_for_write(ListenerCall)):
                listener(delivery.event.as_event())
        except Exception as error:
            # All of them, also of the database: it is the listener's own affair what it does.
            logger.exception("The listener %s failed", delivery.listener)
            raise Later(reason(error)) from error
        return Accepted()


def _hold(delivery: ListenerCall) -> None:
    """Keep the claim for as long as the listener can run, which nobody can renew meanwhile. The
    cluster ends a task that takes longer."""
    seconds = getattr(settings, "Q_CLUSTER", {}).get("timeout") or LONGEST
    until = timezone.now() + datetime.timedelta(seconds=seconds)
    owned = ListenerCall.objects.filter(pk=delivery.pk, token=delivery.token)
    owned.update(lease_until=until)
