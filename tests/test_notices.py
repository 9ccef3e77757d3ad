"""What providers tell us later, by way of django-anymail's real webhooks."""

import base64
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils import timezone

from automation.events.states import Cause, State
from mails.building import message_id
from mails.models import Message
from mails.notices import find
from tests.test_delivery import messages, queue

pytestmark = pytest.mark.django_db

urlpatterns = [path("anymail/", include("anymail.urls"))]


@pytest.fixture(autouse=True)
def webhooks(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    settings.ANYMAIL = {"WEBHOOK_SECRET": "name:word"}


def message(state: str, **values: Any) -> Message:
    queue("a@example.com")
    Message.objects.update(state=state, handed_at=timezone.now(), **values)
    return Message.objects.get()


def tell(about: Message, kind: str, *, name: bool = True, **values: Any) -> int:
    """Postmark posts a notice. Returns the status that it gets."""
    data = {
        "RecordType": kind,
        "MessageID": about.provider_id or "its-own-name",
        "Recipient": about.recipient,
        "Email": about.recipient,
        "DeliveredAt": "2026-03-10T12:00:00Z",
        "BouncedAt": "2026-03-10T12:00:00Z",
        **values,
    }
    if name:
        data["Metadata"] = {"message": str(about.pk), "uuid": str(about.uuid)}
    secret = base64.b64encode(b"name:word").decode()
    return (
        Client(raise_request_exception=False)
        .post(
            "/anymail/postmark/tracking/",
            json.dumps(data),
            content_type="application/json",
            headers={"Authorization": f"Basic {secret}"},
        )
        .status_code
    )


BOUNCE = {"ID": 1, "Type": "HardBounce", "Description": "No such person", "Details": "550 5.1.1"}


@pytest.mark.parametrize("kind", ["Delivery", "Open"])
def test_an_unknown_message_that_arrived_is_sent(kind: str):
    unknown = message(State.UNKNOWN, reason="The connection broke")
    assert tell(unknown, kind) == 200
    assert messages() == [("sent", "The provider told us afterwards.")]
    assert Message.objects.get().sent_at == unknown.handed_at


def test_an_unknown_message_that_came_back_has_failed():
    assert tell(message(State.UNKNOWN), "Bounce", **BOUNCE) == 200
    assert messages() == [("failed", "bounced: No such person")]
    assert Message.objects.get().cause == Cause.BOUNCED


def test_a_sent_message_that_came_back_stays_sent_and_says_so():
    assert tell(message(State.SENT), "Bounce", **BOUNCE) == 200
    assert messages() == [("sent", "bounced: No such person")]
    assert Message.objects.get().cause == Cause.BOUNCED


def test_a_copy_that_came_back_is_a_note():
    for _twice in range(2):
        tell(message(State.SENT) if not Message.objects.exists() else Message.objects.get(),
             "Bounce", **{**BOUNCE, "Email": "copy@example.com"})  # fmt: skip
    assert messages() == [("sent", "Copy to copy@example.com: bounced: No such person")]
    assert Message.objects.get().cause == ""


@pytest.mark.parametrize("state", ["queued", "failed", "cancelled", "skipped"])
def test_what_the_provider_tells_later_changes_no_decision(state: str):
    assert tell(message(state, reason="As it was"), "Delivery") == 200
    assert messages() == [(state, "As it was")]


def test_one_that_is_to_be_asked_again_is_settled():
    doubted = message(State.QUEUED, attempts=1, in_doubt_since=timezone.now())
    tell(doubted, "Delivery")
    assert messages() == [("sent", "The provider told us afterwards.")]


def test_a_provider_that_takes_no_name_along_is_understood_by_its_own():
    known = message(State.UNKNOWN, provider_id="0815")
    tell(known, "Delivery", name=False)
    assert [state for state, _reason in messages()] == ["sent"]


def test_a_notice_of_somebody_elses_mail_changes_nothing():
    known = message(State.UNKNOWN)
    known.uuid = "00000000-0000-4000-8000-000000000000"
    assert tell(known, "Delivery") == 200
    assert tell(known, "Delivery", name=False) == 200
    assert [state for state, _reason in messages()] == ["unknown"]


def test_who_does_not_know_the_secret_tells_nothing():
    known = message(State.UNKNOWN)
    data = {"RecordType": "Delivery", "MessageID": "x", "Recipient": "a@example.com",
            "Metadata": {"message": str(known.pk), "uuid": str(known.uuid)}}  # fmt: skip
    answer = Client().post(
        "/anymail/postmark/tracking/", json.dumps(data), content_type="application/json"
    )
    assert answer.status_code == 400
    assert [state for state, _reason in messages()] == ["unknown"]


def test_a_provider_that_knows_only_the_message_id_is_understood():
    known = message(State.UNKNOWN)
    for name in (message_id(known.uuid), message_id(known.uuid).strip("<>").upper()):
        Message.objects.update(state=State.UNKNOWN)
        assert tell(known, "Delivery", name=False, MessageID=name) == 200
        assert [state for state, _reason in messages()] == ["sent"]


@pytest.mark.parametrize("name", [True, False])
def test_a_notice_of_a_message_that_is_being_sent_is_asked_for_again(name: bool):
    sending = message(State.SENDING)
    values = {**BOUNCE, "name": name, "MessageID": message_id(sending.uuid)}
    assert tell(sending, "Bounce", **values) == 500
    assert messages() == [("sending", "")]
    Message.objects.update(state=State.UNKNOWN)
    assert tell(sending, "Bounce", **values) == 200
    assert messages() == [("failed", "bounced: No such person")]


def test_words_that_no_database_can_keep_are_replaced():
    known = message(State.SENT)
    bounce = {**BOUNCE, "Description": "No\x00 such \ud83d person"}
    assert tell(known, "Bounce", **bounce) == 200
    assert messages() == [("sent", "bounced: No\ufffd such \ufffd person")]
    strange = {**bounce, "Email": "c\ud83d@example.com", "MessageID": "\x00\ud83d"}
    assert tell(known, "Bounce", **strange) == 200
    assert tell(known, "Bounce", name=False, **strange) == 200


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("metadata", "indexes"),
    [
        ({"message": "1", "uuid": "00000000-0000-4000-8000-000000000000"}, ["PRIMARY KEY"]),
        ({}, ["message_provider", "message_due"]),
    ],
)
def test_a_message_is_found_by_an_index(metadata: Any, indexes: list[str]):
    with CaptureQueriesContext(connection) as queries:
        find(metadata, "00000000-0000-4000-8000-000000000000@example.com")
    assert len(queries) == len(indexes)
    for query, index in zip(queries, indexes, strict=True):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plan = " ".join(str(row) for row in cursor.fetchall())
        assert index in plan
