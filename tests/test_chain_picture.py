"""A chain as a picture, and as the table that says the same."""

import pytest

from automation.chains.models import ChainRun
from tests import sequences, shop
from tests.test_chain_pages import items, on_the_way, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def test_the_picture_says_how_many_are_where_and_how_many_went(admin_client):
    chain = sequences.reminders()
    on_the_way(chain)
    moved = on_the_way(chain)
    ChainRun.objects.filter(pk=moved.pk).update(state="REMINDED")
    moved.history.create(
        from_state="NEW", to_state="REMINDED", transition="Reminder", at=shop.timezone.now()
    )
    found = admin_client.get(page_of(chain))
    assert items(found, "//figure//tbody/tr") == [
        "Start 1 Reminder REMINDED after 2 days everybody 1 –",
        "REMINDED 1 Voucher LAST after 7 days if number of paid orders before is at least 2 0 –",
        "REMINDED 1 Second reminder LAST after 7 days everybody else 0 –",
        "LAST 0 Enough End after 14 days everybody 0 –",
        "End – –",
        "any state – goal reached out of it at once if status is Ordered 0 –",
    ]


def test_the_picture_says_who_takes_a_step_and_what_ends_it_everywhere(admin_client):
    chain = sequences.reminders(limit_days=60)
    found = admin_client.get(page_of(chain))
    assert items(found, "//figure//*[@class='step']/title") == [
        "Reminder: after 2 days",
        "Voucher: after 7 days, if number of paid orders before is at least 2",
        "Second reminder: after 7 days, everybody else",
        "Enough: after 14 days",
    ]
    assert items(found, "//figure//*[@class='told']") == [
        "after 2 days",
        "after 7 days",
        "if number of paid orders before is at lea…",
        "after 7 days",
        "everybody else",
        "after 14 days",
    ]
    assert items(found, "//figure//ul[@class='exits']/li") == [
        "Goal reached , if status is Ordered: 0 in 30 days",
        "Time was over after 60 days: 0 in 30 days",
    ]


def test_a_picture_without_goal_limit_and_conditions_says_no_more_than_there_is(admin_client):
    chain = sequences.chain(("Go", ["NEW"], "A", {}), ("On", ["A"], "DONE", {}))
    found = admin_client.get(page_of(chain))
    assert items(found, "//figure//*[@class='told']") == ["at once", "at once"]
    assert items(found, "//figure//ul[@class='exits']") == []
    assert items(found, "//figure//tbody/tr") == [
        "Start 0 Go A at once everybody 0", "A 0 On End at once everybody 0", "End – –",
    ]  # fmt: skip
