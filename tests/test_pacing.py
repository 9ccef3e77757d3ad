"""How fast messages go out: over all workers, and to each domain."""

import datetime
from bisect import bisect_left
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from automation.events import Event, pacing, record
from automation.events.models import Pace
from automation.events.pacing import Slots, reserve
from mails.models import Message
from mails.politeness import domain_of
from tests import shop
from tests.processes import start_manage
from tests.smtp import SmtpServer
from tests.test_delivery import deliver_due, messages, queue

NOW = shop.NOW


def seconds(count: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=count)


def most_in_a_second(moments: list[float]) -> int:
    """The most that there were in any second."""
    moments = sorted(moments)
    return max(bisect_left(moments, each + 1) - at for at, each in enumerate(moments))


# Slots ------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_slots_are_reserved_one_after_another():
    assert reserve("x", 4, 2, NOW) == (NOW, True)
    assert reserve("x", 4, 1, NOW) == (NOW + seconds(0.5), True)
    assert reserve("y", 4, 1, NOW) == (NOW, True)  # another pace
    assert reserve("x", 4, 1, NOW + seconds(9)) == (NOW + seconds(9), True)  # nothing is saved up


@pytest.mark.django_db
def test_a_slot_that_is_too_far_away_is_not_reserved():
    reserve("x", 1, 10, NOW)
    assert reserve("x", 1, 1, NOW, NOW + seconds(2)) == (NOW + seconds(10), False)
    assert reserve("x", 1, 1, NOW) == (NOW + seconds(10), True)


@pytest.mark.django_db
def test_slots_are_spread_evenly_and_old_ones_are_lost():
    slots = Slots("x", 8)
    assert slots.take(NOW, 2) == (NOW, True)
    assert slots.take(NOW, 2) == (NOW + seconds(1 / 8), True)
    assert slots.take(NOW, 2) == (NOW + seconds(2 / 8), True)
    late = NOW + seconds(60)
    assert slots.take(late, 2) == (late, True)


@pytest.mark.django_db
def test_what_says_nothing_any_more_is_removed():
    reserve("old", 1, 1, NOW)
    reserve("new", 1, 1, NOW + seconds(3600))
    pacing.forget(NOW + seconds(3602))
    assert list(Pace.objects.values_list("name", flat=True)) == ["new"]


# An account -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_account_sends_as_fast_as_it_may(smtp_server: SmtpServer, settings: Any):
    settings.AUTOMATION = {"ACCOUNTS": {"default": {"RATE": 20}}}
    queue(*(f"{n}@example.com" for n in range(30)))
    deliver_due()
    assert messages() == [("sent", "")] * 30
    assert smtp_server.connections == 1
    # A quarter of a second's worth may come too early, and one at each end.
    assert most_in_a_second(smtp_server.accepted_at) <= 20 + 5 + 1


@pytest.mark.django_db
def test_a_slow_account_puts_messages_off_to_different_times(
    smtp_server: SmtpServer, settings: Any
):
    settings.AUTOMATION = {"ACCOUNTS": {"default": {"RATE": 0.1}}}
    queue(*(f"{n}@example.com" for n in range(4)))
    deliver_due()
    reason = "E-mail sends 0.1 messages a second, and others are before this one."
    assert messages() == [("sent", ""), *[("queued", reason)] * 3]
    first, second, third = Message.objects.order_by("pk").values_list("not_before", flat=True)[1:]
    assert (second - first, third - second) == (seconds(10), seconds(10))
    assert set(Message.objects.values_list("attempts", flat=True)) == {1, 0}


