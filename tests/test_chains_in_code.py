"""Chains in code: what is refused when they are declared, and how runs are found."""

import datetime
import re
import uuid

import pytest
from django.core.exceptions import ImproperlyConfigured

from automation import chains
from automation.chains import DONE, NEW, Transition
from automation.chains.checks import check_chains_in_code
from automation.chains.models import ChainResource, ChainRun
from tests import coded, shop
from tests.coded import CART, DAY, AWeek, Back, BackLater, Complete, Step, TwoDays, carts
from tests.shop import NOW

__all__ = ["carts"]

pytestmark = pytest.mark.django_db


# Declaring --------------------------------------------------------------------------------


class Nowhere(Step):
    pass


class Unasked(Transition):
    final_state = "REMINDED"


class Naive(TwoDays):
    next_update = datetime.datetime(2026, 3, 10)


class Past(TwoDays):
    next_update = -DAY


class Wordy(TwoDays):
    def next_update(self):
        return DAY


class Renamed(TwoDays):
    name = "AWeek"


class ToNew(Step):
    final_state = NEW


async def later(transition):
    pass


class Awaited(Step):
    final_state = DONE

    async def is_valid(self):
        return False

    async def build_context(self):
        return {}

    async def callback(self):
        pass


ROUND = {NEW: [TwoDays], "REMINDED": [AWeek], "REMINDED_AGAIN": [Back]}


