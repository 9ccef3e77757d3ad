"""Those on their way, in the admin: found, explained, and decided about."""

import datetime
import html
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from automation.chains import advancing
from automation.chains.admin import run_filters
from automation.chains.models import ChainRun, ChainStep
from automation.chains.registry import code_chains
from automation.chains.wording import state_label
from automation.demo.models import Cart
from automation.events.models import EventRecord
from tests import coded, shop
from tests.sequences import OPEN, ORDERED, TWO_PAID, chain, reminders

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)

LIST = "admin:automation_chains_chainrun_changelist"


def ago(**span) -> datetime.datetime:
    return timezone.now() - datetime.timedelta(**span)


def start(of, cart=None, **span) -> ChainRun:
    """A run that began so long ago."""
    return of.start(cart or shop.cart(now=timezone.now()), ago(**span))


def page_of(run: ChainRun, name: str = "change") -> str:
    return reverse(f"admin:automation_chains_chainrun_{name}", args=[run.pk])


def listed(client, **query) -> list[int]:
    response = client.get(reverse(LIST), query)
    assert response.status_code == 200
    return sorted(run.pk for run in response.context["cl"].result_list)


def words(response) -> str:
    """What a page says, without its tags."""
    assert response.status_code == 200
    content = response.content.decode()
    content = content[content.index('<div id="content"') :]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", content)))


def ask(client, name, runs, **more):
    chosen = {"action": name, "index": 0, "_selected_action": [run.pk for run in runs]}
    return client.post(reverse(LIST), {**chosen, **more})


def say_yes(client, name, runs, **more):
    return client.post(
        reverse(LIST),
        {"action": name, "index": 0, "_selected_action": [run.pk for run in runs],
         "confirmed": 1, **more},
        follow=True,
    )  # fmt: skip


