"""Whether an installation is well: examinations, and what they find.

Each floor registers its own (``examinations.register``). ``manage.py doctor`` asks all of
them, the admin's home page those that are cheap.
"""

import datetime
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from django.db import connections, models, transaction
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.rules import databases

logger = logging.getLogger(__name__)

# Some errors quote the statement that failed, with all its values.
ERROR_LENGTH = 300


class Level(IntEnum):
    OK = 0
    WARNING = 1
    PROBLEM = 2

    @property
    def label(self) -> Any:
        return LABELS[self]


LABELS = {
    Level.OK: gettext_lazy("fine"),
    Level.WARNING: gettext_lazy("warning"),
    Level.PROBLEM: gettext_lazy("problem"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that an examination says, for people: what is, and what to do about it.

    ``model`` and ``query``: the list in the admin that shows it; only who may see that list
    is told. ``figure`` and ``count``: a number and its name, which the home page shows.
    """

    level: Level
    what: str
    advice: str = ""
    model: type[models.Model] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    count: int | None = None
    figure: str = ""

    @property
    def url(self) -> str:
        """The path of its list in the admin; empty if there is none."""
        if self.model is None:
            return ""
        opts = self.model._meta
        try:
            path = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
        except NoReverseMatch:
            return ""
        return f"{path}?{urlencode(self.query)}" if self.query else path


#: Takes the moment (aware) that it is asked at.
Examine = Callable[[datetime.datetime], Iterable[Finding]]


@dataclass(frozen=True)
class Examination:
    """``cheap``: it asks no network, and a constant number of quick queries, so that the home
    page can show it. ``app``: the label of the app that it is about."""

    name: str
    label: Any
    app: str
    examine: Examine
    cheap: bool = False
    asks_database: bool = True

    def __call__(self, now: datetime.datetime) -> list[Finding]:
        """What it finds at ``now``. Raises nothing: that it failed is a finding."""
        try:
            with _unbroken() if self.asks_database else _nothing():
                return list(self.examine(now))
        except Exception as error:
            logger.warning("The examination %r failed", self.name, exc_info=error)
            said = words(error)
            return [
                Finding(
                    Level.PROBLEM,
                    _("%(name)s: this could not be examined: %(error)s")
                    % {"name": self.label, "error": said},
                    _("Look at the error. If it stays, it is a fault of the program: report it."),
                )
            ]


class Examinations:
    """What is examined, in the order in which it was registered."""

    def __init__(self) -> None:
        self._known: dict[str, Examination] = {}

    def register(self, examination: Examination) -> None:
        """Registering the same name again replaces it."""
        self._known[examination.name] = examination

    def __iter__(self) -> Iterator[Examination]:
        return iter(self._known.values())

    @property
    def apps(self) -> set[str]:
        """The labels of the apps that something is examined of."""
        return {examination.app for examination in self}

    @contextmanager
    def only(self, *chosen: Examination) -> Iterator[None]:
        """For tests: nothing but ``chosen`` is registered inside."""
        before = self._known
        self._known = {examination.name: examination for examination in chosen}
        try:
            yield
        finally:
            self._known = before


examinations = Examinations()


def examine(now: datetime.datetime | None = None, *, cheap: bool = False) -> list[Finding]:
    """What all examinations find, or only the ``cheap`` ones, at ``now`` or each when its turn
    comes. Without a database only those that need none. Raises nothing."""
    found: list[Finding] = []
    reachable = True
    if lost := unreachable_database():
        reachable, found = False, [lost]
    for examination in examinations:
        if (examination.cheap or not cheap) and (reachable or not examination.asks_database):
            found += examination(now or timezone.now())
    return found


def unreachable_database() -> Finding | None:
    """The finding that says so, if the database is out of reach."""
    try:
        connection = connections[databases.database()]
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        return Finding(
            Level.PROBLEM,
            _("The database cannot be used: %s") % words(error),
            _("Start it, or correct DATABASE_URL (the setting DATABASES). Nothing works without."),
        )
    return None


def worst(findings: Iterable[Finding]) -> Level:
    return max((finding.level for finding in findings), default=Level.OK)


def words(error: BaseException) -> str:
    """An error in one line."""
    said = " ".join(str(error).split())[:ERROR_LENGTH]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


@contextmanager
def _unbroken() -> Iterator[None]:
    """A failing statement must not break the transaction around; without one it needs none."""
    alias = databases.database()
    if connections[alias].in_atomic_block:
        with transaction.atomic(using=alias):
            yield
    else:
        yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield
