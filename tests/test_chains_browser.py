"""An editor builds the demo's chain of the abandoned cart from nothing, in a real browser: a
reminder after two days without a change, a week later a voucher for those with two paid orders
and a second reminder for all others, over when the cart is ordered, or after 60 days."""

import datetime
import json
import re
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Dialog, Page, expect

from automation.chains import advancing, entering
from automation.chains.models import Chain, ChainRun
from automation.demo.definitions import FILE
from automation.events.models import EventRecord
from automation.rules import definitions
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


def ask(page: Page, number: int, typed: str, field: str, question: str, value: str = "") -> None:
    """Say what a line asks about, how, and its value if that is a number."""
    asked = line(page, number)
    field_of(asked).click()
    field_of(asked).press_sequentially(typed)
    field_of(asked).press("Enter")
    expect(field_of(asked)).to_have_value(field)
    asked.get_by_label("Question").select_option(question)
    if value:
        asked.locator(".line-value input:visible").first.press_sequentially(value)


def back(page: Page) -> None:
    page.get_by_role("button", name="Save and back to the chain").click()
    expect(page.locator(".chain-picture")).to_be_visible()


def say_who_comes_in(page: Page) -> None:
    page.get_by_role("button", name="Say who comes in").click()
    ask(page, 0, "status", "status", "is one of")
    line(page, 0).get_by_label("Open", exact=True).check()
    expect(page.locator("#rule-panel .figure-beside")).to_have_text("3 would come in at once")
    ask(page, 1, "number of cart items", "cart items › number of cart items", "is at least", "1")
    expect(page.locator("#rule-panel .figure-beside")).to_have_text("2 would come in at once")
    back(page)


def set_a_goal(page: Page) -> None:
    page.get_by_role("button", name="Set a goal").click()
    ask(page, 0, "status", "status", "is one of")
    line(page, 0).get_by_label("Ordered", exact=True).check()
    back(page)


def set_its_limit(page: Page) -> None:
    page.get_by_text("More", exact=True).click()
    page.get_by_label("At most … days:").fill("60")
    page.get_by_label("Look for new rows every … minutes:").fill("5")
    page.get_by_label("Look again after minutes:").fill("5")
    page.get_by_label("Time zone:").fill("Europe/Zurich")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".success")).to_contain_text("was changed successfully")


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


def add_all_steps(page: Page) -> None:
    add_step(page, "Reminder", "REMINDED", "0", "cart_reminder")
    ask(page, 0, "last changed", "last changed on", "more than … ago", "2")
    expect(page.locator("#rule-panel .figure")).to_have_text(
        "1 of the 2 carts that come in, or are at the start, match now"
    )
    back(page)
    add_step(page, "Voucher", "LAST", "7", "cart_voucher")
    ask(page, 0, "bought", "number of paid orders before", "is at least", "2")
    expect(page.locator("#rule-panel .figure")).to_have_text("1 of 4 carts match now")
    back(page)
    add_step(page, "Second reminder", "LAST", "7", "cart_last_reminder")
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
            "Second reminder REMINDED → LAST",
            "Enough LAST → End",
        ]
    )


def demo_chains() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))["chains"]


def groups() -> list[str]:
    return sorted(EventRecord.objects.values_list("group", flat=True))


def test_an_editor_builds_the_chain_of_the_demo_and_its_reminders_come(
    superuser_page: Page,
) -> None:
    page, now = superuser_page, timezone.now()
    loyal = shop.customer(first_name="Ann")
    for _number in range(2):
        shop.order(loyal, status="paid")
    shop.cart(loyal, now=now)
    shop.cart(now=now, days_old=1)
    shop.cart(status="ordered", now=now)
    shop.cart(now=now, days_old=1).items.all().delete()

    add_chain(page)
    say_who_comes_in(page)
    set_a_goal(page)
    set_its_limit(page)
    add_all_steps(page)
    assert definitions.dump(Chain.objects.all())["chains"] == demo_chains()

    page.get_by_role("link", name="Arm …").click()
    expect(page.locator(".figure")).to_have_text(["2 come in at once", "1 event is made at once"])
    page.get_by_label("Arm it all the same").check()  # nobody hears its events yet
    page.get_by_role("button", name="Arm it").click()
    expect(page.locator(".success")).to_contain_text("is armed")
    chain = Chain.objects.get()
    armed = timezone.now()
    entering.enter(chain, armed)
    assert ChainRun.objects.count() == 2
    page.reload()
    expect(page.locator(".chain-picture .count")).to_have_text(["2", "0", "0"])

    advancing.work(armed)
    assert groups() == ["cart_reminder"]
    page.reload()
    expect(page.locator(".chain-picture .count")).to_have_text(["1", "1", "0"])
    advancing.work(armed + 2 * DAY)
    assert groups() == ["cart_reminder", "cart_reminder"]

    advancing.work(armed + 10 * DAY)
    assert groups() == ["cart_last_reminder", "cart_reminder", "cart_reminder", "cart_voucher"]
    shop.Cart.objects.filter(customer=loyal).update(status="ordered")
    advancing.work(armed + 30 * DAY)
    assert set(ChainRun.objects.values_list("outcome", flat=True)) == {"goal", "done"}


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
