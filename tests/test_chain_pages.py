"""Chains as editors build them: their list, their page, their steps, and arming them."""

import json

import lxml.html
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from automation.chains import advancing, entering
from automation.chains.models import Chain, ChainRun, StartChain, Transition
from automation.events.groups import producers
from automation.events.models import EventRecord
from automation.rules import definitions
from automation.rules.counting import Counted
from automation.rules.models import Condition
from mails.variables import variables
from tests import forms, sequences, shop
from tests.rivals import before
from tests.sequences import OPEN, ORDERED, TWO_PAID
from tests.test_admin_queries import grows, queries

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

LINES = {
    "conditions-TOTAL_FORMS": "1",
    "conditions-INITIAL_FORMS": "0",
    "conditions-0-joined_by": "and",
    "conditions-0-field": "status",
    "conditions-0-operator": "field.one_of",
    "conditions-0-value": "open",
}


def page_of(thing, name="change"):
    opts = thing._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=[thing.pk])


def words(response):
    page = lxml.html.fromstring(response.content.decode())
    (content,) = page.xpath("//*[@id='content']")
    return " ".join(content.text_content().split())


def items(response, path):
    page = lxml.html.fromstring(response.content.decode())
    return [" ".join(" ".join(each.itertext()).split()) for each in page.xpath(path)]


def told_after(client, action, chain):
    """What the list says when ``action`` was done with a chain that was ticked."""
    url = reverse("admin:automation_chains_chain_changelist")
    data = {"action": action, "_selected_action": [chain.pk]}
    return [str(said) for said in client.post(url, data, follow=True).context["messages"]]


def on_the_way(chain, **values):
    """A run of a cart of its own."""
    cart = shop.cart()
    run = chain.start(cart, shop.NOW)
    if values:
        ChainRun.objects.filter(pk=run.pk).update(**values)
    return run


# Building one ---------------------------------------------------------------------------------


def test_a_chain_is_built_without_scripts(admin_client):
    add = reverse("admin:automation_chains_chain_add")
    answer = admin_client.post(
        add,
        {"name": "Cart", "slug": "cart", "source": "demo.cart", "states": "REMINDED\n\n LAST \n"},
    )
    chain = Chain.objects.get()
    assert answer.url == page_of(chain)
    assert (chain.states, chain.state) == (["REMINDED", "LAST"], "draft")

    for kind in ("entry", "goal"):
        url = reverse("admin:automation_chains_chain_rule", args=[chain.pk, kind])
        rule_page = admin_client.post(url).url
        sent = forms.filled(admin_client, rule_page, kind)
        sent |= {**LINES, "conditions-0-value": "ordered"} if kind == "goal" else LINES
        admin_client.post(rule_page, {**sent, "_continue": "1"})
    chain = Chain.objects.get()
    assert chain.entry.sentence() == "Carts where status is Open"
    assert chain.goal.sentence() == "Carts where status is Ordered"

    for name, start, end, days, group in (
        ("Reminder", "NEW", "REMINDED", "2", "cart_reminder"),
        ("Enough", " any", "DONE", "14", ""),
    ):
        add = f"{reverse('admin:automation_chains_transition_add')}?chain={chain.pk}"
        sent = {
            "name": name, "from_states": [start], "to_state": end, "wait_number": days,
            "wait_unit": "days", "group_template": group,
        }  # fmt: skip
        answer = admin_client.post(add, sent, follow=True)
        *_before, told = map(str, answer.context["messages"])
        assert strip_tags(told).startswith(f"The step “{name}” was added successfully.")
    reminder, enough = chain.transitions.order_by("position")
    assert (reminder.from_states, reminder.to_state, reminder.wait_number) == (
        ["NEW"], "REMINDED", 2)  # fmt: skip
    assert (enough.from_states, enough.position) == ([], 1)
    assert items(admin_client.get(page_of(chain)), "//div[@class='next-step']//li") == [
        "No step leads to “LAST”, from the start on."
    ]


