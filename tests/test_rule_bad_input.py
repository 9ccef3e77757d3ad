"""What people write into rules and generators, and what stands in rows, at its worst.

Bad input gets an error at its field that says what to do, the same in the form and in files;
what only shows when a rule runs stops that row and nothing else.
"""

import html
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from automation.demo.models import Cart
from automation.events.models import EventRecord
from automation.rules import definitions
from automation.rules.models import Condition, Segment
from generators import running
from generators.models import Generator, Run
from tests import shop
from tests.forms import errors, filled

pytestmark = pytest.mark.django_db

NOW = shop.NOW
OPEN = {"field": "status", "operator": "field.one_of", "value": "open"}

STRANGE = [
    "Ann\r\nBcc: all@example.com", "Ann\x0b\x0c\x1cMeier", "👍🏽", "שלום", "\u202eAnn", "=1+1",
    "O'Brien & Co", "<script>", "100% _off\\", "a\u0301", "{{ cart.total }}", "x" * 100,
]  # fmt: skip


def post(client: Any, generator: Generator, **changed: str) -> Any:
    url = reverse("admin:generators_generator_change", args=[generator.pk])
    return client.post(url, filled(client, url, "generator", **changed))


def file_with(**changes: Any) -> dict[str, Any]:
    """A file of one generator."""
    generator = {
        "slug": "left", "name": "Left", "source": "demo.cart", "group_template": "cart_left",
        "conditions": [OPEN],
    }  # fmt: skip
    return {"version": 1, "generators": [{**generator, **changes}]}


def refused(data: Any) -> list[str]:
    """What a file is refused with; nothing of it may be written."""
    with pytest.raises(definitions.DefinitionError) as error:
        definitions.load(data)
    assert Generator.objects.filter(slug="left").count() == Condition.objects.count() == 0
    return error.value.problems


# Fields, lookups and relations that are not declared ------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        "customer__password", "customer__latitude", "customer__orders__total", "orders__total",
        "customer__email__startswith", "status__regex", "total__gt", "pk", "id", "_state",
        "items:sum:secret", "items:count:pk", "secrets:count", "items__price", "__class__", "",
        "customer__first_name\x00",
    ],
)  # fmt: skip
def test_what_is_not_declared_cannot_be_asked_by_a_file(field):
    for operator in ("field.is", "field.more", "related.more", "field.is_empty"):
        line = {"field": field, "operator": operator, "value": "1"}
        (problem,) = refused(file_with(conditions=[line]))
        assert problem.startswith("generators[0].conditions[0]: ")


@pytest.mark.parametrize(
    "field", ["customer__password", "customer__email__startswith", "orders__total", "pk"]
)
def test_what_is_not_declared_cannot_be_asked_by_the_form(admin_client, field):
    line = {"field": field, "operator": "field.is", "value": "1"}
    response = post(
        admin_client,
        shop.generator(),
        **{f"conditions-1-{name}": text for name, text in line.items()},
    )
    assert errors(response) == {
        "conditions-1-field": [f"“{field}” is not there. Choose from the list."]
    }


@pytest.mark.parametrize(
    ("field", "operator"),
    [
        ("customer__first_name", "field.regex"),
        ("customer__first_name", "field.iregex"),
        ("customer__first_name", "field.startswith"),
        ("customer__first_name", "field.more"),
        ("customer__first_name", "relative_date.today"),
        ("total", "field.contains"),
        ("status", "field.is"),
        ("segment", "field.is"),
        ("event", "segment.in"),
        ("total", ""),
        ("total", "more"),
        ("total", "field.more.__class__"),
    ],
)
def test_a_question_that_its_field_is_not_asked_is_refused_by_form_and_file(
    admin_client, field, operator
):
    (problem,) = refused(
        file_with(conditions=[{"field": field, "operator": operator, "value": "1"}])
    )
    assert "cannot be asked" in problem
    response = post(
        admin_client,
        shop.generator(),
        **{"conditions-1-field": field, "conditions-1-operator": operator},
    )
    assert list(errors(response)) == ["conditions-1-operator"]


