"""The list of what a mail can say, beside its editor."""

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from automation.events import Event, record
from automation.rules.sources import RelatedList, sources
from automation.rules.templating import parse
from generators import running
from mails.proofreading import Checker
from mails.variables import Variables, variables
from tests import shop

pytestmark = pytest.mark.django_db


def said(found: Variables) -> dict[str, tuple[str, str]]:
    return {each.expression: (each.meaning, each.sample) for each in found.values}


def test_a_value_has_a_meaning_and_what_it_is_for_a_row_that_matches() -> None:
    shop.generator()
    shop.cart(shop.customer(first_name="Ann"), now=timezone.now())
    found = said(variables("cart_left"))
    assert found["cart.customer.first_name"] == ("customer › first name", "Ann")
    assert found["cart.total"] == ("total", "129.90")
    assert found["event.group"] == ("the event's group", "cart_left")


def test_the_newest_event_goes_before_a_row() -> None:
    generator = shop.generator()
    shop.cart(shop.customer(first_name="Ann"), now=timezone.now())
    running.run(generator, timezone.now())
    shop.cart(shop.customer(first_name="Bea"), now=timezone.now())
    assert said(variables("cart_left"))["cart.customer.first_name"][1] == "Ann"


def test_without_a_row_there_are_meanings_only() -> None:
    shop.generator()
    found = variables("cart_*")
    assert said(found)["cart.total"] == ("total", "")
    assert found.sample == ""


def test_of_events_that_no_generator_makes_only_what_code_can_bring_is_known() -> None:
    shop.generator()
    found = variables("nobody")
    assert said(found) == {
        "event.group": ("the event's group", ""),
        "event.key": ("the event's key", ""),
        "event.subject": ("the subject that the event brings", ""),
        "event.text": ("the text that the event brings", ""),
    }
    assert found.made_in_code
    record([Event("nobody", "1", subject="Paid", text="Thanks.\n\nBye")])
    assert said(variables("nobody"))["event.subject"][1] == "Paid"
    assert said(variables("nobody"))["event.text"][1] == "Thanks. Bye"
    assert not variables("")


def test_what_code_can_bring_is_not_offered_for_events_of_generators() -> None:
    shop.generator()
    found = variables("cart_left")
    assert not found.made_in_code
    assert "event.subject" not in said(found)


def test_a_list_has_the_fields_of_its_rows_and_how_many_there_are() -> None:
    shop.generator()
    shop.cart(now=timezone.now())
    (items,) = variables("cart_left").lists
    assert (items.expression, items.sample) == ("cart.items", "2 entries")
    assert [(each.tag, each.sample) for each in items.fields] == [
        ("{{ item.title }}", "Lamp"),
        ("{{ item.quantity }}", "1"),
        ("{{ item.price }}", "99.90"),
    ]


@pytest.mark.parametrize("form", ["as_table", "as_list", "as_text"])
def test_what_is_inserted_for_a_list_is_right_for_the_mail(form: str) -> None:
    shop.generator()
    shop.cart(now=timezone.now())
    mail = shop.mail()
    (items,) = variables("cart_left").lists
    template = getattr(items, form)
    assert Checker.of(mail).check(template, html=True) == []
    rows = [{"title": "Lamp", "quantity": 1, "price": 2}, {"title": "B", "quantity": 3, "price": 4}]
    text = parse(template, html=True).render({"cart": {"items": rows}})
    assert text.count("Lamp") == text.count("B") == 1


@pytest.mark.parametrize("form", ["tag", "as_table", "as_list", "as_text"])
def test_names_that_are_no_word_are_written_so_that_they_can_be_read(form: str) -> None:
    items = RelatedList("items", ["title"])
    odd = replace(
        sources.get("demo.cart"),
        name="limit",
        lists={"what's <in> it": items, "a'\"b": items},
        computed=["due date", "a}}b"],
        compute=lambda rows, _now: [{"due date": "Monday", "a}}b": "-"} for _row in rows],
    )
    with sources.registered(odd):
        shop.generator(source=odd.key)
        shop.cart(now=timezone.now())
        found = variables("cart_left")
    (listed,) = found.lists
    (due,) = (each for each in found.values if "due date" in each.expression)
    assert (due.expression, due.sample) == ("['limit']['due date']", "Monday")
    assert listed.sample == "2 entries"
    assert not any("}}" in each.expression for each in found.values)
    data = {"limit": {"due date": "Monday", "what's <in> it": [{"title": "Lamp"}]}}
    template = due.tag if form == "tag" else getattr(listed, form)
    text = parse(template, html=form != "as_text").render(data)
    assert text.count("Monday" if form == "tag" else "Lamp") == 1


def test_more_events_and_rows_need_no_more_queries(django_assert_max_num_queries: Any) -> None:
    generator = shop.generator()
    for _number in range(6):
        shop.cart(now=timezone.now())
    # Two of them set PostgreSQL's time limit.
    with django_assert_max_num_queries(15):
        variables("cart_left")
    running.run(generator, timezone.now())
    with django_assert_max_num_queries(3):
        variables("cart_left")


# The view -----------------------------------------------------------------------------------


def listed(client: Any, user: Any, *permissions: str, group: str = "cart_left") -> Any:
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(type(user).objects.get(pk=user.pk))
    return client.get(reverse("admin:mails_mail_variables"), {"group": group})


@pytest.fixture
def editor(django_user_model: Any) -> Any:
    return django_user_model.objects.create_user("eva", is_staff=True)


def test_values_are_for_those_who_may_see_mails(client: Any, editor: Any) -> None:
    shop.generator()
    shop.cart(shop.customer(first_name="Anneliese"), now=timezone.now())
    assert "Anneliese" in listed(client, editor, "view_mail").content.decode()
    page = listed(client, editor, "add_mail").content.decode()
    assert "{{ cart.customer.first_name }}" in page
    assert "Anneliese" not in page
    assert listed(client, editor, "view_generator").status_code == 403


def test_what_rows_hold_is_text_in_the_list(client: Any, editor: Any) -> None:
    shop.generator()
    shop.cart(shop.customer(first_name="<script>x</script>"), now=timezone.now())
    page = listed(client, editor, "view_mail").content.decode()
    assert "<script>" not in page
    assert "&lt;script&gt;x" in page


@pytest.mark.parametrize("group", ["", "*" * 500, "\x00", "nobody", "<b>", "ü" * 3000])
def test_any_group_gets_an_answer(client: Any, editor: Any, group: str) -> None:
    shop.generator()
    assert listed(client, editor, "view_mail", group=group).status_code == 200
