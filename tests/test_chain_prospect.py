"""What arming a chain would bring about at once, said before it does."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from automation.chains import advancing, claiming, entering
from automation.chains.checking import warnings
from automation.chains.copying import clone
from automation.chains.models import Chain, ChainRun, ChainStep, Transition
from automation.chains.prospect import prospect
from automation.events.models import EventRecord
from tests import shop
from tests.sequences import OPEN, ORDERED, TWO_PAID, chain, reminders, transition
from tests.shop import NOW
from tests.test_chain_pages import items, page_of

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)


def welcome(**values) -> Chain:
    """Who has two paid orders is thanked at once, then everybody is greeted at once; a reminder
    a week later. Over when it is ordered."""
    return chain(
        ("Thank", ["NEW"], "THANKED", {"when": [TWO_PAID], "group": "thanks"}),
        ("Greet", ["NEW", "THANKED"], "GREETED", {"group": "greeting"}),
        ("Remind", ["GREETED"], "DONE", {"days": 7, "group": "reminder"}),
        entry=[OPEN],
        goal=[ORDERED],
        **values,
    )


def loyal():
    customer = shop.customer()
    for _number in range(2):
        shop.order(customer, status="paid")
    return customer


def taken(of: Chain, now: datetime.datetime = NOW) -> dict[str, int]:
    names = dict(Transition.objects.filter(chain=of).values_list("pk", "name"))
    return {names[pk]: number for pk, number in prospect(of, now).taken.items() if number}


def what_came(of: Chain, now: datetime.datetime) -> dict[str, int]:
    """What arming it has brought about."""
    before = ChainStep.objects.filter(run__chain=of).count()
    of.arm(now)
    entering.enter(of, now)
    advancing.work(now)
    names = ChainStep.objects.filter(run__chain=of).order_by("pk")
    found = list(names.values_list("transition", flat=True))[before:]
    return {name: found.count(name) for name in found}


# What would happen ------------------------------------------------------------------------------


def test_newcomers_go_on_as_far_as_steps_lead_that_take_no_time():
    of = welcome(armed=False)
    shop.cart(loyal()), shop.cart(), shop.cart(), shop.cart(status="ordered")
    assert taken(of) == {"Thank": 1, "Greet": 3}
    assert prospect(of, NOW).next_wait == NOW + 7 * DAY
    assert what_came(of, NOW) == {"Thank": 1, "Greet": 3}


def test_who_has_reached_the_goal_takes_no_step():
    of = chain(
        ("Greet", ["NEW"], "DONE", {"group": "greeting"}), entry=[OPEN], goal=[OPEN], armed=False
    )
    shop.cart()
    assert taken(of) == what_came(of, NOW) == {}
    assert prospect(of, NOW).next_wait is None


def test_who_is_on_the_way_already_is_counted_with_newcomers():
    of = welcome()
    early, late, paused = (of.start(shop.cart(), NOW - days * DAY) for days in (9, 3, 9))
    ChainRun.objects.filter(pk=paused.pk).pause()
    fresh = of.start(shop.cart(loyal()), NOW)
    ChainRun.objects.filter(pk__in=[early.pk, late.pk]).update(state="GREETED")
    of.pause()
    shop.cart()
    assert taken(of) == {"Remind": 1, "Thank": 1, "Greet": 2}
    assert prospect(of, NOW).next_wait == NOW + 4 * DAY  # of the one who came three days ago
    assert (ChainStep.objects.count(), EventRecord.objects.count()) == (0, 0)
    fresh.refresh_from_db()
    assert fresh.state == "NEW"
    assert what_came(of, NOW) == {"Remind": 1, "Thank": 1, "Greet": 2}


def test_an_empty_chain_brings_nothing_about():
    found = prospect(welcome(armed=False), NOW)
    assert (found.taken.total(), found.next_wait, found.is_exact) == (0, None, True)


def test_many_on_their_way_are_not_looked_at_one_by_one(monkeypatch):
    from automation.chains import prospect as module

    of = welcome()
    for _number in range(3):
        of.start(shop.cart(), NOW)
    of.pause()
    monkeypatch.setattr(module, "CHUNK", 2)
    found = prospect(of, NOW)
    assert (found.taken.total(), found.is_exact) == (2, False)
    assert claiming.CHUNK > 2


def test_more_rows_need_no_more_queries():
    of = welcome(armed=False)

    def queries() -> int:
        prospect(of, NOW)
        with CaptureQueriesContext(connection) as captured:
            prospect(of, NOW)
        return len(captured)

    shop.cart(), shop.cart(loyal())
    few = queries()
    for _number in range(9):
        shop.cart()
    assert queries() == few


# The page that asks -----------------------------------------------------------------------------


@pytest.mark.sqlite_only
def test_arming_says_how_many_mails_go_out_at_once(admin_client):
    of = welcome(armed=False)
    shop.cart(loyal()), shop.cart(), shop.cart()
    shop.mail(group="greeting", name="Hello")
    shop.mail(group="thanks", name="Thank you", is_active=False)
    shop.mail(group="*", name="Whatever happens")
    found = admin_client.get(page_of(of, "arm"))
    assert items(found, "//p[@class='figure']") == [
        "3 come in at once", "4 events are made at once",
    ]  # fmt: skip
    assert items(found, "//ul[@class='reached']/li") == [
        "4 × Mail Whatever happens", "3 × Mail Hello",
    ]  # fmt: skip
    steps = items(found, "//ol[@class='steps']/li/div[1]")
    assert [step.partition(" · ")[2] for step in steps] == [
        "1 takes it at once", "3 take it at once", "",
    ]  # fmt: skip
    (said,) = [each for each in items(found, "//p[@class='question']") if "wait ends" in each]
    assert said.startswith("The next wait ends: ")


@pytest.mark.sqlite_only
def test_a_group_that_varies_reaches_at_most_so_many(admin_client):
    of = chain(
        ("Go", ["NEW"], "DONE", {"group": "cart_{{ cart.status }}"}), entry=[OPEN], armed=False
    )
    shop.cart(), shop.cart()
    shop.mail(group="cart_open", name="Hello")
    found = admin_client.get(page_of(of, "arm"))
    assert items(found, "//ul[@class='reached']/li") == ["up to 2 × Mail Hello"]


@pytest.mark.sqlite_only
def test_events_that_nobody_hears_are_said_to_send_nothing(admin_client):
    of = welcome(armed=False)
    found = admin_client.get(page_of(of, "arm"))
    said = "Nobody who is active hears these events: nothing is sent for them."
    assert "0 events are made at once" in items(found, "//p[@class='figure']")
    assert said not in items(found, "//p[@class='question']")
    shop.cart()
    found = admin_client.get(page_of(of, "arm"))
    assert "1 event is made at once" in items(found, "//p[@class='figure']")
    assert said in items(found, "//p[@class='question']")


# Another chain that does the same ---------------------------------------------------------------


def test_a_copy_of_an_armed_chain_says_that_people_may_hear_twice():
    of = reminders(name="Carts")
    copy = clone(of)
    said = (
        "“Carts” makes the same events (cart_reminder, cart_voucher, cart_last_reminder): the same "
        "people may hear twice."
    )
    assert warnings(copy) == [said]
    copy.arm(NOW)  # warned, not refused
    assert warnings(of) == [said.replace("Carts", "Carts (copy)")]
    of.pause()
    assert warnings(copy) == []


def test_events_of_groups_that_may_be_the_same_are_told(admin_client):
    chain(("Go", ["NEW"], "DONE", {"group": "cart_{{ cart.status }}", "days": 1}), name="One")
    chain(("Go", ["NEW"], "DONE", {"group": "order_paid", "days": 1}), name="Another")
    other = chain(
        ("Go", ["NEW"], "A", {"group": "cart_open", "days": 1}),
        ("On", ["A"], "DONE", {"days": 1}),
        entry=[OPEN], limit_days=9, armed=False,
    )  # fmt: skip
    shop.mail(group="cart_open")
    said = ["“One” makes the same events (cart_open): the same people may hear twice."]
    assert warnings(other) == said
    assert items(admin_client.get(page_of(other)), "//div[@class='next-step']//li") == said
    found = admin_client.get(page_of(other, "arm"))
    assert items(found, "//ul[@class='odd']/li") == said
    assert len(items(found, "//form[@id='arm_form']")) == 1


def test_other_chains_need_no_more_queries():
    of = reminders(armed=False)

    def queries() -> int:
        warnings(of)
        with CaptureQueriesContext(connection) as captured:
            warnings(of)
        return len(captured)

    reminders()
    few = queries()
    for _number in range(3):
        transition(reminders(), "More", ["LAST"], "DONE", group="more", position=9)
    assert queries() == few
