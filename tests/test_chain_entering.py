"""Who comes into a chain: by its rule, because of an event, because somebody wants it."""

import datetime
import threading

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from automation.chains import entering
from automation.chains.entering import NotArmed, NotStarted
from automation.chains.models import Chain, ChainRun, ChainStart, Entry, StartChain
from automation.demo.models import Cart
from automation.events import delivering, event, record
from automation.rules.models import Condition
from tests import shop
from tests.sequences import OPEN, chain
from tests.shop import NOW

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)

LATER = ("Later", ["NEW"], "DONE", {"days": 1})


def numbers() -> list[tuple[str, int]]:
    return list(ChainRun.objects.order_by("pk").values_list("subject_key", "number"))


def enter(of: Chain, at: datetime.datetime = NOW) -> int:
    of.refresh_from_db()
    found = entering.enter(of, at)
    assert found is not None
    assert found.error == ""
    return found.new


def end() -> None:
    ChainRun.objects.all().cancel(NOW)


def close(cart: Cart) -> None:
    Cart.objects.filter(pk=cart.pk).update(status=Cart.Status.ORDERED)


def reopen(cart: Cart) -> None:
    Cart.objects.filter(pk=cart.pk).update(status=Cart.Status.OPEN)


# By a rule --------------------------------------------------------------------------------


def test_rows_that_match_come_in_once():
    cart, closed = shop.cart(shop.customer(time_zone="Asia/Kathmandu")), shop.cart()
    close(closed)
    of = chain(LATER, entry=[OPEN])
    assert (enter(of), enter(of)) == (1, 0)
    run = ChainRun.objects.get()
    assert (run.subject_key, run.row_model, run.row_pk) == (str(cart.pk), "demo.cart", str(cart.pk))
    assert (run.state, run.entered_at, run.started_at, run.time_zone) == (
        "NEW", NOW, NOW, "Asia/Kathmandu",
    )  # fmt: skip
    assert run.next_update == NOW + DAY
    of.refresh_from_db()
    assert (of.next_entry_at, of.lease_until) == (NOW + datetime.timedelta(minutes=5), None)


def test_many_come_in_chunk_by_chunk(settings):
    settings.AUTOMATION = {"RECORD_CHUNK": 2}
    carts = [shop.cart() for _number in range(5)]
    assert enter(chain(LATER, entry=[OPEN])) == 5
    assert numbers() == [(str(cart.pk), 1) for cart in carts]


def test_the_number_of_statements_is_the_same_for_any_number_of_rows():
    of = chain(LATER, entry=[OPEN], reentry="always")

    def statements(count: int) -> int:
        ChainRun.objects.all().delete()
        for _number in range(count):
            shop.cart()
        with CaptureQueriesContext(connection) as found:
            enter(of)
        return len(found)

    few = statements(1)
    assert statements(20) == few


def test_nobody_comes_in_by_an_entry_without_conditions():
    shop.cart()
    of = chain(LATER)
    Entry.objects.create(chain=of)
    assert enter(of) == 0


def test_nobody_comes_in_twice_where_that_is_never():
    cart = shop.cart()
    of = chain(LATER, entry=[OPEN])
    enter(of)
    end()
    close(cart)
    enter(of)
    reopen(cart)
    assert enter(of) == 0


def test_who_has_ended_comes_in_again_when_the_row_matches_anew():
    cart = shop.cart()
    of = chain(LATER, entry=[OPEN], reentry="after_done")
    enter(of)
    close(cart)
    assert enter(of) == 0
    reopen(cart)
    assert enter(of) == 0  # still on the way
    end()
    assert enter(of) == 1  # it had stopped matching since
    end()
    assert enter(of) == 0  # it still matches, as it did when it came in
    assert numbers() == [(str(cart.pk), 1), (str(cart.pk), 2)]


def test_who_is_on_the_way_comes_in_once_more_where_that_is_always():
    cart = shop.cart()
    of = chain(LATER, entry=[OPEN], reentry="always")
    assert (enter(of), enter(of)) == (1, 0)
    close(cart)
    enter(of)
    reopen(cart)
    assert (enter(of), enter(of)) == (1, 0)
    assert ChainRun.objects.on_their_way().count() == 2


def test_an_entry_that_cannot_be_asked_pauses_the_chain():
    shop.cart()
    of = chain(LATER, entry=[OPEN])
    Condition.objects.filter(rule=of.entry).update(field="nothing")
    found = entering.enter(Chain.objects.get(), NOW)
    of.refresh_from_db()
    assert (of.state, of.state_reason, of.lease_until) == ("paused", found.error, None)
    assert found.error.startswith("“nothing” is not a field of")


