"""The abandoned cart as a chain in code: the same way as the one in the admin, that
``definitions.json`` brings, but for its limit of time.

Nothing starts it by itself, as the cart would be reminded of twice then::

    from automation import chains

    chains.get_or_create("abandoned_cart", [cart], time_zone=cart.customer.time_zone)
"""

import datetime
from functools import cached_property
from typing import Any

from automation import chains
from automation.chains import DONE, NEW, Transition
from automation.demo.models import Cart
from automation.events import Event
from automation.rules.snapshot import Snapshot, snapshots
from automation.rules.sources import sources


class CartStep(Transition):
    """A step about the cart that the run is about."""

    @cached_property
    def snapshot(self) -> Snapshot | None:
        """The cart as mails are shown it; None if it is gone."""
        source = sources.get("demo.cart")
        rows = source.rows().filter(pk=self.resource("demo.cart"))
        return next(snapshots(source, rows, self.now), None)

    def waited(self, days: int, since: datetime.datetime | None = None) -> bool:
        """Whether so many days are over since then, or since the run has entered its state."""
        over = (since or self.run.entered_at) + datetime.timedelta(days=days)
        if self.now < over:
            self.errors.append(f"It waits until {over:%Y-%m-%d %H:%M} UTC.")
        return self.now >= over

    def build_context(self) -> dict[str, Any]:
        return {**self.context, **(self.snapshot.context if self.snapshot else {})}

    def build_event(self) -> Event | None:
        event, known = super().build_event(), self.snapshot
        if event is None or known is None:
            return event
        return event.replaced(
            recipient=known.recipient, language=known.language, time_zone=known.time_zone
        )


class Ordered(CartStep):
    """The end, also for a cart that is gone."""

    final_state = DONE

    def is_valid(self) -> bool:
        if self.snapshot is None or self.snapshot.context["cart"]["status"] == Cart.Status.ORDERED:
            return True
        self.errors.append("It is not ordered yet.")
        return False


class Reminder(CartStep):
    final_state = "REMINDED"
    event_group = "cart_reminder"

    def is_valid(self) -> bool:
        if self.snapshot is None:
            return False
        return self.waited(days=2, since=self.snapshot.context["cart"]["updated_at"])


class Voucher(CartStep):
    """The second reminder, for somebody who has bought before."""

    final_state = "LAST"
    event_group = "cart_voucher"

    def is_valid(self) -> bool:
        if not self.waited(days=7) or self.snapshot is None:
            return False
        paid: int = self.snapshot.context["cart"]["paid_orders"]
        if paid < 2:
            self.errors.append(f"Paid orders: {paid}, and not 2.")
        return paid >= 2


class SecondReminder(CartStep):
    final_state = "LAST"
    event_group = "cart_last_reminder"

    def is_valid(self) -> bool:
        return self.waited(days=7)


class Enough(CartStep):
    final_state = DONE

    def is_valid(self) -> bool:
        return self.waited(days=14)


chains.register(
    "abandoned_cart",
    {
        NEW: [Ordered, Reminder],
        "REMINDED": [Ordered, Voucher, SecondReminder],
        "LAST": [Ordered, Enough],
    },
    look_every=datetime.timedelta(hours=1),
)