def test_the_page_says_what_there_is_in_words(admin_client):
    chain = sequences.reminders()
    found = admin_client.get(page_of(chain))
    assert items(found, "//ol[@class='steps']/li//div[@class='step-head']/span") == [
        "Reminder Start → REMINDED",
        "Voucher REMINDED → LAST",
        "Second reminder REMINDED → LAST",
        "Enough LAST → End",
    ]
    assert items(found, "//ol[@class='steps']/li/div[2]") == [
        "After 2 days: everybody",
        "After 7 days: Carts where number of paid orders before is at least 2",
        "After 7 days: everybody else",
        "After 14 days: everybody",
    ]
    assert items(found, "//section[@aria-labelledby='chain-entry']/p[1]") == [
        "Carts where status is Open Change entry"
    ]


def test_the_list_says_what_it_does_and_who_is_on_the_way(admin_client):
    chain = sequences.reminders(name="Cart left")
    on_the_way(chain)
    found = admin_client.get(reverse("admin:automation_chains_chain_changelist"))
    assert items(found, "//td[@class='field-sentence']") == [
        "Carts where status is Open: Start → REMINDED → LAST → End"
    ]
    assert items(found, "//td[@class='field-under_way']") == ["on their way 1"]


def test_the_list_asks_no_more_for_more_chains(admin_client):
    def make():
        on_the_way(sequences.reminders())

    few, many = grows(admin_client, reverse("admin:automation_chains_chain_changelist"), make)
    assert (few, many) == (few, few)


def test_a_list_of_chains_with_too_many_on_their_way_does_not_keep_anybody_waiting(admin_client):
    on_the_way(sequences.reminders())
    table = ChainRun._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO all_runs")
        cursor.execute(
            f"CREATE VIEW {table} AS SELECT * FROM all_runs WHERE id < (WITH RECURSIVE "
            "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n)"
        )
    found = admin_client.get(reverse("admin:automation_chains_chain_changelist"))
    assert items(found, "//td[@class='field-under_way']") == [
        "on their way too many to count quickly"
    ]
    assert items(found, "//td[@class='field-next_one']") == [
        "next look It takes too long to find out."
    ]


# Steps ----------------------------------------------------------------------------------------


def test_a_step_moves_up_and_down(admin_client):
    chain = sequences.reminders()
    voucher = chain.transitions.get(name="Voucher")
    for way, expected in (("down", [0, 2, 1, 3]), ("up", [0, 1, 2, 3])):
        admin_client.post(page_of(voucher, "move"), {way: ""})
        names = ["Reminder", "Voucher", "Second reminder", "Enough"]
        found = dict(chain.transitions.values_list("name", "position"))
        assert [found[name] for name in names] == expected


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"from_states": []}, {"from_states": ["Choose where the step comes from."]}),
        (
            {"from_states": [" any", "NEW"]},
            {"from_states": ["Choose either any state, or some of them."]},
        ),
        ({"to_state": "GONE"}, {"to_state": ["“GONE” is no state of this chain."]}),
        (
            {"from_states": ["LAST"], "to_state": "LAST"},
            {"wait_number": ["A step back to the same state must wait: otherwise it never ends."]},
        ),
        ({"name": "Enough"}, {"name": ["This chain has a step called “Enough” already."]}),
        (
            {"group_template": "x_{{ cart.totl }}"},
            {
                "group_template": [
                    "Line 1, column 6: “cart.totl” is not known here. Did you mean “cart.total”?"
                ]
            },
        ),
    ],
)
def test_what_is_wrong_with_a_step_is_told_at_its_field(admin_client, sent, told):
    chain = sequences.reminders()
    add = f"{reverse('admin:automation_chains_transition_add')}?chain={chain.pk}"
    right = {"name": "X", "from_states": ["NEW"], "to_state": "LAST", "wait_number": "0"}
    answer = admin_client.post(add, {**right, "wait_unit": "days", **sent})
    assert forms.errors(answer) == told


# Arming ---------------------------------------------------------------------------------------


