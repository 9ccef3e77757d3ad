"""Changing chains that are armed, on their pages: nobody who is on the way is disturbed or lost."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from automation.chains import advancing
from automation.chains.models import Chain, ChainRun, Transition
from tests import forms, sequences, shop
from tests.test_chain_pages import on_the_way, page_of, words

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def test_a_changed_step_pauses_the_chain_and_disturbs_nobody(admin_client):
    chain = sequences.reminders()
    run = on_the_way(chain)
    before = ChainRun.objects.filter(pk=run.pk).values().get()
    step = chain.transitions.get(name="Reminder")
    sent = forms.filled(admin_client, page_of(step), "transition", wait_number="3")
    admin_client.post(page_of(step), {**sent, "from_states": "NEW", "_continue": "1"})
    chain.refresh_from_db()
    assert (chain.state, chain.transitions.get(name="Reminder").wait_number) == ("paused", 3)
    assert ChainRun.objects.filter(pk=run.pk).values().get() == before
    said = LogEntry.objects.filter(object_id=str(chain.pk)).values_list("change_message", flat=True)
    assert "step “Reminder” changed" in list(said)


def change_entry(client, chain):
    sent = forms.filled(client, page_of(chain.entry), "entry", **{"conditions-0-value": "ordered"})
    client.post(page_of(chain.entry), {**sent, "_continue": "1"})


def rename_a_step(client, chain):
    change_step(client, chain, name="First reminder")


def change_the_event_of_a_step(client, chain):
    change_step(client, chain, group_template="another_reminder")


def rename_and_change_a_step(client, chain):
    change_step(client, chain, name="First reminder", wait_number="9")


def change_step(client, chain, **values):
    step = chain.transitions.get(name="Reminder")
    sent = forms.filled(client, page_of(step), "transition", **values)
    client.post(page_of(step), {**sent, "from_states": "NEW", "_continue": "1"})
    step.refresh_from_db()
    assert {name: str(getattr(step, name)) for name in values} == values


def rewrite_a_mail(client, chain):
    mail = shop.mail(group="cart_reminder")
    sent = forms.filled(client, page_of(mail), "mail", subject="Still there?")
    client.post(page_of(mail), {**sent, "_continue": "1"})
    mail.refresh_from_db()
    assert mail.subject == "Still there?"


def remove_a_step(client, chain):
    client.post(page_of(chain.transitions.get(name="Enough"), "delete"), {"post": "yes"})


def move_a_step(client, chain):
    client.post(page_of(chain.transitions.get(name="Voucher"), "move"), {"down": ""})


def add_a_step(client, chain):
    add = f"{reverse('admin:automation_chains_transition_add')}?chain={chain.pk}"
    client.post(
        add,
        {
            "name": "X", "from_states": ["NEW"], "to_state": "DONE", "wait_number": "1",
            "wait_unit": "weeks",
        },
    )  # fmt: skip


def change(**values):
    def change_form(client, chain):
        sent = forms.filled(client, page_of(chain), "chain", **values)
        client.post(page_of(chain), {**sent, "_continue": "1"})

    return change_form


@pytest.mark.parametrize(
    ("what", "state"),
    [
        (change_entry, "paused"),
        (remove_a_step, "paused"),
        (move_a_step, "paused"),
        (change_the_event_of_a_step, "paused"),
        (rename_and_change_a_step, "paused"),
        (rename_a_step, "armed"),
        (rewrite_a_mail, "armed"),
        (add_a_step, "paused"),
        (change(limit_days="9"), "paused"),
        (change(states="REMINDED\nLAST\nMORE"), "paused"),
        (change(name="Another name"), "armed"),
        (change(look_minutes="5"), "armed"),
    ],
)
def test_what_changes_where_somebody_goes_pauses_an_armed_chain(admin_client, what, state):
    chain = sequences.reminders()
    what(admin_client, chain)
    chain.refresh_from_db()
    assert chain.state == state


def test_nothing_is_paused_by_saving_what_is_there(admin_client):
    chain = sequences.reminders()
    step = chain.transitions.get(name="Voucher")
    sent = forms.filled(admin_client, page_of(step), "transition")
    admin_client.post(page_of(step), {**sent, "from_states": "REMINDED", "_continue": "1"})
    change()(admin_client, chain)
    chain.refresh_from_db()
    assert chain.state == "armed"


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ("A\nA", "There are two states called “A”."),
        ("new", "NEW is there already: name only your own states."),
        ("A" * 101, f"“{'A' * 101}” is too long for the name of a state."),
    ],
)
def test_what_is_wrong_with_states_is_told_at_them(admin_client, states, told):
    chain = sequences.reminders()
    sent = forms.filled(admin_client, page_of(chain), "chain", states=states)
    assert forms.errors(admin_client.post(page_of(chain), sent)) == {"states": [told]}


def test_two_editors_do_not_overwrite_each_other(admin_client):
    chain = sequences.reminders()
    sent = forms.filled(admin_client, page_of(chain), "chain", name="Mine")
    Chain.objects.update(name="Theirs")
    answer = admin_client.post(page_of(chain), {**sent, "_continue": "1"})
    assert "This was changed after you opened the page" in words(answer)
    assert Chain.objects.get().name == "Theirs"


def test_a_chain_whose_source_is_gone_says_so(admin_client):
    chain = sequences.reminders(armed=False)
    step = chain.transitions.first()
    Chain.objects.update(source="gone.model")
    step._meta.model.objects.update(source="gone.model")
    said = "The source “gone.model” is not registered in this project."
    pages = [page_of(chain), page_of(chain, "arm"), page_of(step, "preview")]
    assert [said in words(admin_client.get(page)) for page in pages] == [True, True, True]
    assert admin_client.get(page_of(step)).status_code == 200
    assert admin_client.get(reverse("admin:automation_chains_chain_changelist")).status_code == 200


def test_pages_of_what_is_not_there_are_not_found(admin_client):
    chain = sequences.reminders()
    base = "/admin/automation_chains"
    found = [
        admin_client.post(f"{base}/chain/{10**30}/arm/").status_code,
        admin_client.post(f"{base}/chain/{chain.pk}/rule/nothing/").status_code,
        admin_client.post(f"{base}/transition/{10**30}/move/").status_code,
        admin_client.get(f"{base}/chain/{10**30}/change/").status_code,
        admin_client.get(f"{base}/transition/add/?chain=x").status_code,
        admin_client.get(f"{base}/transition/").status_code,
    ]
    assert found == [404, 404, 404, 302, 302, 302]


def test_why_a_row_does_not_take_a_step_is_said(admin_client):
    chain = sequences.reminders()
    cart = shop.cart()
    step = chain.transitions.get(name="Voucher")
    found = admin_client.get(page_of(step, "why"), {"row": cart.pk})
    assert "does not match now: 1 condition is not met" in words(found)


def test_who_waited_for_less_than_the_wait_is_now_goes_on_when_it_is_armed_again(admin_client):
    chain = sequences.reminders()
    run = on_the_way(chain)
    Transition.objects.filter(chain=chain, name="Reminder").update(wait_number=1)
    chain.pause()
    chain.arm(shop.NOW + shop.datetime.timedelta(days=1))
    advancing.work(shop.NOW + shop.datetime.timedelta(days=1))
    run.refresh_from_db()
    assert run.state == "REMINDED"


# States that go -------------------------------------------------------------------------------


def test_a_state_with_somebody_in_it_goes_only_with_an_answer(admin_client):
    chain = sequences.reminders()
    run, other = on_the_way(chain, state="REMINDED"), on_the_way(chain)
    sent = forms.filled(admin_client, page_of(chain), "chain", states="LAST")
    answer = admin_client.post(page_of(chain), {**sent, "_continue": "1"})
    assert forms.errors(answer) == {
        "where_to_0": ["Say what becomes of those in “REMINDED”."],
        "states": ["Somebody is in a state that you take away. Say below where they go."],
    }
    assert "1 is in “REMINDED” and goes to" in words(answer)
    chain.refresh_from_db()
    assert (chain.states, chain.state) == (["REMINDED", "LAST"], "armed")

    admin_client.post(page_of(chain), {**sent, "where_to_0": "LAST", "_continue": "1"})
    chain.refresh_from_db(), run.refresh_from_db(), other.refresh_from_db()
    assert (chain.states, chain.state) == (["LAST"], "paused")
    assert (run.state, other.state) == ("LAST", "NEW")
    assert list(run.history.values_list("from_state", "to_state", "requested_by", "note")) == [
        ("REMINDED", "LAST", "admin", "“REMINDED” is no state of this chain any more.")
    ]


def test_those_in_a_state_that_goes_can_be_ended(admin_client):
    chain = sequences.reminders()
    run = on_the_way(chain, state="REMINDED")
    sent = forms.filled(admin_client, page_of(chain), "chain", states="LAST")
    admin_client.post(page_of(chain), {**sent, "where_to_0": " end", "_continue": "1"})
    run.refresh_from_db()
    assert (run.state, run.outcome, run.next_update) == ("REMINDED", "cancelled", None)


def test_steps_follow_a_state_with_another_name(admin_client):
    chain = sequences.reminders()
    run = on_the_way(chain, state="REMINDED")
    sent = forms.filled(admin_client, page_of(chain), "chain", states="FIRST\nLAST")
    sent |= {"where_to_0": "FIRST", "_continue": "1"}
    admin_client.post(page_of(chain), sent)
    run.refresh_from_db()
    assert run.state == "FIRST"
    assert sorted(chain.transitions.values_list("name", "to_state")) == [
        ("Enough", "DONE"), ("Reminder", "FIRST"), ("Second reminder", "LAST"),
        ("Voucher", "LAST"),
    ]  # fmt: skip
    assert Chain.objects.get().problems() == []


def test_arming_asks_where_those_go_who_are_in_no_state(admin_client):
    chain = sequences.reminders(armed=True)
    run = on_the_way(chain, state="ELSEWHERE")
    chain.pause()
    answer = admin_client.post(page_of(chain, "arm"))
    assert "Say what becomes of those in “ELSEWHERE”." in words(answer)
    chain.refresh_from_db()
    assert chain.state == "paused"
    admin_client.post(page_of(chain, "arm"), {"where_to_0": "NEW"})
    chain.refresh_from_db(), run.refresh_from_db()
    assert (chain.state, run.state) == ("armed", "NEW")
