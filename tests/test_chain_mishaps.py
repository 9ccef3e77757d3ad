"""What goes wrong beside a chain, and who else is in the way: nobody is lost, nothing goes on
without end, and one chain stops no other."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from automation.chains import advancing, entering
from automation.chains.entering import NotStarted
from automation.chains.models import Chain, ChainRun, ChainStep, StartChain
from automation.demo.models import Cart
from automation.events import Event, record
from automation.events.models import EventRecord
from automation.rules import definitions
from automation.rules.definitions import DefinitionError
from tests import shop
from tests.coded import DAY
from tests.rivals import wait_until_somebody_waits_for_us
from tests.sequences import OPEN, Step, chain
from tests.shop import NOW

pytestmark = pytest.mark.django_db

#: A number that stands in no other statement.
MUCH = "98765432"

LATER: Step = ("Later", ["NEW"], "DONE", {"days": 1})
ODD: Step = (
    "Odd", ["NEW"], "DONE", {"group": "odd", "when": [("total", "field.at_most", MUCH)]},
)  # fmt: skip
EVEN: Step = ("Even", ["NEW"], "DONE", {"group": "even"})

SLOW = "canceling statement due to statement timeout"


def groups() -> list[str]:
    return list(EventRecord.objects.order_by("pk").values_list("group", flat=True))


@contextmanager
def asking_fails(said: str, times: int = 99) -> Iterator[list[str]]:
    """What asks for ``MUCH`` fails, so often; gives what failed."""
    failed: list[str] = []

    def fail(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if MUCH in str(params) and len(failed) < times:
            failed.append(sql)
            raise OperationalError(said)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        yield failed


# The database -----------------------------------------------------------------------------


def test_a_statement_that_fails_in_one_chain_stops_no_other():
    odd, even = chain(ODD), chain(EVEN)
    carts = [shop.cart() for _number in range(10)]
    for cart in carts:
        odd.start(cart, NOW)
    even.start(carts[0], NOW)
    with asking_fails(SLOW):
        found = advancing.work(NOW)
    assert (found[odd].error, found[even].error) == (
        f"django.db.utils.OperationalError: {SLOW}",
        "",
    )
    assert groups() == ["even"]
    odd.refresh_from_db()
    assert (odd.state, odd.failures) == ("armed", 1)
    Chain.objects.filter(pk=odd.pk).update(failures=9)
    with asking_fails(SLOW):
        advancing.work(NOW)
    odd.refresh_from_db()
    assert odd.state == "paused"
    assert not ChainRun.objects.exclude(chain=odd, lease_until=None).exclude(chain=even).exists()


def test_a_chain_that_others_are_in_the_way_of_is_tried_again_and_not_to_blame():
    odd = chain(ODD)
    odd.start(shop.cart(), NOW)
    with asking_fails("database is locked", times=5) as failed:
        found = advancing.work(NOW)
        assert (len(failed), found[odd].error) == (
            3, "django.db.utils.OperationalError: database is locked",
        )  # fmt: skip
        found = advancing.work(NOW)
    assert (len(failed), found[odd].error, found[odd].moved) == (5, "", 1)
    odd.refresh_from_db()
    assert (odd.failures, groups()) == (0, ["odd"])


def test_a_database_that_is_gone_is_told_and_no_chain_is_to_blame(monkeypatch):
    odd = chain(ODD)
    odd.start(shop.cart(), NOW)
    monkeypatch.setattr(connections["default"], "is_usable", lambda: False)
    with asking_fails("server closed the connection"), pytest.raises(OperationalError):
        advancing.work(NOW)
    odd.refresh_from_db()
    assert (odd.failures, ChainRun.objects.get().lease_until) == (0, None)


def test_an_entry_that_takes_too_long_is_counted_and_stops_nothing():
    shop.cart()
    odd = chain(LATER, entry=[("total", "field.at_most", MUCH)])
    odd.start(shop.cart(), NOW)
    for failures in (1, 2):
        with asking_fails(SLOW):
            found = entering.enter(odd, NOW)
        assert (found.new, found.error) == (0, f"django.db.utils.OperationalError: {SLOW}")
        advancing.work(NOW + failures * DAY)  # which works
        odd.refresh_from_db()
        assert (odd.entry_failures, odd.lease_until) == (failures, None)
    Chain.objects.update(entry_failures=9)
    with asking_fails(SLOW):
        entering.enter(odd, NOW)
    odd.refresh_from_db()
    assert odd.state == "paused"


def test_a_search_for_new_rows_that_works_forgets_those_that_failed_and_nothing_else():
    odd = chain(LATER, entry=[("total", "field.at_most", MUCH)])
    Chain.objects.update(failures=3, entry_failures=9)
    odd.refresh_from_db()
    entering.enter(odd, NOW)
    odd.refresh_from_db()
    assert (odd.failures, odd.entry_failures) == (3, 0)
    odd.pause()
    odd.arm(NOW)
    assert (odd.failures, odd.entry_failures) == (0, 0)


@pytest.mark.postgres
def test_who_left_is_found_without_reading_all_keys_for_each_run():
    """Also when the statistics say that nearly nothing matches, which makes a join a loop."""
    cart, other = (shop.cart(status="ordered") for _number in range(2))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE demo_cart, automation_chains_chainrun")
    Cart.objects.update(status="open")
    of = chain(LATER, entry=[OPEN], reentry="after_done")
    entering.enter(of, NOW)
    Cart.objects.filter(pk=cart.pk).update(status="ordered")
    with CaptureQueriesContext(connection) as asked:
        entering._note_who_left(Chain.objects.get(), NOW)
    found = dict(ChainRun.objects.values_list("subject_key", "has_left"))
    assert found == {str(cart.pk): True, str(other.pk): False}
    (question,) = (each["sql"] for each in asked if "demo_cart" in each["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {question}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert ("SetOp Except" in plan, "Join" in plan, "SubPlan" in plan) == (True, False, False)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_who_decides_about_many_waits_for_a_worker_and_does_not_lock_it_out():
    of = chain(LATER)
    first, second = (of.start(shop.cart(), NOW) for _number in range(2))
    # It lies behind the second one in the table now, and a plain update would meet it last.
    ChainRun.objects.filter(pk=first.pk).update(looked_at=NOW)
    decided: list[Any] = []

    def decide() -> None:
        try:
            decided.append(ChainRun.objects.all().pause())
        except OperationalError as error:
            decided.append(error)
        finally:
            connections.close_all()

    decider = threading.Thread(target=decide)
    with transaction.atomic():
        ChainRun.objects.select_for_update().get(pk=first.pk)
        decider.start()
        wait_until_somebody_waits_for_us()
        ChainRun.objects.select_for_update().get(pk=second.pk)
    decider.join()
    assert decided == [2]


# Others at the same moment ----------------------------------------------------------------


@contextmanager
def a_rival(of: Chain, row: Any) -> Iterator[None]:
    """Somebody else lets ``row`` in at the very moment when it is let in."""
    came: list[bool] = []

    def come(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not came and sql.startswith("INSERT") and ChainRun._meta.db_table in sql:
            came.append(True)
            known = {"row_model": "demo.cart", "subject_key": str(row.pk), "row_pk": str(row.pk)}
            ChainRun.objects.create(chain=of, entered_at=NOW, started_at=NOW, **known)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(come):
        yield


def test_who_may_always_come_in_comes_in_beside_another_one_of_the_same_moment():
    cart, of = shop.cart(), chain(LATER, reentry="always")
    with a_rival(of, cart):
        assert of.start(cart, NOW).number == 2
    assert sorted(ChainRun.objects.values_list("number", flat=True)) == [1, 2]


def test_who_comes_in_at_the_same_moment_as_another_one_is_on_the_way_already():
    cart, of = shop.cart(), chain(LATER, reentry="after_done")
    with a_rival(of, cart), pytest.raises(NotStarted, match="It is on its way already."):
        of.start(cart, NOW)


def test_an_event_with_a_key_that_is_taken_is_not_lost_and_stops_no_other():
    of = chain(EVEN)
    first, second = (of.start(shop.cart(), NOW) for _number in range(2))
    record([Event("theirs", f"chain:{first.pk}:1", {})])
    found = advancing.work(NOW)[of]
    assert (found.looked_at, found.moved, found.events) == (2, 1, 1)
    assert groups() == ["theirs", "even"]
    assert list(ChainStep.objects.values_list("run", flat=True)) == [second.pk]
    first.refresh_from_db()
    assert (first.state, first.next_update, first.problems) == (
        "NEW",
        NOW + DAY,
        {"": [f"There is another event with the key “chain:{first.pk}:1” already, so this one is "
              "not recorded."]},
    )  # fmt: skip


# About something else ---------------------------------------------------------------------


def test_a_chain_that_rows_have_come_into_stays_about_what_it_is_about():
    of = chain(LATER)
    of.start(shop.cart(), NOW)
    data = definitions.dump(Chain.objects.all())
    data["chains"][0]["source"] = "demo.customer"
    with pytest.raises(DefinitionError) as refused:
        definitions.load(data)
    assert [problem.strip() for problem in refused.value.problems] == [
        "chains[0].source: Rows have come into this chain, so it stays about what it is about. "
        "Give the one about something else another short name."
    ]
    of.refresh_from_db()
    assert (of.source, of.state) == ("demo.cart", "armed")
    ChainRun.objects.all().delete()
    definitions.load(data)
    of.refresh_from_db()
    assert of.source == "demo.customer"


def test_whose_row_is_of_another_kind_takes_no_step_and_ends_when_time_is_over():
    of = chain(EVEN, limit_days=3)
    run = of.start(shop.cart(), NOW)
    ChainRun.objects.update(row_model="demo.customer")
    found = advancing.work(NOW)[of]
    assert (found.looked_at, found.moved, groups()) == (1, 0, [])
    run.refresh_from_db()
    assert run.problems == {
        "": [f"This chain is about Carts, and this is not one of them: Customer {run.row_pk}."]
    }
    advancing.work(NOW + 4 * DAY)
    run.refresh_from_db()
    assert run.outcome == "limit"


# Without end ------------------------------------------------------------------------------


def starting(of: Chain, group: str, **values: Any) -> StartChain:
    known = {"name": f"By {group}", "slug": f"{of.slug}-{group}".strip("*"), "is_active": True}
    return StartChain.objects.create(chain=of, group=group, **{**known, **values})


ITSELF = (
    "Even makes events that start this chain again, by “{}”, and so on without end. Let nobody "
    "come in again, or start it on other events."
)


@pytest.mark.parametrize(
    ("reentry", "group", "active", "said"),
    [
        ("always", "even", True, [ITSELF.format("By even")]),
        ("after_done", "ev*", True, [ITSELF.format("By ev*")]),
        ("always", "odd", True, []),
        ("always", "even", False, []),
        ("never", "even", True, []),
    ],
)
def test_a_chain_that_would_start_itself_cannot_be_armed(reentry, group, active, said):
    of = chain(EVEN, LATER, reentry=reentry, armed=False)
    starting(of, group, is_active=active)
    assert of.problems() == said


def test_a_chain_that_would_start_itself_by_now_is_paused():
    of = chain(EVEN, reentry="always")
    of.start(shop.cart(), NOW)
    starting(of, "even")
    advancing.work(NOW)
    of.refresh_from_db()
    assert (of.state, of.state_reason, groups()) == ("paused", ITSELF.format("By even"), [])


def test_a_start_by_the_chains_own_events_is_refused_at_its_group(admin_client):
    of = chain(EVEN, reentry="always")
    sent = {"name": "Again", "slug": "again", "chain": of.pk, "group": "even", "is_active": "on"}
    add = reverse("admin:automation_chains_startchain_add")
    answer = admin_client.post(add, sent)
    assert answer.context["adminform"].form.errors == {"group": [ITSELF.format("Again")]}
    assert admin_client.post(add, {**sent, "is_active": ""}).status_code == 302


def test_chains_that_start_each_other_are_odd():
    one = chain(EVEN, reentry="always", name="One", entry=[OPEN], limit_days=60)
    other = chain(ODD, reentry="after_done", name="Other", entry=[OPEN], limit_days=60)
    starting(other, "even")
    assert (one.warnings(), other.warnings()) == ([], [])
    starting(one, "odd")
    assert one.warnings() == ["One → Other → One: these chains start each other, without end."]
    Chain.objects.filter(pk=other.pk).update(reentry="never")
    assert one.warnings() == []


# Who may know -----------------------------------------------------------------------------


def test_whoever_may_not_see_a_chain_is_not_told_its_name_by_deleting_it(client):
    of = chain(LATER)
    of.start(shop.cart(), NOW)
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    page = reverse("admin:automation_chains_chain_delete", args=[of.pk])
    answer = client.get(page)
    assert (answer.status_code, list(answer.wsgi_request._messages)) == (403, [])