def test_arming_asks_with_numbers(admin_client):
    chain = sequences.reminders(armed=False)
    shop.cart(), shop.cart(), shop.cart(status="ordered")
    shop.mail(group="cart_reminder", name="Do not forget")
    found = admin_client.get(page_of(chain, "arm"))
    assert items(found, "//p[@class='figure']") == [
        "2 come in at once", "0 events are made at once",
    ]  # fmt: skip
    assert items(found, "//ol[@class='steps']/li[1]//a/strong") == ["Do not forget"]
    admin_client.post(page_of(chain, "arm"))
    chain.refresh_from_db()
    assert chain.state == "armed"
    said = LogEntry.objects.filter(object_id=str(chain.pk)).values_list("change_message", flat=True)
    assert list(said) == ["armed"]


def test_what_is_wrong_keeps_it_from_being_armed(admin_client):
    chain = sequences.chain(states=["A"], armed=False, entry=[OPEN])
    found = admin_client.get(page_of(chain, "arm"))
    assert "Add a step: without one nobody ever goes anywhere." in words(found)
    admin_client.post(page_of(chain, "arm"))
    chain.refresh_from_db()
    assert chain.state == "draft"


# Who may --------------------------------------------------------------------------------------


def client_who_may(*names):
    user = User.objects.create_user("ed", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


def test_whoever_may_only_look_changes_nothing(db):
    chain = sequences.reminders()
    step, client = chain.transitions.first(), client_who_may("view_chain")
    for page in (page_of(chain), page_of(step), page_of(chain.entry), page_of(step, "preview")):
        assert client.get(page).status_code == 200
    pages = [page_of(chain, "arm"), page_of(chain, "pause"), page_of(step, "move")]
    assert [client.post(page).status_code for page in pages] == [403, 403, 403]
    assert client.post(page_of(step), {"name": "X"}).status_code == 403
    assert client.get(page_of(step, "delete")).status_code == 403


def test_whoever_may_change_a_chain_may_change_its_rules(db):
    chain = sequences.reminders()
    step, client = chain.transitions.get(name="Enough"), client_who_may("change_chain")
    assert client.post(page_of(step, "delete"), {"post": "yes"}).url == page_of(chain)
    assert chain.transitions.filter(name="Enough").exists() is False


def test_nobody_who_may_not_see_chains_sees_a_step(db):
    step = sequences.reminders().transitions.first()
    assert client_who_may("view_mail").get(page_of(step)).status_code == 403


def test_a_chain_with_a_history_stays(admin_client):
    chain = sequences.reminders()
    on_the_way(chain)
    answer = admin_client.post(page_of(chain, "delete"), {"post": "yes"}, follow=True)
    assert "has a history, which stays" in answer.content.decode()
    assert Chain.objects.count() == 1


# Its events -----------------------------------------------------------------------------------


def test_mails_know_the_events_of_steps(admin_client):
    chain = sequences.reminders()
    cart = shop.cart(shop.customer(first_name="Ann"))
    (producer,) = producers("cart_reminder")
    (event,) = producer.sample(shop.NOW, 5)
    assert (producer.group, producer.label) == ("cart_reminder", f"{chain}: Reminder")
    assert event.context["chain"] == {
        "name": chain.name, "state": "REMINDED", "from_state": "NEW", "days_in_state": 2,
        "days": 2, "step": 1,
    }  # fmt: skip
    mail = shop.mail(group="cart_reminder", subject="{{ chain.days }} days, {{ chain.state }}")
    found = admin_client.get(page_of(mail, "preview"))
    assert "2 days, REMINDED" in words(found)
    assert event.row_pk == str(cart.pk)


def test_mails_are_told_what_the_values_of_a_chain_are(db):
    sequences.reminders()
    known = variables("cart_reminder", with_sample=False).values
    assert [
        (each.expression, each.meaning) for each in known if each.expression.startswith("chain.")
    ] == [
        ("chain.name", "chain › name"),
        ("chain.state", "chain › the state that the step leads to"),
        ("chain.from_state", "chain › the state before"),
        ("chain.days_in_state", "chain › days in the state before"),
        ("chain.days", "chain › days since the start"),
        ("chain.step", "chain › number of the step"),
    ]


def test_the_panel_of_a_step_says_who_is_there_and_what_it_means(admin_client):
    chain = sequences.reminders()
    on_the_way(chain)
    step = chain.transitions.get(name="Reminder")
    sent = forms.filled(admin_client, page_of(step), "transition", wait_time="09:00")
    sent |= {"from_states": "NEW", "wait_weekday": "0", "group_template": "cart_{{ cart.status }}"}
    found = words_of_panel(admin_client.post(page_of(step, "panel"), sent))
    assert "Start → REMINDED: everybody, after 2 days, then until Monday, 09:00." in found
    page = admin_client.get(page_of(step)).context
    assert (page["title"], page["subtitle"]) == ("Step “Reminder”", None)
    assert "1 of the 1 who are where it begins First those who are where it begins" in found
    assert "cart_open" in found


def test_a_panel_says_in_what_order_its_rows_are(admin_client):
    chain = sequences.reminders()
    entry, goal = page_of(chain.entry, "panel"), page_of(chain.goal, "panel")

    def told(url, rule) -> str:
        sent = forms.filled(admin_client, page_of(rule), rule._meta.model_name)
        return words_of_panel(admin_client.post(url, sent))

    cart = shop.cart()
    assert "First those who would come in Row" in told(entry, chain.entry)
    entering.enter(chain, shop.NOW)
    assert "The newest of them, by number Row" in told(entry, chain.entry)
    type(cart).objects.update(status="ordered")
    assert "First those who are on their way Row" in told(goal, chain.goal)


def test_the_panel_of_a_step_from_the_start_counts_those_who_come_in_or_are_there(admin_client):
    swiss, german = shop.customer(country="CH"), shop.customer(country="DE")
    coming = shop.cart(swiss)
    shop.cart(german)
    shop.cart(swiss, status="ordered")
    moved_on, there = (shop.cart(swiss, status="ordered") for _number in range(2))
    chain = sequences.reminders()
    chain.start(there, shop.NOW)
    run = chain.start(moved_on, shop.NOW)
    ChainRun.objects.filter(pk=run.pk).update(state="REMINDED")
    step, later = (chain.transitions.get(name=name) for name in ("Reminder", "Voucher"))
    for each in (step, later):
        shop.ask(each, ("customer__country", "field.one_of", "CH"))

    said = "2 of the 3 carts that come in, or are at the start, match now"
    sent = forms.filled(admin_client, page_of(step), "transition") | {"from_states": "NEW"}
    assert said in words_of_panel(admin_client.post(page_of(step, "panel"), sent))
    assert said in words(admin_client.get(page_of(step, "preview")))
    sent["from_states"] = "REMINDED"
    assert "4 of 5 carts match now" in words_of_panel(
        admin_client.post(page_of(step, "panel"), sent)
    )
    assert "of 5 carts match now" in words(admin_client.get(page_of(later, "preview")))

    (of_start,) = [each for each in producers() if each.group == "cart_reminder"]
    assert of_start.count(shop.NOW, 2) == Counted(2)
    sampled = {event.row_pk for event in of_start.sample(shop.NOW, 9)}
    assert sampled == {str(coming.pk), str(there.pk)}


def test_the_panel_of_a_step_stays_when_the_entry_cannot_be_asked(admin_client):
    chain = sequences.reminders()
    chain.entry.conditions.update(field="gone")
    step = chain.transitions.get(name="Reminder")
    sent = forms.filled(admin_client, page_of(step), "transition") | {"from_states": "NEW"}
    found = words_of_panel(admin_client.post(page_of(step, "panel"), sent))
    assert "0 of 0 carts match now" in found


def words_of_panel(response):
    return " ".join(lxml.html.fromstring(response.content.decode()).text_content().split())


# Starting on events, and files ----------------------------------------------------------------


def test_a_start_on_events_is_made_in_the_admin(admin_client):
    chain = sequences.reminders()
    add = reverse("admin:automation_chains_startchain_add")
    admin_client.post(
        add, {"name": "Left", "slug": "left", "chain": chain.pk, "group": "cart_left"}
    )
    start = StartChain.objects.get()
    assert (start.chain, start.group, start.is_active) == (chain, "cart_left", False)
    assert items(admin_client.get(page_of(chain)), "//ul[@class='starts']/li") == [
        "Who an event cart_left is about: Left not active"
    ]


def test_a_chain_travels_between_sites(db):
    chain = sequences.reminders(slug="carts", limit_days=30)
    Transition.objects.filter(name="Reminder").update(wait_weekday=0, wait_time="09:00")
    StartChain.objects.create(name="Left", slug="left", chain=chain, group="left", is_active=True)
    run = on_the_way(chain)
    data = json.loads(json.dumps(definitions.dump()))
    assert [entry["slug"] for entry in data["chains"]] == ["carts"]
    definitions.load(data)
    assert json.loads(json.dumps(definitions.dump())) == data
    again = Chain.objects.get()
    assert (again.state, StartChain.objects.get().is_active) == ("draft", False)
    assert again.problems() == []
    assert ChainRun.objects.get() == run
    Chain.objects.all().delete()
    definitions.load(data)
    assert json.loads(json.dumps(definitions.dump())) == data


def test_a_clone_is_a_draft_with_everything_but_those_on_their_way(admin_client):
    chain = sequences.reminders(slug="carts")
    on_the_way(chain)
    assert told_after(admin_client, "clone", chain) == ["1 copy is there as a draft."]
    copy = Chain.objects.get(slug="carts-copy")
    one, other = definitions.dump()["chains"]
    assert {**other, "slug": "carts", "name": chain.name} == one
    assert (copy.state, copy.runs.count()) == ("draft", 0)


def test_a_clone_that_fails_in_the_midst_leaves_nothing():
    chain = sequences.reminders()

    def fail() -> None:
        raise RuntimeError("In the midst")

    conditions_are_copied = before("INSERT INTO", Condition._meta.db_table, do=fail)
    with pytest.raises(RuntimeError, match="In the midst"), conditions_are_copied:
        chain.clone()
    assert (Chain.objects.count(), Transition.objects.count()) == (1, 4)


def test_it_is_paused_from_the_list_if_it_is_armed(admin_client):
    chain = sequences.reminders()
    assert told_after(admin_client, "pause", chain) == ["1 is paused."]
    assert Chain.objects.get().state == "paused"
    assert told_after(admin_client, "pause", chain) == [
        "None of them is armed, so nothing was paused."
    ]


# Numbers of queries ---------------------------------------------------------------------------


def test_the_page_of_a_chain_reads_its_rules_once(admin_client):
    chain = sequences.reminders()
    # Two about who asks, two of the chain, three of its rules, four of its runs, two of who hears,
    # one of other chains with the same events.
    assert queries(admin_client, page_of(chain)) == 14


def test_no_page_asks_more_with_more_steps_and_runs(admin_client):
    def urls(chain):
        step = chain.transitions.first()
        pages = [page_of(chain), page_of(chain, "arm"), page_of(step), page_of(step, "delete")]
        return [reverse("admin:automation_chains_chain_changelist"), *pages]

    small = sequences.reminders()
    on_the_way(small), shop.cart(), shop.mail()
    small.pause()
    few = [queries(admin_client, url) for url in urls(small)]
    large = sequences.reminders()
    for number in range(8):
        sequences.transition(
            large, f"More {number}", ["LAST"], "DONE", days=number, when=[TWO_PAID, ORDERED],
            group=f"more_{number}", position=10 + number,
        )  # fmt: skip
        on_the_way(large)
        shop.mail(group=f"more_{number}")
    large.pause()
    many = [queries(admin_client, url) for url in urls(large)]
    assert many == few


def test_the_first_reminder_comes_when_its_time_has_come(admin_client):
    chain = sequences.reminders(armed=False)
    cart = shop.cart()
    admin_client.post(page_of(chain, "arm"))
    chain.refresh_from_db()
    now = shop.timezone.now()
    entering.enter(chain, now)
    advancing.work(now + shop.datetime.timedelta(days=3))
    assert list(EventRecord.objects.values_list("group", "row_pk")) == [
        ("cart_reminder", str(cart.pk))
    ]
