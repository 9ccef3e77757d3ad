"""A row's primary key as text, the same in Python and in the database."""

import re
import uuid
from typing import Any

from django.db import models
from django.db.models import Value
from django.db.models.functions import Cast, Replace

_UUID = re.compile("[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


def key_field(model: type[models.Model]) -> Any:
    """The field that holds the primary key, also where the key is a row of another table."""
    field: Any = model._meta.pk
    while field.remote_field:
        field = field.target_field
    return field


def key_text(pk: Any) -> str:
    """A primary key as text; UUIDs without hyphens, as not every database writes them."""
    return pk.hex if isinstance(pk, uuid.UUID) else str(pk)


def key_expression(model: type[models.Model], pk: Any = "pk") -> Any:
    """What ``key_text`` gives, computed by the database from the primary key of ``model``."""
    text: Any = Cast(pk, models.TextField())
    if isinstance(key_field(model), models.UUIDField):
        text = Replace(text, Value("-"), Value(""), output_field=models.TextField())
    return text


def without_hyphens(text: str) -> str:
    """``text`` with every UUID in it as ``key_text`` writes it."""
    return _UUID.sub(lambda found: found[0].replace("-", "").lower(), text)


def key_meant(text: str) -> str:
    """The primary key in what people write for a row: ``"812"``, ``"#812"``, ``"Cart 812"``."""
    return text.strip().rpartition(" ")[2].removeprefix("#")