def told(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def staff(client, *codenames):
    user = User.objects.create_user("ann", "ann@example.com", "secret", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


# The list ---------------------------------------------------------------------------------


def test_the_list_shows_where_each_one_is(admin_client):
    of = reminders(name="Left cart")
    ann = shop.customer(email="ann@example.com", first_name="Ann", last_name="Miller")
    run = start(of, shop.cart(ann), hours=1)
    found = words(admin_client.get(reverse(LIST)))
    person = "Ann Miller <ann@example.com>"
    assert f"Cart {run.row_pk} {person} Left cart state Start since" in found
    assert "on the way" in found
    page = admin_client.get(page_of(run))
    assert (page.context["title"], page.context["subtitle"]) == (f"Left cart: {run.subject}", None)
    assert f"About: Cart {run.row_pk} · {person} State:" in words(page)


def test_a_list_with_more_runs_asks_no_more(admin_client):
    of = reminders()

    def queries() -> int:
        admin_client.get(reverse(LIST))
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(reverse(LIST))
        return len(captured)

    start(of)
    few = queries()
    for _number in range(12):
        start(of)
    assert queries() == few


def test_the_list_is_narrowed_down_by_the_next_look(admin_client, settings):
    settings.TIME_ZONE = "Asia/Kathmandu"
    zone = timezone.get_default_timezone()
    midnight = timezone.localtime(timezone.now(), zone).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    of = reminders()
    names = ("early", "late", "next", "after", "never")
    when = (midnight, midnight + DAY - MINUTE, midnight + DAY, midnight + 2 * DAY, None)
    runs = {name: start(of) for name in names}
    for name, moment in zip(names, when, strict=True):
        ChainRun.objects.filter(pk=runs[name].pk).update(next_update=moment)

    def found(value):
        by_pk = {run.pk: name for name, run in runs.items()}
        return sorted(by_pk[pk] for pk in listed(admin_client, next=value))

    assert found("today") == ["early", "late"]
    assert found("tomorrow") == ["next"]
    assert found("later") == ["after", "next"]
    assert found("never") == ["never"]
    # In the morning and in the evening one of the two is over.
    overdue = [name for name, at in zip(names, when, strict=True) if at and at < ago(minutes=2)]
    assert found("overdue") == sorted(overdue)
    assert found("nonsense") == sorted(names)


def test_the_day_of_the_filter_is_that_of_the_request(admin_client, monkeypatch):
    """The ancestor's filter was made when its module was read, and "today" stayed that day."""
    run = start(reminders())
    ChainRun.objects.filter(pk=run.pk).update(next_update=timezone.now())
    assert listed(admin_client, next="today") == [run.pk]
    days_later = timezone.now() + 3 * DAY
    monkeypatch.setattr(run_filters.timezone, "now", lambda: days_later)
    assert listed(admin_client, next="today") == []
    assert listed(admin_client, next="overdue") == [run.pk]


def test_the_list_is_narrowed_down_by_chain_state_and_outcome(admin_client):
    first, second = reminders(), reminders()
    new, moved, ended, paused = (start(first) for _number in range(4))
    other = start(second)
    runs = ChainRun.objects
    runs.filter(pk=moved.pk).move("LAST", timezone.now())
    runs.filter(pk=ended.pk).cancel(timezone.now())
    runs.filter(pk=paused.pk).pause()
    of_first = {"chain__id__exact": first.pk}
    assert listed(admin_client, **of_first) == [new.pk, moved.pk, ended.pk, paused.pk]
    assert listed(admin_client, **of_first, state="LAST") == [moved.pk]
    assert listed(admin_client, outcome="cancelled") == [ended.pk]
    assert listed(admin_client, outcome="paused") == [paused.pk]
    assert listed(admin_client, outcome="going") == [new.pk, moved.pk, paused.pk, other.pk]
    assert listed(admin_client, chain__id__exact="x") == []


def test_the_list_offers_the_states_of_the_chain_or_of_all_of_them(admin_client):
    one = reminders(name="One")
    chain(("Go", ["NEW"], "LAST", {}), name="Two")
    start(one)

    def offered(**query) -> list[tuple[str, str]]:
        response = admin_client.get(reverse(LIST), query)
        specs = response.context["cl"].filter_specs
        (states,) = [spec for spec in specs if spec.title == "state"]
        return states.lookup_choices

    assert offered(chain__id__exact=one.pk) == [
        ("NEW", "Start"), ("REMINDED", "REMINDED"), ("LAST", "LAST"), ("DONE", "End"),
    ]  # fmt: skip
    with coded.registered():
        assert offered(chain_type="carts") == [
            (state, state_label(state)) for state in code_chains.get("carts").states
        ]
    # The demo has one in code, too.
    assert offered(state="GONE") == [
        ("NEW", "Start"), ("REMINDED", "REMINDED (One, abandoned_cart)"),
        ("LAST", "LAST (One, Two, abandoned_cart)"), ("DONE", "End"), ("GONE", "GONE"),
    ]  # fmt: skip


def test_runs_of_code_are_found_by_type_and_resource(admin_client):
    with coded.registered():
        about_cart = coded.run()
        other = coded.run([("online_booking", "9")])
        start(reminders())
        assert listed(admin_client, chain_type="carts") == [about_cart.pk, other.pk]
        assert listed(admin_client, q="online_booking:123456") == [about_cart.pk]
        assert listed(admin_client, q="57844") == [about_cart.pk]
        assert listed(admin_client, q="customer:9") == []


def test_runs_are_found_by_row_and_by_person(admin_client):
    of = reminders()
    ann = shop.customer(email="ann@example.com")
    first, second = (start(of, shop.cart(ann)) for _number in range(2))
    other = start(of)
    assert listed(admin_client, q=first.row_pk) == [first.pk]
    assert listed(admin_client, q=f"Cart {second.row_pk}") == [second.pk]
    assert listed(admin_client, q=f"cart:{other.row_pk}") == [other.pk]
    assert listed(admin_client, q="ANN@example.com") == [first.pk, second.pk]
    assert listed(admin_client, q="bob@example.com") == []
    assert listed(admin_client, q="9" * 40) == []
    assert listed(admin_client, q="' OR 1=1 %") == []


# The page of one --------------------------------------------------------------------------


def test_a_page_tells_the_way_so_far_with_events_and_what_they_caused(admin_client):
    shop.mail(group="cart_reminder", name="Your cart waits")
    of = reminders()
    run = start(of, shop.cart(), days=5)
    advancing.work(ago(days=2))
    page = admin_client.get(page_of(run))
    found = words(page)
    assert "It came in." in found
    assert "Start → REMINDED Reminder Event cart_reminder" in found
    event = EventRecord.objects.get()
    assert reverse("admin:automation_events_eventrecord_change", args=[event.pk]) in (
        page.content.decode()
    )
    assert "→ Your cart waits" in found
    assert "queued" in found[found.index("→ Your cart waits") :]


def test_a_page_says_why_a_run_has_not_moved_on(admin_client):
    of = chain(
        ("Voucher", ["NEW"], "VOUCHER", {"when": [TWO_PAID]}),
        ("Later", ["NEW"], "DONE", {"days": 2}),
        goal=[ORDERED],
        limit_days=30,
    )
    run = start(of, hours=1)
    advancing.work(timezone.now())
    found = words(admin_client.get(page_of(run)))
    why = found[found.index("Why it has not moved on") :]
    assert "If it were looked at now: It would stay, and be looked at again" in why
    assert "Voucher → VOUCHER" in why
    assert "number of paid orders before is at least 2 0 ✗ no" in why
    assert "Later → End waits after 2 days:" in why
    assert "The goal not reached yet" in why
    assert "status is Ordered Open ✗ no" in why
    assert "It ends at the latest:" in why


def test_what_would_happen_is_said_before_it_does(admin_client):
    run = start(reminders(), days=3)
    said = "It would take “Reminder” to “REMINDED”. The event cart_reminder would happen."
    assert said in words(admin_client.get(page_of(run)))
    assert said in words(admin_client.get(page_of(run, "look")))
    assert (ChainStep.objects.count(), EventRecord.objects.count()) == (0, 0)


def test_a_page_asks_no_more_for_a_longer_way(admin_client):
    shop.mail(group="cart_reminder")
    of = reminders()
    run = start(of, days=5)
    advancing.work(ago(days=2))

    def queries() -> int:
        admin_client.get(page_of(run))
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(page_of(run))
        return len(captured)

    few = queries()
    for number in range(10):
        state = "LAST" if number % 2 else "REMINDED"
        ChainRun.objects.filter(pk=run.pk).move(state, ago(hours=20 - number))
    ChainRun.objects.filter(pk=run.pk).move("REMINDED", ago(hours=2))
    assert ChainStep.objects.filter(run=run).count() > 10
    assert queries() == few


def test_a_run_that_cannot_go_on_says_so(admin_client):
    of = reminders()
    run = start(of)
    ChainRun.objects.filter(pk=run.pk).pause()
    of.pause("because")
    found = words(admin_client.get(page_of(run)))
    assert "This run is paused" in found
    assert "The chain is not armed (paused)" in found


def test_a_broken_rule_is_told_on_the_page_of_a_run(admin_client):
    of = chain(("Go", ["NEW"], "DONE", {"days": 1, "when": [OPEN]}))
    run = start(of)
    of.transitions.get().conditions.update(field="gone")
    found = words(admin_client.get(page_of(run)))
    assert "“gone” is not a field" in found
    assert "“gone” is not a field" in words(admin_client.get(page_of(run, "look")))


def test_a_run_in_code_shows_what_it_is_about_and_what_its_code_said(admin_client):
    with coded.registered():
        run = coded.run(now=timezone.now())
        run.execute(now=timezone.now())
        found = words(admin_client.get(page_of(run)))
        assert "online_booking 123456" in found
        assert "carts, in code" in found
        assert "Next look: when code asks for it" in found
        assert "Booking is not complete yet" in found
        assert "It waits for 2 days." in found
    assert "No code declares the chain “carts” any more." in words(admin_client.get(page_of(run)))


def test_an_address_of_no_run_is_not_found(admin_client):
    for number in (4711, 10**30):
        url = reverse("admin:automation_chains_chainrun_look", args=[number])
        assert admin_client.get(url).status_code == 404


# Looking now ------------------------------------------------------------------------------


def test_looking_now_takes_the_step_and_says_who_wanted_it(admin_client):
    run = start(reminders(), days=3)
    response = admin_client.post(page_of(run, "look"), follow=True)
    assert told(response) == ["It went on: Start → REMINDED."]
    step = ChainStep.objects.get()
    assert (step.to_state, step.requested_by) == ("REMINDED", "admin")
    assert EventRecord.objects.get().group == "cart_reminder"
    assert LogEntry.objects.get().object_id == str(run.pk)
    assert "asked for by admin" in words(response)


def test_looking_now_passes_over_no_wait(admin_client):
    run = start(reminders(), days=1)
    response = admin_client.post(page_of(run, "look"), follow=True)
    assert told(response) == ["It stays where it is. Below is why."]
    assert ChainStep.objects.count() == 0


def test_looking_now_never_takes_a_run_from_a_worker(admin_client):
    run = start(reminders(), days=3)
    (claimed,) = ChainRun.objects.filter(pk=run.pk).claim(timezone.now())
    response = admin_client.post(page_of(run, "look"), follow=True)
    assert told(response) == ["A worker has it at this moment. Look again in a minute."]
    assert ChainStep.objects.count() == 0
    assert ChainRun.objects.get().lease_token == claimed.lease_token


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: ChainRun.objects.pause(), "It is paused. Let it go on first."),
        (lambda run: ChainRun.objects.cancel(timezone.now()), "It has ended."),
        (lambda run: run.chain.pause(), "is not armed."),
    ],
)
def test_a_run_that_may_not_go_on_is_not_moved_by_a_look(admin_client, change, said):
    run = start(reminders(), days=3)
    change(run)
    (message,) = told(admin_client.post(page_of(run, "look"), follow=True))
    assert message.endswith(said)
    assert ChainStep.objects.count() == 0


def test_looking_now_passes_over_no_wait_of_a_run_in_code(admin_client):
    class Tomorrow(coded.Step):
        final_state = "REMINDED"
        next_update = DAY

    class AtOnce(coded.Step):
        final_state = "DONE"

    with coded.registered({"NEW": [Tomorrow], "REMINDED": [AtOnce]}):
        run = coded.run(now=ago(hours=2))
        run.execute(now=ago(hours=1))
        assert "is not to be looked at before" in words(admin_client.get(page_of(run, "look")))
        (said,) = told(admin_client.post(page_of(run, "look"), follow=True))
    assert "is not to be looked at before" in said
    run.refresh_from_db()
    assert run.state == "REMINDED"


def test_a_run_in_code_is_executed_by_a_look(admin_client):
    with coded.registered():
        run = coded.run(now=ago(days=3))
        said = "It would take “TwoDays” to “REMINDED”."
        assert said in words(admin_client.get(page_of(run, "look")))
        response = admin_client.post(page_of(run, "look"), follow=True)
        assert told(response) == ["It went on: Start → REMINDED."]
    assert ChainStep.objects.get().requested_by == "admin"


def test_code_that_fails_is_told_in_words(admin_client):
    class Fails(coded.Step):
        final_state = "DONE"

        def is_valid(self):
            raise ZeroDivisionError("oops")

    with coded.registered({"NEW": [Fails]}):
        run = coded.run(now=ago(days=3))
        said = "The chain's code failed: ZeroDivisionError: oops"
        assert said in words(admin_client.get(page_of(run, "look")))
        assert told(admin_client.post(page_of(run, "look"), follow=True)) == [said]