@pytest.mark.django_db
def test_what_waits_for_a_slow_account_holds_up_no_other(settings: Any):
    settings.MAILERS = {"news": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    settings.AUTOMATION = {"ACCOUNTS": {"news": {"RATE": 0.5}}}
    queue(*(f"{n}@example.com" for n in range(60)), slug="newsletter", account="news")
    shop.mail(slug="receipt", group="receipt")
    record([Event("receipt", str(n), recipient=f"{n}@example.com") for n in range(3)])
    batches = []
    while batch := Message.objects.claim(timezone.now()):
        batches.append((batch[0].mail.slug, len(batch)))
    assert sorted(batches) == [("newsletter", 5)] * 12 + [("receipt", 3)]


# A domain ---------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_domain_that_has_had_enough_holds_up_nobody_else(smtp_server: SmtpServer, settings: Any):
    settings.AUTOMATION = {"ACCOUNTS": {"default": {"DOMAINS": {"slow.example": 0.1}}}}
    queue(*(f"{n}@slow.example" for n in range(5)), *(f"{n}@fast.example" for n in range(5)))
    deliver_due()
    sent = [domain_of(received.recipients[0]) for received in smtp_server.received]
    assert Counter(sent) == {"fast.example": 5, "slow.example": 1}
    waiting = Message.objects.filter(state="queued").order_by("pk")
    assert {message.reason for message in waiting} == {
        "slow.example gets 0.1 messages a second, and others are before this one."
    }
    times = [message.not_before for message in waiting]
    assert {later - earlier for earlier, later in pairwise(times)} == {seconds(10)}


@pytest.mark.django_db
def test_a_domains_messages_are_claimed_twice_and_not_again_and_again(
    smtp_server: SmtpServer, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    settings.AUTOMATION = {"ACCOUNTS": {"default": {"DOMAIN_RATE": 10}}}
    queue(*(f"{n}@example.com" for n in range(30)))
    claimed: Counter[int] = Counter()
    claim = type(Message.objects.all()).claim

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        batch = claim(self, *args, **options)
        claimed.update(message.pk for message in batch)
        return batch

    monkeypatch.setattr(type(Message.objects.all()), "claim", counted)
    deliver_due()
    assert messages() == [("sent", "")] * 30
    assert max(claimed.values()) <= 3
    assert sum(claimed.values()) <= 2 * 30 + 5
    assert most_in_a_second(smtp_server.accepted_at) <= 2 * 10 + 2


@pytest.mark.django_db
def test_a_slot_that_is_long_past_is_none(smtp_server: SmtpServer, settings: Any):
    """After a night without workers a domain does not get everything at once."""
    settings.AUTOMATION = {"ACCOUNTS": {"default": {"DOMAIN_RATE": 0.1}}}
    queue(*(f"{n}@example.com" for n in range(3)))
    past = timezone.now() - seconds(3600)
    Message.objects.update(slot_at=past, not_before=past)
    deliver_due()
    assert len(smtp_server.received) == 1


# Processes --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_no_slot_is_given_twice():
    def reserve_some(_thread: int) -> list[datetime.datetime]:
        try:
            return [reserve("x", 10, 1, NOW)[0] for _slot in range(25)]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        found = [slot for slots in threads.map(reserve_some, range(4)) for slot in slots]
    assert sorted(found) == [NOW + seconds(number / 10) for number in range(100)]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_three_processes_keep_one_pace(smtp_server: SmtpServer):
    rate = 20
    queue(*(f"{n}@example.com" for n in range(120)))
    environment = {"EMAIL_URL": smtp_server.url, "EMAIL_RATE": str(rate)}
    script = (
        "from django.conf import settings\n"
        'settings.AUTOMATION["DELIVERY_BATCH"] = 10\n'
        "from automation.events.delivering import work\n"
        "from mails.models import Message\n"
        "work(Message)\n"
    )
    processes = [start_manage("shell", "-v0", "-c", script, **environment) for _each in range(3)]
    outputs = [process.communicate(timeout=90) for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, outputs
    assert messages() == [("sent", "")] * 120
    assert smtp_server.connections > 1
    most = most_in_a_second(smtp_server.accepted_at)
    lasted = smtp_server.accepted_at[-1] - smtp_server.accepted_at[0]
    print(f"at most {most} in a second, {120 / lasted:.1f} on average")
    # A quarter of a second's worth too early, and one on the way in each process.
    assert most <= rate + rate / 4 + 3
