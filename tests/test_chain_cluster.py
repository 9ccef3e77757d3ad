"""What the cluster does for chains, what the command shows, and what a saved row does."""

import datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automation.chains import advancing, tasks
from automation.chains.models import Chain, ChainRun
from automation.demo.models import Cart
from automation.events import bell
from automation.events.models import EventRecord
from automation.rules.sources import Source, sources
from tests import shop
from tests.observed import Note, OldNote, Place, Restaurant, tables
from tests.sequences import OPEN, ORDERED, chain, reminders
from tests.shop import NOW

__all__ = ["tables"]

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)


def command(*arguments: str) -> list[list[str]]:
    """The table of ``advance_chains``, without its head."""
    out = StringIO()
    call_command("advance_chains", *arguments, stdout=out)
    return [line.split() for line in out.getvalue().splitlines()[1:]]


def queued() -> list[tuple[str, tuple[object, ...]]]:
    """The tasks in the queue, emptied."""
    from django_q.models import OrmQ

    tasks = [queued.task for queued in OrmQ.objects.order_by("pk")]
    found = [(task["func"], tuple(task["args"])) for task in tasks]
    OrmQ.objects.all().delete()
    return found


# The command ------------------------------------------------------------------------------


def test_the_command_lets_rows_in_and_advances_who_is_due():
    shop.cart()
    demo = reminders()
    at = (NOW + 2 * DAY).isoformat()
    assert command("--at", NOW.isoformat()) == [[demo.slug, "1", "0", "0", "0", "0"]]
    assert command("--at", at, demo.slug) == [[demo.slug, "0", "1", "1", "0", "1"]]


def test_the_command_looks_without_changing_anything():
    shop.cart()
    demo = reminders()
    command("--at", NOW.isoformat())
    shop.cart()
    at = (NOW + 2 * DAY).isoformat()
    assert command("--dry-run", "--at", at) == [[demo.slug, "1", "1", "1", "0", "1"]]
    assert ChainRun.objects.get().state == "NEW"
    assert not EventRecord.objects.exists()


def test_the_command_says_what_it_cannot_do():
    draft = reminders(armed=False)
    refusals = {
        f"Not armed, so nobody moves: {draft.slug}. --dry-run looks without changing.": [
            draft.slug
        ],
        "There is no chain named: nothing.": ["nothing"],
        "'soon' is no moment. Write it as in 2026-03-01T09:00.": ["--at", "soon"],
        "'2026-13-01' is no moment. Write it as in 2026-03-01T09:00.": ["--at", "2026-13-01"],
    }
    for said, arguments in refusals.items():
        with pytest.raises(CommandError) as refused:
            command(*arguments)
        assert str(refused.value) == said
    assert command("--dry-run", draft.slug) == [[draft.slug, "0", "0", "0", "0", "0"]]


def test_the_command_fails_if_a_chain_does():
    demo = reminders()
    Chain.objects.update(source="gone.model")
    out = StringIO()
    with pytest.raises(CommandError, match="Not all chains succeeded."):
        call_command("advance_chains", stdout=out)
    assert f"{demo.slug}" in out.getvalue()
    demo.refresh_from_db()
    assert demo.state_reason == "The source “gone.model” is not registered in this project."


# The tick ---------------------------------------------------------------------------------


def test_a_tick_rings_for_what_is_due_and_for_chains_that_look_for_rows():
    demo = reminders()
    tasks.ring_for_chains(NOW)
    assert queued() == [(tasks.ENTER_TASK, (demo.pk,))]
    demo.start(shop.cart(), NOW)
    tasks.ring_for_chains(NOW + 2 * DAY)
    assert queued() == [(tasks.ENTER_TASK, (demo.pk,)), (tasks.ADVANCE_TASK, ())]


def test_a_tick_that_finds_nothing_asks_one_question_of_runs():
    demo = reminders()
    Chain.objects.update(next_entry_at=NOW + DAY)
    demo.start(shop.cart(), NOW)
    with CaptureQueriesContext(connection) as found:
        tasks.ring_for_chains(NOW + DAY / 2)
    assert ["chainrun" in query["sql"] for query in found] == [False, True]
    assert queued() == []


