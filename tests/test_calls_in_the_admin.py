"""Calls of listeners are decided about in their own words, and need not wait for their pause."""

import datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from automation.events import Event, record
from automation.events.deciding import open_to
from automation.events.dispatch import listeners
from automation.events.models import ListenerCall, Webhook, WebhookCall
from mails.models import Message
from tests import shop

pytestmark = pytest.mark.django_db

LIST = reverse("admin:automation_events_listenercall_changelist")
HOUR = datetime.timedelta(hours=1)


def hear(event: Event) -> None: ...


def hear_at_once(event: Event) -> None: ...


@pytest.fixture
def calls() -> list[ListenerCall]:
    """One that was tried and waits, one that was never tried, one that is due, one that is done."""
    with listeners.registered("loan_.*", hear, queue=True):
        record(Event("loan_late", key) for key in "1234")
    found = list(ListenerCall.objects.order_by("event__key"))
    later = timezone.now() + HOUR
    for call, state, attempts, not_before in zip(
        found,
        ("queued", "queued", "queued", "sent"),
        (3, 0, 1, 1),
        (later, later, timezone.now(), later),
        strict=True,
    ):
        call.state, call.attempts, call.not_before = state, attempts, not_before
        call.save()
    return found


def post(client: Any, name: str, chosen: list[ListenerCall], **further: str) -> Any:
    pks = [call.pk for call in chosen]
    return client.post(
        LIST, {"action": name, "_selected_action": pks, "index": "0", **further}, follow=True
    )


def test_what_was_tried_and_waits_can_be_tried_now(calls: list[ListenerCall], admin_client: Any):
    page = post(admin_client, "hasten", calls)
    assert (page.context["count"], page.context["others"]) == (1, 3)
    post(admin_client, "hasten", calls, confirmed="1")
    now = timezone.now()
    assert [call.pk for call in ListenerCall.objects.all().due(now)] == [calls[2].pk, calls[0].pk]
    assert ListenerCall.objects.get(pk=calls[0].pk).attempts == 3
    logged = [(entry.object_id, entry.get_change_message()) for entry in LogEntry.objects.all()]
    assert logged == [(str(calls[0].pk), "Is tried now.")]


def test_the_page_of_one_offers_it_only_to_what_waits(calls: list[ListenerCall], admin_client: Any):
    def offered(call: ListenerCall) -> list[str]:
        url = reverse("admin:automation_events_listenercall_change", args=[call.pk])
        return [str(each.label) for _name, each in admin_client.get(url).context["decisions"]]

    assert [offered(call) for call in calls] == [
        ["Try again now", "Do not call"], ["Do not call"], ["Do not call"], [],
    ]  # fmt: skip


def test_calls_of_webhooks_can_be_hastened_unless_they_wait_for_the_webhook():
    now = timezone.now()
    for name, further in (
        ("up", {}),
        ("off", {"is_active": False}),
        ("resting", {"resting_until": now + HOUR}),
    ):
        Webhook.objects.create(
            name=name, slug=name, group="loan_late", url=f"https://{name}.example", is_active=True
        )
        record([Event("loan_late", name)])
        Webhook.objects.filter(name=name).update(**further)
    WebhookCall.objects.update(attempts=1, not_before=now + HOUR)
    pausing = WebhookCall.objects.all().pausing(now)
    assert {call.webhook.name for call in pausing} == {"up"}
    assert pausing.hasten(now) == pausing.model.objects.filter(not_before=now).count()


def test_mails_wait_as_servers_want_it():
    assert "hasten" not in open_to(Message)
    assert "hasten" in open_to(ListenerCall)
    assert "hasten" in open_to(WebhookCall)


def test_the_words_are_those_of_calls(calls: list[ListenerCall], admin_client: Any):
    ListenerCall.objects.filter(pk=calls[0].pk).update(state="sending")
    page = admin_client.get(LIST)
    html = page.content.decode()
    assert "Do not send" not in html
    states, causes, *_others = page.context["cl"].filter_specs
    assert [str(choice["display"]) for choice in states.choices(page.context["cl"])] == [
        "All", "queued", "being called", "done", "failed", "unknown", "cancelled", "skipped",
    ]  # fmt: skip
    assert [str(label) for _value, label in causes.lookup_choices] == [
        "failed in the code", "tried too often", "no longer exists",
        "broke down again and again", "erased", "decided by a person",
    ]  # fmt: skip
    assert [call.get_state_display() for call in ListenerCall.objects.order_by("pk")] == [
        "being called", "queued", "queued", "done",
    ]  # fmt: skip
    asked = post(admin_client, "cancel", calls[1:2]).content.decode()
    assert "What is still queued will not be called" in asked
    assert "Yes, do not call" in asked


def test_causes_that_mails_cannot_have_are_not_offered_there(admin_client: Any):
    record([Event("cart_left", "1")])
    shop.mail()
    page = admin_client.get(reverse("admin:mails_message_changelist"))
    causes = [value for value, _label in page.context["cl"].filter_specs[1].lookup_choices]
    assert "raised" not in causes
    assert "bounced" in causes
    page = admin_client.get(reverse("admin:automation_events_webhookcall_changelist"))
    causes = [value for value, _label in page.context["cl"].filter_specs[1].lookup_choices]
    assert causes == [
        "expired", "erased", "refused", "gone", "error", "given_up", "died", "person"
    ]  # fmt: skip


def test_listeners_are_offered_that_could_have_had_a_call(
    calls: list[ListenerCall], admin_client: Any
):
    def offered() -> list[str]:
        (found,) = (
            each
            for each in admin_client.get(LIST).context["cl"].filter_specs
            if getattr(each, "parameter_name", "") == "listener"
        )
        return [name for name, _label in found.lookup_choices if name.startswith(__name__)]

    with (
        listeners.registered("x", hear_at_once),
        listeners.registered("y", hear_too, queue=True),
    ):
        assert offered() == [f"{__name__}.hear", f"{__name__}.hear_too"]
        ListenerCall.objects.filter(pk=calls[0].pk).update(listener=f"{__name__}.hear_at_once")
        assert offered() == [f"{__name__}.{name}" for name in ("hear", "hear_at_once", "hear_too")]


def hear_too(event: Event) -> None: ...
