"""A project's own kind of condition works everywhere without a change to the product."""

import pytest
from django.core.exceptions import ValidationError

from automation.rules import definitions
from automation.rules.definitions import read_condition
from automation.rules.explaining import explain
from automation.rules.models import Segment
from automation.rules.offers import Offer
from automation.rules.sources import sources
from tests import shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def near_zurich() -> Segment:
    segment = Segment.objects.create(name="Near", slug="near", source="demo.customer")
    shop.ask(segment, ("place", "near.within", "20 km of zürich"))
    return segment


def test_it_finds_rows_and_says_so(near_zurich):
    winterthur = shop.customer(first_name="Ann", latitude=47.499, longitude=8.724)  # 19.3 km
    shop.customer(first_name="Bob", latitude=46.948, longitude=7.447)
    shop.customer(first_name="Cem", latitude=47.377, longitude=8.541)
    shop.customer(first_name="Dan")
    found = near_zurich.rows(shop.NOW).order_by("first_name")
    assert list(found.values_list("first_name", flat=True)) == ["Ann", "Cem"]
    assert near_zurich.sentence() == "Customers where place of living is within 20 km of Zürich"
    lines = explain(near_zurich, winterthur.pk, shop.NOW)
    assert lines is not None
    assert round(lines[0].value, 1) == 19.3


def test_it_is_offered_where_it_belongs():
    assert "place" in Offer(sources.get("demo.customer"), []).subjects
    assert "place" not in Offer(sources.get("demo.cart"), []).subjects


def test_it_travels_in_definitions(near_zurich):
    data = definitions.dump()
    assert data["segments"][0]["conditions"] == [
        {
            "joined_by": "and",
            "field": "place",
            "operator": "near.within",
            "value": "20 km of Zürich",
        }
    ]
    assert definitions.load(data).changed == {"segments": 1}


def test_what_it_does_not_know_is_refused():
    source = sources.get("demo.customer")
    with pytest.raises(ValidationError, match="“Atlantis” is not one of the cities: Zürich, Bern"):
        read_condition(source, field="place", operator="near.within", value="20 km of Atlantis")
    with pytest.raises(ValidationError, match="Write for example 20 km of Zürich"):
        read_condition(source, field="place", operator="near.within", value="close")
