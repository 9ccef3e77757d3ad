"""Steps of a chain as code declares them, and what comes of executing one."""

import datetime
import zoneinfo
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings

from automation.events.event import Event

if TYPE_CHECKING:
    from automation.chains.runs import ChainRun, ChainStep

#: When a run is looked at next: a moment (aware), a day (its beginning, in the time zone of the
#: run), or a time from now.
NextUpdate = datetime.datetime | datetime.date | datetime.timedelta


class ChainError(Exception):
    """A run was not executed, and nothing has changed. The text is for people."""


class NotDue(ChainError):
    """It is not to be looked at before ``until`` (aware)."""

    def __init__(self, said: str, until: datetime.datetime) -> None:
        super().__init__(said)
        self.until = until


class Locked(ChainError):
    """Another process executes it at this moment, or has taken it over."""


class Disabled(ChainError):
    """It is paused."""


class UnknownChain(ChainError):
    """No code registers a chain of this type."""


class UnknownState(ChainError):
    """The chain does not have the state any more that the run is in."""


class SeveralRuns(ChainError):
    """More than one run has the resources that were named."""


class Transition(ABC):
    """One way into ``final_state``. A new instance is made each time a run is looked at.

    ``context`` is the initial context of this execution, a copy of its own with all dicts, lists,
    sets and tuples in it (other objects are those that were given); ``run`` the ``ChainRun``,
    ``resources`` what it is about: pairs of kind and id, both text; ``now`` (aware) the moment
    that counts; ``from_state`` where the run comes from; ``step`` the number of the
    step that this would be.
    """

    #: Where the run is after this step. Every subclass has one.
    final_state: ClassVar[str] = ""
    #: What it is called in the history; the name of the class if empty.
    name: ClassVar[str] = ""
    #: The group of the event that this step records; empty: none.
    event_group: ClassVar[str] = ""
    #: When the run is looked at next after this step, and not before: an attribute or a property.
    #: None: at any time.
    next_update: NextUpdate | None = None

    def __init__(
        self, run: "ChainRun", context: Mapping[str, Any] | None, now: datetime.datetime
    ) -> None:
        self.run = run
        self.context: dict[str, Any] = _own(dict(context or {}))
        self.now = now
        self.resources = [(each.kind, each.resource_id) for each in run.resources.all()]
        #: Why it is not valid: texts that ``is_valid`` appends.
        self.errors: list[str] = []
        self.from_state = run.state
        self.step = run.steps + 1
        self._since = run.started_at, run.entered_at

    @abstractmethod
    def is_valid(self) -> bool:
        """Whether the run can take this step now. A question: it changes nothing, and is asked
        again and again."""

    def build_context(self) -> dict[str, Any]:
        """What callbacks and the event are to know of this step. By default ``context``."""
        return dict(self.context)

    def build_event(self) -> Event | None:
        """The event that is recorded with this step; None: none. By default one of
        ``event_group`` with ``build_context()`` (plain data) and ``chain``. One without a key
        gets that of the step, so that it happens once."""
        if not self.event_group:
            return None
        return Event(
            group=self.event_group,
            key=self.run.event_key(self.step),
            context={**self.build_context(), "chain": self._known()},
            time_zone=self.run.time_zone,
            row_model=self.run.row_model,
            row_pk=self.run.row_pk,
        )

    def resource(self, kind: str) -> str:
        """The id of the one resource of this kind. Raises ``LookupError`` for none or several."""
        found = [resource_id for each, resource_id in self.resources if each == kind]
        if len(found) != 1:
            raise LookupError(f"{self.run} has {len(found)} resources of the kind {kind!r}.")
        return found[0]

    def _known(self) -> dict[str, Any]:
        """What templates know of the chain, as they do of one that was built in the admin."""
        zone = zone_of(self.run)
        today = self.now.astimezone(zone).date()
        days, in_state = ((today - then.astimezone(zone).date()).days for then in self._since)
        return {
            "name": self.run.chain_type,
            "state": self.final_state,
            "from_state": self.from_state,
            "days_in_state": in_state,
            "days": days,
            "step": self.step,
        }

    def __str__(self) -> str:
        return self.name or type(self).__name__


@dataclass(frozen=True)
class Execution:
    """What came of executing a run.

    ``errors``: why transitions were not valid, by their names, as far as they were asked;
    ``transition``: the one that was taken, None if none was; ``state``: where the run is now;
    ``moved``: whether it took a step; ``step``: its row in the history. In a dry run they say what
    would have happened.
    """

    run: "ChainRun"
    state: str
    from_state: str
    transition: Transition | None = None
    errors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dry_run: bool = False
    step: "ChainStep | None" = None

    @property
    def moved(self) -> bool:
        return self.transition is not None


def _own(value: Any) -> Any:
    """A copy of plain data, however deep."""
    if type(value) is dict:
        return {key: _own(each) for key, each in value.items()}
    if type(value) in (list, tuple, set):
        return type(value)(map(_own, value))
    return value


def zone_of(run: "ChainRun") -> zoneinfo.ZoneInfo:
    """The time zone of the run, or that of the site."""
    return zoneinfo.ZoneInfo(run.time_zone or settings.TIME_ZONE)
