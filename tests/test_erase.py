"""Somebody who is erased is gone, is not written to again, and nothing happens twice for it."""

import io
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from automation.events import Event, record
from automation.events.deciding import DECISIONS, decide
from automation.events.dispatch import listeners
from automation.events.erasing import persons
from automation.events.erasing.erased import (
    SALT,
    Erased,
    ErasedAddress,
    digests,
    is_erased,
    normalised,
)
from automation.events.models import EventRecord
from automation.events.states import State
from generators import running
from generators.models import Presence, Run
from generators.timing import Repeat
from mails.answers import Meaning
from mails.models import Account, Message, Proof, ProofFinding
from mails.proving import work
from tests import shop
from tests.smtp import SmtpServer

pytestmark = pytest.mark.django_db

NOW = shop.NOW
ANN = "Ann.Lee+news@Example.com"
ERASE = "admin:automation_events_eventrecord_erase"


def erase(address: str = ANN) -> dict[str, int]:
    found = persons.together(persons.erase(address, NOW))
    return {str(of_kind.label): of_kind.rows for of_kind in found if of_kind.rows}


def event(key: str, recipient: str = ANN, **values: Any) -> EventRecord:
    context = values.pop("context", {"cart": {"customer": {"first_name": "Ann"}, "items": []}})
    record([Event("cart_left", key, context, recipient=recipient, **values)], now=NOW)
    return EventRecord.objects.get(key=key)


def everything() -> str:
    """All that stands in the tables of the product and in the admin's log."""
    found = []
    for model in apps.get_models():
        if model._meta.app_label in ("demo", "auth", "contenttypes", "sessions"):
            continue
        names = [field.attname for field in model._meta.concrete_fields]
        for row in model._base_manager.values_list(*names):
            found.append(f"{model._meta.label} {row!r}")
    return "\n".join(found)


def lines_naming(*texts: str) -> list[str]:
    return [line for line in everything().splitlines() if any(t in line.casefold() for t in texts)]


# Gone -------------------------------------------------------------------------------------------


def a_life_of_ann(smtp_server: SmtpServer) -> None:
    """All that the product does with somebody."""
    owner = shop.customer(email=ANN.lower(), first_name="Ann")
    shop.cart(owner, now=timezone.now())
    generator = shop.generator(repeat=Repeat.KEY, key_template="{{ cart.customer.email }}")
    mail = shop.mail(
        body='<p>{{ cart.customer.email }} <a href="https://x.example/?m='
        '{{ cart.customer.email | url_encode }}">Leave</a></p>',
        bcc="office@example.com",
    )
    copy = shop.mail(to="office@example.com", cc="{{ cart.customer.email }}")
    running.run(generator, timezone.now())
    call_command("deliver", stdout=io.StringIO())
    refused = shop.mail(to="other@example.com", reply_to="{{ cart.customer.email }}")
    event("later", ANN.upper())
    Message.objects.filter(mail=refused).update(
        state=State.FAILED, reason=f"550 <{ANN}>: no such user"
    )
    proof, _new = Proof.ask(mail, None, timezone.now())
    proof.claim(timezone.now())
    work(proof)
    ProofFinding.objects.create(proof=proof, kind="error", problem=f"“{ANN}”", recipient=ANN)
    Proof.objects.update(by_problem=[{"problem": f"“{ANN}”", "count": 1}], reason=f"<{ANN}>")
    generator.pause(f"Row of {ANN} was left out")
    Run.objects.update(error=f"Row of {ANN.lower()} was left out")
    Presence.objects.create(generator=generator, row_pk=ANN, episode=1, is_present=True)
    Account.of("default").stop(Meaning.US, f"554 <{ANN}>: Relay access denied", timezone.now())
    user = User.objects.create_user("office", "office@example.com", "secret")
    LogEntry.objects.log_actions(user.pk, [copy], CHANGE, f"sent to {ANN}", single_object=True)


