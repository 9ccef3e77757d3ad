"""What editors attach to events."""

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from polymorphic.models import PolymorphicModel

from automation.events.event import GROUP_LENGTH, Event
from automation.events.groups import matches, problem_of_pattern
from automation.events.outbox import Delivery


class Action(PolymorphicModel):
    """What an editor attaches to event groups. A kind of action is a subclass that names
    its kind of delivery (``delivery_model``) and says who gets one (``recipients``)."""

    name = models.CharField(gettext_lazy("name"), max_length=100)
    slug = models.SlugField(
        gettext_lazy("short name"),
        max_length=100,
        unique=True,
        help_text=gettext_lazy("Names it in exports. Letters, digits and hyphens."),
    )
    group = models.CharField(
        gettext_lazy("on events"),
        max_length=GROUP_LENGTH,
        help_text=gettext_lazy("The event group, such as cart_abandoned. A * stands for anything."),
    )
    is_active = models.BooleanField(
        gettext_lazy("active"),
        default=False,
        help_text=gettext_lazy("Only an active one hears of new events and goes out."),
    )
    expires_hours = models.PositiveSmallIntegerField(
        gettext_lazy("not later than"),
        null=True,
        blank=True,
        help_text=gettext_lazy(
            "Hours after the event. What could not go out by then, because the other side was "
            "down for instance, is skipped. Empty: it goes out however late it is."
        ),
    )

    class Meta:
        verbose_name = gettext_lazy("action")
        verbose_name_plural = gettext_lazy("actions")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        if not self.group:
            return  # told already: it is required
        if not self.group.strip():
            raise ValidationError({"group": _("Name the event group that this is for.")})
        if problem := problem_of_pattern(self.group):
            raise ValidationError({"group": problem})

    @property
    def delivery_model(self) -> type[Delivery]:
        """The kind of delivery that this action makes."""
        raise NotImplementedError

    def recipients(self, event: Event) -> list[str]:
        """Who gets a delivery of ``event``; an empty address is kept and skipped visibly."""
        return [event.recipient]

    def hears(self, group: str) -> bool:
        return matches(self.group, group)
