"""The day of a new editor, in a real browser: the rule "cart left for two days, country CH, at
least 2 paid orders before" is built from nothing with what is on the screen, and what the screen
says is held against the same question answered in plain Python.
"""

import datetime
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from automation.demo.models import Cart, Customer, Order
from automation.events.admin import moment
from automation.events.models import EventRecord
from generators.models import Generator
from tests import shop as demo_shop
from tests.condition_lines import field_of, line, tab_to

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
]

SENTENCE = (
    "Carts where customer country is Switzerland and last changed on more than 2 days ago and "
    "number of paid orders before is at least 2"
)
COUNTRIES = {"CH": "Switzerland", "DE": "Germany", "AT": "Austria"}
# How much older than two days carts are, in hours: close to it on both sides, and far from it.
HOURS = (-47, -20, -1, -0.25, 0.25, 1, 40, 400)


# A shop, and what is true of it ---------------------------------------------------------------


@dataclass(frozen=True)
class Left:
    """A cart, with what the rule asks about it."""

    pk: int
    email: str
    country: str
    changed: datetime.datetime
    paid: int


#: A question about a cart.
Ask = Callable[[Left], bool]


@dataclass
class Shop:
    """The carts of a shop, and the moment that was two days ago."""

    two_days_ago: datetime.datetime
    carts: list[Left]

    def is_swiss(self, cart: Left) -> bool:
        return cart.country == "CH"

    def is_old(self, cart: Left) -> bool:
        return cart.changed < self.two_days_ago

    def is_known(self, cart: Left) -> bool:
        return cart.paid >= 2

    def those(self, *asked: Ask) -> list[Left]:
        """The carts that pass all of ``asked``, the newest first."""
        found = [cart for cart in self.carts if all(passes(cart) for passes in asked)]
        return sorted(found, key=lambda cart: -cart.pk)

    def count(self, *asked: Ask) -> str:
        """How many carts pass all of ``asked``, as the screen has it."""
        return f"{len(self.those(*asked)):,}"

    def meant(self) -> list[Left]:
        """The carts that the whole rule means."""
        return self.those(self.is_swiss, self.is_old, self.is_known)

    def leave(self, cart: Left) -> Left:
        """Let ``cart``, which was changed lately, have been left for an hour more than two
        days."""
        left = replace(cart, changed=self.two_days_ago - datetime.timedelta(hours=1))
        Cart.objects.filter(pk=cart.pk).update(updated_at=left.changed)
        self.carts[self.carts.index(cart)] = left
        return left


