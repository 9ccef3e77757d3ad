"""Who hears the events of a generator, and where to go if nobody does."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from automation.events.dispatch import dotted_name, listeners
from automation.events.groups import overlap
from automation.events.models import Action
from generators.models import Generator
from generators.producing import group_pattern

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


def reached(generator: Generator) -> list[Reached]:
    """The actions that may hear the events of ``generator``."""
    (audience,) = audiences([group_pattern(generator.group_template)])
    return audience.actions


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
