"""What the pages of chains say before something happens: nobody is surprised by what follows."""

import datetime
import json
import uuid

import lxml.html
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from automation.chains.models import Chain, ChainRun, Entry, Goal, StartChain
from automation.rules import definitions
from automation.rules.models import Segment
from tests import coded, forms, shop
from tests.sequences import OPEN, ORDERED, TWO_PAID, chain, reminders, transition
from tests.test_chain_pages import items, on_the_way, page_of, words

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

LIST = "admin:automation_chains_chainrun_changelist"
FOLLOWS = "What leads on from there may follow at once: it is a step like any other."


def greeting(**values):
    """Whoever comes in is greeted at once."""
    return chain(
        ("Greet", ["NEW"], "GREETED", {"group": "greeting"}),
        ("Remind", ["GREETED"], "REMINDED", {"days": 7}),
        ("Over", ["REMINDED"], "DONE", {"days": 1}),
        entry=[OPEN],
        **values,
    )


def asked(client, name, runs):
    chosen = {"action": name, "index": 0, "_selected_action": [run.pk for run in runs]}
    return client.post(reverse(LIST), chosen)


def saved(client, of, **values):
    """What comes of saving the form of a chain."""
    sent = forms.filled(client, page_of(of), "chain")
    return client.post(page_of(of), {**sent, **values, "_continue": "1"})


# Steps that follow at once ----------------------------------------------------------------------


def test_moving_says_which_steps_follow_at_once(admin_client):
    found = asked(admin_client, "move_runs", [on_the_way(greeting())])
    assert FOLLOWS in words(found)
    assert items(found, "//ul[contains(@class, 'at-once')]/li") == [
        "Start → GREETED: Greet greeting"
    ]
    assert FOLLOWS not in words(asked(admin_client, "move_runs", [on_the_way(reminders())]))


def test_moving_in_a_chain_in_code_says_that_steps_may_follow(admin_client):
    with coded.registered():
        assert FOLLOWS in words(asked(admin_client, "move_runs", [coded.run()]))


def test_a_state_that_goes_says_which_steps_follow_at_once(admin_client):
    of = greeting()
    on_the_way(of, state="REMINDED")
    told = ["Start → GREETED: Greet greeting"]
    found = saved(admin_client, of, states="GREETED")
    assert items(found, "//ul[contains(@class, 'at-once')]/li") == told
    ChainRun.objects.update(state="ELSEWHERE")
    of.pause()
    found = admin_client.get(page_of(of, "arm"))
    assert items(found, "//ul[contains(@class, 'at-once')]/li") == told


def test_steps_into_the_state_that_goes_do_not_follow(admin_client):
    of = greeting(armed=False)
    transition(of, "Straight", ["NEW"], "REMINDED", position=9)
    transition(of, "Anywhere", [], "REMINDED", when=[TWO_PAID], position=10)
    of.arm(shop.NOW)
    on_the_way(of, state="REMINDED")
    found = saved(admin_client, of, states="GREETED")
    assert items(found, "//ul[contains(@class, 'at-once')]/li") == [
        "Start → GREETED: Greet greeting"
    ]


def test_steps_that_follow_a_state_with_another_name_are_said_with_that(admin_client):
    of = greeting(armed=False)
    transition(of, "Straight", ["REMINDED"], "GREETED", when=[TWO_PAID], position=9)
    of.arm(shop.NOW)
    on_the_way(of, state="REMINDED")
    found = saved(admin_client, of, states="GREETED\nASKED")
    assert items(found, "//ul[contains(@class, 'at-once')]/li") == [
        "Start → GREETED: Greet greeting", "ASKED → GREETED: Straight",
    ]  # fmt: skip
    kept = of.transitions.values_list("name", "from_states", "to_state")
    assert ("Straight", ["REMINDED"], "GREETED") in list(kept)


def test_the_picture_stays_in_view_where_it_is_asked_who_goes_where(admin_client):
    of = greeting()
    on_the_way(of, state="REMINDED")
    found = saved(admin_client, of, states="GREETED")
    boxes = "//fieldset[@id='where-to']//figure//*[local-name()='g'][contains(@class, 'box')]"
    assert items(found, f"{boxes}/*[local-name()='title']") == [
        "Start", "GREETED", "REMINDED", "End",
    ]  # fmt: skip
    shown = items(saved(admin_client, of, states="A\nA"), "//fieldset[@id='where-to']")
    assert len(shown) == 1


# A state with another name ----------------------------------------------------------------------


def test_another_name_of_a_state_is_proposed_and_moves_nobody(admin_client):
    of = reminders()
    run = on_the_way(of, state="REMINDED")
    ended = on_the_way(of, state="REMINDED", ended_at=shop.NOW, outcome="cancelled")
    before = list(ChainRun.objects.order_by("pk").values())
    found = saved(admin_client, of, states="FIRST\nLAST")
    assert items(found, "//select[@name='where_to_0']/option[@selected]") == ["FIRST"]
    saved(admin_client, of, states="FIRST\nLAST", where_to_0="FIRST")
    after = list(ChainRun.objects.order_by("pk").values())
    assert after == [{**before[0], "state": "FIRST"}, before[1]]
    assert (run.history.count(), ended.history.count()) == (0, 0)


