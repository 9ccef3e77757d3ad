"""What the examinations say, of an installation that is broken in each way."""

import datetime
import uuid
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule

from automation.events import health
from automation.events.cluster import heartbeat
from automation.events.health import Examination, Finding, Level, backlog, examinations
from automation.events.models import EventRecord, Heartbeat, Tally, WebhookCall
from automation.events.schedule import TICK_NAME, TICK_TASK
from automation.events.states import State
from generators.models import Generator, Run
from mails.models import Attachment, Mail, Message
from tests import shop
from tests.forms import filled
from tests.webhooks import happen, webhook

pytestmark = pytest.mark.django_db

MINUTE = datetime.timedelta(minutes=1)
HOUR = 60 * MINUTE


@pytest.fixture
def now() -> datetime.datetime:
    """A moment at which a cluster is at work."""
    now = timezone.now()
    Schedule.objects.filter(name=TICK_NAME).update(next_run=now + MINUTE)
    heartbeat.beat("web:1", now)
    return now


def examination(name: str) -> Examination:
    (found,) = [each for each in examinations if each.name == name]
    return found


def wrong(name: str, now: datetime.datetime) -> list[tuple[Level, str]]:
    """What an examination warns of."""
    return [
        (finding.level, finding.what)
        for finding in examination(name)(now)
        if finding.level > Level.OK
    ]


def messages(number: int, **values: Any) -> list[Message]:
    """So many queued messages, changed by ``values``."""
    now = timezone.now()
    mail = Mail.objects.first() or shop.mail()
    events = [
        EventRecord(key=str(uuid.uuid4()), group="x", recording=uuid.uuid4(), recorded_at=now)
        for _time in range(number)
    ]
    moments = {"created_at": now, "not_before": now}
    return Message.objects.bulk_create(
        Message(mail=mail, event=event, **{**moments, **values})
        for event in EventRecord.objects.bulk_create(events)
    )


# The registry -----------------------------------------------------------------------------


def test_an_examination_that_raises_is_a_finding(now):
    def raises(now):
        yield Finding(Level.OK, "As far as here.")
        raise RuntimeError("The disk\nis gone.")

    (found,) = Examination("disk", "The disk", "mails", raises)(now)
    assert (found.level, found.what) == (
        Level.PROBLEM,
        "The disk: this could not be examined: RuntimeError: The disk is gone.",
    )


def test_a_statement_that_fails_does_not_fail_the_page_around_it(now):
    def raises(now):
        connection.cursor().execute("SELECT nothing FROM nowhere")
        return []

    with transaction.atomic():
        (found,) = Examination("broken", "Broken", "mails", raises)(now)
        assert found.level == Level.PROBLEM
        assert Tally.objects.count() == 0


def test_only_cheap_ones_are_asked_for_the_home_page(now):
    def says(what):
        return lambda now: [Finding(Level.OK, what)]

    with examinations.only(
        Examination("a", "A", "mails", says("cheap"), cheap=True),
        Examination("b", "B", "mails", says("dear")),
    ):
        assert [found.what for found in health.examine(now)] == ["cheap", "dear"]
        assert [found.what for found in health.examine(now, cheap=True)] == ["cheap"]
    assert {each.name for each in examinations if each.cheap} == {
        "cluster", "backlog", "webhooks", "chains", "generators", "e-mail accounts",
    }  # fmt: skip


# The cluster ------------------------------------------------------------------------------


def test_a_cluster_that_does_not_tick_is_a_problem(now):
    assert wrong("cluster", now) == []
    assert wrong("cluster", now + 4 * MINUTE) == [
        (Level.PROBLEM, "The cluster does not run: nothing is sent, and no generator runs.")
    ]


def test_a_cluster_whose_workers_are_stuck_is_a_problem(now):
    """It plans the next tick all the same."""
    heartbeat.beat("web:1", now - 3 * MINUTE)
    assert [level for level, _what in wrong("cluster", now)] == [Level.PROBLEM]


def test_that_no_cluster_was_ever_seen_is_a_warning(now):
    heartbeat.end("web:1")
    assert wrong("cluster", now) == [
        (Level.WARNING, "No cluster is at work yet, or it has just ended.")
    ]


def test_a_cluster_that_ended_beside_another_is_a_warning(now):
    heartbeat.beat("a:1", now - 3 * MINUTE)
    assert [(found.level, found.what) for found in examination("cluster")(now)] == [
        (Level.OK, "1 cluster is at work: web:1"),
        (Level.WARNING, "These clusters were at work today and ended without a word: a:1"),
    ]