def open_shop(carts: int) -> Shop:
    """A shop with so many carts, four for each customer."""
    chance = random.Random(2026)
    # By the clock on the wall, as people count days.
    two_days_ago = timezone.localtime() - datetime.timedelta(days=2)
    customers = Customer.objects.bulk_create(
        Customer(email=f"customer{number}@example.com", country=country, first_name="Ann")
        for number, country in enumerate(chance.choices([*COUNTRIES], (1, 2, 1), k=carts // 4))
    )
    orders, paid = [], {}
    for customer in customers:
        # Of these only the first two kinds were paid.
        states = chance.choices(("paid", "shipped", "open", "cancelled"), k=chance.randrange(5))
        paid[customer.pk] = sum(state in ("paid", "shipped") for state in states)
        orders += [Order(customer=customer, status=state) for state in states]
    for number, order in enumerate(orders):
        order.number = f"R-{number}"
    Order.objects.bulk_create(orders)
    left = two_days_ago.astimezone(datetime.UTC)
    made = Cart.objects.bulk_create(
        Cart(
            customer=customers[number // 4],
            updated_at=left - datetime.timedelta(hours=chance.choice(HOURS)),
        )
        for number in range(carts)
    )
    return Shop(two_days_ago, [_left(cart, paid[cart.customer_id]) for cart in made])


def _left(cart: Cart, paid: int) -> Left:
    owner = cart.customer
    return Left(cart.pk, owner.email, owner.country, cart.updated_at, paid)


def as_shown(cart: Left) -> list[str]:
    """What the rule asks about, as the screen has it."""
    changed = moment(cart.changed)
    return [COUNTRIES[cart.country], changed, str(cart.paid)]


# What an editor does --------------------------------------------------------------------------


def add_generator(page: Page) -> None:
    """From the front page to the conditions of a new generator."""
    page.goto("/admin/")
    page.locator("#content-main").get_by_role("link", name="Generators", exact=True).last.click()
    page.get_by_role("link", name="Add generator").click()
    page.get_by_label("Name:", exact=True).press_sequentially("Cart left for two days")
    page.get_by_label("About:").select_option("Carts")
    page.get_by_label("Event group:").fill("cart_left")
    page.get_by_role("button", name="Next: the conditions").click()


def search_field(line: Locator, typed: str, name: str) -> None:
    """Search as people do, letter by letter, and take the best match."""
    field_of(line).click()
    field_of(line).press_sequentially(typed)
    field_of(line).press("Enter")
    expect(field_of(line)).to_have_value(name)


def ask_country(line: Locator) -> None:
    search_field(line, "country", "customer › country")
    line.get_by_label("Question").select_option("is one of")
    line.get_by_label("Switzerland").check()


def ask_age(line: Locator) -> None:
    search_field(line, "changed", "last changed on")
    line.get_by_label("Question").select_option("more than … ago")
    line.get_by_label("Value, number").press_sequentially("2")
    line.get_by_label("Value, unit").select_option("days")


def ask_orders(line: Locator) -> None:
    search_field(line, "paid orders", "number of paid orders before")
    line.get_by_label("Question").select_option("is at least")
    line.locator(".line-value input").press_sequentially("2")


def expect_counts(page: Page, shop: Shop, *lines: Ask) -> None:
    """Each line says how many carts pass it alone, and the panel how many pass all of them."""
    expect(page.locator(".line-count")).to_have_text([shop.count(passes) for passes in lines])
    expect(page.locator("#rule-panel .figure")).to_have_text(
        f"{shop.count(*lines)} of {shop.count()} carts match now"
    )


def build_the_rule(page: Page, shop: Shop) -> None:
    expect_counts(page, shop)
    ask_country(line(page, 0))
    expect_counts(page, shop, shop.is_swiss)
    ask_age(line(page, 1))
    expect_counts(page, shop, shop.is_swiss, shop.is_old)
    page.get_by_role("button", name="Add another Condition").click()
    ask_orders(line(page, 2))
    expect_counts(page, shop, shop.is_swiss, shop.is_old, shop.is_known)


def save(page: Page, shop: Shop) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".success")).to_contain_text("was changed successfully")
    expect(page.locator(".rule-sentence")).to_have_text(SENTENCE)
    expect_counts(page, shop, shop.is_swiss, shop.is_old, shop.is_known)


def expect_rows(rows: Locator, shown: list[Left]) -> None:
    """The rows are these carts, with their event, their owner and what the rule asks about."""
    cells = [[f"Cart {cart.pk}", "cart_left", cart.email, "New", *as_shown(cart)] for cart in shown]
    expect(rows.first).to_be_visible()
    found = [row.locator("th, td").all_inner_texts()[:7] for row in rows.all()]
    assert found == cells


def see_which_match(page: Page, shop: Shop) -> None:
    """The page with the first rows, three of which are opened."""
    page.get_by_role("link", name="Which match now?").click()
    expect(page.locator(".figure")).to_have_text(
        f"{len(shop.meant())} of {shop.count()} carts match now"
    )
    expect_rows(page.locator("#result_list tbody tr"), shop.meant()[:20])
    for cart in shop.meant()[:3]:
        page.get_by_role("link", name=f"Cart {cart.pk}", exact=True).click()
        expect(page.locator("#content > h2")).to_have_text(f"Cart {cart.pk}")
        page.go_back()


def ask_why_not(page: Page, shop: Shop) -> None:
    """A cart that fails two of the three conditions says so, with what it has for each."""
    failing = next(
        cart
        for cart in shop.carts
        if not shop.is_swiss(cart) and shop.is_old(cart) and not shop.is_known(cart)
    )
    page.get_by_label("Why not …?").fill(str(failing.pk))
    page.get_by_role("button", name="Say why").click()
    expect(page.locator(".figure")).to_have_text(
        f"Cart {failing.pk} does not match now: 2 conditions are not met"
    )
    country, changed, paid = as_shown(failing)
    expect(page.locator(".reasons tbody :is(th, td)")).to_have_text(
        [
            *("customer country is Switzerland", country, "✗ no"),
            *("and last changed on more than 2 days ago", changed, "✓ yes"),
            *("and number of paid orders before is at least 2", paid, "✗ no"),
        ]
    )
    expect(page.locator(".gates li")).to_have_text(
        [
            "✗ The generator is a draft: it makes no events until it is armed.",
            f"✓ It has not had its event yet: cart_left for {failing.email}.",
        ]
    )


def arm(page: Page, shop: Shop) -> None:
    page.get_by_role("link", name="Arm …").click()
    expect(page.locator(".figure")).to_have_text(
        f"{len(shop.meant())} events would be made at once"
    )
    expect(page.locator(".question")).to_contain_text("Nobody listens to these events yet")
    page.get_by_role("button", name="Arm it").click()
    expect(page.locator(".success")).to_contain_text("is armed")


def run(page: Page, shop: Shop, new: str) -> None:
    """Run it, and read on the page that so many rows were new."""
    page.get_by_role("button", name="Run now").click()
    expect(page.locator(".success")).to_have_text(
        f"{len(shop.meant())} of {len(shop.carts)} match, {new}."
    )


def expect_events(shop: Shop) -> None:
    """Exactly one event of each cart that the rule means, for its owner."""
    recorded = EventRecord.objects.values_list("row_pk", "recipient", "group", "row_model")
    expected = [(str(cart.pk), cart.email, "cart_left", "demo.cart") for cart in shop.meant()]
    assert sorted(recorded) == sorted(expected)


# The day --------------------------------------------------------------------------------------


def test_a_new_editor_builds_the_rule_asks_why_and_gets_exactly_its_events(
    superuser_page: Page,
) -> None:
    page, shop = superuser_page, open_shop(carts=12_400)
    matched = len(shop.meant())
    add_generator(page)
    build_the_rule(page, shop)
    panel = page.locator("#rule-panel")
    expect(panel.locator(".figure-beside")).to_have_text(f"{matched} would be new")
    expect_rows(panel.locator("tbody tr"), shop.meant()[:5])
    expect(panel.locator(".audiences")).to_contain_text("Nobody listens to these events yet.")
    save(page, shop)

    see_which_match(page, shop)
    ask_why_not(page, shop)
    assert not EventRecord.objects.exists()

    page.get_by_role("link", name="Cart left for two days").click()
    arm(page, shop)
    run(page, shop, new=f"{matched} are new")
    expect(page.locator(".facts tbody td").nth(1)).to_have_text(
        f"{matched} of 12400 match, {matched} new"
    )
    expect_events(shop)
    run(page, shop, new="0 are new")
    expect_events(shop)


def test_the_next_day_only_the_carts_that_were_left_since_are_new(superuser_page: Page) -> None:
    page, shop = superuser_page, open_shop(carts=1_200)
    add_generator(page)
    build_the_rule(page, shop)
    save(page, shop)
    arm(page, shop)
    run(page, shop, new=f"{len(shop.meant())} are new")
    young = [cart for cart in shop.those(shop.is_swiss, shop.is_known) if not shop.is_old(cart)]
    left = [shop.leave(cart) for cart in young[-5:]]
    page.reload()
    panel = page.locator("#rule-panel")
    expect_counts(page, shop, shop.is_swiss, shop.is_old, shop.is_known)
    expect(panel.locator(".figure-beside")).to_have_text("5 would be new")
    expect_rows(panel.locator("tbody tr"), left)
    run(page, shop, new="5 are new")
    expect_events(shop)


def test_then_she_mistypes_a_variable_of_the_mail_and_is_told_the_nearest_name(
    superuser_page: Page,
) -> None:
    page, generator = superuser_page, demo_shop.generator(armed=False)
    demo_shop.cart(demo_shop.customer(first_name="Ann"), now=timezone.now())
    page.goto(f"/admin/generators/generator/{generator.pk}/change/")
    page.locator("#rule-panel").get_by_role("link", name="Write a mail for them").click()
    expect(page.get_by_label("On events:")).to_have_value("cart_left")
    page.get_by_label("Name:", exact=True).fill("Your cart")
    subject = page.locator("#id_subject")
    subject.fill("{{ cart.customer.first_nam }}, your cart waits")
    page.frame_locator(".field-body .cke_wysiwyg_frame").first.locator("body").click()
    page.keyboard.type("Dear {{ cart.customer.first_name }}")
    page.get_by_role("button", name="Save and preview").click()
    expect(page.locator(".field-subject .errorlist")).to_have_text(
        "Line 1, column 4: “cart.customer.first_nam” is not known here. "
        "Did you mean “cart.customer.first_name”?"
    )
    subject.fill("{{ cart.customer.first_name }}, your cart waits")
    page.get_by_role("button", name="Save and preview").click()
    expect(page.locator(".inbox-line strong")).to_have_text("Ann, your cart waits")
    expect(page.frame_locator(".mail-frame").locator("p").first).to_have_text("Dear Ann")


# In other ways --------------------------------------------------------------------------------


def test_the_rule_is_built_armed_and_run_with_the_keyboard_alone(superuser_page: Page) -> None:
    page, keys, shop = superuser_page, superuser_page.keyboard, open_shop(carts=1_200)

    def go_to(wanted: Locator, *pressed: str) -> None:
        tab_to(page, wanted)
        for key in pressed:
            keys.press(key)

    page.goto("/admin/generators/generator/")
    go_to(page.get_by_role("link", name="Add generator"), "Enter")
    go_to(page.get_by_label("Name:", exact=True))
    keys.type("Cart left for two days")
    go_to(page.get_by_label("About:"), "ArrowDown")
    expect(page.get_by_label("About:")).to_have_value("demo.cart")
    go_to(page.get_by_label("Event group:"))
    keys.type("cart_left")
    keys.press("Enter")

    go_to(field_of(line(page, 0)))
    keys.type("country")
    keys.press("Enter")
    go_to(line(page, 0).get_by_label("Question"))
    keys.type("is one")
    go_to(line(page, 0).get_by_label("Switzerland"), "Space")
    expect_counts(page, shop, shop.is_swiss)
    go_to(field_of(line(page, 1)))
    keys.type("changed")
    keys.press("Enter")
    go_to(line(page, 1).get_by_label("Question"))
    keys.type("more than")
    go_to(line(page, 1).get_by_label("Value, number"))
    keys.type("2")
    expect_counts(page, shop, shop.is_swiss, shop.is_old)
    go_to(page.get_by_role("button", name="Add another Condition"), "Enter")
    expect(field_of(line(page, 2))).to_be_focused()
    keys.type("paid orders")
    keys.press("ArrowDown")
    keys.press("ArrowUp")
    keys.press("Enter")
    go_to(line(page, 2).get_by_label("Question"))
    keys.type("is at least")
    go_to(line(page, 2).locator(".line-value input"))
    keys.type("2")
    expect_counts(page, shop, shop.is_swiss, shop.is_old, shop.is_known)

    go_to(page.get_by_role("button", name="Save", exact=True), "Enter")
    expect(page.locator(".rule-sentence")).to_have_text(SENTENCE)
    go_to(page.get_by_role("link", name="Arm …"), "Enter")
    go_to(page.get_by_role("button", name="Arm it"), "Enter")
    go_to(page.get_by_role("button", name="Run now"), "Enter")
    expect(page.locator(".success")).to_have_text(
        f"{len(shop.meant())} of 1200 match, {len(shop.meant())} are new."
    )
    expect_events(shop)


def test_the_rule_is_built_on_a_phone_in_the_dark(
    chromium: Browser, live_server: Any, superuser_page: Page
) -> None:
    context = chromium.new_context(
        base_url=live_server.url,
        locale="en-GB",
        storage_state=superuser_page.context.storage_state(),
        viewport={"width": 390, "height": 844},
        has_touch=True,
        color_scheme="dark",
    )
    page, shop = context.new_page(), open_shop(carts=1_200)
    add_generator(page)
    build_the_rule(page, shop)
    panel = page.locator("#rule-panel")
    expect(panel.locator(".figure")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 18, 18)"
    save(page, shop)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()
    assert Generator.objects.get().sentence() == SENTENCE
