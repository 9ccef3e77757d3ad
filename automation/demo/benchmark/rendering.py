"""The benchmark of rendering: from an event's data to the bytes of a message.

Nothing here needs a database. The mail is one as a shop would send it, with 5 kB of HTML before
its styles are written into the tags: a text with a table of what is in the cart, and a layout
with header, footer and styles of its own.
"""

import datetime
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.utils import translation
from liquid import BoundTemplate, Environment

from automation.events.event import Event
from automation.events.models import template_data
from automation.rules.templating import parse, plain_data
from mails import building, html, styles
from mails.content import Content, Design, Wording
from mails.models import Mail
from mails.rendering import RenderedMail
from mails.text import plain_text

#: How many different events are rendered in turn, so that nothing of a mail can be kept.
EVENTS = 50

BODY = """\
<h1>Still thinking it over?</h1>
<p>Dear {{ cart.customer.first_name | default: "customer" }},</p>
<p>We have kept what you chose, and so far nobody has taken it away from you. The price stays as
it is until <strong>{{ cart.updated_at | date: "%d.%m.%Y" }}</strong>; after that we cannot promise
anything, because some of it is nearly sold out.</p>
<table class="lines" border="0" cellpadding="0" cellspacing="0">
<thead>
<tr><th>Article</th><th class="number">Quantity</th><th class="number">Price</th></tr>
</thead>
<tbody>
{% for item in cart.items %}<tr>
<td><a href="https://shop.example.com/articles/{{ item.id }}">{{ item.title }}</a></td>
<td class="number">{{ item.quantity }}</td>
<td class="number">{{ item.price }} {{ cart.currency }}</td>
</tr>
{% endfor %}<tr>
<td><strong>Total</strong></td>
<td>&nbsp;</td>
<td class="number"><strong>{{ cart.total }} {{ cart.currency }}</strong></td>
</tr>
</tbody>
</table>
{% if cart.paid_orders >= 2 %}<p class="box">As you have been with us before, the shipping is on
us.</p>{% else %}<p class="muted">Shipping is free from 100 {{ cart.currency }}.</p>{% endif %}
<p><a class="button" href="https://shop.example.com/cart/{{ cart.id }}?token={{ event.key }}">Go to
your cart</a></p>
<h2>New in the shop</h2>
{% for item in cart.items limit: 5 %}<h3>Goes well with {{ item.title }}</h3>
<p><img src="https://shop.example.com/pictures/{{ item.id }}.jpg" width="160" height="120"
 alt="{{ item.title }}"> We have picked some things by hand that people like you have chosen, too.
<em>They are not in the cart</em>, so have a look and
<a href="https://shop.example.com/articles/{{ item.id }}/with?from=mail">choose what you
like</a>.</p>
{% endfor %}<h2>Is there anything that we can do?</h2>
<ul>
<li>Returns are free for 30 days.</li>
<li>Orders before noon leave on the same day.</li>
<li>Real people answer <a href="mailto:hello@example.com">hello@example.com</a>.</li>
</ul>
"""

HEADER = '<p><a href="https://shop.example.com"><img src="https://shop.example.com/logo.png" '
HEADER += 'width="140" height="40" alt="Shop"></a></p>'
FOOTER = """\
<p class="small">{{ mail.name }}: you get this because {{ cart.customer.email }} has a cart with
us.<br>Shop Ltd, 1 High Street, Anytown · <a href="https://shop.example.com/contact">Contact</a></p>
"""
STYLES = """\
h1 { color: #0b3d2e; }
a.button { background-color: #0b3d2e; }
.header { padding-top: 24px; }
@media (max-width: 640px) { h1 { font-size: 22px !important; } }
"""
WORDING = Wording(
    "en",
    "{{ cart.customer.first_name | default: 'Hello' }}, your cart is waiting",
    BODY,
    preheader="{{ cart.items.size }} articles, {{ cart.total }} {{ cart.currency }}",
)
CONTENT = Content((WORDING,), Design(name="Shop", header=HEADER, footer=FOOTER, styles=STYLES))
_TITLES = (
    "Desk lamp “Luna”", "Bulb, warm white", "Mug & Cup", "Poster", "Chair", "Rug", "Garden table",
    "Candle", "Vase", "Bookshelf, oak", "Blanket", "Clock",
)  # fmt: skip


def event(number: int) -> Event:
    items = [
        {"id": number + n, "title": title, "quantity": n + 1, "price": Decimal(f"{9 + n}.90")}
        for n, title in enumerate(_TITLES)
    ]
    customer = {"first_name": f"Ann {number}", "email": f"ann{number}@example.com"}
    cart = {
        "id": number,
        "customer": customer,
        "currency": "CHF",
        "total": Decimal("240.90"),
        "paid_orders": number % 4,
        "updated_at": datetime.datetime(2026, 3, 10, 12, tzinfo=datetime.UTC),
        "items": items,
    }
    return Event(
        "cart_left", f"cart:{number}", {"cart": cart}, customer["email"], time_zone="Europe/Zurich"
    )


