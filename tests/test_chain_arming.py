"""Arming a chain in the admin: what somebody would pass at once, unheard, wants a yes."""

import lxml.html
import pytest

from automation.chains import advancing, entering
from automation.chains.models import Chain, ChainRun, Transition
from automation.events.dispatch import listeners
from automation.events.models import EventRecord
from automation.rules.counting import TooSlow
from tests import shop
from tests.sequences import OPEN, ORDERED, chain
from tests.test_chain_pages import items, on_the_way, page_of, words

pytestmark = pytest.mark.django_db

ASKED = "//fieldset[@id='all-the-same']//ul[@class='odd']/li"
REFUSED = "Nothing is armed yet: tick this if it is meant so, or write the mail first."
LATER = "Remind: reminder → Nobody listens to these events yet."


def passes(number: int, step: str = "Welcome") -> str:
    return f"{number} would pass “{step}” at once, and nobody who is active hears its event."


def greeting(**values) -> Chain:
    """Whoever comes in is welcomed at once, and reminded a week later."""
    return chain(
        ("Welcome", ["NEW"], "GREETED", {"group": "welcome"}),
        ("Remind", ["GREETED"], "DONE", {"days": 7, "group": "reminder"}),
        **{"entry": [OPEN], "goal": [ORDERED], "armed": False, **values},
    )


def state_of(of: Chain) -> str:
    return Chain.objects.get(pk=of.pk).state


def buttons(response) -> list[tuple[str, str]]:
    page = lxml.html.fromstring(response.content.decode())
    found = page.xpath("//form[@id='arm_form']//input[not(@type='hidden')]")
    return [(each.get("name") or each.get("value"), each.get("class") or "") for each in found]


def test_who_would_pass_a_step_that_nobody_hears_is_armed_only_with_a_yes(admin_client):
    of = greeting()
    shop.cart(), shop.cart()
    asked = admin_client.get(page_of(of, "arm"))
    assert items(asked, ASKED) == [passes(2)]
    assert buttons(asked) == [("all_the_same", ""), ("Arm it", "")]

    refused = admin_client.post(page_of(of, "arm"))
    assert refused.status_code == 200
    assert items(refused, "//*[@id='all-the-same']//ul[@class='errorlist']/li") == [REFUSED]
    assert items(refused, ASKED) == [passes(2)]
    assert (state_of(of), ChainRun.objects.count()) == ("draft", 0)

    answer = admin_client.post(page_of(of, "arm"), {"all_the_same": "on"})
    assert (answer.url, state_of(of)) == (page_of(of), "armed")


def test_the_yes_is_not_asked_for_what_is_heard_or_comes_later(admin_client):
    of = greeting()
    shop.cart()
    shop.mail(group="welcome")
    asked = admin_client.get(page_of(of, "arm"))
    assert (items(asked, ASKED), buttons(asked)) == ([], [("Arm it", "default")])
    assert items(asked, "//ul[@class='odd']/li") == [LATER]
    admin_client.post(page_of(of, "arm"))
    assert state_of(of) == "armed"


def test_nobody_who_would_pass_means_no_question(admin_client):
    of = greeting()
    asked = admin_client.get(page_of(of, "arm"))
    assert (items(asked, ASKED), buttons(asked)) == ([], [("Arm it", "default")])
    admin_client.post(page_of(of, "arm"))
    assert state_of(of) == "armed"


def test_a_mail_that_is_not_active_hears_nothing(admin_client):
    of = greeting()
    shop.cart()
    mail = shop.mail(group="welcome", is_active=False)
    assert items(admin_client.get(page_of(of, "arm")), ASKED) == [passes(1)]
    mail.is_active = True
    mail.save()
    assert items(admin_client.get(page_of(of, "arm")), ASKED) == []


def test_code_that_listens_hears_it(admin_client):
    of = greeting()
    shop.cart()
    with listeners.registered("welcome", lambda event: None):
        assert items(admin_client.get(page_of(of, "arm")), ASKED) == []
        admin_client.post(page_of(of, "arm"))
    assert state_of(of) == "armed"


