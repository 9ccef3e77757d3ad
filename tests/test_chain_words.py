"""What chains, their steps and those on their way are called on the pages."""

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import translation

from automation.chains.admin.steps import StepForm
from automation.chains.models import Transition
from tests import forms, shop
from tests.sequences import ORDERED, TWO_PAID, chain, reminders
from tests.test_chain_pages import items, on_the_way, page_of, words

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

LIST = "admin:automation_chains_chainrun_changelist"


def who_takes(client, of) -> list[str]:
    return items(client.get(page_of(of)), "//ol[@class='steps']/li/div[2]")


def panel_of(client, step) -> list[str]:
    sent = forms.filled(client, page_of(step), "transition")
    found = client.post(page_of(step, "panel"), {**sent, "from_states": step.from_states})
    return items(found, "//p[@class='step-means']")


def test_who_is_left_by_an_earlier_step_is_everybody_else(admin_client):
    of = reminders()
    assert who_takes(admin_client, of)[2] == "After 7 days: everybody else"
    said = {each.name: panel_of(admin_client, each) for each in of.transitions.in_order()}
    assert said == {
        "Reminder": ["Start → REMINDED : everybody, after 2 days."],
        "Voucher": ["REMINDED → LAST : who matches, after 7 days."],
        "Second reminder": ["REMINDED → LAST : everybody else, after 7 days."],
        "Enough": ["LAST → End : everybody, after 14 days."],
    }


@pytest.mark.parametrize(
    "earlier",
    [
        {"from_states": ["A"], "days": 8, "when": [TWO_PAID]},  # later than the one behind it
        {"from_states": ["NEW"], "days": 1, "when": [TWO_PAID]},  # from elsewhere
        {"from_states": ["A"], "days": 1},  # for everybody
    ],
)
def test_nobody_else_is_named_where_no_earlier_step_takes_some(admin_client, earlier):
    of = chain(
        ("In", ["NEW"], "A", {}),
        ("Earlier", earlier.pop("from_states"), "DONE", earlier),
        ("Out", ["A"], "DONE", {"days": 7}),
    )
    assert who_takes(admin_client, of)[-1] == "After 7 days: everybody"


def test_a_step_from_any_state_leaves_everybody_else(admin_client):
    of = chain(("Ordered", [], "DONE", {"when": [ORDERED]}), ("Out", ["NEW"], "DONE", {"days": 7}))
    assert who_takes(admin_client, of)[-1] == "After 7 days: everybody else"


def test_a_step_is_called_a_step_where_it_is_removed_and_in_the_history(admin_client):
    of = reminders()
    step = of.transitions.get(name="Enough")
    asked = words(admin_client.get(page_of(step, "delete")))
    assert "the step “Enough”" in asked.replace('"', "“", 1).replace('"', "”", 1)
    assert "ransition" not in asked
    admin_client.post(page_of(step, "delete"), {"post": "yes"})
    logged = LogEntry.objects.filter(object_id=str(of.pk)).latest("pk")
    assert logged.change_message == "step “Enough” removed"
    assert "step “Enough” removed" in words(admin_client.get(page_of(of, "history")))


def test_what_starts_chains_and_what_came_of_it_are_told_apart():
    named = {
        model._meta.model_name: (
            str(model._meta.verbose_name),
            str(model._meta.verbose_name_plural),
        )
        for model in apps.get_app_config("automation_chains").get_models()
    }
    assert named["startchain"] == ("start of a chain", "events that start chains")
    assert named["chainstart"] == ("start by an event", "starts by events")
    assert len(set(named.values())) == len(named)


def test_the_list_of_runs_says_where_each_one_stands(admin_client):
    on_the_way(reminders())
    found = admin_client.get(reverse(LIST))
    assert [spec.title for spec in found.context["cl"].filter_specs][1] == "where it stands"
    assert items(found, "//th[contains(@class, 'column-badge')]") == ["Where it stands"]


def test_the_page_of_a_run_ends_with_its_way(admin_client):
    run = on_the_way(reminders(), entered_at=shop.NOW)
    assert items(admin_client.get(page_of(run)), "//div[@class='submit-row']") == []


@pytest.mark.parametrize(
    ("text", "id"),
    [
        (StepForm.base_fields["to_state"].label, "To"),
        (Transition._meta.get_field("to_state").verbose_name, "to"),
    ],
)
def test_a_step_leads_to_a_state_as_no_mail_goes_to_somebody(monkeypatch, text, id):
    """Other languages have two words for the two."""
    with translation.override("de"):
        first = translation.trans_real.catalog()._catalog._catalogs[0]
        monkeypatch.setitem(first, f"state\x04{id}", "zum Zustand")
        assert str(text) == "zum Zustand"
