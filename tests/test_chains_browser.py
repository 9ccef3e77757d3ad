"""An editor builds the chain of the abandoned cart from nothing, in a real browser: a reminder
after two days, a week later a voucher for those with two paid orders and a last reminder for all
others, over when the cart is ordered."""

import datetime
import re

import pytest
from django.utils import timezone
from playwright.sync_api import Dialog, Page, expect

from automation.chains import advancing, entering
from automation.chains.models import Chain, ChainRun
from automation.events.models import EventRecord
from tests import shop
from tests.condition_lines import field_of, line

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

DAY = datetime.timedelta(days=1)


def add_chain(page: Page) -> None:
    page.goto("/admin/")
    page.locator("#content-main").get_by_role("link", name="Chains", exact=True).last.click()
    page.get_by_role("link", name="Add chain").click()
    page.get_by_label("Name:", exact=True).press_sequentially("Abandoned cart")
    page.get_by_label("About:").select_option("Carts")
    page.get_by_label("States:").fill("REMINDED\nLAST")
    page.get_by_role("button", name="Next: who comes in, and the steps").click()
    expect(page.locator(".chain-picture .box text:first-of-type")).to_have_text(
        ["Start", "REMINDED", "LAST", "End"]
    )


def ask(page: Page, typed: str, field: str, question: str) -> None:
    """Say what the first line asks about, and how."""
    field_of(line(page, 0)).click()
    field_of(line(page, 0)).press_sequentially(typed)
    field_of(line(page, 0)).press("Enter")
    expect(field_of(line(page, 0))).to_have_value(field)
    line(page, 0).get_by_label("Question").select_option(question)


def back(page: Page) -> None:
    page.get_by_role("button", name="Save and back to the chain").click()
    expect(page.locator(".chain-picture")).to_be_visible()


def say_who_comes_in(page: Page) -> None:
    page.get_by_role("button", name="Say who comes in").click()
    ask(page, "status", "status", "is one of")
    line(page, 0).get_by_label("Open", exact=True).check()
    expect(page.locator("#rule-panel .figure-beside")).to_have_text("2 would come in at once")
    back(page)


def set_a_goal(page: Page) -> None:
    page.get_by_role("button", name="Set a goal").click()
    ask(page, "status", "status", "is one of")
    line(page, 0).get_by_label("Ordered", exact=True).check()
    back(page)


def add_step(page: Page, name: str, leads: str, wait: str, group: str) -> None:
    """Up to the page of its conditions. Where it most likely comes from is chosen already."""
    page.locator(".chain-lists").get_by_role("link", name="Add a step").click()
    page.get_by_label("Name:", exact=True).fill(name)
    page.get_by_label("To:", exact=True).select_option(leads)
    page.get_by_label("Wait:").fill(wait)
    page.get_by_label("Event group:").fill(group)
    page.get_by_role("button", name="Next: who takes it").click()
    expect(page.locator("#rule-panel .figure")).to_be_visible()


def come_only_from(page: Page, state: str) -> None:
    for box in page.locator("#id_from_states input").all():
        box.set_checked(box.get_attribute("value") == state)


