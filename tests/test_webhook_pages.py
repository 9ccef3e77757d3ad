"""The pages of webhooks, their calls and those of listeners: what they show and refuse."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from automation.events import Event, record
from automation.events.delivering import deliver
from automation.events.dispatch import listeners
from automation.events.models import ListenerCall, Webhook, WebhookCall
from tests import shop
from tests.forms import errors, filled
from tests.receiver import Receiver
from tests.test_queued_listeners import stumble
from tests.webhooks import call_due, happen, is_signed, webhook

pytestmark = pytest.mark.django_db

ADD = "/admin/automation_events/webhook/add/"
LIST = "/admin/automation_events/webhook/"
CALLS = "/admin/automation_events/webhookcall/"
LISTENERS = "/admin/automation_events/listenercall/"


def page(thing: Any, name: str = "change") -> str:
    opts = thing._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=[thing.pk])


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.fixture
def staff(client: Client, django_user_model: Any) -> Any:
    """Signs in somebody who is no superuser and may do only this."""

    def sign_in(*codenames: str) -> Client:
        user = django_user_model.objects.create_user("ann", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        assert user.user_permissions.count() == len(codenames)
        client.force_login(user)
        return client

    return sign_in


# The form ---------------------------------------------------------------------------------


def test_a_webhook_is_made_and_shows_what_it_sends(admin_client: Client, receiver: Receiver):
    form = filled(
        admin_client, ADD, "webhook",
        name="Stock", slug="stock", group="cart_left", url=receiver.url, _sends="1",
    )  # fmt: skip
    answer = admin_client.post(ADD, form)
    made = Webhook.objects.get()
    assert answer.headers["Location"] == page(made, "sends")
    assert made.is_active is False
    assert made.secret.startswith("whsec_")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "Write the address that is called."),
        ("http://127.0.0.1/", "“127.0.0.1” leads to 127.0.0.1, an address inside of a network."),
        ("http://[::1]/", "“::1” leads to ::1, an address inside of a network."),
        ("http://169.254.169.254/latest", "“169.254.169.254” leads to 169.254.169.254, an"),
        ("http://192.168.0.1:8000/", "“192.168.0.1” leads to 192.168.0.1, an address inside"),
        ("http://localhost/", "“localhost” leads to "),
        ("https://nobody.invalid/", "There is no host “nobody.invalid”. Check how it is written."),
        ("mailto:ann@example.com", "Write an address that begins with https:// or http://."),
        ("https://user:secret@example.com/", "Leave out the user and the password"),
    ],
)
def test_an_address_that_is_not_called_is_told_at_its_field_and_once(
    admin_client: Client, url: str, said: str
):
    form = filled(admin_client, ADD, "webhook", name="x", slug="x", group="g", url=url)
    found = errors(admin_client.post(ADD, form))
    assert list(found) == ["url"]
    assert len(found["url"]) == 1
    assert found["url"][0].startswith(said)
    assert Webhook.objects.count() == 0


def test_what_else_is_wrong_is_told_at_its_field(admin_client: Client, receiver: Receiver):
    webhook(receiver.url)
    form = filled(
        admin_client, ADD, "webhook", slug="stock-1", group="a*b*c*d*", url=receiver.url,
        expires_hours="-1",
    )  # fmt: skip
    assert errors(admin_client.post(ADD, form)) == {
        "name": ["This field is required."],
        "slug": ["This short name is taken. Choose another one."],
        "group": ["At most 3 signs * are possible."],
        "expires_hours": ["Ensure this value is greater than or equal to 0."],
    }


def test_the_groups_that_are_made_here_are_suggested(admin_client: Client):
    shop.generator(group_template="cart_left")
    assert '<option value="cart_left">' in text(admin_client.get(ADD))


def test_a_group_that_nobody_makes_is_told(admin_client: Client, receiver: Receiver):
    form = filled(
        admin_client, ADD, "webhook", name="x", slug="x", group="nobodys", url=receiver.url
    )
    told = [str(each) for each in admin_client.post(ADD, form, follow=True).context["messages"]]
    assert told[0] == (
        "No generator makes events of the group “nobodys”. Unless code records some, nothing is "
        "ever sent."
    )


def test_a_name_is_saved_without_looking_the_host_up_again(admin_client: Client):
    made = webhook("https://nobody.invalid/")
    form = filled(admin_client, page(made), "webhook", name="Renamed")
    assert admin_client.post(page(made), form).status_code == 302
    made.refresh_from_db()
    assert made.name == "Renamed"


def test_a_webhook_that_was_called_is_not_deleted(admin_client: Client, receiver: Receiver):
    made = webhook(receiver.url)
    happen("1")
    answer = admin_client.get(page(made, "delete"), follow=True)
    assert [str(each) for each in answer.context["messages"]] == [
        "“Stock” was called, and its calls stay in the history. Switch it off instead."
    ]


def test_why_it_was_switched_off_is_shown(admin_client: Client, receiver: Receiver):
    made = webhook(receiver.url)
    receiver.status = 410
    happen("1")
    call_due()
    said = "The other side says that nothing is there any more (410)."
    for address in (LIST, page(made), page(made, "sends")):
        assert said in text(admin_client.get(address))


@pytest.mark.parametrize(
    ("status", "said"), [(200, ">200</span>"), (500, ">500</span>"), (None, ">none</span>")]
)
def test_the_list_shows_the_last_answer(
    admin_client: Client, receiver: Receiver, status: int | None, said: str
):
    made = webhook(receiver.url)
    happen("1")
    call_due()
    if status is None:
        receiver.stop()
    else:
        receiver.status = status
    happen("2")
    call_due()
    if status is None:
        receiver.start()
    happen("3")  # not tried yet
    listed = text(admin_client.get(LIST))
    assert said in listed
    assert listed.count("state-sent") == (1 if status == 200 else 0)
    assert made.calls.exclude(tried_at=None).count() == 2


# The secret -------------------------------------------------------------------------------


def test_the_secret_is_covered_until_somebody_asks(admin_client: Client):
    made = webhook()
    for address in (LIST, page(made), page(made, "secret"), page(made, "sends")):
        assert made.secret not in text(admin_client.get(address))
    shown = admin_client.post(page(made, "secret"), {"show": "1"})
    assert made.secret in text(shown)
    assert "no-store" in shown.headers["Cache-Control"]
    assert LogEntry.objects.get().change_message == "Looked at the secret"


def test_a_new_secret_is_made_after_a_question(admin_client: Client):
    made = webhook()
    former = made.secret
    asked = text(admin_client.post(page(made, "secret"), {"renew": "1"}))
    made.refresh_from_db()
    assert made.secret == former
    assert "Make a new secret?" in asked
    assert former not in asked
    assert LogEntry.objects.count() == 0


def test_a_new_secret_is_shown_and_logged(admin_client: Client):
    made = webhook()
    former = made.secret
    answer = {"renew": "1", "confirmed": "1"}
    shown = text(admin_client.post(page(made, "secret"), answer))
    made.refresh_from_db()
    assert made.secret != former
    assert made.secret in shown
    assert former not in shown
    assert LogEntry.objects.get().change_message == "Made a new secret"


def test_who_may_only_look_does_not_see_the_secret(staff: Any):
    made = webhook()
    client = staff("view_webhook")
    assert client.get(page(made)).status_code == 200
    assert client.get(page(made, "secret")).status_code == 403
    assert client.post(page(made, "secret"), {"show": "1"}).status_code == 403


# What it sends, and test calls ------------------------------------------------------------


def test_what_it_sends_is_shown_for_an_event_that_happened(admin_client: Client):
    made = webhook()
    happen("1", "2", context={"name": "<script>"}, recipient="zoe@example.com")
    seen = admin_client.get(page(made, "sends"))
    assert json.loads(seen.context["body"])["data"]["key"] == "2"
    assert "&lt;script&gt;" in text(seen)
    seen = admin_client.get(page(made, "sends"), {"key": "1"})
    assert json.loads(seen.context["body"])["data"] == {
        "key": "1", "group": "cart_left", "row": None, "recipient": "zoe@example.com",
        "language": None, "context": {"name": "<script>"},
    }  # fmt: skip


def test_what_it_sends_is_shown_for_a_row_that_matches_now(admin_client: Client):
    made = webhook()
    shop.generator()
    left = shop.cart(shop.customer(email="zoe@example.com"), now=timezone.now())
    seen = admin_client.get(page(made, "sends"))
    told = json.loads(seen.context["body"])["data"]
    assert told["row"] == {"model": "demo.cart", "id": str(left.pk)}
    assert told["recipient"] == "zoe@example.com"
    assert told["context"]["cart"]["total"] == "129.90"
    assert "A row that matches now:" in text(seen)


def test_what_it_sends_is_invented_where_nothing_happened(admin_client: Client):
    seen = admin_client.get(page(webhook(group="order_*"), "sends"))
    assert json.loads(seen.context["body"])["type"] == "order_example"
    assert "So this is an invented one." in text(seen)


def test_a_test_call_is_signed_and_says_that_it_is_one(admin_client: Client, receiver: Receiver):
    made = webhook(receiver.url, is_active=False)
    happen("1", "2")
    receiver.answer = b"<b>taken</b>"
    seen = text(admin_client.post(page(made, "test"), {"key": "1"}))
    (call,) = receiver.received
    told = json.loads(call.body)
    assert (told["test"], told["data"]["key"]) == (True, "1")
    assert is_signed(call, made.secret)
    assert "The test call was taken." in seen
    assert "&lt;b&gt;taken&lt;/b&gt;" in seen
    assert LogEntry.objects.get().change_message == "Test call for 1: answered"
    assert WebhookCall.objects.count() == 0


def test_a_test_call_that_is_not_taken_says_why(admin_client: Client, receiver: Receiver):
    made = webhook(receiver.url)
    receiver.status = 404
    seen = text(admin_client.post(page(made, "test")))
    assert "The test call was not taken." in seen
    assert "The answer is 404: there is nothing at this address." in seen
    receiver.stop()
    seen = text(admin_client.post(page(made, "test")))
    receiver.start()
    assert "The server cannot be reached: Connection refused" in seen


def test_a_test_call_goes_nowhere_inside_either(admin_client: Client, receiver: Receiver, settings):
    made = webhook(receiver.url)
    settings.AUTOMATION = {}
    seen = text(admin_client.post(page(made, "test")))
    assert "an address inside of a network" in seen
    assert receiver.received == []


def test_an_event_that_is_gone_is_not_sent_as_another_one(admin_client: Client, receiver: Receiver):
    made = webhook(receiver.url)
    happen("1")
    seen = text(admin_client.post(page(made, "test"), {"key": "gone"}))
    assert "What you looked at matches no longer." in seen
    assert receiver.received == []


def test_test_calls_take_a_permission_of_their_own_and_a_post(staff: Any, receiver: Receiver):
    made = webhook(receiver.url)
    client = staff("view_webhook", "change_webhook")
    assert "Send a test call" not in text(client.get(page(made, "sends")))
    assert client.post(page(made, "test")).status_code == 403
    permission = Permission.objects.get(codename="send_test_call")
    client.get("/").wsgi_request.user.user_permissions.add(permission)
    assert "Send a test call" in text(client.get(page(made, "sends")))
    assert client.get(page(made, "test")).status_code == 405
    assert receiver.received == []
    assert client.post(page(made, "test")).status_code == 200
    assert len(receiver.received) == 1


def test_who_may_not_see_events_sees_and_sends_an_invented_one(staff: Any, receiver: Receiver):
    made = webhook(receiver.url)
    happen("of ann", recipient="ann@example.com", context={"iban": "CH93"})
    call_due()
    client = staff("view_webhook", "send_test_call", "view_webhookcall")
    seen = text(client.get(page(made, "sends")))
    assert "You may not see what happened. So this is an invented event." in seen
    asked = client.get(page(made, "sends"), {"key": "of ann"})
    tested = client.post(page(made, "test"), {"key": "of ann"})
    again = client.post(page(made, "test"))
    of_call = client.get(page(WebhookCall.objects.get()))
    for secret in ("ann@example.com", "CH93"):
        assert [secret in text(each) for each in (asked, tested, again, of_call)] == [False] * 4
    assert [json.loads(call.body)["data"]["key"] for call in receiver.received] == [
        "of ann", "example",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["sends", "test", "secret"])
def test_nobody_without_permission_sees_a_page_of_it(staff: Any, client: Client, name: str):
    made = webhook()
    assert client.post(page(made, name)).status_code == 302  # to the sign-in
    assert staff("send_test_call").post(page(made, name)).status_code == 403


@pytest.mark.parametrize("name", ["sends", "secret", "change"])
def test_a_number_that_no_webhook_can_have_is_not_found(admin_client: Client, name: str):
    answer = admin_client.get(f"{LIST}{'1' * 21}/{name}/", follow=True)
    assert answer.status_code in (200, 404)
    assert "webhook" not in (answer.context or {})


# Calls ------------------------------------------------------------------------------------


def test_a_call_shows_what_was_sent_and_answered_and_cannot_be_changed(
    admin_client: Client, receiver: Receiver
):
    webhook(receiver.url)
    receiver.status, receiver.answer = 500, b"<img src=x>"
    happen("cart:7", recipient="zoe@example.com")
    call_due()
    call = WebhookCall.objects.get()
    seen = text(admin_client.get(page(call)))
    for shown in (f"msg_{call.uuid}", "The answer is 500.", "&lt;img src=x&gt;", "zoe@example.com"):
        assert shown in seen
    assert admin_client.post(page(call), {"state": "sent"}).status_code == 403
    listed = text(admin_client.get(CALLS))
    for shown in ("cart:7", "The answer is 500.", "Stock"):
        assert shown in listed
    assert admin_client.get(f"{CALLS}add/").status_code == 403
    assert admin_client.post(page(call, "delete")).status_code == 403
    assert "Stock" in text(admin_client.get(page(call.event)))


def test_a_call_of_a_listener_shows_its_error(admin_client: Client):
    from automation.events.listeners.courier import ListenerCourier

    with listeners.registered("order_.*", stumble, queue=True):
        record([Event("order_paid", "1")])
        with ListenerCourier() as courier:
            deliver(ListenerCall.objects.claim(timezone.now()), courier)
    call = ListenerCall.objects.get()
    for address in (LISTENERS, page(call), page(call.event)):
        seen = text(admin_client.get(address))
        assert call.listener in seen
    assert "LookupError: no stock for 1" in text(admin_client.get(LISTENERS))
    assert admin_client.post(page(call), {"state": "sent"}).status_code == 403


@pytest.mark.parametrize("model", [WebhookCall, ListenerCall])
def test_people_decide_about_calls(admin_client: Client, receiver: Receiver, model: Any):
    webhook(receiver.url)
    with listeners.registered("cart_.*", stumble, queue=True):
        happen("1")
    call = model.objects.get()
    shown = text(admin_client.get(page(call)))
    assert ("Do not send" if model is WebhookCall else "Do not call") in shown
    assert "It arrived" not in text(
        admin_client.get(CALLS)
    )  # what may be repeated is never unknown
    decided = {"action": "cancel", "_selected_action": [call.pk], "confirmed": "1"}
    admin_client.post(CALLS if model is WebhookCall else LISTENERS, decided)
    call.refresh_from_db()
    assert (call.state, call.reason) == ("cancelled", "Cancelled by admin.")


def queries(client: Client, url: str) -> int:
    client.get(url)  # what is read once and kept, such as content types
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def test_lists_with_more_rows_ask_no_more(admin_client: Client, receiver: Receiver):
    counts = []
    with listeners.registered("cart_.*", stumble, queue=True):
        for number in (2, 12):
            for each in range(number):
                webhook(receiver.url, slug=f"stock-{number}-{each}")
                happen(f"{number}-{each}")
            call_due()
            counts.append([queries(admin_client, url) for url in (LIST, CALLS, LISTENERS)])
    assert counts[0] == counts[1]


def test_pages_of_a_webhook_ask_little(admin_client: Client, receiver: Receiver):
    made = webhook(receiver.url)
    for number in range(30):
        happen(str(number))
    call_due()
    assert [queries(admin_client, page(made, name)) for name in ("change", "sends", "secret")] == [
        5, 4, 3,
    ]  # fmt: skip


def test_who_switches_one_on_is_told_what_goes_out_now(admin_client: Client, receiver: Receiver):
    made = webhook(receiver.url)
    happen("1", "2")
    said = "“Stock”: 2 that waited go out now."
    made.switch_off("Enough.")
    listed = {"action": "switch_on", "_selected_action": [made.pk]}
    assert said in text(admin_client.post(LIST, listed, follow=True))
    assert said not in text(admin_client.post(LIST, listed, follow=True))
    made.switch_off("Enough.")
    form = filled(admin_client, page(made), "webhook")
    assert said not in text(admin_client.post(page(made), form, follow=True))
    on = admin_client.post(page(made), {**form, "is_active": "on"}, follow=True)
    assert said in text(on)


def test_webhooks_are_switched_on_and_exported_from_their_list(admin_client: Client):
    made = webhook(is_active=False)
    chosen = {"_selected_action": [made.pk]}
    admin_client.post(LIST, {"action": "switch_on", **chosen})
    made.refresh_from_db()
    assert made.is_active
    exported = admin_client.post(LIST, {"action": "export", **chosen})
    assert json.loads(exported.content)["webhooks"][0]["slug"] == "stock-1"
    assert made.secret not in exported.content.decode()


# Long lists -------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [CALLS, LISTENERS])
def test_a_list_asks_for_nothing_that_reads_all_calls(admin_client: Client, address: str):
    with CaptureQueriesContext(connection) as asked:
        assert admin_client.get(address, {"q": "1", "cause": "died"}).status_code == 200
    statements = [each["sql"] for each in asked if address.split("/")[-2] in each["sql"]]
    assert len(statements) >= 2
    words = ("DISTINCT", "MIN(", "MAX(", "UPPER(", "LIKE")
    assert [word for sql in statements for word in words if word in sql] == []


def test_calls_are_found_by_the_key_of_the_event_and_by_the_listener(admin_client: Client):
    with listeners.registered("cart_left", stumble, queue=True):
        webhook()
        happen("1", "11")
        for address in (CALLS, LISTENERS):
            found = admin_client.get(address, {"q": "1"}).context["cl"].result_list
            assert [call.event.key for call in found] == ["1"]
        seen = admin_client.get(LISTENERS).context["cl"]
        (choices,) = [spec.lookup_choices for spec in seen.filter_specs if spec.title == "listener"]
        name = "tests.test_queued_listeners.stumble"
        assert [choice for choice in choices if choice[0] == name] == [(name, name)]
        for listener, count in ((name, 2), ("gone", 0)):
            found = admin_client.get(LISTENERS, {"listener": listener}).context["cl"]
            assert found.result_count == count