def test_an_answer_that_was_taken_back_is_not_proposed_again(admin_client):
    of = reminders()
    on_the_way(of, state="REMINDED")
    found = saved(admin_client, of, states="FIRST\nLAST", where_to_0="")
    assert items(found, "//select[@name='where_to_0']/option[@selected]") == ["—"]


def test_whoever_is_put_elsewhere_than_into_the_new_name_is_moved(admin_client):
    of = reminders()
    run = on_the_way(of, state="REMINDED")
    saved(admin_client, of, states="FIRST\nLAST", where_to_0="LAST")
    assert list(run.history.values_list("from_state", "to_state")) == [("REMINDED", "LAST")]


# Import -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Cart", "Another name"])
def test_an_import_over_an_armed_chain_says_that_it_stops(admin_client, name):
    of = reminders(name="Cart")
    data = definitions.dump(Chain.objects.all())
    data["chains"][0]["name"] = name
    file = SimpleUploadedFile("chains.json", json.dumps(data).encode())
    on_the_way(of), on_the_way(of)
    url = reverse("admin:automation_chains_chain_import")
    found = admin_client.post(url, {"file": file})
    assert items(found, "//details[@open]/p") == [
        "It is armed here and will be switched off: 2 are on their way and stay until it is armed "
        "again."
    ]
    of.pause()
    file.seek(0)
    found = admin_client.post(url, {"file": file})
    assert items(found, "//details/p") == []


def test_what_would_change_of_a_chain_is_shown_in_words(admin_client):
    of = reminders()
    data = definitions.dump(Chain.objects.all())
    data["chains"][0] |= {"goal": [], "states": ["REMINDED"]}
    steps = data["chains"][0]["transitions"]
    steps[1] |= {"to_state": "DONE", "wait_weekday": 0, "wait_time": "09:00:00"}
    data["chains"][0]["transitions"] = steps[:2]
    file = SimpleUploadedFile("chains.json", json.dumps(data).encode())
    found = admin_client.post(
        reverse("admin:automation_chains_chain_import"), {"file": file}
    ).content.decode()
    voucher = "Carts where number of paid orders before is at least 2 · event cart_voucher"
    page = lxml.html.fromstring(found)
    assert [each.text for each in page.xpath("//details//del")] == [
        "REMINDED → LAST",
        "Carts where status is Ordered",
        f"Voucher: REMINDED → LAST · after 7 days · {voucher}",
        "Second reminder: REMINDED → LAST · after 7 days · everybody · event cart_last_reminder",
        "Enough: LAST → End · after 14 days · everybody",
    ]
    assert [each.text for each in page.xpath("//details//ins")] == [
        "REMINDED",
        "–",
        f"Voucher: REMINDED → End · after 7 days, then until Monday, 09:00 · {voucher}",
    ]
    same = "Reminder: Start → REMINDED · after 2 days · everybody · event cart_reminder"
    assert [each.text for each in page.xpath("//td/div[not(*)]")] == [same, same]
    labels = [each.text for each in page.xpath("//details//tbody//th")]
    assert labels == ["States", "When it has arrived", "Steps"]
    of.refresh_from_db()
    assert of.state == "armed"


def test_what_comes_in_one_file_is_shown_in_words(admin_client):
    """A chain that names a segment of the same file: neither is here yet."""
    segment = Segment.objects.create(name="Big carts", slug="big", source="demo.cart")
    shop.ask(segment, ("total", "field.more", "100"))
    chain(("Go", ["NEW"], "DONE", {"when": [("segment", "segment.in", "big")]}), entry=[OPEN])
    data = {**definitions.dump(Segment.objects.all()), **definitions.dump(Chain.objects.all())}
    Chain.objects.all().delete()
    segment.delete()
    file = SimpleUploadedFile("chains.json", json.dumps(data).encode())
    found = admin_client.post(reverse("admin:automation_chains_chain_import"), {"file": file})
    said = items(found, "//td/div")
    assert "Carts where total is more than 100" in said
    assert "Go: Start → End · at once · Carts where in segment Big carts" in said
    assert "Carts" in said


# Changing a chain that is armed -----------------------------------------------------------------


def test_a_change_of_the_steps_says_that_it_pauses(admin_client):
    of = reminders()
    on_the_way(of)
    said = [
        "A change of the steps pauses the chain, until it is armed again; another name does not. "
        "1 is on the way."
    ]
    assert items(admin_client.get(page_of(of)), "//p[@class='pauses']") == said
    of.pause()
    assert items(admin_client.get(page_of(of)), "//p[@class='pauses']") == []


def test_the_order_of_steps_that_never_meet_pauses_nothing(admin_client):
    of = reminders()
    reminder = of.transitions.get(name="Reminder")
    admin_client.post(page_of(reminder, "move"), {"down": ""})
    of.refresh_from_db()
    names = list(of.transitions.order_by("position").values_list("name", flat=True))
    assert names == ["Voucher", "Reminder", "Second reminder", "Enough"]
    assert of.state == "armed"


