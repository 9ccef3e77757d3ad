"""What has no effect in a chain is said before it is armed, and as long as it is armed."""

import datetime

import lxml.html
import pytest
from django.urls import reverse

from automation.chains.models import Chain, StartChain
from tests import shop
from tests.sequences import OPEN, ORDERED, TWO_PAID, Step, chain, transition
from tests.test_admin_queries import queries
from tests.test_chain_pages import items, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

NINE = datetime.time(9)


def odd(*steps: Step, **values: object) -> list[str]:
    """What is odd about a chain that has a way in and a way out."""
    known = {"entry": [OPEN], "goal": [ORDERED], "limit_days": 90, "armed": False}
    return chain(*steps, **{**known, **values}).warnings()


def said_where(client, of: Chain) -> list[list[str]]:
    """What the page of a chain tells to look at, and the page that arms it."""
    shown = items(client.get(page_of(of)), "//div[@class='next-step']//li")
    return [shown, items(client.get(page_of(of, "arm")), "//ul[@class='odd']/li")]


# Steps that nobody takes ------------------------------------------------------------------------

BEHIND = "Late is never taken: Soon comes first, for everybody and after no longer a wait."


@pytest.mark.parametrize(
    ("soon", "late", "said"),
    [
        ({"days": 2}, {"days": 2}, [BEHIND]),
        ({"days": 2}, {"days": 7}, [BEHIND]),
        ({"days": 2}, {"days": 2, "when": [TWO_PAID]}, [BEHIND]),
        ({"minutes": 90}, {"days": 2, "wait_unit": "hours"}, [BEHIND]),
        ({"days": 7}, {"days": 1, "wait_unit": "weeks"}, [BEHIND]),
        ({"days": 2, "wait_time": NINE}, {"days": 3, "wait_time": NINE}, [BEHIND]),
        ({"days": 2}, {"days": 1}, []),
        ({"days": 2, "when": [TWO_PAID]}, {"days": 7}, []),
        ({"days": 2, "wait_time": NINE}, {"days": 3}, []),
        ({"days": 2, "wait_time": NINE}, {"days": 2, "wait_weekday": 0}, []),
    ],
)
def test_a_step_behind_one_that_everybody_has_taken_by_then_is_told(soon, late, said):
    assert odd(("Soon", ["NEW"], "DONE", soon), ("Late", ["NEW"], "DONE", late)) == said


def test_a_step_is_behind_others_only_if_it_is_from_each_of_its_states():
    steps: list[Step] = [
        ("Soon", ["NEW"], "A", {"days": 1}),
        ("Also", ["A"], "DONE", {"days": 2}),
        ("Late", ["NEW", "A"], "DONE", {"days": 1}),
    ]
    assert odd(*steps) == [
        "Late is never taken from Start: another step comes first there, for everybody and after "
        "no longer a wait."
    ]
    steps[2] = ("Late", [], "DONE", {"days": 1})
    assert odd(*steps) == []
    steps[1] = ("Also", ["A"], "DONE", {"days": 1})
    assert odd(*steps) == [BEHIND]


def test_a_step_that_leads_back_to_where_it_begins_is_told():
    said = "Again leads from A to A: it is taken again and again, each time after 3 days."
    steps: list[Step] = [
        ("Soon", ["NEW"], "A", {"days": 1}),
        ("Again", ["A"], "A", {"days": 3, "when": [TWO_PAID]}),
        ("Enough", ["A"], "DONE", {"days": 30}),
    ]
    assert odd(*steps) == [said]
    steps[1] = ("Again", [], "A", {"days": 3, "when": [TWO_PAID]})
    assert said not in odd(*steps)


def test_a_step_that_nobody_takes_is_told_where_the_chain_is_looked_at_and_armed(admin_client):
    of = chain(
        ("Soon", ["NEW"], "DONE", {"days": 2}), ("Late", ["NEW"], "DONE", {"days": 2}),
        entry=[OPEN], armed=False,
    )  # fmt: skip
    assert said_where(admin_client, of) == [[BEHIND], [BEHIND]]
    of.arm(shop.NOW)
    assert items(admin_client.get(page_of(of)), "//ul[@class='odd']/li") == [BEHIND]


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        ({"days": 30}, ["Go (after 30 days) is never taken: everybody leaves after 30 days at the "
                        "latest."]),
        ({"days": 5, "wait_unit": "weeks"}, ["Go (after 5 weeks) is never taken: everybody leaves "
                                             "after 30 days at the latest."]),
        ({"days": 1000, "wait_unit": "hours"}, ["Go (after 1000 hours) is never taken: everybody "
                                                "leaves after 30 days at the latest."]),
        ({"days": 29}, []),
        ({"days": 29, "wait_weekday": 0}, []),
    ],
)  # fmt: skip
def test_a_wait_that_is_longer_than_the_limit_is_told(wait, said):
    assert odd(("Go", ["NEW"], "DONE", wait), limit_days=30) == said
    assert odd(("Go", ["NEW"], "DONE", wait), limit_days=None) == []


# A goal that is reached at once -----------------------------------------------------------------

ARRIVED = (
    "The goal asks the same as who comes in: whoever comes in has arrived already and takes no "
    "step."
)
MANY = ("items:count", "related.at_least", "2")


