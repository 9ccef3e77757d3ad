"""One process that sends: ``python -m automation.demo.benchmark.senders HOST:PORT …``.

``make`` makes tables and the mail in the database of DATABASE_URL, ``fill MAILS`` queues so many
messages; ``send SENDER MAILS`` says that it is ready, waits for a line, sends, and prints what it
took as a line of JSON; ``profile`` does the same for what is queued and prints µs for each part.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from importlib import import_module
from typing import Any

import django

#: Different messages that ``raw`` sends in turn.
_READY_MADE = 50


@dataclass(frozen=True)
class Sent:
    """What one process sent, and what that took. ``started`` and ``ended`` are of the clock that
    all processes share; ``cpu`` is the processor's time of this one. ``commits`` are those that
    waited for the disk."""

    mails: int
    started: float
    ended: float
    cpu: float
    queries: int = 0
    commits: int = 0


def main(arguments: list[str]) -> None:
    django.setup()
    from django.conf import settings
    from django.db import connection

    from automation.demo.benchmark.scratch import refuse_any_other

    refuse_any_other(connection)
    settings.DEBUG = False  # with it Django would keep every query in memory
    address, *command = arguments
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, _colon, port = address.rpartition(":")
    settings.EMAIL_PORT = int(port)
    match command:
        case ["make"]:
            _make()
        case ["fill", count]:
            _fill(int(count))
        case ["send", name, count]:
            print(json.dumps(asdict(_measure(SENDERS[name], int(count)))))
        case ["profile"]:
            print(json.dumps(_profile()))


def _make() -> None:
    from django.core.management import call_command

    from automation.demo.benchmark.rendering import CONTENT, MAIL, WORDING
    from mails.models import Layout, Mail

    call_command("migrate", verbosity=0, interactive=False)
    design = CONTENT.design
    layout = Layout.objects.create(
        name=design.name, slug="shop", header=design.header, footer=design.footer,
        styles=design.styles,
    )  # fmt: skip
    Mail.objects.create(
        name=MAIL.name, slug="your-cart", group="cart_left", layout=layout, is_active=True,
        subject=WORDING.subject, preheader=WORDING.preheader, body=WORDING.body,
    )  # fmt: skip


def _fill(count: int) -> None:
    from django.db import connection

    from automation.demo.benchmark.rendering import event
    from automation.events import recording
    from automation.events.models import EventRecord
    from mails.models import Message

    Message.objects.all().delete()
    EventRecord.objects.all().delete()
    made = recording.record(event(number) for number in range(count))
    if (made.new, Message.objects.count()) != (count, count):
        raise RuntimeError("Not every event has become a message.")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


# Senders: called once to get ready, they return what sends. ------------------------------------


def raw(count: int) -> Callable[[], int]:
    """Ready bytes over one connection, with nothing else to do."""
    import smtplib

    from django.conf import settings

    from automation.demo.benchmark import rendering

    events = [rendering.event(number) for number in range(_READY_MADE)]
    ready = [rendering.send(each).replace(b"\n", b"\r\n") for each in events]

    def send() -> int:
        with smtplib.SMTP(settings.EMAIL_HOST, settings.EMAIL_PORT) as server:
            for number in range(count):
                server.sendmail(
                    "shop@example.com", ["ann@example.com"], ready[number % _READY_MADE]
                )
        return count

    return send


def naive(count: int) -> Callable[[], int]:
    """A loop as one writes it: templates filled, Django's message, one connection. Nothing is
    cleaned, styled or remembered."""
    from django.core.mail import EmailMultiAlternatives, get_connection
    from django.utils.html import strip_tags

    from automation.demo.benchmark import rendering

    def send() -> int:
        with get_connection() as connection:
            for number in range(count):
                each = rendering.event(number)
                header, body, footer, subject, _preheader = rendering.stock(each)
                html = f"{header}{body}{footer}"
                mail = EmailMultiAlternatives(
                    subject, strip_tags(html), "shop@example.com", [each.recipient],
                    connection=connection,
                )  # fmt: skip
                mail.attach_alternative(html, "text/html")
                mail.send()
        return count

    return send


def flint(count: int) -> Callable[[], int]:
    """What the cluster's worker does, until nothing is due."""
    import mails.delivery  # noqa: F401 (read before the clock runs)
    from automation.events import delivering
    from mails.models import Message

    def send() -> int:
        done = delivering.work(Message, seconds=24 * 3600)
        if set(done.counts) - {"sent"}:
            raise RuntimeError(f"Not every message was sent: {done.counts}")
        return done.counts.get("sent", 0)

    return send


