"""What editors of the same rule are told when they get into each other's way."""

import hashlib
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.rules.rule import Rule

TOO_MANY_LINES = gettext_lazy(
    "A form holds at most %(num)d conditions. Put some of them into a segment, and ask for that."
)
LINE_CHANGED_MEANWHILE = gettext_lazy(
    "This line was changed by somebody else meanwhile. Open the page again to see it."
)


class OpenedWith(forms.CharField):
    """What was saved when the page was opened. It is not part of what an editor changes."""

    widget = forms.HiddenInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=64, **kwargs)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


def fingerprint(thing: models.Model, names: Iterable[str]) -> str:
    """What is saved of ``thing``: the fields with these names, and all conditions if it is a
    rule. Another one means that somebody changed them; a run of the rule changes nothing of it."""
    saved = [repr(getattr(thing, name)) for name in names if _is_saved(thing, name)]
    for line in thing.conditions.all() if isinstance(thing, Rule) else ():
        values = [repr(getattr(line, field.attname)) for field in line._meta.concrete_fields]
        saved.append(" ".join([line.kind, *values]))
    return hashlib.sha256("\n".join(saved).encode()).hexdigest()


def _is_saved(thing: models.Model, name: str) -> bool:
    try:
        return bool(thing._meta.get_field(name).concrete)
    except FieldDoesNotExist:
        return False


def changed_meanwhile(thing: models.Model) -> SafeString:
    """That ``thing`` was changed since its page was opened, by whom and when."""
    entries = LogEntry.objects.filter(
        content_type=get_content_type_for_model(thing), object_id=str(thing.pk)
    )
    newest = entries.select_related("user").order_by("-action_time", "-pk").first()
    said = _("This was changed after you opened the page, so your changes were not saved.")
    if newest is not None:
        when = formats.date_format(timezone.localtime(newest.action_time), "DATETIME_FORMAT")
        said = _(
            "This was changed after you opened the page, so your changes were not saved. It was "
            "last saved by %(user)s (%(when)s)."
        ) % {"user": newest.user, "when": when}
    # In another tab, so that what was typed here stays to be compared.
    return format_html(
        '{} <a href="" target="_blank" rel="noopener">{}</a>',
        said,
        _("Open the page again to see it."),
    )
