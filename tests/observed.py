"""Models of all the shapes that saving distinguishes; a test that needs them asks for ``tables``.

They are in a registry of their own, so that no other test knows them.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps

from automation.events import Observer, model_signals, register
from automation.events.dispatch import listeners
from automation.events.model_sources import model_sources
from automation.events.registering import Registrable

with isolate_apps("tests"):

    class Note(models.Model):  # noqa: DJ008
        """A key that the database gives."""

        text = models.CharField(max_length=100, blank=True)
        tags = models.ManyToManyField("Tag")

        class Meta:
            app_label = "tests"

    class Tag(models.Model):  # noqa: DJ008
        class Meta:
            app_label = "tests"

    class OldNote(Note):  # noqa: DJ008
        class Meta:
            app_label = "tests"
            proxy = True

    class Ticket(models.Model):  # noqa: DJ008
        """A key from a default."""

        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        text = models.CharField(max_length=100, blank=True)

        class Meta:
            app_label = "tests"

    class Country(models.Model):  # noqa: DJ008
        """A natural key."""

        code = models.CharField(primary_key=True, max_length=2)
        name = models.CharField(max_length=100, blank=True)

        class Meta:
            app_label = "tests"

    class Place(models.Model):  # noqa: DJ008
        name = models.CharField(max_length=100, blank=True)

        class Meta:
            app_label = "tests"

    class Restaurant(Place):  # noqa: DJ008
        stars = models.IntegerField(default=0)

        class Meta:
            app_label = "tests"

    class VipTicket(Ticket):  # noqa: DJ008
        lounge = models.CharField(max_length=100, blank=True)

        class Meta:
            app_label = "tests"

    class Dated(models.Model):
        class Meta:
            app_label = "tests"
            abstract = True


_TABLES = (Tag, Note, Ticket, Country, Place, Restaurant, VipTicket)


@pytest.fixture(scope="module")
def tables(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            for model in _TABLES:
                editor.create_model(model)
        yield
        with connection.schema_editor() as editor:
            for model in reversed(_TABLES):
                editor.delete_model(model)


@contextmanager
def registries() -> Iterator[None]:
    """What a test or an example registers is gone after it."""
    before = set(Registrable.registered)
    try:
        with (
            listeners.registered("(?!)", print),
            model_sources.registered(),
            model_signals.registered(),
        ):
            yield
    finally:
        Registrable.registered.clear()
        Registrable.registered.update(before)


#: What was told, by ``Everything`` or by a test's own listeners.
heard: list[Any] = []


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """For each test of a module that imports it: nothing is heard yet, and what the test
    registers is gone after it."""
    heard.clear()
    with registries():
        yield


class Everything(Observer):
    """Writes down all that happens."""

    def creating(self, event, instance):
        heard.append(("creating", instance))

    def created(self, event, instance):
        heard.append(("created", instance))

    def updating(self, event, instance):
        heard.append(("updating", instance))

    def updated(self, event, instance):
        heard.append(("updated", instance))

    def deleting(self, event, instance):
        heard.append(("deleting", instance))

    def deleted(self, event, instance):
        heard.append(("deleted", instance))


def follow(*models: Any) -> None:
    register(type("Following", (Everything,), {"observes": models}))


def happenings() -> list[str]:
    """What happened since the last time."""
    told = [name for name, _instance in heard]
    heard.clear()
    return told


INSERT, UPDATE = ["creating", "created"], ["updating", "updated"]
