"""Groups that an editor writes with ``*``: matched quickly, whatever they are."""

import pytest
from django.core.exceptions import ValidationError

from automation.events.groups import matches
from tests import shop


@pytest.mark.parametrize(
    ("pattern", "group", "expected"),
    [
        ("cart_left", "cart_left", True),
        ("cart_left", "cart_left_ch", False),
        ("cart_*", "cart_left", True),
        ("cart_*", "cart_", True),
        ("cart_*", "a_cart_left", False),
        ("*_ch", "cart_left_ch", True),
        ("*_ch", "cart_left_de", False),
        ("*left*", "cart_left_ch", True),
        ("cart*ch", "cartch", True),
        ("cart*tch", "cartch", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("*", "anything", True),
        (" cart_left ", "cart_left", True),
        ("a.c", "abc", False),
        ("a*a*a*a*a*a*a*b", "a" * 100, False),
    ],
)
def test_a_star_stands_for_anything_and_all_else_for_itself(pattern, group, expected):
    assert matches(pattern, group) is expected


@pytest.mark.django_db
def test_more_stars_than_a_database_can_bear_are_refused():
    with pytest.raises(ValidationError, match=r"At most 3 signs \* are possible\."):
        shop.mail(group="a*a*a*a*b")
    with pytest.raises(ValidationError, match=r"At most 3 signs \* are possible\."):
        shop.generator(("event", "event.had", "a*a*a*a*b"))
