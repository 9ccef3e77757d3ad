"""A kind of condition of the shop's own: "lives within 20 km of Zürich".

This is all that a project writes for a new kind. Its lines appear in the form of every
rule about customers, in definitions and in ``explain``, without a change to the product.
"""

import datetime
import re
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import F, Q, Value
from django.db.models.functions import ASin, Cos, Radians, Sin, Sqrt
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.demo.places import CITIES, City, city_named
from automation.rules.conditions import Operator
from automation.rules.fields import Field, Kind
from automation.rules.models import Condition
from automation.rules.sources import Source

EARTH_RADIUS = 6371.0  # km, the mean radius (IUGG)


class NearCondition(Condition):
    """How far away a customer lives from a city. ``value`` is ``[km, city]``."""

    kind: ClassVar[str] = "near"

    SUBJECT: ClassVar[Field] = Field("place", gettext_lazy("place of living"), kind=Kind.OTHER)
    OPERATORS: ClassVar[list[Operator]] = [
        Operator("within", gettext_lazy("is within … of …"), gettext_lazy("20 km of Zürich")),
    ]

    class Meta:
        verbose_name = gettext_lazy("distance")
        verbose_name_plural = gettext_lazy("distances")

    @classmethod
    def subjects(cls, source: Source) -> list[Field]:
        return [cls.SUBJECT] if source.model._meta.label == "demo.Customer" else []

    @classmethod
    def operators(cls, field: Field) -> list[Operator]:
        return cls.OPERATORS if field.path == cls.SUBJECT.path else []

    @classmethod
    def suggestions(cls, source: Source) -> list[tuple[str, str]]:
        return [(_("20 km of %s") % city.name, city.name) for city in CITIES]

    @classmethod
    def read_value(cls, field: Field, operator: Operator, text: str) -> Any:
        found = re.fullmatch(r"\s*(\d{1,5})\s*km\s+\w+\s+(.+?)\s*", text)
        if found is None:
            raise ValidationError(
                _("Write for example %(example)s.") % {"example": operator.example}
            )
        city = city_named(found[2])
        if city is None:
            raise ValidationError(
                _("“%(name)s” is not one of the cities: %(cities)s.")
                % {"name": found[2], "cities": ", ".join(city.name for city in CITIES)}
            )
        return [int(found[1]), city.name]

    @classmethod
    def write_value(cls, operator: str, value: Any) -> str:
        return f"{value[0]} km of {value[1]}"

    @classmethod
    def question(
        cls, path: str, field: Field, operator: str, value: Any, now: datetime.datetime
    ) -> Q:
        return Q(**{f"{path}__lte": value[0]})

    @classmethod
    def spoken(cls, field: Field, operator: str, value: Any) -> str:
        return _("is within %(km)d km of %(city)s") % {"km": value[0], "city": value[1]}

    def subject(self, source: Source) -> Field:
        return self.SUBJECT

    def expression(self, source: Source, now: datetime.datetime) -> Any:
        city = city_named(self.value[1])
        assert city is not None, "read_value takes only cities that there are"
        return distance_to(city)


def distance_to(city: City) -> Any:
    """The distance of a customer's place from ``city`` in km (the haversine formula)."""
    latitude, longitude = Radians(F("latitude")), Radians(F("longitude"))
    there_latitude, there_longitude = Radians(Value(city.latitude)), Radians(Value(city.longitude))
    north = Sin((latitude - there_latitude) / 2)
    east = Sin((longitude - there_longitude) / 2)
    chord = north * north + Cos(latitude) * Cos(there_latitude) * east * east
    return ASin(Sqrt(chord)) * Value(2 * EARTH_RADIUS)
