"""Rows whose keys are UUIDs are found as people copy them: with hyphens."""

import uuid
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from automation.events import Event, record
from automation.events.dispatch import listeners
from automation.events.models import EventRecord, ListenerCall
from mails import samples
from tests import shop

pytestmark = pytest.mark.django_db

LOAN = uuid.UUID("6f9619ff-8b86-d011-b42d-00cf4fc964ff")
OTHER = uuid.UUID("6f9619ff-8b86-d011-b42d-00cf4fc964fe")


def loans() -> None:
    record(
        Event("loan_late", f"loan_late:{loan.hex}", row_model="lending.loan", row_pk=loan.hex)
        for loan in (LOAN, OTHER)
    )
    # Keys of code may be written with hyphens.
    record([Event("loan_late", f"own:{LOAN}"), Event("loan_late", f"own:{OTHER}")])


def found(client: Any, model: Any, search: str) -> list[str]:
    page = client.get(
        reverse(f"admin:automation_events_{model._meta.model_name}_changelist"), {"q": search}
    )
    rows = page.context["cl"].queryset
    return sorted(rows.values_list("key" if model is EventRecord else "event__key", flat=True))


@pytest.mark.parametrize("written", [str(LOAN), str(LOAN).upper()])
def test_events_are_found_by_a_uuid_with_hyphens(admin_client: Any, written: str):
    loans()
    assert found(admin_client, EventRecord, written) == [f"loan_late:{LOAN.hex}", f"own:{LOAN}"]
    assert found(admin_client, EventRecord, LOAN.hex) == [f"loan_late:{LOAN.hex}"]


def hear(event: Event) -> None: ...


def test_calls_are_found_by_the_whole_key_of_the_event_with_hyphens(admin_client: Any):
    with listeners.registered("loan_.*", hear, queue=True):
        loans()
    assert found(admin_client, ListenerCall, f"loan_late:{LOAN}") == [f"loan_late:{LOAN.hex}"]
    assert found(admin_client, ListenerCall, f"own:{LOAN}") == [f"own:{LOAN}"]


@pytest.mark.parametrize(
    ("search", "keys"),
    [
        (str(LOAN), [f"loan_late:{LOAN.hex}"]),
        (LOAN.hex, [f"loan_late:{LOAN.hex}"]),
        (f"loan_late:{LOAN}", [f"loan_late:{LOAN.hex}"]),
        (f"own:{LOAN}", [f"own:{LOAN}"]),
    ],
)
def test_the_preview_finds_the_row(search: str, keys: list[str]):
    loans()
    mail = shop.mail(group="loan_late")
    assert [each.event.key for each in samples.find(mail, timezone.now(), search).found] == keys