@pytest.mark.parametrize(
    "group", [".*", "(a+)+$", "[0-9", "cart.left", "^cart_left$", "cart_(left|x)", "\\w+"]
)
def test_an_event_group_in_a_condition_is_no_regular_expression(group):
    shop.cart()
    running.run(shop.generator(), NOW)
    rule = Segment.objects.create(source="demo.cart", slug="s")
    shop.ask(rule, ("event", "event.had", group))
    assert rule.rows(NOW).count() == 0
    Condition.objects.filter(rule=rule).delete()
    shop.ask(rule, ("event", "event.had", "cart*t"))
    assert rule.rows(NOW).count() == 1


# Values of the wrong type ---------------------------------------------------------------------


NO_NUMBER = "is not a number. Write it in digits, for example 2 or 19.90."
NO_DAY = "is not a day. Write it as year-month-day: 2026-03-31."
NO_SPAN = "is no span of time. Write for example 2 days, 3 hours or 1 month."
NO_HOURS = "birthday is a date without a time of day: count in days, weeks or months."
NO_DAYS = "Enter a whole number of days from 0 to 366."
LONG = "Ensure this value has at most 500 characters (it has 501)."


@pytest.mark.parametrize(
    ("field", "operator", "value", "message"),
    [
        ("total", "field.more", "two", f"“two” {NO_NUMBER}"),
        ("total", "field.more", "1,5,2", f"“1,5,2” {NO_NUMBER}"),
        ("total", "field.more", "Infinity", f"“Infinity” {NO_NUMBER}"),
        ("total", "field.between", "5 and 2", "The first number must not be larger than"),
        ("updated_at", "date.on", "2026-02-31", f"“2026-02-31” {NO_DAY}"),
        ("updated_at", "date.on", "31 February", f"“31 February” {NO_DAY}"),
        ("updated_at", "date.on", "99999-01-01", f"“99999-01-01” {NO_DAY}"),
        ("updated_at", "date.from_to", "2026-03-02 and 2026-03-01", "The first day must not be"),
        ("updated_at", "relative_date.less_than_ago", "9999999 days", f"“9999999 days” {NO_SPAN}"),
        ("updated_at", "relative_date.less_than_ago", "-2 days", f"“-2 days” {NO_SPAN}"),
        ("customer__birthday", "relative_date.less_than_ago", "3 hours", f"customer {NO_HOURS}"),
        ("customer__birthday", "anniversary.anniversary_in", "1.5", NO_DAYS),
        ("customer__birthday", "anniversary.anniversary_in", "-1", NO_DAYS),
        ("status", "field.one_of", "lost", "“lost” is not one of the choices: open, ordered."),
        ("segment", "segment.in", "nobody", "There is no segment “nobody”."),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_what_to_write(field, operator, value, message):
    line = {"field": field, "operator": operator, "value": value}
    (problem,) = refused(file_with(conditions=[line]))
    assert problem.startswith(f"generators[0].conditions[0]: {message}")


@pytest.mark.parametrize(
    ("value", "message"),
    [("a\x00b", "Null characters are not allowed."), ("x" * 501, LONG)],
)
def test_a_value_that_no_field_takes_is_told_once_and_kept(admin_client, value, message):
    generator = shop.generator(("customer__first_name", "field.is", "Ann"))
    response = post(admin_client, generator, **{"conditions-0-value": value})
    assert errors(response) == {"conditions-0-value": [message]}
    form = response.context["inline_admin_formsets"][0].formset.forms[0]
    assert form["value"].value() == value


@pytest.mark.parametrize("text", ["\ud800", "a\x00b"])
def test_a_value_that_cannot_be_stored_is_refused_in_files(text):
    line = {"field": "customer__first_name", "operator": "field.is", "value": text}
    assert refused(file_with(conditions=[line])) == [
        "generators[0].conditions[0]: This must be a text."
    ]


def test_half_a_character_that_a_browser_sends_is_replaced(admin_client):
    generator = shop.generator(("customer__first_name", "field.is", "Ann"))
    url = reverse("admin:generators_generator_change", args=[generator.pk])
    data = filled(admin_client, url, "generator", **{"conditions-0-value": "HALF"})
    raw = "&".join(f"{name}={text}" for name, text in data.items()).replace("HALF", "%ED%A0%80")
    kind = "application/x-www-form-urlencoded"
    assert admin_client.post(url, raw.encode(), content_type=kind).status_code == 302
    assert "\ufffd" in generator.conditions.get().value


@pytest.mark.parametrize(
    "line",
    [
        ("total", "field.more", "1e25"),
        ("paid_orders", "field.more", "9" * 26),
        ("paid_orders", "field.equal", "9" * 26),
        ("paid_orders", "field.between", f"{'9' * 20} and {'9' * 26}"),
        ("items:count", "related.at_least", "1e25"),
        ("items:sum:price", "related.at_least", "1e25"),
        ("updated_at", "relative_date.in_more_than", "999999 months"),
        ("updated_at", "date.after", "9998-12-31"),
        ("event", "event.had", "cart_left 999999 months"),
        ("customer__first_name", "field.contains", "%"),
        ("customer__first_name", "field.is", "\u202e" * 100),
    ],
)
def test_a_value_beyond_all_rows_matches_none_of_them(line):
    shop.cart()
    generator = shop.generator(line)
    assert running.run(generator, NOW) == running.Outcome(looked_at=1, matched=0, new=0)


# Group templates ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "messages"),
    [
        ("", ["This field is required."]),
        ("{{ cart.statsu }}",
         ["Line 1, column 4: “cart.statsu” is not known here. Did you mean “cart.status”?"]),
        ("{{ cart.customer._state }}", ["Line 1, column 4: “cart.customer._state” is not"]),
        ("{{ event.group }}", ["Line 1, column 4: “event” is not known here."]),
        ("{{ cart.status | shout }}", ["Line 1, column 18: There is no filter “shout”."]),
        ("{% include 'x' %}", ["Line 1, column 4: There is no tag “include”."]),
        ("{% load x %}", ["Line 1, column 4: There is no tag “load”."]),
        ("a\n{% if cart.id %}", ["Line 2, column 4: “{% if %}” is never closed"]),
        ("a\n{{ cart.status", ["Line 2, column 1: “{{” is never closed with “}}”."]),
        ("{{ cart.items }}", ["Line 1, column 4: “cart.items” is a list."]),
        ("x" * 300_000, ["Ensure this value has at most 500 characters (it has 300000)."]),
        ("{% if cart.id %}" * 3_000 + "{% endif %}" * 3_000,
         ["Ensure this value has at most 500 characters (it has 81000)."]),
        ("{% if 1 %}" * 31, ["Line 1, column 304: Blocks are nested more than 30 deep here."]),
    ],
)  # fmt: skip
def test_a_wrong_group_template_is_told_once_by_form_and_file(admin_client, template, messages):
    generator = shop.generator()
    found = errors(post(admin_client, generator, group_template=template))
    assert list(found) == ["group_template"]
    for said, expected in zip(found["group_template"], messages, strict=True):
        assert said.startswith(expected)
    generator.delete()
    problems = refused(file_with(group_template=template))
    assert len(problems) == (2 if template == "" else 1)
    assert problems[0].startswith("generators[0].group_template: ")


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_a_group_that_cannot_be_stored_is_refused(admin_client, text):
    assert refused(file_with(group_template=text)) == [
        "generators[0].group_template: This has characters that cannot be stored."
    ]
    if "\x00" in text:
        response = post(admin_client, shop.generator(), group_template=text)
        assert errors(response) == {"group_template": ["Null characters are not allowed."]}


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for i in (1..100000000) %}x{% endfor %}", "10000"),
        ("{% for i in (1..9999) %}{% for j in (1..9999) %}{% endfor %}{% endfor %}", ""),
        (
            "{{ cart.total | times: 999999999999 | times: 999999999999 | times: 9999 }}",
            "too large",
        ),
        ("{{ cart.customer.birthday | divided_by: 2 }}", "A number is needed here"),
        ("{{ cart.customer.birthday }}", "The event group is empty."),
        ("{{ cart.status | append: cart.status | replace: 'o', 'oooooooooo' }}" * 5, "too long"),
    ],
)
def test_a_group_that_fails_while_running_leaves_its_rows_out_and_says_so(template, reason):
    shop.cart()
    generator = shop.generator(group_template="g")
    Generator.objects.update(group_template=template)
    outcome = running.run(Generator.objects.get(), NOW)
    assert outcome is not None
    assert (outcome.new, outcome.matched) == (0, 1)
    assert outcome.error.startswith("1 row was left out: ")
    assert reason in outcome.error
    assert Run.objects.get().state == "failed"
    assert Generator.objects.get().state == "armed"
    assert generator.runs.count() == 1


