"""The database that everything of ours is in, and with it the rows that rules are about.

A rule is one query over rows and events, and an event is recorded in one transaction with what it
causes: so they are in one database. In a project with several the project's routers say which;
it need not be the one that is called "default".
"""

from collections.abc import Iterable

from django.apps import apps
from django.db import models, router

_RULE = "automation_rules.Rule"


def database() -> str:
    """The alias of the database that rules are written to, and everything else of ours."""
    return router.db_for_write(apps.get_model(_RULE))


def elsewhere(needed: Iterable[type[models.Model]]) -> dict[type[models.Model], str]:
    """Those of the models ``needed`` that are not kept in our database, each with the alias of
    the one that the project's routers write it to."""
    if not router.routers:
        return {}
    ours = database()
    written = {model: router.db_for_write(model) for model in needed}
    return {model: alias for model, alias in written.items() if alias != ours}
