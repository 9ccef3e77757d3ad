"""The benchmark measures what it says, in a database of its own."""

import json
import os
import shutil
import smtplib
import tempfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from automation.demo.benchmark import recording, rendering, rows, senders, sending, statements
from automation.demo.benchmark.measuring import Measured
from automation.demo.benchmark.scratch import refuse_any_other, scratch_database
from automation.demo.models import Customer
from automation.events.models import EventRecord
from automation.rules.sources import sources
from generators import running
from generators.models import Generator
from mails.models import Message

WRITTEN = ("key", "group", "rule_id", "row_model", "row_pk", "recipient", "language", "time_zone")
QUEUED = ("event__key", "mail_id", "recipient", "state", "created_at", "not_before", "attempts")


@pytest.fixture
def figures(tmp_path, capsys):
    """What the command finds, with its table."""
    file = tmp_path / "figures.json"
    call_command(
        "benchmark", "recording", rows=2_000, repeat=1, file=file,
        only=["flint", "insert-select", "bulk-create"], database_url=_url(),
    )  # fmt: skip
    found = {one["contender"]: one for one in json.loads(file.read_text())}
    return found, capsys.readouterr().out


@pytest.fixture
def rule(db):
    with sources.registered(rows.SOURCE):
        yield rows.make_rule


def _url():
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return "sqlite://"
    host = f"{settings['HOST']}:{settings['PORT']}".strip(":")
    password = f":{settings['PASSWORD']}" if settings["PASSWORD"] else ""
    # "postgres" is always there; the benchmark's own database is made beside it.
    return f"postgres://{settings['USER']}{password}@{host}/postgres"


@pytest.mark.django_db(transaction=True)
def test_it_measures_a_first_run_and_one_with_nothing_new(figures):
    found, printed = figures
    made = found["limit"]["first"]["events"]
    assert list(found) == ["limit", "flint", "events-limit", "insert-select", "bulk-create"]
    assert made > 100
    for name, one in found.items():
        messages = made if name in ("limit", "flint") else 0
        assert (one["first"]["events"], one["first"]["messages"]) == (made, messages)
        assert (one["nothing_new"]["events"], one["nothing_new"]["messages"]) == (0, 0)
    flint, again = found["flint"]["first"], found["flint"]["nothing_new"]
    assert flint["ids"] == made
    assert again["ids"] == 0, "a run with nothing new uses up no number of the sequence"
    assert flint["memory"] < 15
    assert again["queries"] < flint["queries"] < 40
    assert printed.count("\n| ") == 11
    assert "| Flint | first |" in printed
    assert _left_over() == [], "the database is gone afterwards"


def _left_over():
    if connection.vendor == "sqlite":
        return list(Path(tempfile.gettempdir()).glob(f"flint-benchmark-{os.getpid()}-*"))
    with connection.cursor() as cursor:
        name = f"flint_benchmark_{os.getpid()}"
        cursor.execute("SELECT datname FROM pg_database WHERE datname = %s", [name])
        return cursor.fetchall()


def test_the_limit_writes_the_same_rows_as_the_product(rule):
    rows.fill(300)
    rule()
    statements.events_and_messages()
    by_hand = _written()
    Message.objects.all().delete()
    EventRecord.objects.all().delete()
    assert running.run(Generator.objects.get(), rows.NOW).new == len(by_hand[0])
    assert _written() == by_hand
    assert len(by_hand[0]) == len(by_hand[1]) > 10


def _written():
    events = EventRecord.objects.order_by("key").values_list(*WRITTEN, "recorded_at", "context")
    return list(events), list(Message.objects.order_by("event__key").values_list(*QUEUED))


def test_the_number_of_queries_does_not_grow_with_the_rows(rule):
    generator = rule()
    _warm, few, many = (_queries_of_a_first_run(generator, count) for count in (200, 200, 400))
    assert few == many


def _queries_of_a_first_run(generator, count):
    Message.objects.all().delete()
    EventRecord.objects.all().delete()
    Customer.objects.all().delete()
    rows.fill(count)
    with CaptureQueriesContext(connection) as queries:
        assert running.run(generator, rows.NOW).new > 5
    return len(queries)


def test_it_refuses_a_database_that_is_not_its_own(db):
    with pytest.raises(CommandError, match="not a database that the benchmark has made"):
        refuse_any_other(connection)


@pytest.mark.sqlite_only
@pytest.mark.django_db
@pytest.mark.parametrize("url", ["mysql://root@127.0.0.1/shop", "postgres://nobody@127.0.0.1:1/x"])
def test_it_says_where_it_cannot_make_a_database(url):
    with pytest.raises(CommandError, match="of its own"):
        recording.measure(url, 10, [], 1)


def test_the_ratio_is_to_the_limit_that_writes_the_same():
    def result(name, seconds):
        run = Measured(seconds, queries=1, memory=0.0, events=1, messages=1, ids=1)
        return recording.Result(recording.CONTENDERS[name], run, run)

    chosen = recording.chosen(["flint", "bulk-create"], slow=False)
    assert [one.name for one in chosen] == ["limit", "flint", "events-limit", "bulk-create"]
    table = recording.table(
        [
            result("limit", 2.0),
            result("flint", 3.0),
            result("events-limit", 1.0),
            result("bulk-create", 4.0),
        ]
    )
    ratios = [line.split("|")[4].strip() for line in table.splitlines()[2:]]
    assert ratios == ["1.00", "1.00", "1.50", "1.50", "1.00", "1.00", "4.00", "4.00"]


# Rendering ----------------------------------------------------------------------------------


