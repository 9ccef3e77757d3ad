"""Which of a model's fields editors may use: their paths, labels and kinds."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models
from django.db.models.constants import LOOKUP_SEP
from django.utils.translation import gettext as _

MAX_HOPS = 3

# A name that says that its value is nobody's business.
SENSITIVE = re.compile(
    r"password|passwd|secret|token|api_?key|private_?key|(^|_)(salt|hash|otp|pin|cvv|iban|ssn)($|_)",
    re.IGNORECASE,
)


class Kind(StrEnum):
    """What a field holds, as an editor sees it: it decides which questions can be asked."""

    TEXT = "text"
    NUMBER = "number"
    YES_NO = "yes_no"
    CHOICE = "choice"
    DATE = "date"
    DATETIME = "datetime"
    OTHER = "other"


@dataclass(frozen=True)
class Field:
    """One value of a row that editors may use in rules and mails.

    ``path`` is a Django path from the source's model with at most three hops over
    single-valued relations: ``"customer__country"``. What is left empty is taken from
    the model's field. ``sensitive=True`` is the developer's word that a field with a
    name like a password's is meant to be seen. ``whole``: its numbers have no fractions.
    ``keywords``: further words that editors may look for it by.
    """

    path: str
    label: Any = ""
    group: Any = ""
    kind: Kind | None = None
    choices: tuple[tuple[Any, Any], ...] = ()
    sensitive: bool = False
    annotation: bool = False
    whole: bool = False
    keywords: Any = ""

    @property
    def full_label(self) -> str:
        return f"{self.group} › {self.label}" if self.group else str(self.label)

    @property
    def spoken_label(self) -> str:
        """The label as a sentence has it."""
        if not self.group:
            return str(self.label)
        return _("%(group)s %(label)s") % {"group": self.group, "label": self.label}

    def display(self, value: Any) -> str:
        """``value`` as people read it: a choice by its label."""
        return str(dict(self.choices).get(value, value))


def resolve(model: type[models.Model], field: Field) -> Field:
    """``field`` completed from ``model``. Raises ``ImproperlyConfigured`` if it is unknown,
    leads over a relation to many, has too many hops, or is sensitive without saying so."""
    model_field, hops = walk(model, field.path)
    if model_field.is_relation and not model_field.many_to_one and not model_field.one_to_one:
        raise ImproperlyConfigured(
            f"{model._meta.label}: '{field.path}' leads to many rows. Declare it as a RelatedList."
        )
    if model_field.is_relation:
        raise ImproperlyConfigured(
            f"{model._meta.label}: '{field.path}' is a relation, not a value. "
            f"Name a field behind it, such as '{field.path}{LOOKUP_SEP}id'."
        )
    for part in field.path.split(LOOKUP_SEP):
        if SENSITIVE.search(part) and not field.sensitive:
            raise ImproperlyConfigured(
                f"{model._meta.label}: '{field.path}' looks like a secret. If editors may "
                f"really see it, declare Field('{field.path}', sensitive=True)."
            )
    kind = field.kind or kind_of(model_field)
    if kind is None:
        raise ImproperlyConfigured(
            f"{model._meta.label}: '{field.path}' is a {type(model_field).__name__}, "
            "which is no plain value."
        )
    return replace(
        field,
        label=field.label or getattr(model_field, "verbose_name", field.path),
        group=field.group or (hops[-1] if hops else ""),
        kind=kind,
        choices=field.choices or tuple(getattr(model_field, "flatchoices", None) or ()),
        whole=isinstance(model_field, models.IntegerField),
    )


def walk(model: type[models.Model], path: str) -> tuple[Any, list[Any]]:
    """The model field at the end of ``path`` and the labels of the relations on the way.

    Raises ``ImproperlyConfigured`` if the path is unknown, crosses a relation to many or
    has more than three hops."""
    parts = path.split(LOOKUP_SEP)
    if len(parts) - 1 > MAX_HOPS:
        raise ImproperlyConfigured(
            f"{model._meta.label}: '{path}' has {len(parts) - 1} hops; at most {MAX_HOPS} are "
            "allowed. Name the value with an annotation instead."
        )
    current: Any = model
    hops: list[Any] = []
    for index, part in enumerate(parts):
        try:
            found = current._meta.get_field(current._meta.pk.name if part == "pk" else part)
        except FieldDoesNotExist as error:
            names = sorted(f.name for f in current._meta.get_fields())
            raise ImproperlyConfigured(
                f"{model._meta.label}: '{path}' is unknown. {current._meta.label} has no field "
                f"'{part}'; it has: {', '.join(names)}."
            ) from error
        if index == len(parts) - 1:
            return found, hops
        if not found.is_relation or found.related_model is None:
            raise ImproperlyConfigured(
                f"{model._meta.label}: '{path}' goes on behind '{part}', which is no relation."
            )
        if found.one_to_many or found.many_to_many:
            raise ImproperlyConfigured(
                f"{model._meta.label}: '{path}' leads over '{part}' to many rows. "
                "Declare a RelatedList or an annotation."
            )
        related: Any = found.related_model
        hops.append(getattr(found, "verbose_name", None) or related._meta.verbose_name)
        current = related
    raise AssertionError("a path has at least one part")


def models_on(model: type[models.Model], path: str) -> list[type[models.Model]]:
    """The models behind ``model`` that a path leads over or to, with the tables between two
    of them. The path is one that ``walk`` accepts, or leads to a list of rows."""
    found: list[type[models.Model]] = []
    current: Any = model
    for part in path.split(LOOKUP_SEP):
        field = current._meta.get_field(current._meta.pk.name if part == "pk" else part)
        if not field.is_relation or field.related_model is None:
            break
        if field.many_to_many:
            found.append(getattr(field, "through", None) or field.remote_field.through)
        current = field.related_model
        found.append(current)
    return found


_KINDS: tuple[tuple[type[models.Field], Kind], ...] = (
    (models.BooleanField, Kind.YES_NO),
    (models.DateTimeField, Kind.DATETIME),
    (models.DateField, Kind.DATE),
    (models.IntegerField, Kind.NUMBER),
    (models.DecimalField, Kind.NUMBER),
    (models.FloatField, Kind.NUMBER),
    (models.CharField, Kind.TEXT),
    (models.TextField, Kind.TEXT),
    (models.UUIDField, Kind.OTHER),
    (models.TimeField, Kind.OTHER),
    (models.DurationField, Kind.OTHER),
    (models.GenericIPAddressField, Kind.OTHER),
)


def kind_of(model_field: Any) -> Kind | None:
    """The kind of a model field, or None if its value is not plain."""
    if getattr(model_field, "choices", None):
        return Kind.CHOICE
    for field_class, kind in _KINDS:
        if isinstance(model_field, field_class):
            return kind
    return None
