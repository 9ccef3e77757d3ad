"""What chains leave behind: what is pruned and erased, what travels, and what is told of them."""

import copy
import datetime

import pytest
from django_q.models import Schedule
from prometheus_client.parser import text_string_to_metric_families

from automation.chains import advancing, entering
from automation.chains.models import (
    Chain,
    ChainResource,
    ChainRun,
    ChainStart,
    ChainStep,
    Goal,
    StartChain,
    Transition,
)
from automation.events import delivering, event, groups, record, schedule
from automation.events.erasing.persons import erase
from automation.events.health import examinations
from automation.events.health.metrics import exposition
from automation.events.housekeeping.chore import chores
from automation.events.housekeeping.pruning import prune
from automation.rules import definitions
from automation.rules.definitions import DefinitionError
from automation.rules.models import Condition
from tests import shop
from tests.sequences import OPEN, chain, reminders
from tests.shop import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

DAY = datetime.timedelta(days=1)


def go(of: Chain, *moments: datetime.datetime) -> None:
    for at in moments:
        entering.enter(of, at)
        advancing.work(at)


# Pruning and erasing ----------------------------------------------------------------------


def test_steps_of_runs_that_ended_long_ago_go_and_the_runs_stay():
    of = chain(("Go", ["NEW"], "A", {}), ("End", ["A"], "DONE", {"days": 10}), entry=[OPEN])
    shop.cart()
    go(of, NOW, NOW + 10 * DAY)
    shop.cart()
    go(of, NOW + 12 * DAY)
    chore = chores.get("chain_steps")
    assert chore is not None
    assert sum(prune(chore, NOW + 10 * DAY, days=1)) == 0
    assert sum(prune(chore, NOW + 400 * DAY, days=388)) == 2
    assert list(ChainStep.objects.values_list("run__ended_at", "transition")) == [(None, "Go")]
    assert ChainRun.objects.count() == 2


def test_deleting_a_chain_takes_everything_of_it_along():
    shop.cart()
    demo = reminders()
    start = StartChain.objects.create(
        name="S", slug="s", group="cart_left", chain=demo, is_active=True
    )
    record([event("cart_left", shop.cart())])
    delivering.work(ChainStart, waits=False)
    go(demo, NOW, NOW + 2 * DAY)
    assert (start.deliveries.count(), ChainStep.objects.count() > 0) == (1, True)
    demo.delete()
    left = (Chain, ChainRun, ChainStep, ChainStart, StartChain, Transition, Goal, Condition)
    assert {model.__name__: model._base_manager.count() for model in left} == {
        model.__name__: 0 for model in left
    }


def test_a_person_is_erased_from_chains():
    address = "ann@example.com"
    cart = shop.cart(shop.customer(email=address))
    demo = reminders()
    run = demo.start(cart, NOW, requested_by=address)
    ChainRun.objects.update(problems={"Go": [f"{address} is no group."]})
    ChainRun.objects.all().move("REMINDED", NOW, address, f"asked {address}")
    ChainResource.objects.create(run=run, kind="person", resource_id=address)
    ChainRun.objects.update(problems={"Go": [f"{address} is no group."]})
    list(erase(address, NOW))
    kept = [
        *ChainRun.objects.values_list("requested_by", "problems").get(),
        *ChainStep.objects.values_list("requested_by", "note").get(),
        ChainResource.objects.get().resource_id,
    ]
    assert address not in str(kept)
    assert [bool(each) for each in kept] == [True] * 5


# Definitions ------------------------------------------------------------------------------