def test_no_trace_is_left_anywhere(smtp_server):
    a_life_of_ann(smtp_server)
    names = ("ann.lee", "ann.lee%2bnews", ANN.casefold())
    kinds = {line.split()[0] for line in lines_naming(*names)}
    assert kinds == {
        "admin.LogEntry", "automation_events.EventRecord", "generators.Generator",
        "generators.Presence", "generators.Run", "mails.Account", "mails.Message", "mails.Proof",
        "mails.ProofFinding",
    }  # fmt: skip
    rows = {model: model._base_manager.count() for model in apps.get_models()}
    erase()
    assert lines_naming(*names) == []
    rows[ErasedAddress] += 1
    assert {model: model._base_manager.count() for model in apps.get_models()} == rows
    assert erase() == {}


def test_the_admins_log_does_not_keep_the_person_in_the_name_of_a_message(admin_user: User):
    shop.mail(name="Your cart")
    event("cart")
    message = Message.objects.get()
    Message.objects.update(state=State.FAILED, subject="Ann, your cart")
    decide(DECISIONS["retry"], Message.objects.all(), admin_user, NOW)
    assert LogEntry.objects.get().object_repr == f"Your cart → {ANN}"
    LogEntry.objects.update(object_repr=f"Ann, your cart → {ANN}")  # by an earlier release
    LogEntry.objects.log_actions(admin_user.pk, [message.mail], CHANGE, "x", single_object=True)
    erase()
    assert list(LogEntry.objects.order_by("pk").values_list("object_repr", flat=True)) == [
        f"Your cart → {ErasedAddress.objects.get()}", "Your cart",
    ]  # fmt: skip


def test_others_stay_as_they_are():
    shop.mail()
    others = ["jo" + ANN, ANN + ".au", "ann.lee@example.com", ANN.replace(".com", ".community")]
    for number, address in enumerate(others):
        event(f"{number}:{address}", address, context={"customer": {"email": address}})
    event("ann", context={})
    Message.objects.update(state=State.SENT, html="<p>Hello</p>")
    before = list(EventRecord.objects.exclude(key="ann").order_by("pk").values())
    messages = list(Message.objects.exclude(event__key="ann").order_by("pk").values())
    erase()
    assert list(EventRecord.objects.exclude(key="ann").order_by("pk").values()) == before
    assert list(Message.objects.exclude(event__key="ann").order_by("pk").values()) == messages
    assert EventRecord.objects.get(key="ann").recipient == ""


def test_what_others_were_told_about_somebody_goes_too():
    shop.mail(to="office@example.com")
    event("order", context={"cart": {"customer": {"first_name": "Ann"}}})
    Message.objects.update(state=State.SENT, html="<p>Ann has left a cart</p>", subject="Ann!")
    erase()
    message = Message.objects.get()
    assert (message.recipient, message.html, message.subject) == ("office@example.com", "", "")


def test_an_event_about_somebody_else_loses_only_what_names_the_person():
    event("friend", "bob@example.com", context={"friend": ANN}, language="de")
    erase()
    friend = EventRecord.objects.get(key="friend")
    assert (friend.recipient, friend.language, friend.context) == ("bob@example.com", "de", {})


@pytest.mark.parametrize(
    ("address", "stored"),
    [
        ("jörg@bücher.example", "jörg@xn--bcher-kva.example"),
        ("jörg@xn--bcher-kva.example", "jörg@bücher.example"),
        ("o'neil@example.com", "O'Neil@EXAMPLE.com"),
        (" ann@example.com ", "ann@example.com"),
    ],
)
def test_an_address_can_be_written_in_several_ways(address, stored):
    event("one", stored)
    erase(address)
    assert EventRecord.objects.get().recipient == ""
    assert is_erased([stored, address, "bob@example.com"]) == {stored, address}


def test_keys_that_would_become_the_same_stay_two():
    event(f"welcome:{ANN}"), event(f"welcome:{ANN.lower()}")
    erase()
    keys = set(EventRecord.objects.values_list("key", flat=True))
    pseudonym = ErasedAddress.objects.get().pseudonym
    last = EventRecord.objects.latest("pk").pk
    assert keys == {f"welcome:{pseudonym}", f"welcome:{pseudonym}:{last}"}


