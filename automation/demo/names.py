"""What the people in the demo shop are called, and the things it sells."""

from decimal import Decimal
from typing import NamedTuple


class Place(NamedTuple):
    """Where some of the customers live. ``weight``: how many, of all the weights' sum."""

    country: str
    weight: int
    language: str
    time_zone: str
    currency: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


_GERMAN_FIRST_NAMES = _names(
    """
    Anna, Björn, Claudia, Daniel, Elias, Franziska, Günther, Hannah, Ines, Jörg, Jürgen,
    Katharina, Käthe, Lukas, Marie, Max, Nils, Paula, Rainer, Sabine, Sören, Theo, Ursula,
    Vera, Wolfgang, Zoë
    """
)

PLACES = (
    Place(
        country="CH",
        weight=8,
        language="de",
        time_zone="Europe/Zurich",
        currency="CHF",
        first_names=_names(
            """
            Beat, Chantal, Corinne, Fabienne, Flurina, Gian, Jürg, Köbi, Laura, Lea, Luca,
            Mirjam, Nico, Noémie, Regula, Reto, Rösli, Sandro, Seraina, Simon, Urs, Ursina,
            Yannick
            """
        ),
        last_names=_names(
            """
            Aebi, Ammann, Bühler, Caduff, Fässler, Frei, Gerber, Graf, Hürlimann, Jäggi,
            Kälin, Lüthi, Meier, Müller, Niederhäuser, Odermatt, Rüegg, Schärer, Stöckli,
            von Allmen, Wüthrich, Zgraggen, Zürcher
            """
        ),
    ),
    Place(
        country="DE",
        weight=6,
        language="de",
        time_zone="Europe/Berlin",
        currency="EUR",
        first_names=_GERMAN_FIRST_NAMES,
        last_names=_names(
            """
            Becker, Böhm, Fischer, Groß, Hoffmann, Jäger, Köhler, König, Kraus, Krüger,
            Lange, Müller-Lüdenscheidt, Neumann, Özdemir, Schäfer, Schröder, Schulz, Strauß,
            Vogel, Wagner, Weiß, Yılmaz, Zimmermann
            """
        ),
    ),
    Place(
        country="AT",
        weight=3,
        language="de",
        time_zone="Europe/Vienna",
        currency="EUR",
        first_names=_GERMAN_FIRST_NAMES,
        last_names=_names(
            """
            Berger, Eder, Gruber, Haas, Hofer, Höller, Lechner, Moser, Novák, Pichler,
            Reiter, Schwarzenböck, Steiner, Wallner, Wöginger
            """
        ),
    ),
    Place(
        country="FR",
        weight=3,
        language="en",
        time_zone="Europe/Paris",
        currency="EUR",
        first_names=_names(
            """
            Agnès, Amélie, Benoît, Camille, Chloé, Étienne, François, Gaëlle, Hélène,
            Jean-Luc, Léa, Loïc, Marie-Claire, Mathieu, Océane, Rémi
            """
        ),
        last_names=_names(
            """
            Bérenger, Chevalier, D'Amico, de La Tour, Dupré, Fournier, Lefèvre, L'Hôpital,
            Martin, Moreau, Nuñez, Renaud, Rousseau, Saint-Exupéry
            """
        ),
    ),
    Place(
        country="GB",
        weight=4,
        language="en",
        time_zone="Europe/London",
        currency="GBP",
        first_names=_names(
            """
            Alice, Bronwen, Callum, Charlotte, Dev, Edward, Fiona, George, Isla, Jack,
            Mabel, Oliver, Priya, Rhys, Rosie, Thomas, Zara
            """
        ),
        last_names=_names(
            """
            Ashworth, Bennett, Campbell, Davies, Fitzgerald-Moore, Hughes, Jones, MacLeod,
            O'Connor, Patel, Price, Singh, Smith, Taylor, Walsh
            """
        ),
    ),
    Place(
        country="IE",
        weight=1,
        language="en",
        time_zone="Europe/Dublin",
        currency="EUR",
        first_names=_names(
            """
            Aoife, Brendan, Ciarán, Gráinne, Niamh, Róisín, Seán
            """
        ),
        last_names=_names(
            """
            Byrne, Kelly, Murphy, Ní Dhomhnaill, O'Brien, O'Sullivan, Ryan
            """
        ),
    ),
)

#: Domains that belong to nobody, so that no mail of the demo can reach a stranger.
DOMAINS = ("example.com", "example.net", "example.org")

#: What the shop sells: (title, category, price).
PRODUCTS = tuple(
    (title, category, Decimal(price))
    for category, things in {
        "Fire": (
            ("Flint & steel set", "24.90"),
            ("Fire piston, brass", "39.00"),
            ("Beech kindling, 5 kg", "14.50"),
            ("Beeswax candle, 3 pieces", "18.00"),
            ("Tinder tin", "9.90"),
            ("Folding wood stove", "89.00"),
        ),
        "Kitchen": (
            ("Enamel mug, 0.4 l", "12.90"),
            ("Cast-iron pan, 26 cm", "64.00"),
            ("Dutch oven, 4.5 l", "119.00"),
            ("Wooden spoon, cherry", "11.50"),
            ("Coffee grinder “Säntis”", "74.90"),
            ("Moka pot, 3 cups", "34.50"),
            ("Camp kettle, 1.2 l", "29.90"),
            ("Spice tin set", "22.00"),
        ),
        "Sleeping": (
            ("Wool blanket, grey", "98.00"),
            ("Down sleeping bag –5 °C", "289.00"),
            ("Sleeping mat, self-inflating", "109.00"),
            ("Hammock with mosquito net", "79.00"),
            ("Two-person tent “Aare”", "349.00"),
            ("Travel pillow", "24.50"),
        ),
        "On the way": (
            ("Rucksack, 28 l", "139.00"),
            ("Rucksack, 55 l", "219.00"),
            ("Headlamp, 400 lm", "49.90"),
            ("Pocket knife, 8 tools", "36.00"),
            ("Compass with mirror", "42.00"),
            ("Hiking map 1:25,000", "22.50"),
            ("Steel bottle, 0.75 l", "31.90"),
            ("Trekking poles, pair", "94.00"),
            ("First-aid kit", "27.90"),
        ),
        "Clothes": (
            ("Merino socks", "19.90"),
            ("Merino shirt, long sleeves", "84.00"),
            ("Felt hat", "58.00"),
            ("Rain jacket “Föhn”", "199.00"),
            ("Work gloves, leather", "32.00"),
            ("Wool beanie", "28.50"),
        ),
        "Vouchers": (
            ("Gift voucher 50", "50.00"),
            ("Gift voucher 100", "100.00"),
        ),
    }.items()
    for title, price in things
)
