"""Having a run take one of its steps at once: asked first, and as any other step afterwards."""

import datetime
import threading

import lxml.html
import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from automation.chains import advancing
from automation.chains.models import Chain, ChainRun, ChainStep, Transition
from automation.chains.taking import NotTaken, as_seen, take
from automation.demo.models import Cart
from automation.events import Event, record
from automation.events.models import EventRecord
from automation.rules.models import Condition
from mails.models import Message
from tests import coded, shop
from tests.sequences import OPEN, ORDERED, TWO_PAID, chain, reminders
from tests.test_chain_pages import items, words
from tests.test_chain_runs_pages import ago, page_of, staff, start, told

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)


def take_page(run: ChainRun, name: str) -> str:
    step = Transition.objects.get(chain=run.chain_id, name=name)
    return reverse("admin:automation_chains_chainrun_take", args=[run.pk, step.pk])


def confirm(client, run: ChainRun, name: str, **sent):
    """Ask for a step, and say yes."""
    asked = client.get(take_page(run, name))
    (seen,) = items_of(asked, "//input[@name='seen']/@value")
    return client.post(take_page(run, name), {"seen": seen, **sent}, follow=True)


def items_of(response, path: str) -> list[str]:
    return [str(each) for each in lxml.html.fromstring(response.content.decode()).xpath(path)]


def far(**values) -> Chain:
    """A step that nobody matches and that waits for a year."""
    return chain(
        ("Voucher", ["NEW"], "VOUCHER", {
            "days": 365, "when": [TWO_PAID], "group": "voucher_{{ cart.status }}"}),
        ("Thanks", ["VOUCHER"], "DONE", {"days": 1, "group": "thanks"}),
        entry=[OPEN],
        goal=[ORDERED],
        **values,
    )  # fmt: skip


def voucher(run: ChainRun) -> Transition:
    return Transition.objects.get(chain=run.chain_id, name="Voucher")


# What comes of it -------------------------------------------------------------------------------


def test_a_step_is_taken_whatever_its_wait_and_its_rule_say():
    shop.mail(group="voucher_open")
    run, now = start(far(), hours=1), timezone.now()
    done = take(run, voucher(run), now, requested_by="ann", note="She called")
    assert (done.moved, done.events, done.steps) == (1, 1, {"Voucher": 1})
    run.refresh_from_db()
    assert (run.state, run.steps, run.entered_at, run.next_update, run.lease_until) == (
        "VOUCHER", 1, now, now + DAY, None)  # fmt: skip
    step = ChainStep.objects.get()
    assert (step.from_state, step.to_state, step.transition, step.requested_by, step.note) == (
        "NEW", "VOUCHER", "Voucher", "ann", "She called")  # fmt: skip
    assert (step.event.group, step.event.key) == ("voucher_open", f"chain:{run.pk}:1")
    assert Message.objects.get().event == step.event


def test_the_event_is_the_one_that_the_step_makes_by_itself():
    of = reminders()
    cart = shop.cart(shop.customer(first_name="Ann"))
    began = ago(days=2)
    by_itself, wanted = (of.start(each, began) for each in (cart, shop.cart(cart.customer)))
    now = timezone.now()
    take(wanted, of.transitions.get(name="Reminder"), now, requested_by="ann")
    advancing.advance(of, now)
    made = [EventRecord.objects.get(row_pk=run.row_pk) for run in (by_itself, wanted)]
    for event in made:
        event.context["cart"].pop("id")
    names = ("group", "context", "recipient", "language", "time_zone", "row_model", "recorded_at")
    one, other = ([getattr(event, name) for name in names] for event in made)
    assert one == other
    run = ChainRun.objects.get(pk=wanted.pk)
    there = ChainRun.objects.get(pk=by_itself.pk)
    assert (run.state, run.entered_at, run.next_update) == (
        there.state, there.entered_at, there.next_update)  # fmt: skip


def test_a_step_to_the_end_ends_it():
    run = start(far(), hours=1)
    take(run, voucher(run), timezone.now(), requested_by="ann")
    run.refresh_from_db()
    thanks = Transition.objects.get(name="Thanks")
    take(run, thanks, timezone.now(), requested_by="ann")
    run.refresh_from_db()
    assert (run.state, run.outcome, run.next_update) == ("DONE", "done", None)
    assert run.ended_at is not None


