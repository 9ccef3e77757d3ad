"""Finding the run of a chain in code by what it is about, or letting it begin."""

import datetime
import hashlib
import json
import re
import uuid
import zoneinfo
from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, models, router, transaction
from django.db.models import Exists, F, OuterRef
from django.utils.translation import gettext as _

from automation.chains.code import SeveralRuns
from automation.chains.registry import CodeChain, code_chains
from automation.chains.runs import ChainResource, ChainRun, who
from automation.events.recording import moment
from automation.rules import plain
from automation.rules.keys import key_text

#: What a run is about: pairs of a kind and an id (a number, a text, a UUID or a saved row), or
#: saved rows, whose kind is their model: "shop.cart".
Resources = Iterable[Any]

_LENGTHS = {"kind": 100, "id": 255}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def get_or_create(
    chain_type: str,
    resources: Resources,
    can_be_subset: bool = False,
    *,
    again: bool = False,
    time_zone: str = "",
    requested_by: Any = "",
    now: datetime.datetime | None = None,
) -> tuple[ChainRun, bool]:
    """The run of ``chain_type`` that is about ``resources``, and whether it was created by this.

    All of ``resources`` must be there, and nothing else; with ``can_be_subset`` the run may be
    about more. Of one that has ended and one on its way, that on its way is meant; one that has
    ended is returned, too, unless ``again`` lets another one begin. ``time_zone`` (of the person it
    is about; empty: the site's) is where its days begin. Called any number of times and by any
    number of processes at once, one run begins.

    Raises ``SeveralRuns`` if it could be more than one, ``UnknownChain``, ``TypeError`` and
    ``ValueError`` for what names nothing, and ``ValueError`` for a naive ``now``.
    """
    at = moment(now)
    chain = code_chains.get(chain_type)
    pairs, row = _read(resources)
    _make_sure_of_zone(time_zone)
    found = _find(chain, pairs, can_be_subset)
    if found is not None and not (again and found.is_over):
        return found, False
    digest = digest_of(pairs)
    number = found.number + 1 if found is not None and found.subject_key == digest else 1
    run = ChainRun(
        chain_type=chain.name,
        subject_key=digest,
        number=number,
        row_model=row._meta.label_lower if row is not None else "",
        row_pk=key_text(row.pk) if row is not None else "",
        time_zone=time_zone,
        entered_at=at,
        started_at=at,
        next_update=at if chain.look_every is not None else None,
        requested_by=who(requested_by),
    )
    try:
        with transaction.atomic(using=router.db_for_write(ChainRun)):
            run.save(force_insert=True)
            ChainResource.objects.bulk_create(
                ChainResource(run=run, kind=kind, resource_id=named) for kind, named in pairs
            )
    except IntegrityError:
        # Another process was first; what it has written is committed.
        first = ChainRun.objects.filter(
            chain_type=chain.name, subject_key=digest, number=number
        ).first()
        if first is None:
            raise
        return first, False
    return run, True


def digest_of(pairs: Iterable[tuple[str, str]]) -> str:
    """What is unique for these resources, in whatever order they come."""
    return hashlib.sha256(json.dumps(sorted(set(pairs))).encode()).hexdigest()


def _find(chain: CodeChain, pairs: list[tuple[str, str]], can_be_subset: bool) -> ChainRun | None:
    """The newest run of the one subject that is meant. One query."""
    runs = ChainRun.objects.filter(chain_type=chain.name)
    if not can_be_subset:
        exact: ChainRun | None = (
            runs.filter(subject_key=digest_of(pairs)).order_by("-number").first()
        )
        return exact
    later = runs.filter(subject_key=OuterRef("subject_key"), number__gt=OuterRef("number"))
    for kind, named in pairs:  # each a join of its own
        runs = runs.filter(resources__kind=kind, resources__resource_id=named)
    newest = runs.exclude(Exists(later))
    found = list(newest.order_by(F("ended_at").desc(nulls_first=True), "pk")[:2])
    if len(found) == 2 and found[0].is_over == found[1].is_over:
        raise SeveralRuns(
            _("More than one run of %(chain)s is about %(resources)s: %(first)s and %(second)s, "
              "for example. Name more of what it is about.")
            % {
                "chain": chain.name,
                "resources": ", ".join(f"{kind} {named}" for kind, named in pairs),
                "first": found[0].pk,
                "second": found[1].pk,
            }
        )  # fmt: skip
    return found[0] if found else None


# Reading what was given ------------------------------------------------------------------


def _read(resources: Resources) -> tuple[list[tuple[str, str]], models.Model | None]:
    """The pairs as they are stored, in order and each once, and the first row among them."""
    if isinstance(resources, str | bytes | models.Model):
        raise TypeError(f"Resources are a list, and not {resources!r}.")
    pairs, row = set(), None
    for given in resources:
        kind, named = _pair(given)
        pairs.add((_stored("kind", kind), _stored("id", id_text(named))))
        if row is None and isinstance(named, models.Model):
            row = named
    if not pairs:
        raise ValueError("Name at least one resource that the run is about.")
    return sorted(pairs), row


def _pair(given: Any) -> tuple[str, Any]:
    if isinstance(given, models.Model):
        return given._meta.label_lower, given
    if isinstance(given, tuple | list) and len(given) == 2 and isinstance(given[0], str):
        return given[0], given[1]
    raise TypeError(f"A resource is a pair of a kind and an id, or a row, and not {given!r}.")


def id_text(named: Any) -> str:
    """An id as text: the same for a UUID and for what is written for it."""
    if isinstance(named, models.Model):
        if named.pk is None:
            raise ValueError(f"{named!r} is not saved yet, so it cannot be named.")
        named = named.pk
    if isinstance(named, bool) or not isinstance(named, int | str | uuid.UUID):
        raise TypeError(f"The id of a resource is a number, a text or a UUID, and not {named!r}.")
    text = key_text(named)
    return text.replace("-", "").lower() if _UUID.fullmatch(text) else text


def _stored(part: str, text: str) -> str:
    if not text.strip() or len(text) > _LENGTHS[part]:
        raise ValueError(
            f"The {part} of a resource has 1 to {_LENGTHS[part]} characters; this one: {text!r}."
        )
    return plain.text(text)


def _make_sure_of_zone(name: str) -> None:
    try:
        zoneinfo.ZoneInfo(name or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone. Write it as in Europe/Zurich.") from error
