"""What people decide about deliveries: from the list and from one's page, asked first, logged."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from automation.events import Event, deciding, record
from automation.events.deciding import DECISIONS, decide
from mails.models import Message
from tests import shop

pytestmark = pytest.mark.django_db

LIST = reverse("admin:mails_message_changelist")


@pytest.fixture
def messages() -> list[Message]:
    """In each state one, by its name."""
    shop.mail()
    states = ["queued", "sending", "sent", "failed", "skipped", "cancelled", "unknown"]
    record(
        (Event("cart_left", state, recipient=f"{state}@example.com") for state in states),
        now=shop.NOW,
    )
    found = {message.recipient.partition("@")[0]: message for message in Message.objects.all()}
    for state in states:
        found[state].state = state
        found[state].save()
    return [found[state] for state in states]


def page_of(message: Message) -> str:
    return reverse("admin:mails_message_change", args=[message.pk])


def post(client: Client, name: str, chosen: list[Message], **further: str) -> Any:
    pks = [message.pk for message in chosen]
    return client.post(
        LIST, {"action": name, "_selected_action": pks, "index": "0", **further}, follow=True
    )


def states() -> dict[str, str]:
    """By what each was before."""
    pairs = Message.objects.order_by("pk").values_list("recipient", "state")
    return {recipient.partition("@")[0]: state for recipient, state in pairs}


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("retry", {"failed": "queued", "skipped": "queued", "cancelled": "queued"}),
        ("cancel", {"queued": "cancelled"}),
        ("resend", {"unknown": "queued"}),
        ("arrived", {"unknown": "sent"}),
        ("lost", {"unknown": "failed"}),
    ],
)
def test_each_decision_is_about_its_states_only_and_is_logged(
    messages: list[Message], admin_client: Client, name: str, becomes: dict[str, str]
):
    before = states()
    page = post(admin_client, name, messages)
    assert states() == before  # it asks first
    assert f"<strong>{len(becomes)}</strong>" in page.content.decode()
    assert page.context["others"] == len(messages) - len(becomes)
    post(admin_client, name, messages, confirmed="1")
    assert states() == before | becomes
    logged = {entry.object_id for entry in LogEntry.objects.all()}
    assert logged == {str(m.pk) for m in messages if m.recipient.partition("@")[0] in becomes}
    assert {str(e.get_change_message()) for e in LogEntry.objects.all()} == {
        str(DECISIONS[name].done)
    }


def test_the_page_of_one_offers_what_can_be_decided_and_comes_back(
    messages: list[Message], admin_client: Client
):
    offered = {
        message.recipient.partition("@")[0]: [
            name for name, _decision in admin_client.get(page_of(message)).context["decisions"]
        ]
        for message in messages
    }
    assert offered == {
        "queued": ["cancel"], "sending": [], "sent": [], "failed": ["retry"],
        "skipped": ["retry"], "cancelled": ["retry"], "unknown": ["resend", "arrived", "lost"],
    }  # fmt: skip
    failed = messages[3]
    answer = post(admin_client, "retry", [failed], confirmed="1", back="1")
    assert answer.redirect_chain == [(page_of(failed), 302)]
    assert "1 message: Queued again." in answer.content.decode()


def test_what_left_its_state_meanwhile_is_left_alone_and_told(
    messages: list[Message], admin_client: Client
):
    queued = messages[0]
    post(admin_client, "cancel", [queued])
    Message.objects.filter(pk=queued.pk).update(state="sending")
    answer = post(admin_client, "cancel", [queued], confirmed="1")
    assert "None of them is in a state for that any more." in answer.content.decode()
    assert states()["queued"] == "sending"
    assert not LogEntry.objects.exists()


def test_only_those_who_may_decide_can(messages: list[Message], client: Client):
    user = User.objects.create_user("vera", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_message"))
    client.force_login(user)
    assert b"Try again" not in client.get(LIST).content
    assert "decisions" not in client.get(page_of(messages[3])).context
    post(client, "retry", messages, confirmed="1")
    assert states()["failed"] == "failed"
    user.user_permissions.add(Permission.objects.get(codename="decide_message"))
    client.force_login(User.objects.get(pk=user.pk))
    post(client, "retry", messages, confirmed="1")
    assert states()["failed"] == "queued"


def test_many_are_decided_in_small_transactions_with_a_constant_number_of_queries(
    admin_user: User, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
):
    monkeypatch.setattr(deciding, "AT_A_TIME", 20)
    shop.mail()
    record(Event("cart_left", str(n), recipient=f"{n}@example.com") for n in range(50))
    chosen = Message.objects.filter(recipient__endswith="@example.com")
    # For each of three chunks: keys, a savepoint, those still in their state, two changes, what
    # to log, the log, release; and one more look for keys. (The kind of thing is remembered.)
    with django_assert_num_queries(3 * 8 + 1):
        assert decide(DECISIONS["cancel"], chosen, admin_user, shop.NOW) == 50
    assert set(Message.objects.values_list("state", flat=True)) == {"cancelled"}
    assert LogEntry.objects.count() == 50


def test_all_of_a_filtered_list_can_be_chosen(messages: list[Message], admin_client: Client):
    chosen = {"action": "retry", "_selected_action": [messages[3].pk], "index": "0"}
    where = f"{LIST}?state__exact=failed"
    admin_client.post(where, {**chosen, "select_across": "1", "confirmed": "1"})
    assert states()["failed"] == "queued"
    assert states()["skipped"] == "skipped"