# Deciding ---------------------------------------------------------------------------------


def states() -> list[str]:
    return list(ChainRun.objects.order_by("pk").values_list("state", flat=True))


def test_pausing_asks_first_with_numbers(admin_client):
    runs = [start(reminders()) for _number in range(3)]
    ChainRun.objects.filter(pk=runs[0].pk).cancel(timezone.now())
    found = words(ask(admin_client, "pause_runs", runs))
    assert "2 runs" in found
    assert "2 × Start" in found
    assert "1 other that was chosen stays as it is" in found
    assert not ChainRun.objects.filter(is_paused=True).exists()


def test_paused_runs_stay_until_they_are_let_go_on(admin_client):
    runs = [start(reminders(), days=3) for _number in range(2)]
    assert told(say_yes(admin_client, "pause_runs", runs)) == ["2 runs: Paused."]
    advancing.work(timezone.now())
    assert states() == ["NEW", "NEW"]
    assert told(say_yes(admin_client, "resume_runs", runs[:1])) == ["1 run: They go on."]
    advancing.work(timezone.now())
    assert states() == ["REMINDED", "NEW"]
    logged = LogEntry.objects.values_list("object_id", "change_message")
    first, second = (str(run.pk) for run in runs)
    assert sorted(logged) == [(first, "Paused."), (first, "They go on."), (second, "Paused.")]


