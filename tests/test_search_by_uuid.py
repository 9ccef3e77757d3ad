"""Rows whose keys are UUIDs are found as people copy them: with hyphens."""

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from automation.events import Event, record
from automation.events.admin import moment
from automation.events.dispatch import listeners
from automation.events.models import EventRecord, ListenerCall
from automation.events.rows import titles
from automation.rules.sources import Source, sources
from mails import samples
from tests import shop
from tests.observed import Ticket, tables

__all__ = ["tables"]

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


def test_rows_with_uuids_are_called_as_they_call_themselves(tables, admin_client, monkeypatch):
    monkeypatch.setattr(Ticket, "__str__", lambda ticket: ticket.text)
    rows = [Ticket.objects.create(text=text) for text in ("Row 3, seat 14", "Row 4", "Gone")]
    for row in rows:
        key = row.pk.hex
        record([Event("sold", f"sold:{key}", row_model="tests.ticket", row_pk=key)])
    record([Event("sold", "sold:7", row_model="demo.cart", row_pk="7")])
    gone = rows[2].pk.hex
    rows[2].delete()
    mail = shop.mail(group="sold")
    pages = [
        reverse("admin:automation_events_eventrecord_changelist"),
        reverse("admin:mails_mail_preview", args=[mail.pk]),
    ]
    with sources.registered(Source(Ticket, ["text"])):
        listed, preview = (admin_client.get(page) for page in pages)
        assert [row.row_title for row in listed.context["cl"].result_list] == [
            "cart 7", f"tests.ticket {gone}", "Row 4", "Row 3, seat 14",
        ]  # fmt: skip
        assert [sample.row for sample in preview.context["samples"]] == [
            "7", f"tests.ticket {gone}", "Row 4", "Row 3, seat 14",
        ]  # fmt: skip
        assert "(Row 3, seat 14)</option>" in preview.content.decode()
        event = EventRecord.objects.get(key=f"sold:{rows[0].pk.hex}")
        detail = reverse("admin:automation_events_eventrecord_change", args=[event.pk])
        shown = admin_client.get(detail).content.decode()
    assert "Row 3, seat 14" in shown
    assert f'<div class="readonly">{moment(event.recorded_at)}</div>' in shown


def test_a_list_of_rows_with_uuids_asks_one_question_about_them(tables, monkeypatch):
    monkeypatch.setattr(Ticket, "__str__", lambda ticket: ticket.text)
    rows = [("tests.ticket", Ticket.objects.create(text=str(n)).pk.hex) for n in range(9)]
    with sources.registered(Source(Ticket, ["text"])), CaptureQueriesContext(connection) as asked:
        assert list(titles([*rows, ("tests.ticket", "no key")]).values()) == [
            *map(str, range(9)), "tests.ticket no key",
        ]  # fmt: skip
    assert len(asked) == 1
