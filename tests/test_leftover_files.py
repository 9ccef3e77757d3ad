"""Files of attachments go when nothing names them any more, and not before."""

import datetime
import os
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automation.events.housekeeping.chore import chores
from automation.events.housekeeping.pruning import prune
from mails import storage
from mails.files import Attachment
from tests import shop
from tests.uploads import attach, pdf, upload

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def no_other_files(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    storage.forget()


def path_of(name: str) -> str:
    return f"{storage.ATTACHMENTS}/{storage.digest_of(pdf(name))}"


def is_there(name: str) -> bool:
    return default_storage.exists(path_of(name))


def came(name: str, days: float) -> None:
    at = (timezone.now() - days * DAY).timestamp()
    os.utime(default_storage.path(path_of(name)), (at, at))


def removed(limit: int = 1_000) -> list[int]:
    chore = chores.get("attachment_files")
    assert chore is not None
    now = timezone.now()
    before = chore.before(now)
    assert before is not None
    counted = chore.count(before)
    steps = list(prune(chore, now, limit=limit))
    assert sum(steps) == counted
    return steps


def test_a_file_goes_when_neither_a_mail_nor_a_version_names_it():
    mail = shop.mail()
    for name in ("kept", "in a version", "gone", "gone lately"):
        attach(mail, pdf(name), f"{name}.pdf")
    Attachment.objects.filter(name__startswith="gone").delete()
    mail.keep_version()
    Attachment.objects.filter(name="in a version.pdf").delete()
    for name in ("kept", "in a version", "gone"):
        came(name, 31)
    came("gone lately", 29)
    assert removed() == [1]
    assert {name: is_there(name) for name in ("kept", "in a version", "gone", "gone lately")} == {
        "kept": True,
        "in a version": True,
        "gone": False,
        "gone lately": True,
    }
    assert removed() == []


def test_the_files_of_a_mail_that_was_deleted_go_a_few_at_a_time():
    mail = shop.mail()
    names = [str(number) for number in range(5)]
    for name in names:
        attach(mail, pdf(name), f"{name}.pdf")
        came(name, 31)
    mail.keep_version()
    assert removed() == []
    mail.delete()
    assert removed(limit=2) == [2, 2, 1]
    assert not any(map(is_there, names))


def test_going_back_to_a_version_finds_its_files_after_pruning():
    mail = shop.mail()
    attach(mail, pdf("2024"), "Prices.pdf")
    came("2024", 400)
    version = mail.keep_version()
    mail.attachments.all().delete()
    assert removed() == []
    assert mail.go_back(version) == []
    assert [each.name for each in mail.attachments.all()] == ["Prices.pdf"]


def test_where_nothing_was_ever_uploaded_nothing_goes():
    assert removed() == []


@pytest.mark.django_db(transaction=True)
def test_a_file_that_is_uploaded_while_it_goes_is_there(monkeypatch: Any):
    """In each order: it is found there and not written, and then removed."""
    mail = shop.mail()
    for name in ("before it goes", "while it goes"):
        storage.keep(path_of(name), pdf(name))
        came(name, 31)
    really = storage.remove

    def while_somebody_uploads(path: str) -> None:
        if path == path_of("while it goes"):
            attach(mail, pdf("while it goes"), "b.pdf")
        really(path)

    monkeypatch.setattr(storage, "remove", while_somebody_uploads)
    with transaction.atomic():
        attachment = Attachment(mail=mail, file=upload(pdf("before it goes"), "a.pdf"))
        attachment.save()
        really(path_of("before it goes"))  # as another process, which does not see the row yet
    chore = chores.get("attachment_files")
    assert chore is not None
    assert list(prune(chore, timezone.now())) == []
    assert (is_there("before it goes"), is_there("while it goes")) == (True, True)


def test_it_asks_no_more_for_more_files_that_stay():
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert removed() == []
        return len(queries)

    mail = shop.mail()
    attach(mail, pdf("1"), "1.pdf")
    few = asked()
    for number in range(20):
        attach(mail, pdf(f"more {number}"), f"{number}.pdf")
        mail.keep_version()
    assert (asked(), few) == (few, 4)