MAIL = Mail(name="Your cart")
_WHOM = building.Envelope("ann@example.com", "shop@example.com")


# What is measured ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """``run`` does for one event what the steps before it do, and one thing more."""

    name: str
    label: str
    run: Callable[[Event], Any]


@dataclass(frozen=True)
class Measured:
    """``seconds`` of the processor's time for one mail: the median of several rounds."""

    step: Step
    seconds: float


_TEMPLATES = ((WORDING.subject, False), (WORDING.preheader, False))
_HTML = (HEADER, BODY, FOOTER)
_STYLES = styles.read(STYLES)
_STOCK = Environment(autoescape=True)


def stock(each: Event) -> list[str]:
    """python-liquid as it comes: no limits, and values of any kind."""
    data = {"mail": {"name": MAIL.name}, **template_data(each)}
    return [_stock(source).render(data) for source in (*_HTML, *(t for t, _html in _TEMPLATES))]


@lru_cache
def _stock(source: str) -> BoundTemplate:
    return _STOCK.from_string(source)


def liquid(each: Event) -> list[str]:
    """The templates of the mail filled, and nothing else."""
    data = plain_data(MAIL.data(each, "en"))
    for source, is_html in _TEMPLATES:
        parse(source, html=is_html).render(data)
    return [parse(source, html=True).render(data) for source in _HTML]


def clean(each: Event) -> list[str]:
    return [html.cleaned(part, _STYLES.classes) for part in liquid(each)]


def inline(each: Event) -> list[str]:
    return _inlined(clean(each))


def _inlined(parts: list[str]) -> list[str]:
    named = dict(zip(("header", "content", "footer"), parts, strict=True))
    frame = html.frame(
        "en", header=True, footer=True, styles=_STYLES.inline, media_styles=_STYLES.media
    )
    styled = html.styled_parts(named, _STYLES.inline)
    return [frame.filled(title="", preheader="", **styled)]


def text(each: Event) -> list[str]:
    parts = clean(each)
    return [*_inlined(parts), plain_text("<p></p>".join(parts))]


def render(each: Event) -> RenderedMail:
    """The way of preview, test and delivery."""
    return MAIL.render(each, content=CONTENT)


def send(each: Event) -> bytes:
    return building.build(render(each), _WHOM, "<1@example.com>").message().as_bytes()


STEPS = (
    Step("stock", "python-liquid as it comes", stock),
    Step("liquid", "Liquid alone: plain data, limits", liquid),
    Step("clean", "+ cleaning", clean),
    Step("inline", "+ styles in the tags, layout", inline),
    Step("text", "+ plain text", text),
    Step("render", "the whole `Mail.render`", render),
    Step("send", "+ the bytes of the message", send),
)
#: What the ratios are to.
BASE = "liquid"


def measure(mails: int, repeat: int) -> list[Measured]:
    """Make ``mails`` mails with each step, ``repeat`` times. The steps take turns, so that what
    else the machine does meets all of them."""
    events = [event(number) for number in range(EVENTS)]
    rounds: dict[str, list[float]] = {step.name: [] for step in STEPS}
    with translation.override("en"):
        for _round in range(repeat):
            for step in STEPS:
                step.run(events[0])  # parsed and compiled once
                started = time.process_time()
                for number in range(mails):
                    step.run(events[number % EVENTS])
                rounds[step.name].append((time.process_time() - started) / mails)
    return [Measured(step, statistics.median(rounds[step.name])) for step in STEPS]


def sizes() -> dict[str, int]:
    """How large the mail is that is made, in bytes."""
    rendered = render(event(0))
    return {
        "templates": sum(len(part.encode()) for part in _HTML),
        "filled": sum(len(part.encode()) for part in liquid(event(0))),
        "html": len(rendered.html.encode()),
        "text": len(rendered.text.encode()),
        "message": len(send(event(0))),
    }


def table(results: list[Measured]) -> str:
    """``results`` as a Markdown table. Ratios are to Liquid alone."""
    [base] = [result.seconds for result in results if result.step.name == BASE]
    lines = ["| | mails a second | ms a mail | × Liquid |", "|---|--:|--:|--:|"]
    lines += [
        f"| {result.step.label} | {1 / result.seconds:,.0f} | {result.seconds * 1000:.2f} "
        f"| {result.seconds / base:.2f} |"
        for result in results
    ]
    return "\n".join(lines)