def test_tasks_let_rows_in_and_advance_them():
    of = chain(("Go", ["NEW"], "DONE", {"group": "gone"}), entry=[OPEN])
    shop.cart()
    tasks.enter(of.pk)
    assert queued() == [(tasks.ADVANCE_TASK, ())]
    tasks.advance()
    assert ChainRun.objects.get().outcome == "done"
    tasks.enter(of.pk)  # not due again yet
    assert queued() == []


def test_the_names_of_the_tasks_lead_to_them():
    from django.utils.module_loading import import_string

    named = [
        import_string(name) for name in (tasks.ADVANCE_TASK, tasks.ENTER_TASK, tasks.LOOK_TASK)
    ]
    assert named == [tasks.advance, tasks.enter, tasks.look]


# A row that is saved ----------------------------------------------------------------------


def test_a_row_that_is_saved_is_looked_at_soon(django_capture_on_commit_callbacks):
    cart, other = shop.cart(), shop.cart()
    now = timezone.now()
    demo = reminders()
    for each in (cart, other):
        demo.start(each, now)
    cart.status = Cart.Status.ORDERED
    with django_capture_on_commit_callbacks(execute=True):
        cart.save()
    assert queued() == [(tasks.LOOK_TASK, ("demo.cart", str(cart.pk)))]
    tasks.look("demo.cart", str(cart.pk))
    runs = ChainRun.objects.order_by("pk")
    assert [(run.outcome, run.looked_at is None) for run in runs] == [("goal", False), ("", True)]


@pytest.mark.parametrize(
    ("about", "saved"), [(Note, OldNote), (OldNote, Note), (Place, Restaurant), (Restaurant, Place)]
)
def test_a_row_is_saved_through_its_proxy_its_child_and_its_parent(
    tables, django_capture_on_commit_callbacks, about, saved
):
    row = (Restaurant if about is Place else about).objects.create()
    with sources.registered(Source(about, ["id"])):
        of = chain(("Go", ["NEW"], "DONE", {"days": 1}), source=f"tests.{about._meta.model_name}")
        of.start(row.pk, timezone.now())
        with django_capture_on_commit_callbacks(execute=True):
            saved.objects.get(pk=row.pk).save()
        ((task, arguments),) = queued()
        assert (task, arguments[1]) == (tasks.LOOK_TASK, str(row.pk))
        tasks.look(*arguments)
    assert ChainRun.objects.get().looked_at is not None


def test_a_row_that_is_saved_to_another_database_wakes_nobody(django_capture_on_commit_callbacks):
    cart = shop.cart()
    reminders().start(cart, timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        tasks.row_saved(sender=Cart, instance=cart, using="archive")
    assert queued() == []


def test_a_row_on_no_chain_costs_one_question(django_capture_on_commit_callbacks):
    reminders()
    with (
        CaptureQueriesContext(connection) as found,
        django_capture_on_commit_callbacks(execute=True),
    ):
        shop.customer()
    assert sum("chainrun" in query["sql"] for query in found) == 1
    assert queued() == []


def test_a_saved_row_wakes_nobody_whose_chain_is_paused(django_capture_on_commit_callbacks):
    cart = shop.cart()
    demo = reminders()
    demo.start(cart, timezone.now())
    demo.pause()
    with django_capture_on_commit_callbacks(execute=True):
        cart.save()
    assert queued() == []


def test_an_event_that_was_woken_twice_happens_once(django_capture_on_commit_callbacks):
    cart = shop.cart()
    of = chain(("Ordered", ["NEW"], "DONE", {"when": [ORDERED], "group": "bought"}), entry=[OPEN])
    of.start(cart, timezone.now())
    advancing.work()
    Cart.objects.update(status=Cart.Status.ORDERED)
    for _time in range(2):
        tasks.look("demo.cart", str(cart.pk))
    assert EventRecord.objects.count() == 1
    assert bell.DELIVER_TASK not in [name for name, _arguments in queued()]
