"""The words that chains in the admin and chains in code have in common."""

from django.db import models
from django.utils.translation import gettext_lazy

#: The state in which every run begins, and the one in which it has come to its end.
NEW = "NEW"
DONE = "DONE"

#: Names of states and transitions are not longer.
NAME_LENGTH = 100


class Outcome(models.TextChoices):
    """How a run came to its end; empty while it is on its way."""

    DONE = "done", gettext_lazy("done")
    GOAL = "goal", gettext_lazy("goal reached")
    LIMIT = "limit", gettext_lazy("time was over")
    CANCELLED = "cancelled", gettext_lazy("ended by a person")
    LEFT = "left", gettext_lazy("the row is gone")
