"""Providers that take mails over HTTP: a real server that speaks their language."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from automation.events.states import Cause, State
from mails.answers import MOST
from mails.models import Account, Message
from mails.providers import KNOWN_FOR
from tests.provider import HANG_UP, Provider
from tests.receiver import certificate_for
from tests.test_delivery import deliver_due, messages, queue

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture
def resend(provider: Provider, settings: Any) -> Provider:
    return use(settings, provider, "resend", api_key="secret")


@pytest.fixture
def postmark(provider: Provider, settings: Any) -> Provider:
    return use(settings, provider, "postmark", server_token="secret")


def use(settings: Any, provider: Provider, name: str, **options: Any) -> Provider:
    backend = f"anymail.backends.{name}.EmailBackend"
    options = {"api_url": provider.url, "timeout": 2, **options}
    settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
    return provider


def due_again() -> None:
    Message.objects.update(not_before=timezone.now())
    Account.objects.update(stopped_until=timezone.now())
    deliver_due()


def test_a_batch_goes_over_one_http_connection_and_each_message_keeps_the_providers_name(
    resend: Provider,
):
    queue("a@example.com", "b@example.com", "c@example.com")
    deliver_due()
    assert messages() == [("sent", "")] * 3
    assert [request.data["to"] for request in resend.taken] == [
        ["a@example.com"], ["b@example.com"], ["c@example.com"],
    ]  # fmt: skip
    assert resend.connections == 1
    assert all(Message.objects.values_list("provider_id", flat=True))
    message = Message.objects.earliest("pk")
    assert resend.taken[0].headers["idempotency-key"] == str(message.uuid)
    assert resend.taken[0].data["html"] == message.html


def test_a_message_takes_its_name_along(postmark: Provider):
    queue("a@example.com")
    deliver_due()
    message = Message.objects.get()
    assert postmark.taken[0].data["Metadata"] == {
        "message": str(message.pk), "uuid": str(message.uuid),
    }  # fmt: skip
    assert message.state == State.SENT


def test_a_provider_that_knows_what_comes_twice_is_asked_again_and_sends_once(resend: Provider):
    resend.answers = [(HANG_UP, None, {})]
    queue("a@example.com")
    deliver_due()
    ((state, reason),) = messages()
    assert state == State.QUEUED
    assert reason.startswith("The provider did not answer: ")
    due_again()
    assert messages() == [("sent", "")]
    assert len(resend.requests) == 2
    assert len(resend.taken) == 1


def test_a_provider_that_does_not_know_it_leaves_it_unknown(postmark: Provider):
    postmark.answers = [(HANG_UP, None, {})]
    queue("a@example.com", "b@example.com")
    deliver_due()
    assert [state for state, _reason in messages()] == ["unknown", "sent"]
    due_again()
    assert len(postmark.requests) == 2


def test_one_that_may_be_there_goes_nowhere_else(resend: Provider, settings: Any):
    """Another account would not know it."""
    settings.MAILERS["other"] = {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}
    settings.AUTOMATION = {"ACCOUNTS": {"default": {"FALLBACK": "other"}}}
    resend.answers = [(HANG_UP, None, {}), (401, {"message": "Bad key"}, {})]
    queue("a@example.com", "b@example.com")
    deliver_due()
    assert list(Message.objects.order_by("pk").values_list("state", "account")) == [
        ("queued", "default"), ("sent", "other"),
    ]  # fmt: skip
    Message.objects.update(not_before=timezone.now())
    deliver_due()
    assert [state for state, _reason in messages()] == ["queued", "sent"]
    due_again()
    assert list(Message.objects.order_by("pk").values_list("state", "account")) == [
        ("sent", "default"), ("sent", "other"),
    ]  # fmt: skip
    assert len(resend.taken) == 1


def test_one_that_the_provider_would_no_longer_know_is_unknown(resend: Provider):
    resend.answers = [(HANG_UP, None, {})]
    queue("a@example.com")
    deliver_due()
    long_ago = timezone.now() - KNOWN_FOR - datetime.timedelta(seconds=1)
    Message.objects.update(in_doubt_since=long_ago)
    due_again()
    assert messages() == [
        ("unknown", "The provider did not answer, and would no longer know it if it came again.")
    ]
    assert len(resend.requests) == 1
    Message.objects.resend(timezone.now())  # a person decides
    deliver_due()
    assert messages() == [("sent", "")]


def test_the_first_time_without_an_answer_counts(resend: Provider):
    resend.answers = [(HANG_UP, None, {}), (HANG_UP, None, {}), (429, {"message": "Slowly"}, {})]
    queue("a@example.com")
    deliver_due()
    first = Message.objects.get().in_doubt_since
    for _time in range(2):
        due_again()
    assert Message.objects.get().in_doubt_since == first
    assert [state for state, _reason in messages()] == ["queued"]


def test_one_that_may_be_there_is_unknown_and_not_failed_after_the_last_attempt(
    resend: Provider, settings: Any
):
    settings.AUTOMATION = {"DELIVERY_ATTEMPTS": 2}
    resend.answers = [(HANG_UP, None, {}), (429, {"message": "Slowly"}, {})]
    queue("a@example.com")
    deliver_due()
    due_again()
    assert messages() == [("unknown", "429 Slowly")]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_provider_that_has_no_time_is_asked_later(postmark: Provider, status: int):
    postmark.answers = [(status, {"Message": "Later"}, {})]
    queue("a@example.com", "b@example.com")
    deliver_due()
    assert messages() == [("queued", f"{status} Later"), ("sent", "")]
    assert Message.objects.earliest("pk").attempts == 1


def test_a_provider_that_says_when_is_asked_then(postmark: Provider):
    postmark.answers = [(429, {"Message": "Slowly"}, {"Retry-After": "600"})]
    queue("a@example.com")
    before = timezone.now()
    deliver_due()
    waits = Message.objects.get().not_before - before
    assert datetime.timedelta(seconds=600) <= waits < datetime.timedelta(seconds=660)


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_that_answers_for_the_provider_says_nothing(postmark: Provider, status: int):
    postmark.answers = [(status, {"Message": "Gateway"}, {})]
    queue("a@example.com")
    deliver_due()
    assert [state for state, _reason in messages()] == ["unknown"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_message_that_the_provider_does_not_take_fails(postmark: Provider, status: int):
    postmark.answers = [(status, {"Message": "Invalid 'Subject'"}, {})]
    queue("a@example.com", "b@example.com")
    deliver_due()
    assert messages() == [("failed", f"{status} Invalid 'Subject'"), ("sent", "")]
    assert Message.objects.earliest("pk").cause == Cause.REFUSED


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_provider_that_refuses_us_stops_the_account(postmark: Provider, status: int):
    postmark.answers = [(status, {"Message": "Not you"}, {})]
    queue("a@example.com", "b@example.com")
    deliver_due()
    reason = f"The mail server cannot be used: {status} Not you"
    assert messages() == [("queued", reason)] * 2
    assert len(postmark.requests) == 1
    due_again()
    assert messages() == [("sent", "")] * 2
    assert Account.objects.get().stopped_at is None


def test_a_sender_that_the_provider_does_not_know_stops_only_its_messages(resend: Provider):
    said = {"message": "The example.org domain is not verified. Please add and verify it."}
    resend.answers = [(403, said, {})]
    queue("a@example.com", from_email="boss@example.org")
    deliver_due()
    assert [state for state, _reason in messages()] == ["queued"]
    stopped = Account.objects.exclude(stopped_at=None)
    assert list(stopped.values_list("sender", flat=True)) == ["boss@example.org"]


def test_a_provider_out_of_reach_is_waited_for(postmark: Provider):
    postmark.stop()
    queue("a@example.com", "b@example.com")
    deliver_due()
    assert [state for state, _reason in messages()] == ["queued"] * 2
    assert set(Message.objects.values_list("attempts", flat=True)) == {0}
    assert Account.objects.get().refusals == 0
    postmark.start()


def test_an_address_that_the_provider_has_closed_fails(postmark: Provider):
    said = (
        "You tried to send to a recipient that has been marked as inactive. "
        "Found inactive addresses: a@example.com. Inactive recipients are ones that bounced."
    )
    postmark.answers = [(422, {"ErrorCode": 406, "Message": said}, {})]
    queue("a@example.com", "b@example.com")
    deliver_due()
    assert messages() == [("failed", "The provider refuses this address."), ("sent", "")]


def test_a_provider_that_does_not_say_what_it_does_leaves_it_unknown(postmark: Provider):
    postmark.answers = [(422, {"ErrorCode": 406, "Message": "In other words"}, {})]
    queue("a@example.com")
    deliver_due()
    assert messages() == [("unknown", "The provider did not say whether it takes it.")]


def test_an_answer_that_nobody_understands_leaves_it_unknown(postmark: Provider):
    postmark.answers = [(200, ["what?"], {})]
    queue("a@example.com")
    deliver_due()
    assert [state for state, _reason in messages()] == ["unknown"]


def test_another_message_by_the_same_name_is_unknown(resend: Provider):
    """The provider has seen the name with other content: that one may have gone out."""
    resend.answers = [(HANG_UP, None, {}), (409, {"message": "Same key, other payload"}, {})]
    queue("a@example.com")
    deliver_due()
    due_again()
    assert messages() == [("unknown", "409 Same key, other payload")]


def test_a_backend_that_is_none_stops_the_account_with_words(settings: Any):
    settings.MAILERS = {"default": {"BACKEND": "no.such.Backend"}}
    queue("a@example.com")
    deliver_due()
    reason = "The mail server cannot be used: No module named 'no'"
    assert messages() == [("queued", reason)]


def test_what_no_database_can_keep_of_an_answer_is_replaced_and_the_batch_goes_on(
    resend: Provider,
):
    resend.answers = [(422, {"message": "bad \ud83d\x00 name"}, {}), (200, {"id": "\ud83d7"}, {})]
    queue("a@example.com", "b@example.com")
    deliver_due()
    assert messages() == [("failed", "422 bad \ufffd\ufffd name"), ("sent", "")]
    assert Message.objects.latest("pk").provider_id == "\ufffd7"


def test_a_long_answer_is_cut(resend: Provider):
    resend.answers = [(422, {"message": "x" * 5_000}, {})]
    queue("a@example.com")
    deliver_due()
    assert messages() == [("failed", "422 " + "x" * (MOST - 4))]


def test_a_provider_whose_certificate_is_not_valid_stops_the_account(settings: Any, tmp_path: Path):
    stranger = Provider(certificate=certificate_for("api.example", tmp_path))
    stranger.start()
    use(settings, stranger, "resend", api_key="secret")
    queue("a@example.com")
    deliver_due()
    stranger.stop()
    account = Account.objects.get()
    assert account.refusals == 1
    assert "certificate verify failed" in account.reason
    assert messages() == [("queued", account.reason)]