def test_who_has_waited_long_enough_by_now_is_counted(admin_client):
    of = greeting(armed=True)
    on_the_way(of, state="GREETED"), on_the_way(of, state="GREETED")
    of.pause()
    shop.mail(group="welcome")
    asked = admin_client.get(page_of(of, "arm"))
    assert items(asked, ASKED) == [passes(2, "Remind")]
    before = list(ChainRun.objects.order_by("pk").values())
    assert admin_client.post(page_of(of, "arm")).status_code == 200
    assert list(ChainRun.objects.order_by("pk").values()) == before
    assert state_of(of) == "paused"


def test_somebody_who_came_since_the_page_was_opened_is_asked_about(admin_client):
    of = greeting()
    assert items(admin_client.get(page_of(of, "arm")), ASKED) == []
    shop.cart()
    assert items(admin_client.post(page_of(of, "arm")), ASKED) == [passes(1)]
    assert state_of(of) == "draft"


def test_those_who_are_put_into_another_state_are_asked_about_where_they_go_on_from(admin_client):
    of = greeting(armed=True)
    run = on_the_way(of, state="ELSEWHERE")
    of.pause()
    Transition.objects.filter(name="Remind").update(group_template="")
    found = admin_client.get(page_of(of, "arm"))
    assert items(found, ASKED) == []
    answered = {"where_to_0": "NEW"}
    refused = admin_client.post(page_of(of, "arm"), answered)
    assert items(refused, ASKED) == [passes(1)]
    chosen = "//select[@name='where_to_0']/option[@selected]"
    assert items(refused, chosen) == ["Start"]
    run.refresh_from_db()
    assert (run.state, run.history.count(), state_of(of)) == ("ELSEWHERE", 0, "paused")
    admin_client.post(page_of(of, "arm"), {**answered, "all_the_same": "on"})
    run.refresh_from_db()
    assert (run.state, state_of(of)) == ("NEW", "armed")


def test_what_is_not_found_out_soon_is_asked_about_too(admin_client, monkeypatch):
    from automation.chains.pages import arming

    def takes_long(*_asked):
        raise TooSlow

    of = greeting()
    monkeypatch.setattr(arming, "prospect", takes_long)
    said = (
        "It takes too long to find out how many would pass “{}” at once, and nobody who is active "
        "hears its event."
    )
    both = [said.format("Welcome"), said.format("Remind")]
    assert items(admin_client.get(page_of(of, "arm")), ASKED) == both
    assert items(admin_client.post(page_of(of, "arm")), ASKED) == both
    assert state_of(of) == "draft"
    admin_client.post(page_of(of, "arm"), {"all_the_same": "on"})
    assert state_of(of) == "armed"


def test_as_many_pass_as_was_said(admin_client):
    of = greeting()
    shop.cart(), shop.cart(), shop.cart(status="ordered")
    assert items(admin_client.get(page_of(of, "arm")), ASKED) == [passes(2)]
    admin_client.post(page_of(of, "arm"), {"all_the_same": "on"})
    now = Chain.objects.get(pk=of.pk).next_entry_at
    entering.enter(Chain.objects.get(pk=of.pk), now)
    advancing.work(now)
    assert list(EventRecord.objects.values_list("group", flat=True)) == ["welcome", "welcome"]


# When it ends -----------------------------------------------------------------------------------


def test_the_limit_stands_beside_the_goal(admin_client):
    of = greeting(limit_days=30)
    path = "//section[@aria-labelledby='chain-goal']"
    said = "Carts where status is Ordered {}Ends after 30 days at the latest."
    assert said.format("Change goal ") in items(admin_client.get(page_of(of)), path)[0]
    assert said.format("") in words(admin_client.get(page_of(of, "arm")))
    Chain.objects.update(limit_days=1)
    assert "Ends after 1 day at the latest." in words(admin_client.get(page_of(of, "arm")))
    Chain.objects.update(limit_days=None)
    for page in (page_of(of), page_of(of, "arm")):
        assert "at the latest" not in words(admin_client.get(page))
