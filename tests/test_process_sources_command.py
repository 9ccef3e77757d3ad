"""``process_sources`` on the command line."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from automation.demo.models import Cart, Customer
from automation.events import Event, event, process_sources, register_model_source
from automation.events.dispatch import listeners
from tests.observed import fresh
from tests.people import of_customer, people, recorded

__all__ = ["fresh"]

pytestmark = pytest.mark.django_db


def fragile(customer: Customer) -> list[Event]:
    if customer.first_name == "raises":
        raise LookupError("no such thing")
    return [event("known", customer, {"name": customer.first_name})]


def run(*arguments: str) -> tuple[list[str], str]:
    out, err = StringIO(), StringIO()
    call_command("process_sources", *arguments, stdout=out, stderr=err)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()], err.getvalue()


@pytest.mark.sqlite_only
def test_the_command_shows_what_each_source_made():
    register_model_source(Customer, of_customer, on_save=False)
    people("Ann", "Bob")
    head = "model source rows events new failed"
    line = f"demo.Customer {of_customer.__module__}.of_customer"
    assert run("--dry-run") == ([head, f"{line} 2 2 2 0"], "")
    assert run("demo.customer", "--filter", "first_name=Ann") == ([head, f"{line} 1 1 1 0"], "")
    assert run() == ([head, f"{line} 2 2 1 0"], "")


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        (["first_name__in=Ann,Bob"], 2),
        (["birthday__isnull=True"], 3),
        (["birthday__isnull=false"], 0),
        (["newsletter=true"], 1),
        (["carts__status=open", "newsletter=False"], 1),
        (["email__endswith=@example.com"], 3),
        (["created_at__gte=2026-03-10T00:00Z", "first_name="], 0),
    ],
)
def test_the_filter_of_the_command(filters, rows):
    register_model_source(Customer, of_customer, on_save=False)
    ann, *_rest = people("Ann", "Bob")
    people("Cem", newsletter=True)
    Cart.objects.create(customer=ann)
    _head, line = run("--dry-run", *(f"--filter={each}" for each in filters))[0]
    assert line.split()[2] == str(rows)


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo.Costumer"], "there is no model 'demo.Costumer'. Did you mean 'demo.Customer'?"),
        (["customer"], "there is no model 'customer'. Did you mean 'demo.Customer'?"),
        (["demo.Order"], "no source is registered for demo.Order. Models with one: demo.Customer."),
        (["--filter", "name"], "--filter name: write it as field=value."),
        (
            ["--filter", "frist_name=Ann"],
            "--filter frist_name: demo.Customer has no field 'frist_name'. Did you mean "
            "'first_name'?",
        ),
        (
            ["--filter", "carts__sttus=open"],
            "--filter carts__sttus: demo.Cart has no field 'sttus'. Did you mean 'status'?",
        ),
        (
            ["--filter", "first_name__contain=x"],
            "--filter first_name__contain: there is no lookup 'contain'. Did you mean 'contains'?",
        ),
        (
            ["--filter", "birthday=31.2."],
            "--filter birthday: '31.2.' is no value for it: “31.2.” value has an invalid date "
            "format. It must be in YYYY-MM-DD format.",
        ),
        (["--filter", "pk=seven"], "--filter pk: 'seven' is no value for it: Field 'id' expected"),
        (["--filter", "latitude__isnull=maybe"], "'maybe' is no value for it: The QuerySet value"),
    ],
)
def test_mistakes_on_the_command_line_are_one_clear_line(arguments, said):
    register_model_source(Customer, of_customer, on_save=False)
    with pytest.raises(CommandError) as raised:
        run(*arguments)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.sqlite_only
def test_the_command_fails_when_rows_failed_and_says_which():
    register_model_source(Customer, fragile, on_save=False)
    people("Ann", *["raises"] * 12)
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="Rows that failed: 12. They made no events."):
        call_command("process_sources", stdout=out, stderr=err)
    first = Customer.objects.get(pk=Customer.objects.filter(first_name="raises").first().pk)
    lines = err.getvalue().splitlines()
    assert f"demo.Customer {first.pk}: LookupError: no such thing" in lines
    assert (len(lines), lines[-1]) == (11, "demo.Customer: and 2 more rows failed.")
    assert recorded() == ["Ann"]


@pytest.mark.sqlite_only
def test_without_any_source_the_command_says_how_there_is_one():
    said = "No source is registered. register_model_source() does it, in <app>/listeners.py."
    assert run() == ([said], "")


def stumble(event: Event) -> None:
    raise LookupError("no stock")


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_what_listeners_raise_is_told_and_fails_no_row():
    register_model_source(Customer, of_customer, on_save=False)
    people("Ann", "Bob")
    with listeners.registered("known", stumble):
        (done,) = process_sources()
        people("Cem", "Dan")
        lines, said = run()
    assert (done.new, done.failed) == (2, 0)
    assert done.error_count == 2
    assert [repr(answer.error) for answer in done.errors] == [
        "LookupError('no stock')",
        "LookupError('no stock')",
    ]
    assert lines[1:] == [f"demo.Customer {of_customer.__module__}.of_customer 4 4 2 0"]
    assert said == (
        f"Listeners raised 2 times, first {__name__}.stumble: LookupError: no stock. "
        "Their events are recorded; Calls of listeners in the admin has them to retry.\n"
    )