def test_an_editor_builds_the_abandoned_cart_and_its_reminder_comes(superuser_page: Page) -> None:
    page, now = superuser_page, timezone.now()
    loyal = shop.customer(first_name="Ann")
    for _number in range(2):
        shop.order(loyal, status="paid")
    shop.cart(loyal, now=now)
    shop.cart(now=now)
    shop.cart(status="ordered", now=now)

    add_chain(page)
    say_who_comes_in(page)
    set_a_goal(page)
    add_step(page, "Reminder", "REMINDED", "2", "cart_reminder")
    expect(page.locator(".step-means")).to_have_text("Start → REMINDED: everybody, after 2 days.")
    back(page)
    add_step(page, "Voucher", "LAST", "7", "cart_voucher")
    ask(page, "paid orders", "number of paid orders before", "is at least")
    line(page, 0).locator(".line-value input").press_sequentially("2")
    expect(page.locator("#rule-panel .figure")).to_have_text("1 of 3 carts match now")
    back(page)
    add_step(page, "Last reminder", "LAST", "7", "cart_last_reminder")
    come_only_from(page, "REMINDED")
    expect(page.locator(".step-means")).to_have_text(
        "REMINDED → LAST: everybody else, after 7 days."
    )
    back(page)
    add_step(page, "Enough", "End", "14", "")
    come_only_from(page, "LAST")
    expect(page.locator(".step-means")).to_have_text("LAST → End: everybody, after 14 days.")
    back(page)
    expect(page.locator(".step-head > span")).to_have_text(
        [
            "Reminder Start → REMINDED",
            "Voucher REMINDED → LAST",
            "Last reminder REMINDED → LAST",
            "Enough LAST → End",
        ]
    )

    page.get_by_role("link", name="Arm …").click()
    expect(page.locator(".figure")).to_have_text(["2 come in at once", "0 events are made at once"])
    page.get_by_role("button", name="Arm it").click()
    expect(page.locator(".success")).to_contain_text("is armed")
    chain = Chain.objects.get()
    armed = timezone.now()
    entering.enter(chain, armed)
    assert ChainRun.objects.count() == 2
    page.reload()
    expect(page.locator(".chain-picture .count")).to_have_text(["2", "0", "0"])

    for days in (1, 3):
        advancing.work(armed + days * DAY)
    assert set(EventRecord.objects.values_list("group", "recipient")) == {
        ("cart_reminder", cart.customer.email) for cart in shop.Cart.objects.filter(status="open")
    }
    page.reload()
    expect(page.locator(".chain-picture .count")).to_have_text(["0", "2", "0"])

    advancing.work(armed + 11 * DAY)
    assert sorted(EventRecord.objects.values_list("group", flat=True)) == [
        "cart_last_reminder", "cart_reminder", "cart_reminder", "cart_voucher",
    ]  # fmt: skip


def test_a_state_is_taken_away_with_an_answer(superuser_page: Page) -> None:
    from tests import sequences

    page, chain = superuser_page, sequences.reminders()
    run = chain.start(shop.cart(), shop.NOW)
    ChainRun.objects.filter(pk=run.pk).update(state="REMINDED")
    page.goto(f"/admin/automation_chains/chain/{chain.pk}/change/")
    page.get_by_label("States:").fill("LAST")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_label("1 is in “REMINDED” and goes to").select_option("LAST")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".success")).to_contain_text("was changed successfully")
    expect(page.locator(".chain-picture .box text:first-of-type")).to_contain_text(["LAST"])
    run.refresh_from_db()
    assert run.state == "LAST"


def test_what_is_not_saved_is_asked_about_before_the_page_is_left(superuser_page: Page) -> None:
    from tests import sequences

    page, chain = superuser_page, sequences.reminders()
    address = f"/admin/automation_chains/chain/{chain.pk}/change/"
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.goto(address)
    page.get_by_label("Name:", exact=True).fill("Another name")
    page.get_by_role("link", name="Who is on the way").click()
    expect(page.get_by_label("Name:", exact=True)).to_have_value("Another name")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".success")).to_contain_text("was changed successfully")
    page.get_by_role("link", name="Who is on the way").click()
    expect(page).to_have_url(re.compile("chainrun"))
    assert asked == ["beforeunload"]


def test_a_step_is_moved_with_the_keyboard_alone(superuser_page: Page) -> None:
    from tests import sequences

    page, chain = superuser_page, sequences.reminders()
    page.goto(f"/admin/automation_chains/chain/{chain.pk}/change/")
    order = page.locator(".step-head strong")
    expect(order).to_have_text(["Reminder", "Voucher", "Second reminder", "Enough"])
    page.get_by_role("button", name="Move Second reminder up").focus()
    page.keyboard.press("Enter")
    expect(order).to_have_text(["Reminder", "Second reminder", "Voucher", "Enough"])
    expect(page.get_by_role("button", name="Move Second reminder up")).to_be_focused()
    page.keyboard.press("Enter")
    expect(order).to_have_text(["Second reminder", "Reminder", "Voucher", "Enough"])
    # It is the first one now, and its arrow up can be pressed no more.
    expect(page.get_by_role("button", name="Move Second reminder down")).to_be_focused()
    page.keyboard.press("Enter")
    expect(order).to_have_text(["Reminder", "Second reminder", "Voucher", "Enough"])
    expect(page.get_by_role("button", name="Move Second reminder down")).to_be_focused()
    expect(page.get_by_role("button", name="Move Second reminder down")).to_be_in_viewport()