def test_what_follows_is_counted_from_now_on():
    run = start(far(), hours=1)
    take(run, voucher(run), timezone.now(), requested_by="ann")
    advancing.work(timezone.now())
    assert list(ChainStep.objects.values_list("transition", flat=True)) == ["Voucher"]
    advancing.work(timezone.now() + 2 * DAY)
    assert set(ChainStep.objects.values_list("transition", flat=True)) == {"Voucher", "Thanks"}


# What is refused --------------------------------------------------------------------------------


def gone(run: ChainRun) -> None:
    Cart.objects.filter(pk=run.row_pk).delete()


def empty_group(run: ChainRun) -> None:
    Transition.objects.filter(pk=voucher(run).pk).update(
        group_template="{% if cart.status == 'none' %}x{% endif %}"
    )


def key_taken(run: ChainRun) -> None:
    record([Event("other", f"chain:{run.pk}:1")])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: ChainRun.objects.pause(), "It is paused. Let it go on first."),
        (lambda run: ChainRun.objects.cancel(timezone.now()), "It has ended."),
        (lambda run: run.chain.pause(), "The chain “Far” is not armed."),
        (
            lambda run: ChainRun.objects.claim(timezone.now() + 400 * DAY),
            "A worker has it at this moment. Look again in a minute.",
        ),
        (
            lambda run: ChainRun.objects.move("VOUCHER", timezone.now()),
            "It has gone on meanwhile: look where it is now.",
        ),
        (
            lambda run: Transition.objects.filter(name="Voucher").update(group_template="other"),
            "The step was changed meanwhile: look what it does now.",
        ),
        (
            lambda run: Transition.objects.filter(name="Voucher").update(to_state="DONE"),
            "No step leads to “VOUCHER”, from the start on.",
        ),
        (gone, "Its row is gone: it ends when it is looked at next."),
        (empty_group, "The event group is empty."),
        (key_taken, "There is another event with the key “chain:"),
    ],
)
def test_what_stands_in_the_way_is_said_and_nothing_changes(change, said):
    run = start(far(name="Far"), hours=1)
    step, seen = voucher(run), as_seen(run, voucher(run))
    change(run)
    before = [list(model.objects.values()) for model in (ChainRun, ChainStep, EventRecord)]
    if said == "The event group is empty.":
        seen = None
    with pytest.raises(NotTaken) as refused:
        take(run, step, timezone.now(), requested_by="ann", seen=seen)
    assert str(refused.value).startswith(said)
    assert [list(model.objects.values()) for model in (ChainRun, ChainStep, EventRecord)] == before


def test_a_step_from_another_state_is_none_to_take():
    run = start(far(), hours=1)
    with pytest.raises(NotTaken, match="This step does not lead on from where it is."):
        take(run, Transition.objects.get(name="Thanks"), timezone.now(), requested_by="ann")


def test_saying_yes_twice_takes_it_once(admin_client):
    run = start(reminders(), hours=1)
    seen = as_seen(run, run.chain.transitions.get(name="Reminder"))
    url = take_page(run, "Reminder")
    first, second = (
        told(admin_client.post(url, {"seen": seen}, follow=True)) for _time in range(2)
    )
    assert first == ["It went on: Start → REMINDED."]
    assert second == ["It has gone on meanwhile: look where it is now."]
    assert (ChainStep.objects.count(), EventRecord.objects.count()) == (1, 1)


# The pages --------------------------------------------------------------------------------------


@pytest.mark.sqlite_only
def test_two_clicks_from_the_page_of_a_run(admin_client):
    shop.mail(group="voucher_open", name="A voucher for you")
    run = start(far(name="Far"), hours=1)
    (link,) = items_of(admin_client.get(page_of(run)), "//a[contains(@class, 'take-now')]/@href")
    assert link == take_page(run, "Voucher")
    asked = admin_client.get(link)
    found = words(asked)
    assert (
        f"Far: Cart {run.row_pk} Start → VOUCHER The event voucher_open happens at once." in found
    )
    assert items(asked, "//ul[@class='audiences']//a/strong") == ["A voucher for you"]
    assert "If it were looked at now: It would stay" in found
    assert ChainStep.objects.count() == 0
    response = confirm(admin_client, run, "Voucher", note="She called")
    assert told(response) == ["It went on: Start → VOUCHER."]
    found = words(response)
    assert "Start → VOUCHER Voucher, asked for by admin, She called Event voucher_open" in found
    assert "“Voucher” was taken at once, whatever its wait and its conditions say. admin" in found
    assert LogEntry.objects.get().object_id == str(run.pk)


