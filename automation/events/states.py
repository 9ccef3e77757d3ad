"""Where a delivery stands, and why it was not delivered."""

from django.db import models
from django.utils.translation import gettext_lazy


class State(models.TextChoices):
    QUEUED = "queued", gettext_lazy("queued")
    SENDING = "sending", gettext_lazy("being sent")
    SENT = "sent", gettext_lazy("sent")
    FAILED = "failed", gettext_lazy("failed")
    UNKNOWN = "unknown", gettext_lazy("unknown")
    CANCELLED = "cancelled", gettext_lazy("cancelled")
    SKIPPED = "skipped", gettext_lazy("skipped")


class Cause(models.TextChoices):
    """Why something was not delivered, for filters; the reason says it in words."""

    NO_ADDRESS = "no_address", gettext_lazy("no address")
    BAD_ADDRESS = "bad_address", gettext_lazy("bad address")
    INCOMPLETE = "incomplete", gettext_lazy("a value is missing")
    EXPIRED = "expired", gettext_lazy("too late")
    SUPPRESSED = "suppressed", gettext_lazy("not wanted")
    OVERTAKEN = "overtaken", gettext_lazy("no longer needed")
    ERASED = "erased", gettext_lazy("erased")
    REFUSED = "refused", gettext_lazy("refused")
    GONE = "gone", gettext_lazy("no longer exists")
    ERROR = "error", gettext_lazy("could not be made")
    RAISED = "raised", gettext_lazy("failed in the code")
    GIVEN_UP = "given_up", gettext_lazy("tried too often")
    DIED = "died", gettext_lazy("broke down again and again")
    PERSON = "person", gettext_lazy("decided by a person")
    BOUNCED = "bounced", gettext_lazy("came back")
