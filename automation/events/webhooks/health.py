"""Webhooks whose calls do not arrive, or that were switched off for that."""

import datetime
from collections.abc import Iterator
from typing import Any

from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.health import Examination, Finding, Level, examinations
from automation.events.models import Webhook

#: A server that is started anew is no news.
LATE = datetime.timedelta(minutes=5)

#: So many are named; the list has all of them.
NAMED = 10


def _examine(now: datetime.datetime) -> Iterator[Finding]:
    webhooks: Any = Webhook.objects.non_polymorphic()
    failing = webhooks.filter(is_active=True, failing_since__lte=now - LATE)
    for webhook in failing.order_by("failing_since")[:NAMED]:
        yield Finding(
            Level.WARNING,
            _("Webhook “%(name)s”: no call arrived for %(minutes)d minutes: %(reason)s")
            % {
                "name": webhook,
                "minutes": (now - webhook.failing_since) / datetime.timedelta(minutes=1),
                "reason": Truncator(webhook.trouble).chars(200),
            },
            _("It is tried again by itself, for 3 days. If a test call arrives, what waits goes "
              "out at once."),
            model=Webhook,
        )  # fmt: skip
    for webhook in webhooks.filter(is_active=False).exclude(off_reason="")[:NAMED]:
        yield Finding(
            Level.WARNING,
            _("Webhook “%(name)s” was switched off: %(reason)s")
            % {"name": webhook, "reason": Truncator(webhook.off_reason).chars(200)},
            _("Put it right and switch it on again: what waits goes out then. To leave it off, "
              "open it and save it as it is."),
            model=Webhook,
            query={"is_active__exact": "0"},
        )  # fmt: skip


def register() -> None:
    examinations.register(
        Examination("webhooks", gettext_lazy("Webhooks"), "automation_events", _examine, cheap=True)
    )