def test_a_tick_that_is_gone_is_a_problem_until_the_next_migrate(now):
    Schedule.objects.all().delete()
    assert wrong("tick", now) == [
        (
            Level.PROBLEM,
            "The tick is not among the scheduled tasks: what is due is not found.",
        )
    ]
    call_command("migrate", verbosity=0)
    assert wrong("tick", now) == []


def test_a_tick_that_was_changed_is_a_problem(now):
    Schedule.objects.update(args="(1,)", minutes=60)
    assert wrong("tick", now) == [(Level.PROBLEM, "The tick was changed by hand: minutes, args.")]


def test_two_ticks_are_a_warning(now):
    Schedule.objects.create(name="mine", func=TICK_TASK, schedule_type="I", minutes=1)
    assert wrong("tick", now) == [(Level.WARNING, "The tick is scheduled 2 times.")]


def test_a_queue_out_of_reach_is_a_problem(now, monkeypatch):
    from django_q.conf import Conf

    monkeypatch.setattr(Conf, "ORM", None)
    monkeypatch.setattr(Conf, "REDIS", "redis://127.0.0.1:1/0")
    assert [(level, what.partition(":")[0]) for level, what in wrong("queue", now)] == [
        (Level.PROBLEM, "The queue is out of reach")
    ]


@pytest.mark.redis
def test_redis_is_asked_how_much_waits(now):
    (found,) = examination("queue")(now)
    assert found.level == Level.OK


def test_errors_of_checks_are_problems(now, settings):
    settings.AUTOMATION = {**settings.AUTOMATION, "NO_SUCH": 1}
    assert (Level.PROBLEM, "automation_rules.E001: AUTOMATION has an unknown key 'NO_SUCH'.") in (
        wrong("checks", now)
    )


@pytest.mark.parametrize(
    ("host", "levels"),
    [("127.0.0.1", []), ("shop.localhost", []), ("flint.example.com", [Level.PROBLEM])],
)
def test_debug_where_others_come_is_a_problem(now, settings, host, levels):
    settings.DEBUG, settings.ALLOWED_HOSTS = True, [host]
    assert [level for level, _what in wrong("settings", now)] == levels


# What waits -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "level"),
    [(1, None), (6, Level.WARNING), (16, Level.PROBLEM)],
)
def test_what_is_due_for_long_is_told_while_a_cluster_lives(now, minutes, level):
    messages(2, not_before=now - minutes * MINUTE)
    expected = [(level, f"Messages: 2 due, the first for {minutes} minutes")] if level else []
    assert wrong("backlog", now) == expected
    Schedule.objects.update(next_run=now - HOUR)
    assert wrong("backlog", now) == []  # the cluster's own examination says it


def test_messages_of_a_mail_that_is_off_are_not_due_but_held(now):
    messages(3, not_before=now - HOUR)
    messages(2, not_before=now + HOUR)
    assert backlog.held(Message, now) == 0
    Mail.objects.update(is_active=False)
    assert wrong("backlog", now) == [
        (Level.WARNING, "Messages: 3 held: what they belong to is switched off or stopped")
    ]


def test_who_switches_a_mail_on_is_told_what_goes_out_now(admin_client):
    messages(2)
    mail = Mail.objects.get()
    mail.is_active = False
    mail.save()
    page = reverse("admin:mails_mail_change", args=[mail.pk])
    form = filled(admin_client, page, "mail")
    said = f"“{mail}”: 2 that waited go out now."
    assert said not in admin_client.post(page, form, follow=True).content.decode()
    assert (
        said in admin_client.post(page, {**form, "is_active": "on"}, follow=True).content.decode()
    )


def test_what_waits_for_a_webhook_that_is_off_or_rests_is_held(now):
    stock = webhook()
    happen("1", "2")
    assert backlog.held(WebhookCall, now + HOUR) == 0
    stock.rest("No answer.", now + HOUR)
    assert backlog.held(WebhookCall, now + HOUR) == 2
    assert backlog.held(WebhookCall, now + 2 * HOUR) == 0
    stock.switch_off("Enough.")
    assert backlog.held(WebhookCall, now + 2 * HOUR) == 2
    (found,) = [each for each in examination("backlog")(now + 2 * HOUR) if each.figure == "held"]
    assert found.url.startswith("/admin/automation_events/webhookcall/?state__exact=queued&")