# Waiting and on the way -------------------------------------------------------------------------


def test_what_waits_is_cancelled_with_its_reason():
    shop.mail(), shop.mail(to="office@example.com")
    event("ann")
    event("friend", "bob@example.com", context={"friend": ANN})
    event("bob", "bob@example.com")
    erase()
    told = Message.objects.values_list("event__key", "state", "cause", "reason").distinct()
    said = "The person was erased."
    assert set(told) == {
        ("ann", "cancelled", "erased", said),
        ("friend", "cancelled", "erased", said),
        ("bob", "queued", "", ""),
    }


def test_what_is_being_sent_is_left_and_told():
    shop.mail()
    event("first"), event("second")
    sending = Message.objects.claim(NOW, 1)[0]
    found = persons.together(persons.erase(ANN, NOW))
    by_kind = {str(of_kind.label): (of_kind.rows, of_kind.held) for of_kind in found}
    assert (by_kind["messages"], by_kind["events"]) == ((1, 1), (1, 1))
    assert sending.hand_over(NOW, html="<p>Hello Ann</p>")
    assert sending.settle_sent(NOW)
    assert erase() == {"messages": 1, "events": 1}
    assert lines_naming(ANN.casefold()) == []


def test_it_goes_on_where_it_was_left(monkeypatch):
    monkeypatch.setattr(persons, "LIMIT", 2)
    shop.mail()
    for number in range(5):
        event(str(number))
    started = persons.erase(ANN, NOW)
    while next(started).rows == 0:
        pass
    started.close()
    assert EventRecord.objects.exclude(recipient="").count() == 5
    assert is_erased([ANN]) == {ANN}
    erase()
    assert lines_naming(ANN.casefold()) == []


def test_more_rows_take_no_more_statements_for_each_chunk():
    def asked(rows: int) -> int:
        EventRecord.objects.all().delete()
        for number in range(rows):
            event(f"{number}:{ANN}", "bob@example.com")
        with CaptureQueriesContext(connection) as captured:
            assert erase() == {"events": rows}
        ErasedAddress.objects.all().delete()
        return len(captured)

    assert asked(2) == asked(40)


# Not again --------------------------------------------------------------------------------------


def test_a_message_that_is_there_all_the_same_is_skipped(smtp_server):
    shop.mail()
    event("ann")
    ErasedAddress.remember(ANN, NOW)
    call_command("deliver", stdout=io.StringIO())
    message = Message.objects.get()
    assert (message.state, message.cause) == ("skipped", "erased")
    assert message.reason == "This person was erased: nothing is sent to them."
    assert smtp_server.received == []


def test_nobody_erased_gets_a_copy(smtp_server):
    shop.mail(cc=f"{ANN}, office@example.com")
    event("bob", "bob@example.com")
    ErasedAddress.remember(ANN, NOW)
    call_command("deliver", stdout=io.StringIO())
    message = Message.objects.get()
    assert (message.state, message.headers["Cc"]) == ("sent", "office@example.com")
    assert message.reason == "Without a copy to: somebody who was erased"


def test_what_happens_later_is_recorded_without_the_person():
    shop.mail()
    erase()
    record([Event("cart_left", f"new:{ANN}", {"who": "Ann"}, recipient=ANN)], now=NOW)
    later = EventRecord.objects.get()
    pseudonym = ErasedAddress.objects.get().pseudonym
    assert (later.key, later.recipient, later.context) == (f"new:{pseudonym}", "", {})
    assert Message.objects.count() == 0
    assert lines_naming(ANN.casefold()) == []


@pytest.mark.django_db(transaction=True)
def test_code_hears_of_it_as_it_was():
    ErasedAddress.remember(ANN, NOW)
    heard: list[Event] = []
    with listeners.registered("order_paid", heard.append):
        given = Event("order_paid", "order:1", {"number": 1}, recipient=ANN)
        record([given], now=NOW)
    assert heard == [given]


