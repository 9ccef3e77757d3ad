"""What of mails is pruned, and where they keep what is known of people."""

import datetime
from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy

from automation.events.erasing.traces import Trace, delivery_trace, traces
from automation.events.housekeeping.chore import Chore, chores, delete, steps
from automation.events.housekeeping.own_chores import SETTLED, delivery_chore
from mails import leftover_files
from mails.accounts import Account
from mails.messages import Message
from mails.proofs import OPEN, Proof, ProofFinding


def register() -> None:
    chores.register(
        Chore(
            "message_texts",
            gettext_lazy("what messages said"),
            730,
            _empty_messages,
            lambda before: _full_messages(before).count(),
        )
    )
    chores.register(delivery_chore(Message, "messages", gettext_lazy("messages"), None))
    chores.register(
        Chore(
            "proofs",
            gettext_lazy("proofs"),
            30,
            _delete_proofs,
            lambda before: _old_proofs(before).count(),
        )
    )
    chores.register(leftover_files.chore())
    traces.register(
        delivery_trace(Message, gettext_lazy("messages"), ["subject", "html", "text", "headers"])
    )
    traces.register(Trace(Account, gettext_lazy("e-mail accounts"), names=["reason"]))
    traces.register(Trace(Proof, gettext_lazy("proofs"), names=["reason", "by_problem"]))
    traces.register(
        Trace(
            ProofFinding,
            gettext_lazy("findings of proofs"),
            whose=["recipient"],
            texts=["recipient", "problem", "language"],
            names=["name", "row_pk"],
        )
    )


def _full_messages(before: datetime.datetime) -> QuerySet[Message]:
    """Settled messages of which it is still known what they said."""
    said = ~Q(html="") | ~Q(text="") | ~Q(headers={})
    return Message.objects.filter(said, state__in=SETTLED, created_at__lt=before)


def _empty_messages(before: datetime.datetime, limit: int) -> Iterator[int]:
    """Empty what messages said. That they were sent, when, to whom and with which subject and
    version of the mail stays."""

    def empty(messages: QuerySet[Any]) -> int:
        return messages.update(html="", text="", headers={})

    return steps(_full_messages(before), "created_at", limit, empty)


def _old_proofs(before: datetime.datetime) -> QuerySet[Proof]:
    return Proof.objects.exclude(state__in=OPEN).filter(requested_at__lt=before)


def _delete_proofs(before: datetime.datetime, limit: int) -> Iterator[int]:
    """A proof goes when its findings are gone."""
    findings = ProofFinding.objects.filter(proof__in=_old_proofs(before))
    yield from steps(findings, "pk", limit, delete)
    yield from steps(_old_proofs(before), "requested_at", limit, delete)