def test_clusters_of_two_releases_are_a_warning(now):
    heartbeat.beat("a:1", now - 5 * MINUTE)
    Heartbeat.objects.update(release="1.0")
    assert [level for level, _what in wrong("cluster", now - 4 * MINUTE)] == []
    heartbeat.beat("b:1", now)
    Heartbeat.objects.filter(name="b:1").update(release="1.1")
    assert wrong("cluster", now) == [
        (Level.WARNING, "Clusters of several releases are at work: 1.0, 1.1"),
        (Level.WARNING, "These clusters were at work today and ended without a word: a:1"),
    ]
    Heartbeat.objects.filter(name="web:1").delete()
    assert [what for _level, what in wrong("cluster", now)] == [
        "These clusters were at work today and ended without a word: a:1"
    ]


def test_what_waits_after_an_error_is_told_with_the_error(now):
    messages(3, not_before=now + MINUTE, reason="451 Come\nback later")
    assert wrong("backlog", now) == [
        (Level.WARNING, "Messages: 3 to be tried again, for example after: 451 Come back later")
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"state": State.FAILED}, [(Level.WARNING, "Messages: 2 failed within a day")]),
        ({"state": State.UNKNOWN}, [(Level.WARNING, "Messages: 2 unknown")]),
        ({"state": State.SENT}, []),
        ({"state": State.SKIPPED}, []),
    ],
)
def test_what_did_not_arrive_is_told(now, values, said):
    messages(2, **values)
    assert wrong("backlog", now) == said


def test_what_failed_long_ago_is_no_longer_told_but_what_is_unknown_is(now):
    messages(1, state=State.FAILED, not_before=now - 25 * HOUR)
    messages(1, state=State.UNKNOWN, not_before=now - 999 * HOUR)
    assert wrong("backlog", now) == [(Level.WARNING, "Messages: 1 unknown")]


def test_what_no_sweep_finds_is_a_problem(now):
    messages(2, state=State.SENDING, lease_until=now - 6 * MINUTE)
    assert wrong("backlog", now) == [
        (Level.PROBLEM, "Messages: 2 left by workers that ended, and not found again")
    ]


def test_every_number_leads_to_the_list_of_just_these(now, admin_client):
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    messages(1, not_before=now - 20 * MINUTE)
    messages(2, not_before=now + MINUTE, reason="451")
    messages(3, state=State.SENT, not_before=midnight, sent_at=midnight)
    messages(4, state=State.SENT, not_before=midnight, sent_at=midnight - MINUTE)
    messages(5, state=State.FAILED)
    messages(6, state=State.FAILED, not_before=now - 25 * HOUR)
    messages(7, state=State.UNKNOWN)
    shown = {}
    for finding in examination("backlog")(now):
        page = admin_client.get(finding.url)
        shown[finding.what] = page.context["cl"].result_count
    assert shown == {
        "Calls of listeners: 0 due, 0 for later": 0,
        "Calls of listeners: 0 sent today": 0,
        "Calls of webhooks: 0 due, 0 for later": 0,
        "Calls of webhooks: 0 sent today": 0,
        "Starts by events: 0 due, 0 for later": 0,
        "Starts by events: 0 sent today": 0,
        "Messages: 1 due, 2 for later": 3,
        "Messages: 1 due, the first for 20 minutes": 1,
        "Messages: 2 to be tried again, for example after: 451": 2,
        "Messages: 3 sent today": 3,
        "Messages: 5 failed within a day": 5,
        "Messages: 7 unknown": 7,
    }


# Generators -------------------------------------------------------------------------------


def test_a_generator_that_paused_itself_is_told_with_the_reason(now):
    shop.generator(name="Birthday").pause("There is no field “birthday” any more.")
    shop.generator().pause()  # somebody meant it
    assert wrong("generators", now) == [
        (Level.WARNING, "Paused: Birthday. There is no field “birthday” any more.")
    ]


def test_a_generator_whose_last_run_failed_is_told(now):
    failing, healed, old = (shop.generator(name=name) for name in ("One", "Two", "Three"))
    failing.runs.create(started_at=now, state="failed", error="It failed.")
    healed.runs.create(started_at=now - HOUR, state="failed", error="It failed.")
    healed.runs.create(started_at=now, state="done")
    old.runs.create(started_at=now - 25 * HOUR, state="failed", error="It failed.")
    assert wrong("generators", now) == [(Level.WARNING, "Generators whose last run failed: One")]
    assert wrong("runs", now) == [(Level.WARNING, "2 runs failed within a day.")]
    assert Run.objects.count() == 4


