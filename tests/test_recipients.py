"""Whom a mail goes to: the person, other addresses, copies. Each once, and never in silence."""

import pytest
from django.utils import timezone

from automation.events import Event, record
from automation.events.delivering import work
from mails.models import Mail, Message
from tests import shop

pytestmark = pytest.mark.django_db


def sent(smtp_server, mail: Mail, **context):
    """Record an event that ``mail`` hears, and deliver. Returns what arrived."""
    cart = {"customer": {"first_name": "Ann", "email": "ann@example.com"}, "items": [], **context}
    record(
        [Event("cart_left", f"key {timezone.now()}", {"cart": cart}, recipient="ann@example.com")]
    )
    work(Message)
    return smtp_server.received


def messages():
    return list(Message.objects.order_by("pk").values_list("recipient", "state", "reason"))


def test_several_addresses_get_a_message_each(smtp_server):
    received = sent(smtp_server, shop.mail(to="a@example.com, A@example.com; b@example.com"))
    assert sorted(each.recipients for each in received) == [("a@example.com",), ("b@example.com",)]


def test_a_variable_stands_for_an_address(smtp_server):
    received = sent(
        smtp_server, shop.mail(to="{{ cart.contact }}"), contact="Office <office@example.com>"
    )
    assert [each.recipients for each in received] == [("office@example.com",)]


def test_an_address_that_is_empty_or_wrong_is_skipped_with_its_reason(smtp_server):
    mail = shop.mail(to="{{ cart.contact }}")
    assert sent(smtp_server, mail, contact="") == []
    assert sent(smtp_server, mail, contact="nobody") == []
    assert messages() == [
        ("", "skipped", "There is no address."),
        ("nobody", "skipped", "“nobody” is not a mail address."),
    ]


def test_an_address_that_the_event_does_not_know_is_skipped_with_its_reason(smtp_server):
    assert sent(smtp_server, shop.mail(to="{{ cart.contact }}")) == []
    ((recipient, state, reason),) = messages()
    assert (recipient, state) == ("", "skipped")
    assert reason.startswith("“To”: Line 1, column 4: “cart.contact” is not known here.")


def test_copies_go_along_and_a_hidden_one_is_hidden(smtp_server):
    mail = shop.mail(
        cc="Team <team@example.com>, ann@example.com",
        bcc="archive@example.com, team@example.com",
        reply_to="{{ cart.contact }}",
    )
    (received,) = sent(smtp_server, mail, contact="help@example.com")
    assert set(received.recipients) == {
        "ann@example.com",
        "team@example.com",
        "archive@example.com",
    }
    assert received.message["Cc"] == "Team <team@example.com>"
    assert received.message["Bcc"] is None
    assert received.message["Reply-To"] == "help@example.com"
    assert Message.objects.get().headers == {
        "From": "Flint <flint@localhost>",
        "To": "ann@example.com",
        "Cc": "Team <team@example.com>",
        "Bcc": "archive@example.com",
        "Reply-To": "help@example.com",
    }


def test_copies_go_along_with_the_first_of_several_only(smtp_server):
    received = sent(smtp_server, shop.mail(to="a@example.com, b@example.com", cc="c@example.com"))
    assert [set(each.recipients) for each in received] == [
        {"a@example.com", "c@example.com"}, {"b@example.com"},
    ]  # fmt: skip


def test_a_copy_to_what_is_no_address_is_left_out_and_said(smtp_server):
    mail = shop.mail(cc="{{ cart.contact }}, team@example.com")
    (received,) = sent(smtp_server, mail, contact="nobody")
    assert set(received.recipients) == {"ann@example.com", "team@example.com"}
    assert messages() == [("ann@example.com", "sent", "Without a copy to: nobody")]


def test_a_missing_value_skips_the_message_unless_it_may_be_missing(smtp_server):
    mail = shop.mail()
    empty = {"first_name": "", "email": "ann@example.com"}
    assert sent(smtp_server, mail, customer=empty) == []
    assert messages() == [("ann@example.com", "skipped", "No value for: cart.customer.first_name")]
    Mail.objects.update(send_incomplete=True)
    assert len(sent(smtp_server, mail, customer=empty)) == 1


HOSTILE = [
    'x" <evil@example.com>, "',
    "x <evil@example.com>, ",
    "evil@example.com;",
    "evil@example.com\nx",
    '"',
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("quotes", ['"', ""])
def test_a_value_adds_no_address(smtp_server, name, quotes):
    template = f"{quotes}{{{{ cart.customer.first_name }}}}{quotes} <{{{{ cart.contact }}}}>"
    mail = shop.mail(to=template, cc=f"team@example.com, {template}", reply_to=template)
    customer = {"first_name": name, "email": "ann@example.com"}
    (received,) = sent(smtp_server, mail, customer=customer, contact="ann@example.com")
    assert set(received.recipients) == {"ann@example.com", "team@example.com"}
    (reply_to,) = received.message["Reply-To"].addresses
    assert reply_to.addr_spec == "ann@example.com"


def test_a_variable_stands_for_one_address(smtp_server):
    mail = shop.mail(to="{{ cart.contact }}")
    assert sent(smtp_server, mail, contact="a@example.com, b@example.com") == []
    assert messages()[0][2] == "“a@example.com, b@example.com” is not a mail address."


def test_a_tag_may_hold_several_addresses(smtp_server):
    mail = shop.mail(to="{% for one in cart.team %}{{ one }}@example.com, {% endfor %}")
    received = sent(smtp_server, mail, team=["a", "b"])
    assert sorted(each.recipients for each in received) == [("a@example.com",), ("b@example.com",)]


def test_the_place_of_a_mistake_is_the_one_that_the_editor_sees(smtp_server):
    sent(smtp_server, shop.mail(to="a@example.com,\n{{ cart.contact }}"))
    assert "Line 2, column 4" in messages()[0][2]