def test_what_people_decided_stands_on_the_way(admin_client):
    run = start(reminders())
    say_yes(admin_client, "end_runs", [run])
    run.refresh_from_db()
    assert run.outcome == "cancelled"
    found = words(admin_client.get(page_of(run)))
    assert "Ended. admin" in found
    assert "It ended: ended by a person." in found
    assert told(say_yes(admin_client, "end_runs", [run])) == [
        "None of them is in a state for that any more."
    ]


def test_moving_asks_for_the_state_and_says_who_is_where(admin_client):
    of = reminders()
    runs = [start(of) for _number in range(3)]
    ChainRun.objects.filter(pk=runs[0].pk).move("REMINDED", ago(hours=1))
    response = ask(admin_client, "move_runs", runs)
    found = words(response)
    assert "3 runs 2 × Start 1 × REMINDED" in found
    assert response.context["to_states"] == [
        ("NEW", "Start"), ("REMINDED", "REMINDED"), ("LAST", "LAST"), ("DONE", "End"),
    ]  # fmt: skip
    response = say_yes(admin_client, "move_runs", runs, to_state="GONE")
    assert "Choose the state that they go to." in words(response)
    assert states() == ["REMINDED", "NEW", "NEW"]


def test_moved_runs_are_there_at_once_and_the_history_says_who(admin_client):
    of = reminders()
    runs = [start(of, days=1) for _number in range(2)]
    asked = ask(admin_client, "move_runs", runs).context["asked_at"]
    response = say_yes(
        admin_client, "move_runs", runs, to_state="LAST", note="Called them", asked_at=asked
    )
    assert told(response) == ["2 runs: Moved."]
    assert states() == ["LAST", "LAST"]
    kept = ChainStep.objects.values_list("from_state", "to_state", "requested_by", "note")
    assert set(kept) == {("NEW", "LAST", "admin", "Called them")}
    assert EventRecord.objects.count() == 0
    assert {run.entered_at > ago(minutes=1) for run in ChainRun.objects.all()} == {True}


def test_who_goes_on_while_somebody_is_asked_is_not_moved(admin_client):
    of = reminders()
    first, second = start(of, days=3), start(of, days=1)
    asked = ask(admin_client, "move_runs", [first, second]).context["asked_at"]
    advancing.work(timezone.now())
    response = say_yes(admin_client, "move_runs", [first, second], to_state="LAST", asked_at=asked)
    assert told(response) == ["1 run: Moved."]
    assert states() == ["REMINDED", "LAST"]


def test_runs_of_several_chains_are_not_moved_together(admin_client):
    runs = [start(reminders()), start(reminders())]
    found = words(ask(admin_client, "move_runs", runs))
    assert "These are on different chains. Choose those of one chain." in found
    say_yes(admin_client, "move_runs", runs, to_state="LAST")
    assert states() == ["NEW", "NEW"]


def test_a_worker_writes_nothing_of_a_run_that_was_moved_under_it(admin_client):
    run = start(reminders(), days=3)
    (claimed,) = ChainRun.objects.filter(pk=run.pk).claim(timezone.now())
    say_yes(admin_client, "move_runs", [run], to_state="LAST")
    assert ChainRun.objects.filter(lease_token=claimed.lease_token).count() == 0
    assert states() == ["LAST"]


def test_many_are_had_looked_at(admin_client):
    of = chain(("Ordered", ["NEW"], "DONE", {"when": [ORDERED]}))
    runs = [start(of, hours=1) for _number in range(3)]
    advancing.work(timezone.now())
    Cart.objects.update(status=Cart.Status.ORDERED)
    assert ChainRun.objects.filter(next_update__lte=timezone.now()).count() == 0
    assert told(say_yes(admin_client, "look", runs)) == ["3 runs: They are looked at now."]
    advancing.work(timezone.now())
    assert states() == ["DONE"] * 3


def test_a_run_that_only_code_executes_is_not_overdue_for_having_been_moved(admin_client):
    with coded.registered():
        run = coded.run(now=ago(days=3))
        say_yes(admin_client, "move_runs", [run], to_state="REMINDED")
        run.refresh_from_db()
        assert (run.state, run.next_update) == ("REMINDED", None)
        say_yes(admin_client, "pause_runs", [run])
        say_yes(admin_client, "resume_runs", [run])
        run.refresh_from_db()
        assert (run.is_paused, run.next_update) == (False, None)
        assert run.execute().errors["AWeek"] == ["It waits for 7 days."]