def test_a_generator_that_is_late_is_a_problem_while_a_cluster_lives(now):
    late, running_now, soon = (shop.generator(name=name) for name in ("Late", "Runs", "Soon"))
    due = Generator.objects.filter(pk__in=[late.pk, running_now.pk])
    due.update(next_run_at=now - 11 * MINUTE)
    Generator.objects.filter(pk=running_now.pk).update(lease_until=now + MINUTE)
    Generator.objects.filter(pk=soon.pk).update(next_run_at=now - 9 * MINUTE)
    expected = [(Level.PROBLEM, "Generators that should have run long ago: Late")]
    assert wrong("generators", now) == expected
    # Its worker died long ago, and nobody went on.
    Generator.objects.filter(pk=running_now.pk).update(lease_until=now - 11 * MINUTE)
    assert wrong("generators", now)[0][1] == "Generators that should have run long ago: Late, Runs"
    Schedule.objects.update(next_run=now - HOUR)
    assert wrong("generators", now) == []


def test_a_rule_that_lost_its_field_is_a_problem(now):
    generator = shop.generator(name="Birthday")
    generator.conditions.update(field="no_such_field")
    assert [(level, what[:33]) for level, what in wrong("rules", now)] == [
        (Level.PROBLEM, "Birthday: its rule does not work:")
    ]


# Mails ------------------------------------------------------------------------------------


def test_a_mail_server_that_takes_our_mails_is_fine(now, smtp_server):
    (found,) = examination("mail server")(now)
    assert (found.level, found.what) == (
        Level.OK,
        f"The mail server 127.0.0.1:{smtp_server.port} takes mails from us.",
    )
    assert (smtp_server.connections, smtp_server.received) == (1, [])


def test_a_mail_server_that_is_down_is_a_problem(now, smtp_server):
    smtp_server.stop()
    assert [(level, what.rpartition(":")[0]) for level, what in wrong("mail server", now)] == [
        (
            Level.PROBLEM,
            f"The mail server 127.0.0.1:{smtp_server.port} cannot be used: ConnectionRefusedError",
        )
    ]
    smtp_server.start()


def test_a_mail_server_that_refuses_the_login_is_a_problem(now, smtp_server, settings):
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "flint", "wrong"
    smtp_server.refuse_login = True
    assert wrong("mail server", now) == [
        (
            Level.PROBLEM,
            f"The mail server 127.0.0.1:{smtp_server.port} cannot be used: "
            "535 5.7.8 Authentication credentials invalid",
        )
    ]


def test_a_mail_server_without_the_encryption_that_we_want_is_a_problem(now, smtp_server, settings):
    settings.EMAIL_USE_TLS = True
    assert [level for level, _what in wrong("mail server", now)] == [Level.PROBLEM]


def test_mails_that_go_nowhere_are_a_warning_in_production(now, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert wrong("mail server", now) == [
        (
            Level.WARNING,
            "Mails go nowhere: EMAIL_BACKEND is django.core.mail.backends.console.EmailBackend.",
        )
    ]
    settings.DEBUG = True
    assert wrong("mail server", now) == []


def test_a_sender_that_nobody_chose_is_a_warning(now, settings):
    settings.DEFAULT_FROM_EMAIL = "Flint <flint@localhost>"
    assert wrong("senders", now) == []
    mail = shop.mail()
    assert [level for level, _what in wrong("senders", now)] == [Level.WARNING]
    Mail.objects.filter(pk=mail.pk).update(from_email="shop@example.com")
    assert wrong("senders", now) == []


def test_an_active_mail_that_no_longer_works_is_a_problem(now):
    shop.generator()
    mail = shop.mail(name="Cart")
    assert wrong("mails", now) == []
    Mail.objects.filter(pk=mail.pk).update(subject="{{ cart.no_such }}")
    assert [(level, what[:28]) for level, what in wrong("mails", now)] == [
        (Level.PROBLEM, "The mail “Cart” does not wor")
    ]
    Mail.objects.filter(pk=mail.pk).update(is_active=False)
    assert wrong("mails", now) == []


def test_an_attachment_that_is_gone_is_a_problem(now):
    mail = shop.mail(name="Cart")
    Attachment.objects.create(mail=mail, name="terms.pdf", digest="0" * 64, size=1)
    assert [(level, what[:28]) for level, what in wrong("mails", now)] == [
        (Level.PROBLEM, "The mail “Cart” does not wor")
    ]
