"""What webhooks send, and what becomes of it, with a real server on the other side."""

import base64
import datetime
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
import standardwebhooks
from django.core.exceptions import ValidationError
from django.utils import timezone

from automation.events import Event, record
from automation.events.models import EventRecord, Webhook, WebhookCall
from automation.events.webhooks import payload
from automation.events.webhooks.signing import new_secret, signature
from automation.rules import definitions
from tests import shop
from tests.receiver import Receiver
from tests.webhooks import call_due, calls, happen, is_signed, webhook

pytestmark = pytest.mark.django_db

NOW = shop.NOW


# What is sent -----------------------------------------------------------------------------


def test_an_event_is_told_once_to_each_webhook_that_hears_it(receiver: Receiver):
    stock, _deaf = webhook(receiver.url), webhook(receiver.url, group="order_paid")
    webhook(receiver.url, is_active=False)
    happen("1", "2")
    happen("1")
    call_due()
    assert calls("state", "webhook") == [("sent", stock.pk)] * 2
    assert [json.loads(call.body)["data"]["key"] for call in receiver.received] == ["1", "2"]


def test_a_call_is_what_standard_webhooks_says(receiver: Receiver):
    stock = webhook(receiver.url)
    happen(
        "cart:7",
        context={"total": Decimal("129.90"), "name": "Zoë", "on": datetime.date(2026, 3, 10)},
        recipient="zoe@example.com", language="de", row_model="shop.cart", row_pk="7",
    )  # fmt: skip
    call_due()
    (call,), row = receiver.received, WebhookCall.objects.get()
    recorded = EventRecord.objects.get().recorded_at.isoformat().replace("+00:00", "Z")
    assert json.loads(call.body) == {
        "type": "cart_left",
        "timestamp": recorded,
        "data": {
            "key": "cart:7",
            "group": "cart_left",
            "row": {"model": "shop.cart", "id": "7"},
            "recipient": "zoe@example.com",
            "language": "de",
            "context": {"total": "129.90", "name": "Zoë", "on": "2026-03-10"},
        },
    }
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["webhook-id"] == f"msg_{row.uuid}"
    assert abs(int(call.headers["webhook-timestamp"]) - timezone.now().timestamp()) < 60
    assert is_signed(call, stock.secret)
    assert not is_signed(call, new_secret())


def test_the_call_is_kept_as_it_was_sent_with_its_answer(receiver: Receiver):
    webhook(receiver.url)
    receiver.status, receiver.answer = 202, "<b>später</b>".encode()
    happen("1")
    call_due()
    row = WebhookCall.objects.get()
    assert row.body.encode() == receiver.received[0].body
    assert (row.state, row.reason, row.status, row.answer) == (
        "sent", "", 202, "<b>später</b>",
    )  # fmt: skip
    assert row.milliseconds is not None
    assert row.sent_at is not None


def test_without_details_nothing_about_the_person_goes_along(receiver: Receiver):
    webhook(receiver.url, sends_details=False)
    happen("1", context={"name": "Zoë"}, recipient="zoe@example.com", language="de")
    call_due()
    assert json.loads(receiver.received[0].body)["data"] == {
        "key": "1", "group": "cart_left", "row": None,
    }  # fmt: skip


def test_what_json_does_not_know_is_text():
    moment = datetime.datetime(2026, 3, 10, 12, 30, tzinfo=datetime.UTC)
    values = {
        "money": Decimal("0.10"), "at": moment, "time": datetime.time(8, 5),
        "span": datetime.timedelta(days=1, hours=2), "big": 2**70,
    }  # fmt: skip
    told = json.loads(payload.body(Event("g", "k", values), moment, with_details=True))
    assert told["data"]["context"] == {
        "money": "0.10", "at": "2026-03-10T12:30:00+00:00", "time": "08:05:00",
        "span": "P1DT02H00M00S", "big": 2**70,
    }  # fmt: skip