def test_the_order_of_a_step_from_any_state_decides(admin_client):
    of = reminders(armed=False)
    anywhere = transition(of, "Stop", [], "DONE", when=[ORDERED], position=9)
    of.arm(shop.NOW)
    admin_client.post(page_of(anywhere, "move"), {"up": ""})
    of.refresh_from_db()
    assert of.state == "paused"


# Before it is armed -----------------------------------------------------------------------------


def test_what_to_look_at_stands_where_the_chain_is_armed(admin_client):
    of = greeting(armed=False, limit_days=9)
    path = "//div[@class='next-step']//li"
    assert items(admin_client.get(page_of(of)), path) == [
        "Greet: greeting → Nobody listens to these events yet."
    ]
    mail = shop.mail(group="greeting", is_active=False)
    said = "Greet: greeting → None of them is active: nothing would be sent."
    assert items(admin_client.get(page_of(of)), path) == [said]
    assert items(admin_client.get(page_of(of, "arm")), "//ul[@class='odd']/li") == [said]
    mail.is_active = True
    mail.save()
    found = admin_client.get(page_of(of))
    assert items(found, path) == []
    assert "Nothing is wrong with it." in words(found)


def test_a_state_that_is_left_only_on_conditions_is_a_warning():
    of = chain(("Go", ["NEW"], "DONE", {"when": [TWO_PAID]}), entry=[OPEN], goal=[ORDERED])
    assert of.warnings() == [
        "Whoever is in “Start” and matches none of the steps that lead on from it stays there: "
        "every one of them has conditions, and there is no limit."
    ]
    of.limit_days = 30
    assert of.warnings() == []


def test_arming_shows_the_goal_and_what_is_not_active(admin_client):
    of = reminders(armed=False)
    StartChain.objects.create(name="Left", slug="left", chain=of, group="cart_left")
    found = admin_client.get(page_of(of, "arm"))
    assert "When it has arrived Carts where status is Ordered" in words(found)
    assert items(found, "//p//span[contains(@class, 'state-paused')]") == ["not active"]


def test_an_entry_without_conditions_means_nobody(admin_client):
    of = chain(("Go", ["NEW"], "DONE", {"days": 1}), armed=False)
    entry, goal = Entry.objects.create(chain=of), Goal.objects.create(chain=of)
    shop.cart()
    assert [str(entry), str(goal)] == [
        "Nobody comes in by themselves.", "There is no goal: everybody goes on to the end.",
    ]  # fmt: skip
    for rule in (entry, goal):
        sent = forms.filled(admin_client, page_of(rule), rule._meta.model_name)
        for page in (
            admin_client.get(page_of(rule)),
            admin_client.get(page_of(rule, "preview")),
            admin_client.post(page_of(rule, "panel"), sent),
        ):
            said = page.content.decode()
            assert ("All Carts" in said, "match now</p>" in said) == (False, False)


def test_removing_a_step_names_it_and_not_everybody(admin_client):
    step = reminders().transitions.get(name="Enough")
    found = words(admin_client.get(page_of(step, "delete")))
    assert "Rule: Enough" in found
    assert "All Carts" not in found


# One run ----------------------------------------------------------------------------------------


def test_a_question_about_one_run_names_it(admin_client):
    of = reminders(name="Left cart")
    run = on_the_way(of)
    path = "//p[@class='rule-sentence']"
    for found in (asked(admin_client, "pause_runs", [run]), admin_client.get(page_of(run, "look"))):
        assert items(found, path) == [f"Left cart: Cart {run.row_pk}"]
    assert items(asked(admin_client, "pause_runs", [run, on_the_way(of)]), path) == []


def test_the_list_leads_from_what_a_run_is_about_to_the_run(admin_client):
    run = on_the_way(reminders())
    found = admin_client.get(reverse(LIST)).content.decode()
    assert f'<a href="{page_of(run)}">Cart {run.row_pk}</a>' in found


def test_a_wait_is_told_by_the_clock_of_the_person_if_that_differs(admin_client, settings):
    of = chain(("Go", ["NEW"], "DONE", {"days": 2, "wait_time": datetime.time(9)}))
    run = on_the_way(of)
    path = "//div[@class='run-way']/p"
    for zone, ends in ((settings.TIME_ZONE, ", 09:00"), ("Asia/Tokyo", ", 09:00 in Asia/Tokyo)")):
        ChainRun.objects.filter(pk=run.pk).update(time_zone=zone)
        (said,) = items(admin_client.get(page_of(run)), path)
        assert said.endswith(ends)


def test_a_resource_is_found_by_its_uuid_as_it_is_written(admin_client):
    order = uuid.uuid4()
    with coded.registered():
        run = coded.run([("order", order)])
        coded.run([("order", uuid.uuid4())])
        for text in (f"order:{order}", str(order), str(order).upper(), order.hex):
            found = admin_client.get(reverse(LIST), {"q": text}).context["cl"].result_list
            assert [each.pk for each in found] == [run.pk]