def test_a_chain_that_another_worker_looks_at_is_left_to_it():
    of = chain(LATER, entry=[OPEN])
    assert of.claim_entry()
    assert entering.enter(Chain.objects.get(), NOW) is None
    of.finish_entry(NOW)
    assert entering.enter(Chain.objects.get(), NOW) is not None


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_whatever_runs_at_once_nobody_comes_in_twice_at_a_time():
    carts = [shop.cart() for _number in range(10)]
    of = chain(LATER, entry=[OPEN], reentry="after_done")
    refused: list[str] = []

    def come_in() -> None:
        try:
            entering.enter(Chain.objects.get(pk=of.pk), NOW)
            for cart in carts:
                try:
                    of.start(cart, NOW)
                except NotStarted as error:
                    refused.append(str(error))
        finally:
            connections.close_all()

    workers = [threading.Thread(target=come_in) for _number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(numbers()) == sorted((str(cart.pk), 1) for cart in carts)
    assert len(refused) >= 70


# Because somebody wants it ----------------------------------------------------------------


def test_a_row_is_started_by_code_or_a_person_who_is_named():
    cart = shop.cart()
    of = chain(LATER)
    run = of.start(cart, NOW, requested_by="ann")
    assert (run.subject_key, run.requested_by, run.next_update) == (str(cart.pk), "ann", NOW + DAY)
    other = shop.cart()
    assert of.start(str(other.pk), NOW).subject_key == str(other.pk)


def test_a_row_that_must_not_come_in_is_refused_with_the_reason():
    cart = shop.cart()
    of = chain(LATER)
    of.start(cart, NOW)
    refusals = {
        "It was on this chain before, and nobody comes in again.": cart,
        "There is no cart 0.": 0,
        "“x” is no primary key of Carts.": "x",
        f"This chain is about Carts, and this is not one of them: {cart.customer}.": cart.customer,
    }
    for said, row in refusals.items():
        with pytest.raises(NotStarted) as refused:
            of.start(row, NOW)
        assert str(refused.value) == said
    Chain.objects.update(reentry="after_done")
    of.refresh_from_db()
    with pytest.raises(NotStarted, match="It is on its way already."):
        of.start(cart, NOW)
    end()
    assert of.start(cart, NOW).number == 2
    of.pause()
    with pytest.raises(NotArmed, match=f"The chain “{of.name}” is not armed."):
        of.start(cart, NOW)


# Because of an event ----------------------------------------------------------------------


def starting(of: Chain) -> StartChain:
    action = StartChain(
        name="Start", slug=f"start-{of.pk}", group="cart_left", chain=of, is_active=True
    )
    action.full_clean()
    action.save()
    return action


def happen(row: object, key: str = "") -> ChainStart:
    record([event("cart_left", row, {}, **({"key": key} if key else {}))])
    delivering.work(ChainStart, waits=False)
    return ChainStart.objects.latest("pk")


def test_an_event_lets_its_row_come_in():
    cart = shop.cart()
    of = chain(LATER)
    starting(of)
    delivery = happen(cart)
    run = ChainRun.objects.get()
    assert (delivery.state, delivery.run) == ("sent", run)
    assert (run.chain, run.subject_key, run.started_by) == (of, str(cart.pk), delivery.event)


def test_an_event_that_is_handed_over_again_starts_nothing_new():
    cart = shop.cart()
    starting(chain(LATER, reentry="always"))
    happen(cart)
    ChainStart.objects.update(state="queued")
    delivering.work(ChainStart, waits=False)
    assert numbers() == [(str(cart.pk), 1)]
    assert ChainStart.objects.get().state == "sent"


def test_an_event_about_something_else_fails_with_the_reason():
    starting(chain(LATER))
    delivery = happen(shop.customer())
    assert (delivery.state, delivery.reason) == (
        "failed", "The event is about demo.customer, and the chain about demo.cart.",
    )  # fmt: skip


def test_a_row_that_was_there_before_is_skipped_with_the_reason():
    cart = shop.cart()
    of = chain(LATER)
    of.start(cart, NOW)
    starting(of)
    delivery = happen(cart)
    assert (delivery.state, delivery.reason) == (
        "skipped", "It was on this chain before, and nobody comes in again.",
    )  # fmt: skip


def test_a_start_waits_for_a_chain_that_is_paused_and_skips_one_that_is_a_draft():
    of = chain(LATER)
    starting(of)
    of.pause()
    first = happen(shop.cart())
    assert (first.state, first.reason) == ("queued", f"The chain “{of.name}” is paused.")
    of.disarm()
    of.save()
    second = happen(shop.cart())
    assert (second.state, second.reason) == ("skipped", f"The chain “{of.name}” is not armed.")


@pytest.mark.postgres
def test_who_is_in_already_is_looked_up_by_an_index_however_little_is_known_of_the_table():
    """A join is planned for a table that was empty when it was looked at last."""
    of = chain(("Later", ["NEW"], "DONE", {"days": 1}), entry=[OPEN])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE automation_chains_chainrun")
    for reentry in ("never", "after_done", "always"):
        of.reentry = reentry
        plan = entering.candidates(of, NOW).explain()
        assert ("Join" in plan, "SubPlan" in plan) == (False, True)