# Names and slugs ------------------------------------------------------------------------------


def test_a_short_name_is_one_generators_one_segments_own(admin_client):
    for name in ("one", "two"):
        Segment.objects.create(name=name, slug=name, source="demo.cart")
    segment = Segment.objects.get(slug="two")
    url = reverse("admin:automation_rules_segment_change", args=[segment.pk])
    response = admin_client.post(url, filled(admin_client, url, "segment", slug="one"))
    assert errors(response) == {"slug": ["This short name is taken. Choose another one."]}
    shop.generator(slug="one")
    response = post(admin_client, shop.generator(), slug="one")
    assert errors(response) == {"slug": ["This short name is taken. Choose another one."]}


def test_a_file_that_has_a_short_name_twice_changes_the_first_into_the_second():
    data = file_with()
    data["generators"].append({**data["generators"][0], "name": "Again"})
    definitions.load(data)
    assert Generator.objects.get().name == "Again"


# What stands in rows --------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_name_is_compared_and_becomes_a_group(name):
    shop.cart(shop.customer(first_name=name))
    shop.cart(shop.customer(first_name="Ann"))
    generator = shop.generator(
        ("customer__first_name", "field.is", name), group_template="{{ cart.customer.first_name }}"
    )
    assert running.run(generator, NOW) == running.Outcome(looked_at=2, matched=1, new=1)
    event = EventRecord.objects.get()
    assert event.group == name.strip()
    assert event.context["cart"]["customer"]["first_name"] == name