def test_a_chain_travels_with_all_its_rules_and_arrives_as_a_draft():
    demo = reminders(limit_days=30, time_zone="Europe/Zurich", reentry="after_done")
    Transition.objects.filter(name="Enough").update(wait_weekday=0, wait_time=datetime.time(9))
    start = StartChain.objects.create(
        name="S", slug="s", group="cart_left", chain=demo, is_active=True
    )
    data = definitions.dump()
    start.delete()
    demo.delete()
    report = definitions.load(copy.deepcopy(data))
    assert report.created == {"chains": 1, "chain_starts": 1}
    assert definitions.dump() == data
    made = Chain.objects.get()
    assert (made.state, made.problems()) == ("draft", [])
    assert not StartChain.objects.get().is_active
    # Once more changes nothing, and makes nothing twice.
    report = definitions.load(copy.deepcopy(data))
    assert [change.fields for change in report.changes] == [[], []]
    assert Transition.objects.count() == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"states": "A"}, "chains[0].states: This must be a list of texts."),
        (
            {"states": ["DONE"]},
            "chains[0].states: DONE is there already: name only your own states.",
        ),
        ({"transitions": 3}, "chains[0].transitions: This must be a list of objects."),
        (
            {"transitions": [{"name": "Go", "to_state": "DONE", "wait_unit": "years"}]},
            "chains[0].transitions[0]: Value 'years' is not a valid choice.",
        ),
        (
            {"transitions": [{"name": "Go", "to_state": "DONE", "when": 3}]},
            "chains[0].transitions[0]: Unknown: when. Known are: name, to_state, wait_number, "
            "wait_unit, wait_weekday, wait_time, group_template, from_states, conditions.",
        ),
        (
            {"entry": [{"field": "nothing", "operator": "field.one_of", "value": "x"}]},
            "chains[0].entry: “nothing” is not a field of Carts that rules may use.",
        ),
        (
            {"limit_days": 0},
            "chains[0].limit_days: Ensure this value is greater than or equal to 1.",
        ),
    ],
)
def test_what_cannot_be_imported_is_said_with_its_place(change: dict[str, object], said: str):
    reminders(armed=False)
    data = definitions.dump(Chain.objects.all())
    data["chains"][0] |= change
    with pytest.raises(DefinitionError) as refused:
        definitions.load(data)
    assert [problem.strip() for problem in refused.value.problems] == [said]


# Who waits for their events ---------------------------------------------------------------


def test_mails_can_ask_a_chain_for_its_events_before_they_happen():
    cart = shop.cart(shop.customer(email="ann@example.com"))
    shop.cart()
    demo = reminders(armed=False)
    (producer,) = groups.producers("cart_reminder")
    assert producer.label == f"{demo.name}: Reminder"
    assert {"cart", "chain", "event"} == set(producer.shape)
    (made,) = producer.sample(NOW, 5, "ann@")
    assert (made.recipient, made.row_pk) == ("ann@example.com", str(cart.pk))
    assert made.context["chain"] == {
        "name": demo.name, "state": "REMINDED", "from_state": "NEW",
        "days_in_state": 2, "days": 2, "step": 1,
    }  # fmt: skip
    assert producer.event_of(NOW, producer.row_name(made)) == made
    assert producer.event_of(NOW, "transition:0:1") is None
    assert producer.count(NOW, 1).number == 2
    chunks = list(producer.chunks(NOW, 1))
    assert [(len(chunk.events), chunk.left_out) for chunk in chunks] == [(1, 0), (1, 0)]
    assert list(producer.chunks(NOW, 1, chunks[0].last)) == chunks[1:]


# How they do ------------------------------------------------------------------------------


def said() -> list[tuple[str, str]]:
    (examination,) = [each for each in examinations if each.name == "chains"]
    return [(found.level.name, found.what) for found in examination(NOW + DAY)]


def test_the_home_page_tells_how_chains_do():
    shop.cart()
    assert said() == [("OK", "0 chains are armed.")]
    of = chain(("Go", ["NEW"], "DONE", {}), entry=[OPEN])
    schedule.ensure_tick()
    Schedule.objects.update(next_run=NOW + DAY)
    assert said() == [("OK", "1 chain is armed.")]
    entering.enter(of, NOW)
    Chain.objects.update(failures=1)
    assert said()[1:] == [
        ("WARNING", f"Chains that cannot advance: {of}"),
        ("PROBLEM", f"Chains with steps that should have been taken long ago: {of}"),
    ]
    of.refresh_from_db()
    of.pause("Its conditions are broken.")
    assert said() == [
        ("OK", "0 chains are armed."),
        ("WARNING", f"Paused: {of}. Its conditions are broken."),
    ]


def test_prometheus_reads_how_chains_do():
    shop.cart()
    of = chain(("Go", ["NEW"], "DONE", {}), entry=[OPEN])
    entering.enter(of, NOW)
    assert figures()["flint_chain_runs_due"] == 1
    advancing.work(NOW)
    found = figures()
    assert found["flint_chain_runs_due"] == 0
    assert found["flint_chain_steps_total"] == 1
    assert found["flint_chain_runs_ended_total done"] == 1
    assert found["flint_chains armed"] == 1


def figures() -> dict[str, float]:
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(exposition(NOW).decode())
        for sample in family.samples
        if "_chain" in sample.name
    }