@pytest.mark.sqlite_only
def test_who_has_arrived_is_told_before_a_step_is_taken(admin_client):
    run = start(far(), hours=1)
    Cart.objects.update(status=Cart.Status.ORDERED)
    asked = admin_client.get(take_page(run, "Voucher"))
    assert items(asked, "//p[@class='errornote']") == [
        "If it were looked at now: It would end: goal reached.",
        "The goal is reached already: mails about this step will be cancelled. “Send all the same” "
        "on the page of such a message sends it.",
    ]


@pytest.mark.sqlite_only
def test_what_follows_at_once_is_named(admin_client):
    of = chain(
        ("In", ["NEW"], "A", {"days": 9}), ("Greet", ["A"], "DONE", {"group": "greeting"}),
    )  # fmt: skip
    asked = admin_client.get(take_page(start(of), "In"))
    assert items(asked, "//ul[contains(@class, 'at-once')]/li") == ["A → End: Greet greeting"]
    assert "This step makes no event." in words(asked)


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "change",
    [
        lambda run: ChainRun.objects.pause(),
        lambda run: ChainRun.objects.cancel(timezone.now()),
        lambda run: run.chain.pause(),
    ],
)
def test_a_page_offers_no_step_that_would_be_refused(admin_client, change):
    run = start(far(), hours=1)
    change(run)
    assert items(admin_client.get(page_of(run)), "//a[contains(@class, 'take-now')]") == []
    refused = admin_client.get(take_page(run, "Voucher"))
    assert len(items(refused, "//p[@class='errornote']")) == 1
    assert items(refused, "//form//input[@type='submit']") == []


@pytest.mark.sqlite_only
def test_a_broken_rule_is_told_where_a_step_would_be_taken(admin_client):
    run = start(far(), hours=1)
    Condition.objects.filter(rule=run.chain.goal).update(field="gone")
    assert "“gone” is not a field" in words(admin_client.get(take_page(run, "Voucher")))


@pytest.mark.sqlite_only
def test_whoever_may_not_decide_takes_no_step(client):
    run = start(far(), hours=1)
    ann = staff(client, "view_chainrun", "advance_run")
    assert items(ann.get(page_of(run)), "//a[contains(@class, 'take-now')]") == []
    for answer in (ann.get(take_page(run, "Voucher")), ann.post(take_page(run, "Voucher"))):
        assert answer.status_code == 403
    assert ChainStep.objects.count() == 0


@pytest.mark.sqlite_only
def test_steps_of_others_and_of_code_are_not_found(admin_client):
    run, other = start(far(), hours=1), start(reminders())
    name = "admin:automation_chains_chainrun_take"
    strange = other.chain.transitions.first().pk
    for pks in ([run.pk, strange], [run.pk, 10**30], [10**30, strange]):
        assert admin_client.get(reverse(name, args=pks)).status_code == 404
    with coded.registered():
        in_code = coded.run()
        assert admin_client.get(reverse(name, args=[in_code.pk, strange])).status_code == 404
        page = admin_client.get(page_of(in_code))
        assert items(page, "//a[contains(@class, 'take-now')]") == []


# At the same moment -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_many_who_want_a_step_at_the_same_moment_take_it_once():
    run, barrier, told_why = start(far(), hours=1), threading.Barrier(6), []
    step, seen = voucher(run), as_seen(run, voucher(run))

    def want() -> None:
        barrier.wait()
        try:
            take(run, step, timezone.now(), requested_by="ann", seen=seen)
        except NotTaken as error:
            told_why.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=want) for _number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told_why) == 5
    assert set(told_why) <= {
        "It has gone on meanwhile: look where it is now.",
        "A worker has it at this moment. Look again in a minute.",
    }
    assert (ChainStep.objects.count(), EventRecord.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_a_run_that_somebody_writes_to_is_left_alone():
    run = start(far(), hours=1)
    step, told_why = voucher(run), []

    def want() -> None:
        try:
            take(run, step, timezone.now(), requested_by="ann")
        except NotTaken as error:
            told_why.append(str(error))
        finally:
            connection.close()

    with transaction.atomic():
        ChainRun.objects.select_for_update().get(pk=run.pk)
        thread = threading.Thread(target=want)
        thread.start()
        thread.join()
    assert told_why == ["A worker has it at this moment. Look again in a minute."]
    assert ChainStep.objects.count() == 0