@pytest.mark.sqlite_only
def test_it_measures_each_step_of_rendering_beside_liquid_alone(tmp_path, capsys):
    file = tmp_path / "figures.json"
    call_command("benchmark", "rendering", mails=1, repeat=1, file=file)
    printed = capsys.readouterr().out
    figures = json.loads(file.read_text())
    assert list(figures) == ["stock", "liquid", "clean", "inline", "text", "render", "send"]
    assert all(seconds > 0 for seconds in figures.values())
    assert printed.count("\n| ") == 8
    assert "| Liquid alone: plain data, limits | " in printed
    assert "| 1.00 |" in printed


@pytest.mark.sqlite_only
def test_the_steps_of_rendering_make_what_the_product_sends():
    """Else the figures would be of something else."""
    event = rendering.event(3)
    rendered = rendering.render(event)
    [html] = rendering.inline(event)
    below_preheader = html[html.index('<table role="presentation"') :]
    assert len(below_preheader) > 10_000
    assert rendered.html.endswith(below_preheader)
    assert rendering.text(event)[1] == rendered.text
    assert [part.strip() for part in rendering.stock(event)[:3]] == [
        part.strip() for part in rendering.liquid(event)
    ]
    assert rendered.subject.encode() in rendering.send(event)


@pytest.mark.sqlite_only
def test_the_mail_that_is_rendered_has_the_size_that_is_said():
    assert 4_500 < rendering.sizes()["filled"] < 5_500


# Sending ------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_it_measures_sending_beside_ready_bytes(smtp_server, tmp_path, capsys):
    file = tmp_path / "figures.json"
    call_command(
        "benchmark", "sending", mails=30, workers=[1, 2], repeat=1, file=file,
        server=f"{smtp_server.host}:{smtp_server.port}", database_url=_url(),
    )  # fmt: skip
    printed = capsys.readouterr().out
    figures = json.loads(file.read_text())
    assert [(run["sender"], run["workers"], run["mails"]) for run in figures["runs"]] == [
        (sender, workers, 30) for sender in ("raw", "naive", "flint") for workers in (1, 2)
    ]
    nothing, *_others, flint, _two = figures["runs"]
    assert (nothing["queries"], nothing["commits"]) == (0, 0)
    waits = 2 if connection.vendor == "sqlite" else 1
    assert waits <= flint["commits"] < waits + 1, "and a few for each batch"
    assert all(spent >= 0 for spent in figures["parts"].values())
    assert "| `smtplib` with ready bytes | 1 | " in printed
    assert "| 1.00 | " in printed
    assert len(smtp_server.received) == 7 * 30, "six ways to send, and one to see how"
    assert _left_over() == []


@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_each_sender_sends_the_same_mail(smtp_server, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = smtp_server.host, smtp_server.port
    for name in ("raw", "naive"):
        assert senders.SENDERS[name](3)() == 3
    ready, _second, _third, naive = smtp_server.received[:4]
    assert ready.subject == naive.subject == "Ann 0, your cart is waiting"
    assert "https://shop.example.com/cart/0" in ready.html
    assert "https://shop.example.com/cart/0" in naive.html


@pytest.mark.sqlite_only
def test_it_says_what_to_install_if_there_is_no_mail_server(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sending, "_SYSTEM_PATH", str(tmp_path))
    with pytest.raises(CommandError, match="apt-get install postfix") as raised:
        sending.mail_server().__enter__()
    assert "--server HOST:PORT" in str(raised.value)


@pytest.mark.sqlite_only
@pytest.mark.skipif(not shutil.which("smtp-sink", path="/usr/sbin"), reason="needs postfix")
def test_the_mail_server_of_its_own_ends_with_it():
    with sending.mail_server() as address:
        host, _colon, port = address.partition(":")
        with smtplib.SMTP(host, int(port)) as server:
            server.sendmail("a@example.com", ["b@example.com"], b"Subject: x\n\nx")
    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP(host, int(port))


@pytest.mark.sqlite_only
def test_a_sender_that_fails_says_why(tmp_path):
    with (
        scratch_database("sqlite://") as scratch,
        pytest.raises(CommandError, match="no such table"),
    ):
        sending.Site(scratch, "127.0.0.1:1").run("fill", "1")


@pytest.mark.sqlite_only
def test_the_ratio_is_to_one_process_with_ready_bytes():
    def result(sender, workers, seconds):
        return sending.Result(sender, workers, seconds, 10, cpu=0.001, queries=2, commits=1)

    table = sending.table([result("raw", 1, 2.0), result("raw", 2, 1.0), result("flint", 1, 7.0)])
    ratios = [line.split("|")[4].strip() for line in table.splitlines()[2:]]
    assert ratios == ["1.00", "0.50", "3.50"]


# Chains -----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_it_measures_a_tick_beside_those_who_sleep_and_rows_that_come_in(tmp_path, capsys):
    file = tmp_path / "figures.json"
    call_command(
        "benchmark", "chains", sleeping=[2_000], due=20, entering=[300], repeat=2, file=file,
        database_url=_url(),
    )  # fmt: skip
    figures = json.loads(file.read_text())
    (found,), (entered,) = figures["sleeping"], figures["entering"]
    assert entered["rows"] == 300
    assert (found["sleeping"], found["due"], found["events"]) == (2_000, 20, 20)
    assert found["by_index"], "a tick that finds nothing reads an index and no row"
    printed = capsys.readouterr().out
    assert ("| 2,000 |" in printed, "| 300 |" in printed) == (True, True)
    assert _left_over() == [], "the database is gone afterwards"
