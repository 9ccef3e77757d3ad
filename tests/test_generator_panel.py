"""What a generator's panel says of the form as it stands: what would be new, the events of the
first rows, and who hears them."""

import datetime
from typing import Any

import lxml.html
import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from automation.events.dispatch import listeners
from automation.events.models import EventRecord
from automation.rules.models import Segment
from generators import running
from generators.models import Presence
from tests import shop
from tests.forms import filled

pytestmark = pytest.mark.django_db

OPEN = ("status", "field.one_of", "open")
BY_COUNTRY = "cart_{{ cart.customer.country }}"


def url(name: str, pk: int) -> str:
    return reverse(f"admin:generators_generator_{name}", args=[pk])


def shown(client: Any, generator: Any, **changed: str) -> Any:
    """The panel of the form with some fields changed, not saved."""
    form = filled(client, url("change", generator.pk), "generator", **changed)
    answer = client.post(url("panel", generator.pk), form)
    assert answer.status_code == 200
    return lxml.html.fromstring(f"<div>{answer.content.decode()}</div>")


def text(found: list[Any]) -> list[str]:
    return [" ".join(element.text_content().split()) for element in found]


def would_be_new(client: Any, generator: Any, **changed: str) -> str:
    (figure,) = text(shown(client, generator, **changed).find_class("figure-beside"))
    return figure.removesuffix(" would be new")


def events(panel: Any) -> list[list[str]]:
    """Row, group, person and state of the rows that are shown."""
    return [text(row.xpath("th|td"))[:4] for row in panel.xpath("//tbody/tr")]


def where(panel: Any) -> list[str]:
    return text(panel.xpath("//ul[@class='audiences']/li"))


def told(panel: Any) -> list[str]:
    return text(panel.xpath("//ul[@class='errorlist']/li"))


# What would be new --------------------------------------------------------------------------


def test_rows_that_had_their_event_are_not_new(admin_client):
    now = timezone.now()
    shop.cart()
    generator = shop.generator(OPEN)
    assert would_be_new(admin_client, generator) == "1"
    running.run(generator, now)
    shop.cart()
    assert would_be_new(admin_client, generator) == "1"


def test_it_follows_conditions_before_they_are_saved(admin_client):
    shop.cart(shop.customer(country="CH"))
    generator = shop.generator(OPEN)
    running.run(generator, timezone.now())
    shop.cart(shop.customer(country="CH"))
    shop.cart(shop.customer(country="DE"))
    shop.cart(shop.customer(country="DE"), status="ordered")
    assert would_be_new(admin_client, generator) == "2"
    swiss = {
        "conditions-1-field": "customer__country",
        "conditions-1-operator": "field.one_of",
        "conditions-1-value": "CH",
    }
    assert would_be_new(admin_client, generator, **swiss) == "1"
    assert would_be_new(admin_client, generator, **swiss, **{"conditions-0-DELETE": "on"}) == "1"
    assert would_be_new(admin_client, generator, **{"conditions-0-DELETE": "on"}) == "3"


def test_it_follows_how_often_before_it_is_saved(admin_client):
    shop.cart()
    generator = shop.generator(OPEN)
    running.run(generator, timezone.now())
    assert would_be_new(admin_client, generator) == "0"
    assert would_be_new(admin_client, generator, repeat="day") == "1"


def test_it_follows_the_time_zone_before_it_is_saved(admin_client):
    """It is always a later day in Kiritimati than in Pago Pago."""
    now = timezone.now()
    shop.cart(now=now, days_old=0)
    day = now.astimezone(datetime.timezone(datetime.timedelta(hours=-11))).date()
    generator = shop.generator(("updated_at", "date.on", day.isoformat()))
    for zone, new in (("Pacific/Pago_Pago", "1"), ("Pacific/Kiritimati", "0")):
        assert would_be_new(admin_client, generator, time_zone=zone) == new


def test_a_row_that_came_back_is_new_where_each_stay_counts(admin_client):
    shop.cart()
    generator = shop.generator(OPEN, repeat="anew")
    running.run(generator, timezone.now())
    assert would_be_new(admin_client, generator) == "0"
    Presence.objects.update(is_present=False)
    assert would_be_new(admin_client, generator) == "1"