@pytest.mark.parametrize(
    ("transitions", "options", "said"),
    [
        ({NEW: [TwoDays]}, {}, "TwoDays leads to 'REMINDED', of which nothing is said. Add "
         "'REMINDED': [...]."),
        ({NEW: [Complete], "LOST": [Complete]}, {}, "No transition leads to 'LOST', from NEW on."),
        (ROUND, {}, "REMINDED → REMINDED_AGAIN → REMINDED goes round for ever within a moment. "
         "Give one of these transitions a next_update."),
        ({NEW: []}, {}, "Say what leads on from NEW: every run begins there."),
        ({}, {}, "Say what leads on from NEW: every run begins there."),
        ({NEW: [Complete], DONE: [Complete]}, {}, "Nothing leads on from DONE."),
        ({NEW: [Complete, Complete]}, {}, "Complete is there twice, after 'NEW'."),
        ({NEW: [Renamed], "REMINDED": [AWeek], "REMINDED_AGAIN": []}, {},
         "Two transitions are called AWeek."),
        ({NEW: [Nowhere]}, {}, "Nowhere has no final_state."),
        ({NEW: [ToNew]}, {}, "ToNew leads to NEW, where runs only begin."),
        ({NEW: [Unasked], "REMINDED": []}, {}, "Unasked does not have is_valid()."),
        ({NEW: [Awaited]}, {}, " ".join(
            f"Awaited: {each}() can only be awaited, and nobody does. Drop the async."
            for each in ("is_valid", "build_context", "callback")
        )),
        ({NEW: [NOW]}, {}, f"{NOW!r} is no subclass of Transition."),
        ({NEW: [[Complete]]}, {}, f"{[Complete]!r} is no subclass of Transition."),
        ({NEW: [Naive], "REMINDED": []}, {}, "Naive: its next_update has no time zone."),
        ({NEW: [Past], "REMINDED": []}, {}, "Past: its next_update must be later than now."),
        ({NEW: [Wordy], "REMINDED": []}, {}, "Wordy: its next_update is a datetime, a date, a "
         f"timedelta or a property, and not {Wordy.next_update!r}."),
        ({NEW: [Complete]}, {"callback": later},
         f"{later!r} is no callback: it cannot be called, or only be awaited."),
        ({NEW: [Complete]}, {"initial_context": 3}, "Its initial_context is a dict, or a function "
         "that is given the run and returns one."),
        ({NEW: [Complete]}, {"look_every": 60}, "look_every is a timedelta of a minute or more, "
         "and not 60."),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_when_it_is_registered(transitions, options, said):
    with chains.registered(), pytest.raises(ImproperlyConfigured) as refused:
        chains.register("bad", transitions, **options)
    assert str(refused.value) == f"The chain 'bad': {said}"


def test_a_type_is_registered_once():
    with pytest.raises(ImproperlyConfigured, match="'carts': There is a chain of this type"):
        chains.register("carts", {NEW: [Complete]})


@pytest.mark.parametrize("name", ["", "x" * 101, 7])
def test_a_type_has_a_name(name):
    with pytest.raises(ImproperlyConfigured, match="Its type is a text of 1 to 100 characters"):
        chains.register(name, {NEW: [Complete]})


def test_everything_that_is_wrong_is_said_at_once():
    wrong = {NEW: [Nowhere, Unasked]}
    with pytest.raises(ImproperlyConfigured, match="Nowhere has no .* Unasked does not have"):
        chains.register("bad", wrong)


def test_a_circle_that_takes_time_is_allowed():
    circle = {NEW: [TwoDays], "REMINDED": [AWeek], "REMINDED_AGAIN": [BackLater]}
    with coded.registered(circle, "circle") as declared:
        assert declared.states == [NEW, "REMINDED", "REMINDED_AGAIN", DONE]
        assert [each.id for each in check_chains_in_code()] == ["automation_chains.W001"]


def test_an_unknown_type_is_named_with_one_that_is_near():
    with pytest.raises(chains.UnknownChain, match="'cart'. Did you mean 'carts'"):
        chains.get_or_create("cart", CART)


def test_the_demos_chain_and_these_have_nothing_that_is_odd():
    assert check_chains_in_code() == []


def test_a_transition_of_a_chains_py_that_is_on_no_chain_is_odd():
    class Forgotten(TwoDays):
        pass

    Forgotten.__module__ = "shop.chains"
    try:
        (warning,) = check_chains_in_code()
    finally:
        Forgotten.__module__ = __name__
    assert warning.id == "automation_chains.W002"
    assert warning.msg.startswith("shop.chains.test_a_transition")


# Finding ----------------------------------------------------------------------------------


def test_resources_are_numbers_texts_uuids_and_rows():
    cart, number = shop.cart(), uuid.uuid4()
    given = [cart, ("owner", cart.customer), ("session", number), ("lot", 7)]
    run = coded.run(given)
    assert list(ChainResource.objects.values_list("kind", "resource_id")) == [
        ("demo.cart", str(cart.pk)),
        ("lot", "7"),
        ("owner", str(cart.customer_id)),
        ("session", number.hex),
    ]
    assert (run.row_model, run.row_pk) == ("demo.cart", str(cart.pk))
    as_text = [("lot", "7"), ("session", str(number)), ("owner", str(cart.customer_id)), cart]
    assert chains.get_or_create("carts", as_text) == (run, False)


@pytest.mark.parametrize(
    ("resources", "error", "said"),
    [
        ([], ValueError, "Name at least one resource"),
        ("cart", TypeError, "Resources are a list, and not 'cart'."),
        (
            ["cart"],
            TypeError,
            "A resource is a pair of a kind and an id, or a row, and not 'cart'.",
        ),
        ([("cart", 1.5)], TypeError, "is a number, a text or a UUID, and not 1.5."),
        ([("cart", True)], TypeError, "is a number, a text or a UUID, and not True."),
        ([("cart", None)], TypeError, "is a number, a text or a UUID, and not None."),
        ([("cart", " ")], ValueError, "The id of a resource has 1 to 255 characters"),
        ([("", 1)], ValueError, "The kind of a resource has 1 to 100 characters"),
        ([("cart", ChainRun())], ValueError, "is not saved yet, so it cannot be named."),
    ],
)
def test_what_names_nothing_is_refused(resources, error, said):
    with pytest.raises(error, match=re.escape(said)):
        chains.get_or_create("carts", resources)
    assert not ChainRun.objects.exists()


def test_a_time_zone_that_is_none_is_refused():
    with pytest.raises(ValueError, match="'Zurich' is no time zone. Write it as in Europe/Zurich."):
        coded.run(time_zone="Zurich")


@pytest.mark.parametrize("can_be_subset", [False, True])
def test_a_run_is_found_with_one_query(can_be_subset, django_assert_num_queries):
    run = coded.run()
    for number in range(20):
        coded.run([("online_booking", number), ("customer", 1)])
    with django_assert_num_queries(1):
        assert chains.get_or_create("carts", CART, can_be_subset) == (run, False)


def test_what_has_ended_begins_again_only_if_that_is_wanted():
    first = coded.run()
    assert chains.get_or_create("carts", CART, again=True) == (first, False)
    first.execute({"complete": True}, now=NOW)
    assert chains.get_or_create("carts", CART) == (first, False)
    second, created = chains.get_or_create("carts", CART, again=True)
    assert (created, second.number, second.state) == (True, 2, NEW)
    assert chains.get_or_create("carts", CART) == (second, False)


def test_of_a_subset_the_one_on_its_way_is_meant():
    over, going = coded.run(), coded.run([CART[1], ("online_booking", 2)])
    over.execute({"complete": True}, now=NOW)
    assert chains.get_or_create("carts", CART[1:], can_be_subset=True) == (going, False)
    going.execute({"complete": True}, now=NOW)
    with pytest.raises(chains.SeveralRuns):
        chains.get_or_create("carts", CART[1:], can_be_subset=True)


def test_of_several_times_the_last_one_is_meant():
    for number in (1, 2):
        run, created = chains.get_or_create("carts", CART, again=True)
        assert (created, run.number) == (True, number)
        run.execute({"complete": True}, now=NOW)
    for can_be_subset in (False, True):
        assert chains.get_or_create("carts", CART, can_be_subset) == (run, False)


def test_a_run_is_called_by_its_row_or_its_number():
    run, about = coded.run(), coded.run([shop.cart()])
    assert (str(run), str(about)) == (f"carts: #{run.pk}", f"carts: Cart {about.row_pk}")


def test_types_do_not_see_each_others_runs():
    run = coded.run()
    with coded.registered(name="others"):
        other, created = chains.get_or_create("others", CART)
        assert (created, other == run) == (True, False)