def test_a_run_that_the_cluster_executes_is_looked_at_after_a_move(admin_client):
    with coded.registered(look_every=DAY):
        run = coded.run(now=ago(days=3))
        for name in ("pause_runs", "move_runs", "resume_runs"):
            say_yes(admin_client, name, [run], to_state="REMINDED")
        run.refresh_from_db()
        assert ago(minutes=1) < run.next_update < timezone.now()


# Starting by hand ---------------------------------------------------------------------------

START = "admin:automation_chains_chainrun_start"


def let_in(client, of, row):
    return client.post(reverse(START), {"chain": of.pk, "row": row}, follow=True)


def test_a_row_is_let_in_by_hand(admin_client):
    of, cart = reminders(), shop.cart(shop.customer(email="ann@example.com"))
    response = let_in(admin_client, of, "ann@example.com")
    assert told(response) == ["It is on its way."]
    run = ChainRun.objects.get()
    assert (run.subject_key, run.requested_by, run.state) == (str(cart.pk), "admin", "NEW")
    assert "It came in, as admin wanted." in words(response)


def test_the_page_of_a_chain_leads_to_who_is_on_it_and_lets_a_row_in(admin_client):
    of = reminders()
    run, _other = start(of), start(reminders())
    page = reverse("admin:automation_chains_chain_change", args=[of.pk])
    content = html.unescape(admin_client.get(page).content.decode())
    assert f"{reverse(START)}?chain={of.pk}" in content
    form = admin_client.get(reverse(START), {"chain": of.pk}).content.decode()
    assert f'<option value="{of.pk}" selected>' in form
    (link,) = re.findall(r'href="([^"]*)">Who is on the way', content)
    found = admin_client.get(link).context["cl"].result_list
    assert [each.pk for each in found] == [run.pk]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("4711", "has the number or the address “4711”."),
        ("two@example.com", "Several rows have this address. Write the number of one:"),
        ("again@example.com", "It was on this chain before, and nobody comes in again."),
        ("", "This field is required."),
    ],
)
def test_a_row_that_cannot_come_in_is_refused_in_words(admin_client, row, said):
    of = reminders()
    two = shop.customer(email="two@example.com")
    shop.cart(two), shop.cart(two)
    start(of, shop.cart(shop.customer(email="again@example.com")))
    assert said in words(let_in(admin_client, of, row))
    assert ChainRun.objects.count() == 1


def test_nobody_is_let_into_a_chain_that_is_not_armed(admin_client):
    of = reminders()
    reminders()
    of.pause()
    found = words(let_in(admin_client, of, str(shop.cart().pk)))
    assert "This chain is not armed (any more)." in found


# Who may ----------------------------------------------------------------------------------


def test_whoever_may_only_read_decides_nothing(client):
    of = reminders()
    run = start(of, days=3)
    ann = staff(client, "view_chainrun")
    assert "Look now" not in words(ann.get(page_of(run)))
    assert "Let a row come in" not in words(ann.get(reverse(LIST)))
    assert ann.post(page_of(run, "look")).status_code == 403
    assert ann.post(reverse(START), {"chain": of.pk, "row": "1"}).status_code == 403
    for name in ("look", "pause_runs", "end_runs", "move_runs", "resume_runs"):
        say_yes(ann, name, [run], to_state="LAST")
    run.refresh_from_db()
    assert (run.state, run.is_paused, run.ended_at) == ("NEW", False, None)


def test_looking_and_deciding_are_permitted_by_themselves(client):
    run = start(reminders(), days=3)
    ann = staff(client, "view_chainrun", "advance_run")
    page = words(ann.get(page_of(run)))
    assert ("Look now" in page, "Move to another state" in page) == (True, False)
    assert ann.post(page_of(run, "look")).status_code == 302
    assert states() == ["REMINDED"]


def test_whoever_may_decide_but_not_see_does_neither(client):
    run = start(reminders(), days=3)
    ann = staff(client, "advance_run", "decide_run")
    assert ann.get(reverse(LIST)).status_code == 403
    assert ann.post(page_of(run, "look")).status_code == 403