def test_without_a_condition_it_says_what_to_do(admin_client):
    shop.cart()
    panel = shown(admin_client, shop.generator(OPEN), **{"conditions-0-DELETE": "on"})
    assert text(panel.find_class("unfinished")) == [
        "Add a condition: without one it means every row there is, and it cannot be armed."
    ]


# The events of the first rows ---------------------------------------------------------------


def test_it_shows_the_events_that_the_rows_would_make_new_ones_first(admin_client):
    ann = shop.cart(shop.customer(email="ann@example.com", country="CH"))
    bob = shop.cart(shop.customer(email="bob@example.com", country="DE"), status="ordered")
    generator = shop.generator(("status", "field.one_of", "ordered"))
    running.run(generator, timezone.now())
    event = EventRecord.objects.get()
    panel = shown(
        admin_client, generator,
        group_template=BY_COUNTRY, **{"conditions-0-value": "open, ordered"},
    )  # fmt: skip
    assert events(panel) == [
        [f"Cart {ann.pk}", "cart_CH", "ann@example.com", "New"],
        [f"Cart {bob.pk}", "cart_DE", "bob@example.com", panel_time(event)],
    ]
    assert panel.xpath("//td/a/@href") == [
        reverse("admin:automation_events_eventrecord_change", args=[event.pk])
    ]


def panel_time(event: Any) -> str:
    local = timezone.localtime(event.recorded_at)
    return f"had it on {local.day} {local:%b}, {local:%H:%M}"


def test_a_person_without_an_address_is_told(admin_client):
    shop.cart(shop.customer(email=""))
    ((_row, _group, person, _state),) = events(shown(admin_client, shop.generator(OPEN)))
    assert person == "no address"


def test_a_mistake_in_the_group_is_told_with_its_place_and_the_counts_stay(admin_client):
    shop.cart()
    generator = shop.generator(OPEN)
    panel = shown(admin_client, generator, group_template="cart_{{ cart.statsu }}")
    assert told(panel) == [
        "Event group: Line 1, column 9: “cart.statsu” is not known here. "
        "Did you mean “cart.status”?"
    ]
    assert text(panel.find_class("figures")) == ["1 of 1 carts match now 1 would be new"]
    assert (len(panel.xpath("//tbody/tr")), where(panel)) == (1, [])


def test_a_row_whose_group_cannot_be_made_is_told(admin_client):
    nowhere = shop.cart(shop.customer(country=""))
    shop.cart(shop.customer(country="CH"))
    panel = shown(admin_client, shop.generator(OPEN), group_template="{{ cart.customer.country }}")
    assert told(panel) == [f"Left out: The event group is empty. (row {nowhere.pk})"]
    assert [row[1] for row in events(panel)] == ["CH", "–"]


def test_a_wrong_time_zone_is_told_and_the_saved_one_counts(admin_client):
    shop.cart()
    panel = shown(admin_client, shop.generator(OPEN), time_zone="Europe/Zuerich")
    assert told(panel) == [
        "Time zone: “Europe/Zuerich” is not a time zone. Write it as in Europe/Zurich."
    ]
    assert text(panel.find_class("figures")) == ["1 of 1 carts match now 1 would be new"]


# Where they go ------------------------------------------------------------------------------


def test_a_group_nobody_listens_to_is_flagged_with_the_next_step(admin_client):
    shop.cart()
    panel = shown(admin_client, shop.generator(OPEN), group_template="cart_lost")
    assert where(panel) == ["cart_lost → Nobody listens to these events yet. Write a mail for them"]
    assert panel.xpath("//ul[@class='audiences']//a/@href") == [
        "/admin/mails/mail/add/?group=cart_lost"
    ]


def test_the_mails_that_hear_a_changed_group_are_named(admin_client):
    shop.cart()
    shop.mail(name="Your cart", group="cart_left")
    other = shop.mail(name="Come back", group="cart_lost*")
    panel = shown(admin_client, shop.generator(OPEN), group_template="cart_lost")
    assert where(panel) == ["cart_lost → Mail Come back; no listener in code"]
    assert panel.xpath("//ul[@class='audiences']//a/@href") == [
        f"/admin/mails/mail/{other.pk}/change/"
    ]