def test_a_key_that_was_recorded_is_not_recorded_again():
    keys = ["plain", f"key:{ANN}", f"key:{ANN.lower()}:2026", f"{ANN}-{'x' * 300}", f"a-{ANN}"]
    events = [Event("cart_left", key, recipient=ANN) for key in keys]
    others = [Event("cart_left", f"referred:{ANN}", recipient="bob@example.com")]
    assert record([*events, *others], now=NOW).new == 6
    erase()
    assert record([*events, *others], now=NOW).new == 0
    ErasedAddress.allow(ANN, NOW)
    assert record([*events, *others], now=NOW).new == 0


@pytest.mark.parametrize("repeat", [Repeat.ONCE, Repeat.ANEW, Repeat.AFTER, Repeat.KEY])
def test_a_generator_finds_nobody_erased_again(repeat):
    shop.mail()
    owner = shop.customer(email=ANN)
    shop.cart(owner, now=timezone.now())
    generator = shop.generator(repeat=repeat, key_template="{{ cart.customer.email }}")
    assert running.run(generator, timezone.now()).new == 1
    erase()
    generator.refresh_from_db()
    assert running.run(generator, timezone.now()).new == 0
    assert lines_naming(ANN.casefold()) == []


def test_recording_asks_once_while_nobody_was_erased(django_assert_num_queries):
    erased = Erased()
    with django_assert_num_queries(1):
        assert ANN not in erased
        assert "bob@example.com" not in erased


def test_many_are_asked_for_at_once(django_assert_num_queries):
    ErasedAddress.remember(ANN, NOW)
    addresses = [f"p{number}@example.com" for number in range(499)]
    with django_assert_num_queries(1):
        erased = Erased([*addresses, ANN])
        assert [address for address in [*addresses, ANN] if address in erased] == [ANN]
        assert "bob@example.com" not in erased


def test_of_many_who_were_erased_only_some_are_read(django_assert_num_queries):
    for number in range(400):
        ErasedAddress.remember(f"p{number}@example.com", NOW)
    addresses = [f"p{number}@example.com" for number in range(0, 800, 2)]
    with django_assert_num_queries(2):
        assert len(is_erased(addresses)) == 200


# The hash ---------------------------------------------------------------------------------------


def test_the_hash_is_keyed_and_old_keys_are_honoured(settings):
    settings.SECRET_KEY = "first"
    digest = ErasedAddress.remember(ANN, NOW).digest
    settings.SECRET_KEY = "second"
    assert is_erased([ANN]) == set()
    settings.SECRET_KEY_FALLBACKS = ["first"]
    assert is_erased([ANN]) == {ANN}
    assert ErasedAddress.remember(ANN.lower(), NOW).digest == digest
    assert ErasedAddress.objects.count() == 1


def test_the_hash_is_the_one_of_django():
    expected = salted_hmac(SALT, ANN.lower(), algorithm="sha256").hexdigest()
    assert digests(ANN) == [expected]


def test_an_address_has_one_form():
    assert normalised(" Jörg@BÜCHER.example") == "jörg@xn--bcher-kva.example"


