"""What the outbox promises, one step at a time."""

import datetime

import pytest
from django.db.models import F

from automation.events import Event, record
from automation.events.outbox import back_off
from automation.events.states import State
from mails.models import Mail, Message
from tests import shop

pytestmark = pytest.mark.django_db

NOW = shop.NOW
LATER = NOW + datetime.timedelta(seconds=61)


@pytest.fixture
def messages() -> list[Message]:
    shop.mail()
    context = {"cart": {"customer": {"first_name": "Ann"}, "items": []}}
    record(
        (Event("cart_left", str(n), context, recipient=f"ann{n}@example.com") for n in range(3)),
        now=NOW,
    )
    return list(Message.objects.order_by("pk"))


def claim(limit: int = 10, now: datetime.datetime = NOW) -> list[Message]:
    return Message.objects.claim(now, limit)


def states() -> list[str]:
    return list(Message.objects.order_by("pk").values_list("state", flat=True))


def test_a_delivery_is_claimed_by_one_worker_at_a_time(messages):
    first, second = claim(2), claim(2)
    assert [m.pk for m in first] == [m.pk for m in messages[:2]]
    assert [m.pk for m in second] == [m.pk for m in messages[2:]]
    assert claim() == []
    assert states() == ["sending"] * 3


def test_what_is_not_due_yet_is_not_claimed(messages):
    Message.objects.update(not_before=LATER)
    assert claim() == []
    assert len(claim(now=LATER)) == 3


def test_messages_of_a_mail_that_is_switched_off_wait(messages):
    Mail.objects.update(is_active=False)
    assert claim() == []
    Mail.objects.update(is_active=True)
    assert len(claim()) == 3


def test_only_the_living_owner_of_a_claim_may_hand_over(messages):
    (message, *_rest) = claim()
    assert message.hand_over(NOW) is True
    assert message.hand_over(LATER) is False

    Message.objects.filter(pk=message.pk).update(token=None)
    assert message.hand_over(NOW) is False
    assert message.settle_sent(NOW) is False


def test_a_claim_that_ran_out_before_the_hand_over_is_queued_again(messages):
    claim()
    assert Message.objects.sweep(NOW) == (0, 0)
    assert Message.objects.sweep(LATER) == (3, 0)
    assert states() == ["queued"] * 3
    assert len(claim(now=LATER)) == 3


def test_a_claim_that_ran_out_after_the_hand_over_is_unknown(messages):
    message = claim(1)[0]
    message.hand_over(NOW)
    assert Message.objects.sweep(LATER) == (0, 1)
    message.refresh_from_db()
    assert message.state == State.UNKNOWN
    assert message.reason == "The worker stopped while it waited for the answer."
    assert message not in claim(now=LATER)


def test_an_answer_that_comes_after_the_sweep_settles_what_was_unknown(messages):
    message = claim(1)[0]
    message.hand_over(NOW)
    Message.objects.sweep(LATER)
    assert message.settle_sent(LATER) is True
    assert states() == ["sent", "queued", "queued"]


def test_an_answer_that_comes_after_a_persons_decision_changes_nothing(messages):
    message = claim(1)[0]
    message.hand_over(NOW)
    Message.objects.sweep(LATER)
    assert Message.objects.resend(LATER) == 1
    assert message.settle_sent(LATER) is False
    assert states() == ["queued"] * 3


def test_a_claim_that_is_renewed_goes_on(messages):
    first, second, _third = claim()
    first.hand_over(NOW)
    assert Message.objects.renew(first.token, NOW + datetime.timedelta(seconds=50)) == 2
    assert Message.objects.sweep(LATER) == (0, 1)
    assert second.hand_over(LATER) is True


