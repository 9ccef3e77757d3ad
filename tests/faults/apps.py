"""What a fault test needs inside the cluster: who works, and what can be made wrong there."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from django.apps import AppConfig as Base
from django.conf import settings


class AppConfig(Base):
    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        from django_q.signals import post_execute_in_worker, post_spawn, pre_execute

        for sign, word in (
            (post_spawn, "idle"), (pre_execute, "busy"), (post_execute_in_worker, "idle"),
        ):  # fmt: skip
            sign.connect(_noting(word), weak=False, dispatch_uid=f"faults-{word}-{id(sign)}")
        if os.environ.get("FAULTS_RENDER"):
            _make_rendering_dangerous()
        if wrong := os.environ.get("FAULTS_BREAK"):
            WAYS_TO_BREAK[wrong]()


def _noting(word: str) -> Any:
    """Write down that a worker is ``word`` from now on: a line ``pid word seconds``."""
    path = Path(settings.FAULTS_DIRECTORY) / "workers"

    def note(**_sent: Any) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, f"{os.getpid()} {word} {time.time():.3f}\n".encode())
        os.close(descriptor)

    return note


def _make_rendering_dangerous() -> None:
    """Mails to poison@… kill the process that renders them; those to hungry@… take more
    memory than there is."""
    from mails.models import Mail

    render = Mail.render

    def dangerous(self: Any, event: Any, **options: Any) -> Any:
        if event.recipient.startswith("poison@"):
            os.kill(os.getpid(), signal.SIGKILL)
        if event.recipient.startswith("hungry@"):
            eaten = []
            while True:
                eaten.append(bytearray(50_000_000))
        return render(self, event, **options)

    Mail.render = dangerous  # type: ignore[method-assign]


# Delivery that is wrong on purpose: the fault test must find it -------------------------------


def _guess() -> None:
    """What nobody knows is sent again."""
    from mails.models import Message

    Message.REPEATABLE = True


def _no_intent() -> None:
    """Nothing is written down before the hand-over, and nobody looks whose it is."""
    from automation.events.outbox import Delivery

    def hand_over(self: Any, now: Any, **written: Any) -> bool:
        return True

    Delivery.hand_over = hand_over  # type: ignore[method-assign]


def _sent_first() -> None:
    """It counts as sent before it is."""
    from automation.events.outbox import Delivery
    from automation.events.states import State

    right = Delivery.hand_over

    def hand_over(self: Any, now: Any, **written: Any) -> bool:
        mine = right(self, now, **written)
        if mine:
            type(self)._base_manager.filter(pk=self.pk).update(state=State.SENT, sent_at=now)
        return mine

    Delivery.hand_over = hand_over  # type: ignore[method-assign]


WAYS_TO_BREAK = {"guess": _guess, "no-intent": _no_intent, "sent-first": _sent_first}