def test_a_mail_that_is_not_active_is_flagged(admin_client):
    shop.cart()
    shop.mail(name="Your cart", is_active=False)
    assert where(shown(admin_client, shop.generator(OPEN))) == [
        "cart_left → Mail Your cart not active; no listener in code "
        "None of them is active: nothing would be sent."
    ]


def tell_the_crm(event: Any) -> None: ...


def test_editors_are_not_told_about_code_without_need(client, django_user_model):
    shop.mail(name="Your cart")
    generator = shop.generator(OPEN)
    staff = django_user_model.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__endswith="_generator"))
    client.force_login(staff)
    assert where(shown(client, generator)) == ["cart_left → Mail Your cart"]


def test_a_listener_in_code_is_named(admin_client):
    shop.cart()
    generator = shop.generator(OPEN)
    with listeners.registered("cart_.*", tell_the_crm):
        assert where(shown(admin_client, generator)) == [
            "cart_left → code: tests.test_generator_panel.tell_the_crm"
        ]


def test_each_group_of_the_first_rows_has_its_own_line(admin_client):
    shop.cart(shop.customer(country="DE"))
    shop.cart(shop.customer(country="CH"))
    shop.cart(shop.customer(country="CH"))
    shop.mail(name="Swiss", group="cart_CH")
    shop.mail(name="Austrian", group="cart_AT")
    panel = shown(admin_client, shop.generator(OPEN), group_template=BY_COUNTRY)
    assert where(panel) == [
        "cart_CH → Mail Swiss; no listener in code",
        "cart_DE → Nobody listens to these events yet. Write a mail for them",
    ]
    assert text(panel.xpath("//p[contains(., 'Other rows')]")) == [
        "Other rows may reach: Mail Austrian"
    ]


def test_groups_that_nobody_hears_can_have_one_mail_for_all(admin_client):
    shop.cart(shop.customer(country="DE"))
    shop.cart(shop.customer(country="CH"))
    panel = shown(admin_client, shop.generator(OPEN), group_template=BY_COUNTRY)
    (link,) = panel.xpath("//a[contains(., 'Write one mail for all of them (cart_*)')]")
    assert link.get("href") == "/admin/mails/mail/add/?group=cart_%2A"


def test_where_they_go_is_said_without_a_matching_row_too(admin_client):
    shop.mail(name="Your cart", group="cart_*")
    panel = shown(admin_client, shop.generator(OPEN), group_template=BY_COUNTRY)
    assert where(panel) == ["cart_* → Mail Your cart; no listener in code"]


# Elsewhere, and never written ---------------------------------------------------------------


def test_the_page_which_match_now_says_the_same_of_what_is_saved(admin_client):
    cart = shop.cart(shop.customer(email="ann@example.com"))
    shop.mail(name="Your cart")
    page = lxml.html.fromstring(
        admin_client.get(url("preview", shop.generator(OPEN).pk)).content.decode()
    )
    assert text(page.find_class("figures")) == ["1 of 1 carts match now 1 would be new"]
    assert events(page) == [[f"Cart {cart.pk}", "cart_left", "ann@example.com", "New"]]
    assert where(page) == ["cart_left → Mail Your cart; no listener in code"]


def test_rows_with_one_key_make_one_event_together(admin_client):
    ann = shop.customer(email="ann@example.com")
    shop.cart(ann)
    shop.cart(ann)
    generator = shop.generator(OPEN, repeat="key", key_template="{{ cart.customer.email }}")
    page = lxml.html.fromstring(admin_client.get(url("preview", generator.pk)).content.decode())
    assert text(page.find_class("figure-beside")) == ["1 would be new"]
    assert [row[3] for row in events(page)] == ["New", "together with another row"]


