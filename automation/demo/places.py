"""Where the demo's customers live."""

from typing import NamedTuple


class City(NamedTuple):
    name: str
    country: str
    latitude: float
    longitude: float


CITIES = (
    City("Zürich", "CH", 47.377, 8.541),
    City("Bern", "CH", 46.948, 7.447),
    City("Basel", "CH", 47.558, 7.588),
    City("Luzern", "CH", 47.050, 8.307),
    City("Lausanne", "CH", 46.520, 6.633),
    City("Berlin", "DE", 52.520, 13.405),
    City("Hamburg", "DE", 53.551, 9.994),
    City("München", "DE", 48.137, 11.575),
    City("Köln", "DE", 50.938, 6.960),
    City("Wien", "AT", 48.208, 16.373),
    City("Graz", "AT", 47.071, 15.439),
    City("Paris", "FR", 48.857, 2.352),
    City("Lyon", "FR", 45.764, 4.836),
    City("London", "GB", 51.507, -0.128),
    City("Manchester", "GB", 53.481, -2.242),
    City("Dublin", "IE", 53.350, -6.260),
    City("Cork", "IE", 51.898, -8.476),
)


def city_named(name: str) -> City | None:
    """The city of this name, however its letters are cased."""
    return next((city for city in CITIES if city.name.casefold() == name.casefold()), None)