def test_a_signature_is_the_one_that_the_reference_library_tests_with():
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert signature(
        [secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    ) == ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")


def test_the_reference_library_takes_a_call_and_no_changed_one(receiver: Receiver):
    stock = webhook(receiver.url)
    happen("1", context={"name": "Zoë"})
    call_due()
    (call,) = receiver.received
    library = standardwebhooks.Webhook(stock.secret)
    assert library.verify(call.body, call.headers) == json.loads(call.body)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        library.verify(call.body.replace(b"cart_left", b"cart_lost"), call.headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(new_secret()).verify(call.body, call.headers)


def test_each_webhook_has_a_secret_of_32_random_bytes():
    one, other = webhook().secret, webhook().secret
    assert one != other
    assert one.startswith("whsec_")
    assert len(base64.b64decode(one.removeprefix("whsec_"), validate=True)) == 32


def test_for_a_day_calls_are_signed_with_the_new_secret_and_the_one_before(receiver: Receiver):
    stock = webhook(receiver.url)
    former = stock.secret
    stock.renew_secret(timezone.now())
    happen("1")
    call_due()
    assert [is_signed(receiver.received[0], each) for each in (stock.secret, former)] == [True] * 2
    changed = stock.secret_changed_at
    assert changed is not None
    assert stock.secrets(changed + datetime.timedelta(hours=23)) == [stock.secret, former]
    assert stock.secrets(changed + datetime.timedelta(hours=24)) == [stock.secret]


# Its row ----------------------------------------------------------------------------------


def test_what_is_wrong_with_a_webhook_is_told_at_its_fields():
    wrong = Webhook(name="x", slug="x", group="*a*b*c*d", url="http://127.0.0.1/")
    with pytest.raises(ValidationError) as error:
        wrong.full_clean()
    found = error.value.message_dict
    assert list(found) == ["url", "group"]
    assert found["url"][0].startswith("“127.0.0.1” leads to 127.0.0.1, an address inside")
    assert found["group"] == ["At most 3 signs * are possible."]


def test_definitions_carry_a_webhook_without_its_secret_and_it_arrives_switched_off():
    stock = webhook(description="Of the stock", sends_details=False)
    secret = stock.secret
    data = definitions.dump(Webhook.objects.all())
    assert data == {
        "version": 1,
        "webhooks": [
            {
                "slug": "stock-1", "name": "Stock", "group": "cart_left",
                "url": "https://hooks.example/x", "description": "Of the stock",
                "sends_details": False, "expires_hours": None,
            }
        ],
    }  # fmt: skip
    assert secret not in json.dumps(data)
    definitions.load(data)
    stock.refresh_from_db()
    assert (stock.is_active, stock.secret) == (False, secret)
    Webhook.objects.all().delete()
    definitions.load(data)
    made = Webhook.objects.get()
    assert (made.is_active, made.secret.startswith("whsec_")) == (False, True)
    assert made.secret != secret


def test_an_imported_address_inside_is_refused():
    entry = {"slug": "x", "name": "X", "group": "g", "url": "http://10.0.0.1/"}
    with pytest.raises(definitions.DefinitionError) as error:
        definitions.load({"version": 1, "webhooks": [entry]})
    assert error.value.problems[0].startswith("webhooks[0].url: “10.0.0.1” leads to 10.0.0.1")


def test_the_name_of_a_call_is_its_own():
    webhook()
    happen("1", "2")
    identities = {call.identity for call in WebhookCall.objects.all()}
    assert len(identities) == 2
    assert {str(uuid.UUID(each.removeprefix("msg_"))) for each in identities} == {
        str(call.uuid) for call in WebhookCall.objects.all()
    }


def test_calls_cost_a_constant_number_of_statements_to_record(django_assert_num_queries: Any):
    webhook()
    record([])
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for number in (2, 200):
        with CaptureQueriesContext(connection) as captured:
            happen(*(f"{number}-{each}" for each in range(number)))
        counts.append(len(captured))
    assert counts[0] == counts[1]
    assert WebhookCall.objects.count() == 202