def test_a_key_that_is_broken_by_now_is_told_and_the_counts_stay(admin_client):
    shop.cart()
    generator = shop.generator(OPEN, repeat="key", key_template="{{ cart.customer.email }}")
    type(generator).objects.update(key_template="{{ cart.customer.email")
    page = lxml.html.fromstring(admin_client.get(url("preview", generator.pk)).content.decode())
    assert text(page.find_class("figures")) == ["1 of 1 carts match now"]
    assert told(page) == ["Line 1, column 1: “{{” is never closed with “}}”."]


def test_without_scripts_the_form_says_where_its_events_go_and_links_to_the_counts(admin_client):
    generator = shop.generator(OPEN)
    page = lxml.html.fromstring(admin_client.get(url("change", generator.pk)).content.decode())
    (section,) = page.xpath("//section[@class='facts']/noscript")
    assert where(section) == [
        "cart_left → Nobody listens to these events yet. Write a mail for them"
    ]
    (link,) = page.xpath("//section[@id='rule-panel']/noscript/a")
    assert link.get("href") == url("preview", generator.pk)


def test_a_segment_makes_no_events(admin_client):
    segment = Segment.objects.create(name="Big", slug="big", source="demo.cart")
    shop.cart()
    page = reverse("admin:automation_rules_segment_change", args=[segment.pk])
    answer = admin_client.post(f"{page[:-7]}panel/", filled(admin_client, page, "segment"))
    panel = lxml.html.fromstring(f"<div>{answer.content.decode()}</div>")
    assert text(panel.find_class("figures")) == ["1 of 1 carts match now"]
    assert where(panel) == []


def post_and_watch(client: Any, generator: Any, **changed: str) -> list[str]:
    """The statements that the panel asks of the database."""
    form = filled(client, url("change", generator.pk), "generator", **changed)
    client.post(url("panel", generator.pk), form)  # what is read once and kept
    with CaptureQueriesContext(connection) as captured:
        assert client.post(url("panel", generator.pk), form).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


@pytest.mark.parametrize("repeat", ["once", "anew"])
def test_the_panel_writes_nothing(admin_client, repeat):
    shop.cart()
    generator = shop.generator(OPEN, repeat="anew")
    running.run(generator, timezone.now())
    shop.cart()
    everything = {
        "name": "Another", "slug": "another", "group_template": BY_COUNTRY, "repeat": repeat,
        "time_zone": "Asia/Tokyo", "trigger": "hourly", "conditions-0-value": "ordered",
        "conditions-1-field": "total", "conditions-1-operator": "field.more",
        "conditions-1-value": "1",
    }  # fmt: skip
    asked = post_and_watch(admin_client, generator, **everything)
    verbs = {statement.split()[0] for statement in asked}
    # PostgreSQL's time limit is set inside a savepoint.
    assert verbs - {"SAVEPOINT", "RELEASE", "SET"} == {"SELECT"}


def test_more_conditions_rows_groups_and_mails_ask_no_more(admin_client):
    lines = [
        OPEN,
        ("updated_at", "relative_date.more_than_ago", "2 days"),
        ("items:count", "related.at_least", "1"),
        ("event", "event.had_not", "other 30 days"),
    ]
    numbers = []
    for times in (1, 4):
        for _number in range(3 * times):
            shop.cart(shop.customer(country="CH"))
            shop.cart(shop.customer(country="DE"))
            shop.mail(group="cart_CH")
        generator = shop.generator(*(lines * times))
        numbers.append(len(post_and_watch(admin_client, generator, group_template=BY_COUNTRY)))
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(
    "broken",
    [
        {"group_template": "{{" * 200},
        {"group_template": "x" * 600},
        {"group_template": ""},
        {"group_template": "{% for n in (1..1000000) %}x{% endfor %}"},
        {"repeat": "nonsense"},
        {"time_zone": "\x00"},
        {"trigger": "cron", "cron": "x"},
        {"conditions-0-id": "99999"},
        {"conditions-0-field": "\x00"},
        {"conditions-TOTAL_FORMS": "many"},
    ],
    ids=str,
)
def test_a_form_that_makes_no_sense_is_no_traceback(admin_client, broken):
    shop.cart()
    generator = shop.generator(OPEN)
    panel = shown(admin_client, generator, **broken)
    assert len(panel.find_class("figure")) == 1