@pytest.mark.parametrize(
    ("entry", "goal", "said"),
    [
        ([OPEN], [OPEN], [ARRIVED]),
        ([OPEN, TWO_PAID], [TWO_PAID, OPEN], [ARRIVED]),
        ([OPEN, (*TWO_PAID, "or")], [TWO_PAID, (*OPEN, "or")], [ARRIVED]),
        ([OPEN, (*TWO_PAID, "or")], [OPEN, TWO_PAID], []),
        ([OPEN, (*TWO_PAID, "or"), MANY], [TWO_PAID, (*OPEN, "or"), MANY], []),
        ([MANY], [MANY], [ARRIVED]),
        ([MANY], [(*MANY[:2], "3")], []),
        ([OPEN], [ORDERED], []),
    ],
)
def test_a_goal_that_asks_the_same_as_the_entry_is_told(entry, goal, said):
    assert odd(("Go", ["NEW"], "DONE", {"days": 1}), entry=entry, goal=goal) == said


def test_a_goal_that_counts_other_rows_is_another_one():
    of = chain(("Go", ["NEW"], "DONE", {"days": 1}), entry=[MANY], goal=[MANY], armed=False)
    counted = of.goal.conditions.get()
    counted.within = "30 days"
    counted.save()
    assert Chain.objects.get().warnings() == []


# Events about other rows ------------------------------------------------------------------------

OTHERS = (
    "“Start”: the events shop_* that are made here are about Customers, and the chain is about "
    "Carts. Nobody can come in by them."
)
NEWSLETTER = {"name": "Start", "slug": "start", "group": "shop_*"}


def about_customers(group: str = "shop_news") -> None:
    asked = ("first_name", "field.contains", "a")
    shop.generator(asked, source="demo.customer", group_template=group, armed=False)


def going(**values) -> Chain:
    return chain(("Go", ["NEW"], "DONE", {"days": 1}), entry=[OPEN], armed=False, **values)


def test_events_about_other_rows_are_told_where_the_chain_is_looked_at_and_armed(admin_client):
    of = going()
    StartChain.objects.create(chain=of, **NEWSLETTER)
    assert of.warnings() == []  # code may make them
    about_customers()
    assert said_where(admin_client, Chain.objects.get()) == [[OTHERS], [OTHERS]]
    shop.generator(group_template="shop_{{ cart.status }}", armed=False)
    assert Chain.objects.get().warnings() == []


def test_steps_of_other_chains_make_events_about_their_rows():
    of = going()
    StartChain.objects.create(chain=of, **NEWSLETTER)
    other = Chain.objects.create(
        name="News", slug="news", source="demo.customer", states=[], time_zone=""
    )
    transition(other, "Tell", ["NEW"], "DONE", group="shop_news")
    assert of.warnings() == [OTHERS]


def test_a_start_by_events_about_other_rows_is_told_when_it_is_saved(admin_client):
    about_customers()
    of = going()
    add = f"{reverse('admin:automation_chains_startchain_add')}?chain={of.pk}"
    answer = admin_client.post(add, {**NEWSLETTER, "chain": of.pk, "_continue": "1"}, follow=True)
    said = [str(each) for each in answer.context["messages"] if each.level_tag == "warning"]
    assert said == [OTHERS]
    assert answer.redirect_chain == [(f"{page_of(StartChain.objects.get())}?chain={of.pk}", 302)]


def test_more_starts_need_no_more_queries(admin_client):
    of = going()
    StartChain.objects.create(chain=of, **NEWSLETTER)
    about_customers()
    few = queries(admin_client, page_of(of))
    for number in range(3):
        StartChain.objects.create(
            chain=of, name=f"More {number}", slug=f"more-{number}", group="shop_news"
        )
        about_customers()
    assert queries(admin_client, page_of(of)) == few


# The page of what starts a chain ----------------------------------------------------------------


def test_saving_a_start_leads_back_to_the_chain_as_its_button_says(admin_client):
    of = going()
    add = f"{reverse('admin:automation_chains_startchain_add')}?chain={of.pk}"
    sent = {**NEWSLETTER, "chain": of.pk, "_save": "1"}
    assert admin_client.post(add, sent).url == page_of(of)
    start = StartChain.objects.get()
    assert admin_client.post(page_of(start), {**sent, "group": "other"}).url == page_of(of)
    start.refresh_from_db()
    assert start.group == "other"


def test_a_start_offers_nothing_that_it_does_not_do(admin_client):
    of = going()
    add = f"{reverse('admin:automation_chains_startchain_add')}?chain={of.pk}"
    start = StartChain.objects.create(chain=of, **NEWSLETTER)
    for page in (add, page_of(start)):
        found = admin_client.get(page).content.decode()
        assert items_of(found, "//div[@class='submit-row']//input/@value") == [
            "Save", "Save and back to the chain",
        ]  # fmt: skip
        assert items_of(found, "//a[@class='closelink']/@href") == [page_of(of)]
    step = of.transitions.get()
    found = admin_client.get(page_of(step)).content.decode()
    assert "Save and see who matches" in found


def items_of(found: str, path: str) -> list[str]:
    return list(lxml.html.fromstring(found).xpath(path))
