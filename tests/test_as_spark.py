"""What django-spark can do, here; and what it got wrong and is right here.

Each test is a thing that people use it for: sources of events, handlers, generators in the admin,
mails per group of events.
"""

import datetime
import re
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from automation.demo.models import Cart, Customer
from automation.events import Event, event, listen, record, register_model_source
from automation.events.delivering import work
from automation.events.models import EventRecord
from automation.rules.models import Condition
from generators import Description, events_from, running
from mails.models import Mail, Message
from tests import shop
from tests.forms import errors, filled
from tests.observed import fresh

__all__ = ["fresh"]

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

NOW = shop.NOW


def of_customer(customer: Customer) -> Iterator[Event]:
    context = {"customer": {"first_name": customer.first_name}}
    yield event("customer_known", customer, context, recipient=customer.email)
    if customer.newsletter:
        yield event("customer_reads", customer)


def recorded() -> list[str]:
    return sorted(EventRecord.objects.values_list("key", flat=True))


# Events -------------------------------------------------------------------------------------


def test_event_sources_functions_from_an_instance_to_a_stream_of_events():
    register_model_source(Customer, of_customer)
    ann = shop.customer(newsletter=True)
    assert recorded() == [f"customer_known:{ann.pk}", f"customer_reads:{ann.pk}"]
    known = EventRecord.objects.get(group="customer_known")
    assert known.context == {"customer": {"first_name": "Ann"}}
    # And for editors, who need no code: the model's Source, asked by a generator.
    generator = shop.generator(("first_name", "field.is", "Ann"), source="demo.customer")
    assert running.run(generator, NOW).new == 1


def test_api_event_of_a_group_an_instance_and_a_context():
    ann = shop.customer()
    by_row = event("customer_known", ann, {"a": 1})
    by_key = event("customer_known", ann.pk, {"a": 1})
    assert by_row.key == by_key.key == f"customer_known:{ann.pk}"
    assert (by_row.group, by_row.context) == ("customer_known", {"a": 1})
    assert by_row.row_pk == str(ann.pk)


def test_keys_are_globally_unique_and_an_event_is_processed_once_ever(
    django_capture_on_commit_callbacks: Any, mailoutbox: Any
):
    """A crash after the event was committed lost its mail: here the mail is there with the event,
    whatever happens to the process that recorded it."""
    shop.mail(group="customer_known", subject="Hello", body="<p>Hello</p>")
    ann = event("customer_known", shop.customer(email="ann@example.com"), recipient="ann@x.example")
    assert [each.key for each in record([ann, event("other", 1)])] == [ann.key, "other:1"]
    assert list(record([ann])) == []  # only new events
    assert Event("another_group", ann.key).record().new == 0  # unique over all groups

    class Crash(BaseException):
        """The process ends."""

    @listen("customer_.*")
    def crash(event):
        raise Crash

    bob = event("customer_known", shop.customer(), recipient="bob@x.example")
    with pytest.raises(Crash), django_capture_on_commit_callbacks(execute=True):
        record([bob])
    work(Message)  # by whichever process comes next
    assert [mail.to for mail in mailoutbox] == [["ann@x.example"], ["bob@x.example"]]
    assert (record([ann, bob]).new, Message.objects.count()) == (0, 2)


def test_create_if_new_and_the_context_comes_back_as_it_was():
    """The context was stored as its ``repr``, from which no event could be made again."""
    context = {
        "total": Decimal("129.90"),
        "day": datetime.date(2026, 3, 10),
        "at": NOW,
        "items": [{"title": "Lampe « Été »", "quantity": 2}],
    }
    paid = Event("order_paid", "order:1", context, recipient="ann@example.com", subject="Paid")
    created = EventRecord.objects.create_if_new(paid)
    assert created is not None
    assert created.key == "order:1"
    assert EventRecord.objects.create_if_new(paid) is None
    assert EventRecord.objects.get().as_event() == paid


def test_handlers_by_regex_on_the_group(django_capture_on_commit_callbacks: Any):
    heard = []

    @listen(re.compile(r"^challenge"))
    def hear(event):
        heard.append(event.group)

    groups = ("challenge_created", "challenge_ended", "my_challenge")
    with django_capture_on_commit_callbacks(execute=True):
        record(Event(group, group) for group in groups)
    assert heard == ["challenge_created", "challenge_ended"]


def test_a_post_save_source_is_handled_in_process(django_capture_on_commit_callbacks: Any):
    """And what a source fails at is not the save's affair."""
    register_model_source(Customer, of_customer)
    register_model_source(Customer, lambda customer: 1 / 0)
    heard = []

    @listen("customer_known")
    def hear(event):
        heard.append(event.context["customer"]["first_name"])

    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        shop.customer(first_name="Ann").save()
    assert heard == ["Ann"]


def test_outside_the_request_all_instances_go_through_all_sources_by_command():
    """It walked all rows, with a savepoint for each event: here a chunk of rows costs the same
    for any number of events, and a filter says which rows."""
    register_model_source(Customer, of_customer, on_save=False)

    def statements(*first_names: str) -> int:
        before = set(recorded())
        rows = [Customer(email=f"{name}@example.com", first_name=name) for name in first_names]
        rows = Customer.objects.bulk_create(rows)
        with CaptureQueriesContext(connection) as queries:
            pks = ",".join(str(row.pk) for row in rows)
            call_command("process_sources", "--filter", f"pk__in={pks}", stdout=StringIO())
        assert set(recorded()) - before == {f"customer_known:{row.pk}" for row in rows}
        return len(queries)

    shop.customer()
    assert recorded() == []  # saving it is no signal
    assert statements("a") == statements(*(f"b{number}" for number in range(50)))


