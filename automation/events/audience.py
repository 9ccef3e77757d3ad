"""Who hears the events of a group, and where to go if nobody does."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from automation.events.declared import dotted_name
from automation.events.dispatch import listeners
from automation.events.groups import overlap
from automation.events.models import Action

#: An action, with what kind it is and where its page is (empty on a site without one).
Reached = tuple[str, Action, str]


@dataclass(frozen=True)
class Audience:
    """Those who hear one event group: actions, and listeners in code by their names."""

    group: str
    actions: list[Reached]
    listeners: list[str]
    new_mail_url: str

    @property
    def is_nobody(self) -> bool:
        return not self.actions and not self.listeners

    @property
    def is_asleep(self) -> bool:
        """Whether there are only actions, and none of them is active."""
        return bool(self.actions) and not self.listeners and all_asleep(self.actions)


def audiences(groups: Iterable[str]) -> list[Audience]:
    """Who hears each of ``groups``. Where a group has a ``*`` for what varies, those who may
    hear it: only the actions, as code can listen for anything."""
    known = _every_action()
    return [
        Audience(
            group=group,
            actions=[each for each in known if overlap(each[1].group.strip(), group)],
            listeners=[]
            if "*" in group
            else [dotted_name(each) for each in listeners.hearing(group)],
            new_mail_url=new_mail_url(group),
        )
        for group in dict.fromkeys(groups)
    ]


@dataclass(frozen=True)
class Whereto:
    """Who hears the events that something would make: ``audiences`` of the groups of some
    rows, and ``elsewhere``, actions that events of other rows may reach. ``for_all`` is there if
    nobody hears several groups: what a single action could hear them by."""

    audiences: list[Audience]
    elsewhere: list[Reached]
    for_all: Audience | None

    @property
    def is_nobody(self) -> bool:
        return not self._actions and not self.listeners

    @property
    def is_asleep(self) -> bool:
        """Whether there are actions, and none of them is active; code may listen."""
        return bool(self._actions) and all_asleep(self._actions)

    @property
    def listeners(self) -> list[str]:
        return list(dict.fromkeys(name for each in self.audiences for name in each.listeners))

    @property
    def _actions(self) -> list[Reached]:
        return [each for heard in self.audiences for each in heard.actions] + self.elsewhere


def whereto(pattern: str, groups: Iterable[str]) -> Whereto:
    """Who hears ``groups``, those of the first rows of something that makes events whose groups
    match ``pattern``, and whom the events of other rows may reach."""
    found = list(dict.fromkeys(groups))
    known = {audience.group: audience for audience in audiences([*found, pattern])}
    heard = [known[group] for group in found] or [known[pattern]]
    told = {action.pk for audience in heard for _kind, action, _url in audience.actions}
    all_unheard = len(heard) > 1 and all(audience.is_nobody for audience in heard)
    return Whereto(
        heard,
        [each for each in known[pattern].actions if each[1].pk not in told],
        known[pattern] if "*" in pattern and all_unheard else None,
    )


def all_asleep(actions: Iterable[Reached]) -> bool:
    """Whether none of ``actions`` is active."""
    return not any(action.is_active for _kind, action, _url in actions)


def new_mail_url(group: str) -> str:
    """Where a mail for the events of ``group`` can be written; empty on a site without mails."""
    try:
        url = reverse("admin:mails_mail_add")
    except NoReverseMatch:
        return ""
    return f"{url}?{urlencode({'group': group})}"


def _every_action() -> list[Reached]:
    return [
        (str(action._meta.verbose_name), action, _page_of(action))
        for action in Action.objects.all()
    ]


def _page_of(action: Action) -> str:
    opts = action._meta
    try:
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[action.pk])
    except NoReverseMatch:
        return ""