# The command ------------------------------------------------------------------------------------


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("erase", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_counts_and_erases(caplog):
    event("ann")
    told = command(ANN, "--dry-run")
    table, said = told.splitlines()[:-1], told.splitlines()[-1]
    assert "        1           0  events" in table
    assert said == "Nothing was erased: this only counts."
    assert (EventRecord.objects.get().recipient, ErasedAddress.objects.count()) == (ANN, 0)
    assert command(ANN, "--yes").splitlines() == [
        *table,
        "The person was erased from 1 row. Nothing is sent to this address any more.",
    ]
    assert EventRecord.objects.get().recipient == ""
    pseudonym = ErasedAddress.objects.get().pseudonym
    logged = [
        entry.getMessage() for entry in caplog.records if entry.name.endswith("erasing.persons")
    ]
    assert [line.partition(" was")[0] for line in logged] == [pseudonym]
    assert ANN not in caplog.text


def test_the_command_asks_first(monkeypatch):
    event("ann")
    monkeypatch.setattr("builtins.input", lambda question: "no")
    with pytest.raises(CommandError, match="^Nothing was erased.$"):
        command(ANN)
    assert EventRecord.objects.get().recipient == ANN
    monkeypatch.setattr("builtins.input", lambda question: "yes")
    command(ANN)
    assert EventRecord.objects.get().recipient == ""


def test_the_command_fails_while_something_is_being_sent():
    shop.mail()
    event("ann")
    Message.objects.claim(NOW)
    with pytest.raises(CommandError, match="^2 rows are being sent at this moment."):
        command(ANN, "--yes")


@pytest.mark.parametrize("address", ["a", "@", "ann@", "@example.com", "two@words here", ""])
def test_what_is_no_address_erases_nobody(address):
    event("ann")
    with pytest.raises(CommandError, match="is not a mail address"):
        command(address, "--yes")
    assert EventRecord.objects.get().recipient == ANN


def test_somebody_can_be_written_to_again():
    command(ANN, "--yes")
    assert command(ANN, "--allow") == "This person may be written to again.\n"
    assert is_erased([ANN]) == set()
    shop.mail()
    event("new")
    assert Message.objects.get().recipient == ANN
    with pytest.raises(CommandError, match="^Nobody with this address was erased.$"):
        command(ANN, "--allow")
    command(ANN, "--yes")
    assert is_erased([ANN]) == {ANN}


# The page ---------------------------------------------------------------------------------------


def test_the_page_shows_how_much_and_asks(admin_client):
    shop.mail()
    event("ann")
    page = admin_client.post(reverse(ERASE), {"address": ANN})
    rows = {str(f.label): f.rows for f in page.context["found"]}
    assert (rows["events"], rows["messages"]) == (1, 1)
    assert EventRecord.objects.get().recipient == ANN
    answer = admin_client.post(reverse(ERASE), {"address": ANN, "confirmed": "1"}, follow=True)
    (message,) = answer.context["messages"]
    assert str(message) == (
        "The person was erased from 2 rows. Nothing is sent to this address any more."
    )
    assert lines_naming(ANN.casefold()) == []
    entry = LogEntry.objects.get()
    assert (entry.change_message, entry.object_repr) == (
        "erased", ErasedAddress.objects.get().pseudonym,
    )  # fmt: skip


def test_the_page_needs_its_own_permission(client):
    event("ann")
    user = User.objects.create_user("office", "office@example.com", "secret", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_eventrecord"))
    client.force_login(user)
    events = reverse("admin:automation_events_eventrecord_changelist")
    assert reverse(ERASE) not in client.get(events).content.decode()
    for data in ({"address": ANN}, {"address": ANN, "confirmed": "1"}):
        assert client.post(reverse(ERASE), data).status_code == 403
    assert EventRecord.objects.get().recipient == ANN
    user.user_permissions.add(Permission.objects.get(codename="erase_person"))
    assert reverse(ERASE) in client.get(events).content.decode()
    assert client.get(reverse(ERASE)).status_code == 200


def test_a_get_erases_nobody(admin_client):
    event("ann")
    page = admin_client.get(reverse(ERASE), {"address": ANN, "confirmed": "1"})
    assert (page.status_code, page.context["found"]) == (200, None)
    assert EventRecord.objects.get().recipient == ANN


def test_what_takes_long_goes_on_with_the_next_click(admin_client, monkeypatch):
    monkeypatch.setattr("automation.events.erasing.views.SECONDS", -1.0)
    event("ann")
    answer = admin_client.post(reverse(ERASE), {"address": ANN, "confirmed": "1"})
    (message,) = answer.context["messages"]
    assert (
        str(message)
        == "There is more than one page can remove at once. Click again until it is done."
    )
    assert EventRecord.objects.get().recipient == ANN


def test_an_emptied_event_says_so(admin_client):
    ann = event("ann")
    erase()
    page = admin_client.get(
        reverse("admin:automation_events_eventrecord_change", args=[ann.pk])
    ).content.decode()
    assert "What was known of it was removed on" in page