# Generators ---------------------------------------------------------------------------------


def test_generators_are_configured_in_the_admin(admin_client: Any):
    """Values were whole numbers only, and conditions were joined by *and* only."""
    shop.cart(shop.customer(first_name="Ann"))
    shop.cart(shop.customer(first_name="Bob"), status="ordered")
    generator = shop.generator(
        ("customer__first_name", "field.is", "Zoe"),
        ("customer__first_name", "field.is", "Bob", "or"),
        ("updated_at", "date.before", "2026-03-09"),
        armed=False,
    )
    url = reverse("admin:generators_generator_change", args=[generator.pk])
    # Source, group and conditions are fields of its page; texts, dates, alternatives are known.
    form = filled(admin_client, url, "generator", **{"conditions-0-value": "Ann"})
    assert admin_client.post(url, form).status_code == 302
    generator.refresh_from_db()
    assert generator.sentence() == (
        "Carts where (customer first name is Ann or customer first name is Bob) and last changed "
        "on is before March 9, 2026"
    )
    # What its events know is described beside it.
    names = reverse("admin:mails_mail_variables")
    assert (
        "cart.customer.first_name"
        in admin_client.get(names, {"group": "cart_left"}).content.decode()
    )
    # Switched off and run from the list.
    generator.arm(NOW)
    listed = reverse("admin:generators_generator_changelist")
    chosen = {"action": "pause", "_selected_action": [generator.pk]}
    admin_client.post(listed, chosen)
    generator.refresh_from_db()
    assert generator.state == "paused"
    generator.arm(NOW)
    assert running.run(generator, NOW).new == 2


def test_generator_descriptions_without_rows_in_the_database():
    cart = shop.cart()
    left = Description("demo.cart", "cart_left", [("status", "one_of", "open")])
    assert [each.key for each in record(events_from([left], now=NOW))] == [f"cart_left:{cart.pk}"]
    assert record(events_from([left], now=NOW)).new == 0


def test_candidates_of_one_source_are_loaded_once_for_several_generators():
    shop.cart()
    shop.cart(days_old=1)

    def described(days: int) -> Description:
        old = ("updated_at", "more_than_ago", f"{days} days")
        return Description(Cart, f"left_{days}", [("status", "one_of", "open"), old])

    def made(*days: int) -> tuple[list[str], int]:
        with CaptureQueriesContext(connection) as queries:
            events = list(events_from([described(each) for each in days], now=NOW))
        return sorted(each.group for each in events), len(queries)

    one, statements = made(2)
    assert one == ["left_2"]
    assert made(0, 2, 9) == (["left_0", "left_0", "left_2"], statements)


def test_a_condition_on_a_variable_that_does_not_exist_never_matches():
    """That was silent: here the generator is paused, and says why."""
    shop.cart()
    generator = shop.generator()
    Condition.objects.filter(rule=generator).update(field="vanished")
    outcome = running.run(generator, NOW)
    generator.refresh_from_db()
    assert (outcome.matched, EventRecord.objects.count()) == (0, 0)
    assert (generator.state, generator.state_reason) == ("paused", outcome.error)
    assert outcome.error.startswith("“vanished” is not a field of Carts that rules may use.")


# Mails --------------------------------------------------------------------------------------


def test_mails_in_the_admin_per_event_group(admin_client: Any):
    """Templates were tried with an empty context, so a mistyped variable passed."""
    shop.cart(shop.customer(first_name="Ann"), now=timezone.now())
    shop.generator()
    mail = shop.mail()
    url = reverse("admin:mails_mail_change", args=[mail.pk])
    for subject, said in [
        ("{{ cart.customer.frist_name }}", "first_name"),
        ("{% if cart %}", "Line 1, column 4: “{% if %}” is never closed"),
    ]:
        response = admin_client.post(url, filled(admin_client, url, "mail", subject=subject))
        assert said in " ".join(errors(response)["subject"])
    assert Mail.objects.get().subject == mail.subject
    admin_client.post(url, filled(admin_client, url, "mail", subject="{{ cart.total }} waits"))
    preview = admin_client.get(reverse("admin:mails_mail_preview", args=[mail.pk]))
    assert "129.90 waits" in preview.content.decode()


def test_message_generation_apart_from_sending_with_defaults_from_the_event(mailoutbox: Any):
    """A template that crashed sent the default as it was, with its tags. Here nothing is sent,
    and the message says why."""
    shop.mail(
        slug="shown", group="told", subject="{{ event.subject }}", body="<p>{{ event.text }}</p>"
    )
    shop.mail(slug="own", group="told", subject="Ours: {{ name }}", body="<p>{{ event.text }}</p>")
    brought = Event(
        "told", "1", {"name": "Ann"}, "ann@example.com", subject="Their own", text="One\n\nTwo"
    )
    lacking = Event("told", "2", {}, "bob@example.com", subject="{{ broken", text="Text")
    record([brought, lacking])
    assert (Message.objects.count(), mailoutbox) == (4, [])  # generated, not sent
    work(Message)
    assert sorted((mail.to[0], mail.subject) for mail in mailoutbox) == [
        ("ann@example.com", "Ours: Ann"),
        ("ann@example.com", "Their own"),
        ("bob@example.com", "{{ broken"),
    ]
    ended = Message.objects.get(mail__slug="own", recipient="bob@example.com")
    assert (ended.state, ended.reason) == (
        "failed", "Subject: Line 1, column 10: “name” is not known here."
    )  # fmt: skip


def test_a_template_that_crashes_is_refused_when_it_is_saved():
    with pytest.raises(ValidationError):
        shop.mail(subject="{{ cart.total | no_such_filter }}")