def test_what_workers_die_of_is_claimed_ever_fewer_at_a_time_and_fails_alone(settings):
    settings.AUTOMATION = {"DELIVERY_BATCH": 20}
    shop.mail()
    record((Event("cart_left", str(n), recipient=f"{n}@example.com") for n in range(40)), now=NOW)
    poison, now, sizes = Message.objects.earliest("pk"), NOW, []
    while batch := claim(40, now):
        if poison not in batch:
            for message in batch:
                message.hand_over(now)
                message.settle_sent(now)
            continue
        sizes.append(len(batch))
        for message in batch[: batch.index(poison)]:
            message.hand_over(now)
            message.settle_sent(now)
        now += datetime.timedelta(seconds=61)
        Message.objects.sweep(now)  # the worker died
    poison.refresh_from_db()
    assert sizes == [20, 2, 1, 1, 1, 1]
    assert (poison.state, poison.cause) == ("failed", "died")
    assert poison.reason == "Each worker that had it died, 6 of them."
    assert Message.objects.filter(state="sent").count() == 39


# What people decide -------------------------------------------------------------------------


def test_only_what_is_queued_can_be_cancelled(messages):
    claim(1)
    assert Message.objects.cancel("Ann") == 2
    assert states() == ["sending", "cancelled", "cancelled"]
    assert set(Message.objects.filter(state="cancelled").values_list("reason", "cause")) == {
        ("Cancelled by Ann.", "person")
    }
    assert claim() == []


def test_what_was_not_delivered_is_queued_anew(messages):
    failed, skipped, sent = claim()
    failed.settle_failed("550 No such person", "refused")
    skipped.settle_skipped("There is no address.", "no_address")
    sent.hand_over(NOW)
    sent.settle_sent(NOW)
    assert Message.objects.retry(LATER) == 2
    failed.refresh_from_db()
    assert (failed.state, failed.reason, failed.cause, failed.attempts) == ("queued", "", "", 0)
    assert [message.pk for message in claim(now=LATER)] == [failed.pk, skipped.pk]


def test_unknown_ones_are_sent_again_or_settled_and_nothing_else_is(messages):
    first, second, _third = claim()
    for message in (first, second):
        message.hand_over(NOW)
        message.settle_unknown("The connection broke.")
    assert Message.objects.filter(pk=first.pk).settle(True, "Ann", LATER) == 1
    assert Message.objects.filter(pk=second.pk).settle(False, "Ann", LATER) == 1
    assert Message.objects.settle(True, "Ann", LATER) == 0
    assert list(Message.objects.order_by("pk").values_list("state", "reason", "sent_at")) == [
        ("sent", "Ann says: it arrived.", NOW),
        ("failed", "Ann says: it did not arrive.", None),
        ("sending", "", None),
    ]


def test_a_temporary_error_is_tried_again_later_and_not_for_ever(messages, settings):
    settings.AUTOMATION = {"DELIVERY_ATTEMPTS": 2}
    message = claim(1)[0]
    message.hand_over(NOW)
    message.put_back(NOW, "451 later")
    message.refresh_from_db()
    assert (message.state, message.reason, message.attempts) == ("queued", "451 later", 1)
    assert message.handed_at is None
    assert message.not_before > NOW

    Message.objects.filter(pk=message.pk).update(not_before=NOW - datetime.timedelta(days=1))
    message = claim(1)[0]
    message.put_back(NOW, "451 later")
    message.refresh_from_db()
    assert (message.state, message.reason) == ("failed", "Given up after 2 attempts: 451 later")


def test_what_was_not_its_fault_does_not_count_as_an_attempt(messages):
    message = claim(1)[0]
    message.postpone(LATER, "The mail server cannot be used")
    message.refresh_from_db()
    assert (message.state, message.attempts, message.not_before) == ("queued", 0, LATER)


def test_pauses_grow_and_end_growing():
    assert all(22 <= back_off(1) <= 38 for _ in range(20))
    assert all(44 * 3600 / 10 <= back_off(99) <= 8 * 3600 for _ in range(20))


def test_what_is_settled_stays_as_it_is(messages):
    message = claim(1)[0]
    assert message.settle_skipped("There is no address.")
    assert not message.settle_failed("too late")
    assert Message.objects.filter(attempts=F("attempts")).get(pk=message.pk).state == "skipped"