SENDERS: dict[str, Callable[[int], Callable[[], int]]] = {
    "raw": raw, "naive": naive, "flint": flint,
}  # fmt: skip


def _measure(sender: Callable[[int], Callable[[], int]], count: int) -> Sent:
    send = sender(count)
    with _counted() as (queries, commits):
        _wait_for_the_others()
        started, cpu = time.monotonic(), time.process_time()
        mails = send()
        ended, cpu = time.monotonic(), time.process_time() - cpu
    return Sent(mails, started, ended, cpu, sum(queries), sum(commits))


def _wait_for_the_others() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


@contextmanager
def _counted() -> Iterator[tuple[list[int], list[int]]]:
    """Statements, and commits that wait for the disk: of transactions, and of single statements
    that write."""
    from django.db import connections

    connection: Any = connections["default"]
    queries: list[int] = []
    commits: list[int] = []
    commit = connection._commit

    def count(execute: Any, sql: str, *arguments: Any) -> Any:
        queries.append(1)
        waits = not sql.startswith("SELECT") and "synchronous_commit" not in sql
        if waits and not connection.in_atomic_block:
            commits.append(1)
        return execute(sql, *arguments)

    def count_commit() -> None:
        commits.append(1)
        commit()

    connection._commit = count_commit
    with connection.execute_wrapper(count):
        yield queries, commits


# Where the time goes ------------------------------------------------------------------------

#: Parts of one message's way, and what does them. What one part calls of another is the
#: other's time.
PARTS: tuple[tuple[str, str, str], ...] = (
    ("claiming, renewing", "automation.events.outbox", "DeliveryQuerySet.claim"),
    ("reading events, mail and version", "mails.delivery", "Post.begin"),
    ("Liquid", "automation.rules.templating", "Template.render_noting"),
    ("cleaning", "mails.rendering", "cleaned"),
    ("styles in the tags", "mails.rendering", "styled_parts"),
    ("plain text", "mails.rendering", "plain_text"),
    ("the rest of rendering", "mails.mail", "Mail.render"),
    ("addresses, the message", "mails.delivery", "Post.prepare"),
    ("bytes of the message", "mails.composing", "Email.message"),
    ("intent", "automation.events.outbox", "Delivery.hand_over"),
    ("the mail server", "mails.delivery", "Post.hand_over"),
    ("result", "automation.events.outbox", "Delivery.settle_sent"),
)
_REST = "the driver"


def _profile() -> dict[str, float]:
    """µs for each part of a message, of the clock on the wall."""
    send = flint(0)
    spent: dict[str, float] = dict.fromkeys([*(name for name, *_ in PARTS), _REST], 0.0)
    running: list[float] = []
    for name, module, path in PARTS:
        _time(spent, running, name, module, path)
    _wait_for_the_others()
    started = time.perf_counter()
    mails = send()
    spent[_REST] = time.perf_counter() - started - sum(spent.values())
    return {name: seconds / mails * 1_000_000 for name, seconds in spent.items()}


def _time(spent: dict[str, float], running: list[float], name: str, module: str, path: str) -> None:
    """Have ``path`` of ``module`` timed from now on, without what it calls of other parts."""
    *owners, attribute = path.split(".")
    owner: Any = import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    work = getattr(owner, attribute)

    @wraps(work)
    def timed(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        running.append(0.0)
        try:
            return work(*arguments, **options)
        finally:
            took = time.perf_counter() - started
            spent[name] += took - running.pop()
            if running:
                running[-1] += took

    setattr(owner, attribute, timed)


if __name__ == "__main__":
    main(sys.argv[1:])
