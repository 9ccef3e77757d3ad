"""A chain once more, under another name."""

from itertools import chain as joined
from itertools import count

from django.db import transaction
from django.utils.translation import gettext as _

from automation.chains.chain import Chain
from automation.chains.defined import FIELDS
from automation.chains.transitions import Entry, Goal, Transition
from automation.rules.databases import database


def clone(chain: Chain) -> Chain:
    """See ``Chain.clone``."""
    with transaction.atomic(using=database()):
        return _cloned(chain)


def _cloned(chain: Chain) -> Chain:
    copy = Chain(
        name=_("%(name)s (copy)") % {"name": chain.name}, slug=_free_slug(f"{chain.slug}-copy")
    )
    for field in (*FIELDS, "states"):
        if field not in ("name", "slug"):
            setattr(copy, field, getattr(chain, field))
    copy.save()
    for model in (Entry, Goal, Transition):
        for rule in model._default_manager.filter(chain=chain).order_by("pk"):
            twin = model(chain=copy)
            for column in model._meta.local_concrete_fields:
                if not column.primary_key and column.name != "chain":
                    setattr(twin, column.attname, getattr(rule, column.attname))
            twin.save()
            for condition in rule.conditions.all():
                condition.copy_to(twin)
    return copy


def _free_slug(wanted: str) -> str:
    """``wanted``, or with the first number behind it that no chain has."""
    taken = set(Chain.objects.filter(slug__startswith=wanted).values_list("slug", flat=True))
    numbered = (f"{wanted}-{number}" for number in count(2))
    return next(slug for slug in joined([wanted], numbered) if slug not in taken)
