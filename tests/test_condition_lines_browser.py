"""The condition lines of a rule's form in a real browser: the search for a field, the field
that fits a value, "or", and the order of the lines."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from automation.demo.models import Cart
from automation.rules.fields import Field
from automation.rules.models import Segment
from automation.rules.sources import Source, sources
from automation.rules.split_condition import place
from generators.models import Generator
from tests import shop
from tests.condition_lines import choose_field, field_of, line, tab_to

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
]


def open_form(page: Page, rule: Generator) -> None:
    page.goto(f"/admin/generators/generator/{rule.pk}/change/")


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def empty(source: str = "demo.cart") -> Generator:
    return Generator.objects.create(name="New", slug="new", source=source, group_template="new")


def offered(page: Page) -> list[str]:
    """The options of the open list."""
    return page.locator("[role=option]:visible").all_inner_texts()


def sentence(page: Page) -> Locator:
    return page.locator(".rule-sentence")


# With the keyboard --------------------------------------------------------------------------


def test_a_rule_is_built_with_the_keyboard_alone(superuser_page: Page) -> None:
    page, keyboard = superuser_page, superuser_page.keyboard
    open_form(page, empty())
    field_of(line(page, 0)).focus()
    keyboard.type("cust")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowUp")
    keyboard.type("omer country")
    keyboard.press("Enter")
    expect(field_of(line(page, 0))).to_have_value("customer › country")
    keyboard.press("Tab")
    keyboard.type("is one")
    keyboard.press("Tab")
    keyboard.press("Space")
    tab_to(page, line(page, 1).get_by_label("and / or"))
    keyboard.type("or")
    keyboard.press("Tab")
    keyboard.type("last changed")
    keyboard.press("Tab")  # takes the best match, too
    keyboard.type("more")
    keyboard.press("Tab")
    keyboard.type("2")
    tab_to(page, page.get_by_role("button", name="Save", exact=True))
    keyboard.press("Enter")
    expect(sentence(page)).to_have_text(
        "Carts where customer country is Switzerland or last changed on more than 2 days ago"
    )


def test_the_keys_of_the_list(superuser_page: Page) -> None:
    page, keyboard = superuser_page, superuser_page.keyboard
    open_form(page, shop.generator(("customer__country", "field.one_of", "CH")))
    field = field_of(line(page, 0))
    field.focus()
    active = page.locator('[role=option][aria-selected="true"]')
    expect(field).to_have_attribute("aria-expanded", "false")
    keyboard.press("ArrowDown")
    expect(field).to_have_attribute("aria-expanded", "true")
    expect(active).to_have_text("country")  # where it stands
    everything = offered(page)
    keyboard.press("Home")
    expect(active).to_have_text(everything[0])
    keyboard.press("ArrowUp")
    expect(active).to_have_text(everything[-1])
    keyboard.press("ArrowDown")
    keyboard.press("PageDown")
    expect(active).to_have_text(everything[8])
    keyboard.press("End")
    expect(active).to_have_text(everything[-1])
    assert field.get_attribute("aria-activedescendant") == active.get_attribute("id")
    keyboard.press("Escape")
    expect(field).to_have_attribute("aria-expanded", "false")
    expect(field).to_have_value("customer › country")


# What is found ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed", ["customer country", "COUNTRY customer", "cust coun", "country", "customer › country"]
)
def test_a_field_is_found_by_its_name_and_its_relation(superuser_page: Page, typed: str) -> None:
    open_form(superuser_page, empty())
    choose_field(line(superuser_page, 0), typed)
    expect(field_of(line(superuser_page, 0))).to_have_value("customer › country")


def test_accents_do_not_matter_and_the_best_match_comes_first(superuser_page: Page) -> None:
    labels = {"created_at": "jour de l’état", "currency": "etat total", "status": "État"}
    fields = [Field(path, label=label) for path, label in labels.items()]
    with sources.registered(Source(Cart, fields=[*fields, "total"])):
        open_form(superuser_page, empty())
        field_of(line(superuser_page, 0)).fill("etat")
        assert offered(superuser_page) == ["État", "etat total", "jour de l’état"]


def test_what_is_no_field_is_found_by_its_question(superuser_page: Page) -> None:
    open_form(superuser_page, empty())
    field_of(line(superuser_page, 0)).fill("the person did not")
    assert offered(superuser_page) == ["events so far"]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("bought", "number of paid orders before"),
        ("percent", "random share"),
        ("half", "random share"),
        ("A/B", "random share"),
        ("ab test", "random share"),
        ("share", "random share"),
        ("random", "random share"),
    ],
)
def test_a_field_is_found_by_further_words(superuser_page: Page, typed: str, first: str) -> None:
    open_form(superuser_page, empty())
    field_of(line(superuser_page, 0)).fill(typed)
    assert offered(superuser_page)[0] == first


def test_nothing_found_is_said_and_what_was_chosen_stays(superuser_page: Page) -> None:
    page = superuser_page
    open_form(page, shop.generator())
    field = field_of(line(page, 0))
    field.fill("colour")
    expect(page.locator(".field-options:visible")).to_have_text("Nothing is called “colour”.")
    expect(page.locator("#condition-lines-status")).to_have_text("Nothing is called “colour”.")
    field.press("Enter")  # sends nothing
    field.press("Tab")
    expect(field).to_have_value("status")
    expect(line(page, 0).get_by_label("Open")).to_be_checked()


def test_the_number_of_matches_is_said(superuser_page: Page) -> None:
    open_form(superuser_page, empty())
    field_of(line(superuser_page, 0)).fill("name")
    expect(superuser_page.locator("#condition-lines-status")).to_have_text("found: 2")


# Lines come and go --------------------------------------------------------------------------


def test_a_new_line_is_searched_too_and_keeps_its_field_when_one_above_goes(
    superuser_page: Page,
) -> None:
    page = superuser_page
    open_form(page, empty())
    page.get_by_role("button", name="Add another Condition").click()
    expect(field_of(line(page, 2))).to_be_focused()
    choose_field(line(page, 2), "newsletter")
    line(page, 2).get_by_label("Question").select_option("is yes")
    line(page, 0).locator(".inline-deletelink").click()
    expect(field_of(line(page, 1))).to_have_value("customer › gets the newsletter")
    save(page)
    expect(sentence(page)).to_have_text("Carts where customer gets the newsletter is yes")


def test_going_back_keeps_what_was_chosen(superuser_page: Page) -> None:
    page = superuser_page
    open_form(page, empty())
    choose_field(line(page, 0), "country")
    line(page, 0).get_by_label("Question").select_option("is one of")
    line(page, 0).get_by_label("Austria").check()
    page.goto("/admin/")
    page.go_back()
    expect(field_of(line(page, 0))).to_have_value("customer › country")
    expect(line(page, 0).get_by_label("Question")).to_have_value("field.one_of")
    expect(line(page, 0).get_by_label("Austria")).to_be_checked()


def test_lines_change_places_and_stay_there(superuser_page: Page) -> None:
    page = superuser_page
    made = shop.generator(
        ("status", "field.one_of", "open"),
        shop.OLD,
        ("items:count", "related.more", "2"),
        ("customer__newsletter", "field.yes", "", "or"),
    )
    open_form(page, made)
    expect(line(page, 0).get_by_role("button", name="Move up")).to_be_disabled()
    expect(line(page, 3).get_by_role("button", name="Move down")).to_be_disabled()
    up = line(page, 3).get_by_role("button", name="Move up")
    up.focus()
    page.keyboard.press("Enter")
    expect(line(page, 2).get_by_role("button", name="Move up")).to_be_focused()
    expect(page.locator("#condition-lines-status")).to_have_text("Now line 3 of 6.")
    line(page, 0).get_by_role("button", name="Move down").click()
    save(page)
    expect(sentence(page)).to_have_text(
        "Carts where last changed on more than 2 days ago and (status is Open or customer gets "
        "the newsletter is yes) and number of cart items is more than 2"
    )
    assert made.conditions.count() == 4


def test_two_alternatives_stay_alternatives_when_they_change_places(superuser_page: Page) -> None:
    page = superuser_page
    made = shop.generator(("total", "field.more", "5"), ("status", "field.one_of", "open", "or"))
    open_form(page, made)
    line(page, 1).get_by_role("button", name="Move up").click()
    save(page)
    expect(sentence(page)).to_have_text("Carts where status is Open or total is more than 5")


def test_lines_joined_by_or_are_held_together(superuser_page: Page) -> None:
    page = superuser_page
    generator = shop.generator(
        ("status", "field.one_of", "open"),
        ("total", "field.more", "5", "or"),
        ("customer__newsletter", "field.yes", ""),
    )
    open_form(page, generator)
    bracket = "node => getComputedStyle(node).borderLeftColor"
    first, second, third = (line(page, number).evaluate(bracket) for number in range(3))
    assert first == second != third
    line(page, 2).get_by_label("and / or").select_option("or")
    assert line(page, 2).evaluate(bracket) == first


# The fields for values ----------------------------------------------------------------------


def test_a_value_is_written_in_parts_where_it_has_parts(superuser_page: Page) -> None:
    page = superuser_page
    shop.generator(group_template="welcome")
    open_form(page, empty("demo.customer"))
    choose_field(line(page, 0), "paid orders")
    line(page, 0).get_by_label("Question").select_option("is between")
    line(page, 0).get_by_label("Value, from").fill("3")
    line(page, 0).get_by_label("Value, to").fill("5")
    choose_field(line(page, 1), "events so far")
    line(page, 1).get_by_label("Question").select_option("the person had")
    group = line(page, 1).get_by_label("Value, group")
    options = page.locator(f"#{group.get_attribute('list')} option")
    assert options.evaluate_all("all => all.map(option => option.value)") == ["welcome", "new"]
    group.fill("welcome")
    line(page, 1).get_by_label("Value, number").fill("2")
    line(page, 1).get_by_label("Value, unit").select_option("weeks")
    save(page)
    expect(sentence(page)).to_have_text(
        "Customers where number of paid orders is between 3 and 5 and the person had welcome in "
        "the last 2 weeks"
    )
    expect(line(page, 1).get_by_label("Value, number")).to_have_value("2")


def test_related_rows_are_limited_only_by_what_fits_them(superuser_page: Page) -> None:
    page = superuser_page
    Segment.objects.create(name="Big carts", slug="big", source="demo.cart")
    Segment.objects.create(name="Big orders", slug="orders", source="demo.order")
    open_form(page, empty("demo.customer"))
    choose_field(line(page, 0), "number of orders")
    among = line(page, 0).get_by_label("only those in")
    assert among.locator("option").all_inner_texts() == ["—", "Big orders"]
    line(page, 0).get_by_label("Question").select_option("is more than")
    line(page, 0).locator(".line-value input").fill("2")
    line(page, 0).get_by_label("of the last, number").fill("90")
    among.select_option("Big orders")
    save(page)
    expect(sentence(page)).to_have_text(
        "Customers where number of orders is more than 2 (of the last 90 days, in Big orders)"
    )
    # Another field takes no such limits, and none stays behind unseen.
    choose_field(line(page, 0), "newsletter")
    line(page, 0).get_by_label("Question").select_option("is yes")
    save(page)
    expect(sentence(page)).to_have_text("Customers where gets the newsletter is yes")


def test_a_number_pad_is_offered_for_numbers(superuser_page: Page) -> None:
    page = superuser_page
    open_form(page, empty())
    choose_field(line(page, 0), "total")
    line(page, 0).get_by_label("Question").select_option("is more than")
    value = line(page, 0).locator(".line-value input")
    expect(value).to_have_attribute("inputmode", "decimal")
    value.fill("19,90")  # as the pad of a phone in German has it
    save(page)
    expect(sentence(page)).to_have_text("Carts where total is more than 19.90")


# A phone, the dark, and no scripts ----------------------------------------------------------


def test_a_field_is_chosen_with_a_finger_on_a_phone(
    chromium: Browser, live_server: Any, superuser_page: Page
) -> None:
    context = chromium.new_context(
        base_url=live_server.url,
        storage_state=superuser_page.context.storage_state(),
        viewport={"width": 390, "height": 844},
        has_touch=True,
        color_scheme="dark",
    )
    page = context.new_page()
    open_form(page, empty())
    field_of(line(page, 0)).tap()
    popup = page.locator(".field-options:visible")
    expect(popup).to_be_in_viewport(ratio=1)
    assert popup.evaluate("node => getComputedStyle(node).backgroundColor") == "rgb(18, 18, 18)"
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    option = page.get_by_role("option", name="country")
    box = option.bounding_box()
    assert box is not None
    assert box["height"] >= 40
    option.tap()
    expect(field_of(line(page, 0))).to_have_value("customer › country")
    expect(popup).to_have_count(0)
    context.close()


def test_without_scripts_lines_are_written_in_the_readers_language(
    chromium: Browser, live_server: Any, superuser_page: Page
) -> None:
    generator = shop.generator(shop.OLD, ("status", "field.one_of", "open"))
    context = chromium.new_context(
        base_url=live_server.url,
        java_script_enabled=False,
        locale="de-CH",
        storage_state=superuser_page.context.storage_state(),
    )
    page = context.new_page()
    open_form(page, generator)
    expect(page.locator("[name=conditions-0-value]")).to_have_value("2 Tage")
    page.fill("[name=conditions-0-value]", "1 Woche")
    page.select_option("[name=conditions-2-field]", "customer__birthday")
    page.select_option("[name=conditions-2-operator]", "relative_date.between_ago")
    page.fill("[name=conditions-2-value]", "2 Tagen und 3 Monaten")
    page.click("[name=_continue]")
    context.close()
    texts = [condition.value_text() for condition in generator.conditions.all()]
    assert texts == ["1 week", "open", "2 days and 3 months"]


def test_a_share_is_a_percentage_and_a_name_in_use(superuser_page: Page) -> None:
    page = superuser_page
    shop.ask(
        Segment.objects.create(name="Test", slug="test", source="demo.cart"),
        ("split", "split.in", "10 % of spring-test"),
    )
    carts = [shop.cart() for _number in range(9)]
    open_form(page, empty())
    choose_field(line(page, 0), "random share")
    line(page, 0).get_by_label("Question").select_option("is not among")
    percent = line(page, 0).get_by_label("Value, percent")
    name = line(page, 0).get_by_label("Value, name of the split")
    options = page.locator(f"#{name.get_attribute('list')} option")
    assert options.evaluate_all("all => all.map(each => each.value)") == ["spring-test"]
    expect(line(page, 0).get_by_role("textbox").locator("visible=true")).to_have_count(1)

    name.fill("autumn")
    save(page)
    said = "Enter how many percent: a number such as 20, or from where to where: 50–100."
    expect(line(page, 0).locator(".errorlist")).to_have_text(said)
    expect(name).to_have_value("autumn")
    percent.fill("half")
    save(page)
    expect(line(page, 0).locator(".errorlist")).to_contain_text("“half” is no percentage.")

    percent.fill("0,5 %")
    expect(line(page, 0)).to_contain_text("the other 99.5 percent")
    percent.fill("50–100")
    expect(line(page, 0)).to_contain_text("the other 50 percent")
    others = [cart for cart in carts if place("autumn", cart.pk) < 50]
    expect(line(page, 0).locator(".line-count")).to_have_text(str(len(others)))
    save(page)
    expect(sentence(page)).to_have_text(
        "Carts where random share is not within 50 to 100 % of “autumn”"
    )
    expect(percent).to_have_value("50-100")
    expect(name).to_have_value("autumn")