@pytest.mark.sqlite_only
def test_a_name_that_only_this_database_can_store_becomes_a_group():
    customer = shop.customer()
    shop.cart(customer)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE demo_customer SET first_name = %s", ["a\x00b"])
    generator = shop.generator(group_template="{{ cart.customer.first_name }}")
    assert running.run(generator, NOW).error == ""
    assert EventRecord.objects.get().group == "a\ufffdb"


@pytest.mark.parametrize(
    ("line", "matched"),
    [
        (("customer__birthday", "relative_date.more_than_ago", "2 days"), 0),
        (("customer__birthday", "anniversary.anniversary_today", ""), 0),
        (("customer__birthday", "date.before", "2026-01-01"), 0),
        (("customer__birthday", "field.is_empty", ""), 1),
        (("items:largest:price", "related.more", "0"), 0),
        (("items:sum:price", "related.equal", "0"), 1),
    ],
)
def test_nothing_where_a_value_is_asked_for_harms_nothing(line, matched):
    Cart.objects.create(customer=shop.customer(birthday=None))
    outcome = running.run(shop.generator(line), NOW)
    assert outcome == running.Outcome(looked_at=1, matched=matched, new=matched)


@pytest.mark.parametrize(
    ("field", "operator"),
    [("total", "contains"), ("status", "contains"), ("birthday", "contains"),
     ("customer__first_name", "regex"), ("customer__first_name", "__class__")],
)  # fmt: skip
def test_a_saved_question_that_its_field_is_not_asked_pauses_the_generator(
    admin_client, field, operator
):
    """As a deploy leaves it that made a number of a text, or a hand in the database."""
    shop.cart()
    generator = shop.generator(("customer__first_name", "field.contains", "A"))
    assert running.run(generator, NOW).new == 1
    Condition.objects.update(field=field, operator=operator)
    outcome = running.run(generator, NOW)
    generator.refresh_from_db()
    assert outcome is not None
    assert generator.state == "paused"
    assert generator.state_reason == outcome.error != ""
    page = reverse("admin:generators_generator_change", args=[generator.pk])
    assert generator.state_reason in html.unescape(admin_client.get(page).content.decode())
