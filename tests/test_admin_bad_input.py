"""What an editor gets wrong is told at its field, with what to do, and nothing is lost."""

import pytest
from django.urls import reverse

from automation.demo.models import Cart
from automation.rules.models import Condition, Segment
from generators.models import Generator
from mails.models import Mail
from tests import shop
from tests.forms import errors, filled

pytestmark = pytest.mark.django_db


def page_of(thing):
    return reverse(
        f"admin:{thing._meta.app_label}_{thing._meta.model_name}_change", args=[thing.pk]
    )


def post(client, thing, **changed):
    url = page_of(thing)
    return client.post(url, filled(client, url, thing._meta.model_name, **changed))


# Mails ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "<p>Dear</p>\n<p>{% if cart.total > %}</p>{% endif %}",
            "Line 2, column 7: Something is missing or too much between these braces.",
        ),
        (
            "<p>Dear</p>\n<p>{{ cart.customer.first_nam }}</p>",
            "Line 2, column 7: “cart.customer.first_nam” is not known here. Did you mean "
            "“cart.customer.first_name”?",
        ),
        (
            "<p>{% for item in cart.items %}{{ item.title }}</p>",
            "Line 1, column 7: “{% for %}” is never closed with “{% endfor %}”.",
        ),
    ],
)
def test_a_mistake_in_a_body_is_told_with_line_and_column(admin_client, body, message):
    shop.generator()
    mail = shop.mail()
    response = post(admin_client, mail, body=body)
    assert errors(response) == {"body": [message]}
    assert response.context["adminform"].form["body"].value() == body
    assert Mail.objects.get().body == mail.body


def test_a_mail_without_an_event_group_is_refused(admin_client):
    mail = shop.mail()
    assert errors(post(admin_client, mail, group=" ")) == {
        "group": ["Name the event group that this is for."]
    }


def test_a_wrong_address_is_named(admin_client):
    mail = shop.mail()
    response = post(admin_client, mail, to="ann at example", from_email="Shop <shop>")
    assert errors(response) == {
        "to": ["“ann at example” is not a mail address."],
        "from_email": ["“Shop <shop>” is not a mail address."],
    }


def test_a_short_name_belongs_to_one_mail(admin_client):
    shop.mail(slug="cart")
    mail = shop.mail()
    assert errors(post(admin_client, mail, slug="cart")) == {
        "slug": ["This short name is taken. Choose another one."]
    }


# Generators -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "This field is required."),
        ("   ", "This field is required."),
        (
            "cart_{{ cart.statsu }}",
            "Line 1, column 9: “cart.statsu” is not known here. Did you mean “cart.status”?",
        ),
    ],
)
def test_a_wrong_group_template_is_refused(admin_client, template, message):
    generator = shop.generator()
    response = post(admin_client, generator, group_template=template)
    assert errors(response) == {"group_template": [message]}


def test_a_wrong_time_zone_is_refused(admin_client):
    generator = shop.generator()
    assert errors(post(admin_client, generator, time_zone="Europe/Zuerich")) == {
        "time_zone": ["“Europe/Zuerich” is not a time zone. Write it as in Europe/Zurich."]
    }


def test_a_short_name_belongs_to_one_generator(admin_client):
    shop.generator(slug="cart")
    generator = shop.generator()
    assert errors(post(admin_client, generator, slug="cart")) == {
        "slug": ["This short name is taken. Choose another one."]
    }


def test_a_cron_expression_that_is_none_is_refused(admin_client):
    generator = shop.generator()
    response = post(admin_client, generator, trigger="cron", cron="every day")
    assert errors(response) == {
        "cron": [
            "“every day” is not a cron expression. Write five parts: minute, hour, day, month, "
            "weekday; for example 30 8 * * 1-5 for half past eight on working days."
        ]
    }


# Lines of conditions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "at", "message"),
    [
        (
            {"field": "total", "operator": "field.more", "value": "two"},
            "value",
            "“two” is not a number. Write it in digits, for example 2 or 19.90.",
        ),
        (
            {"field": "updated_at", "operator": "relative_date.more_than_ago", "value": "2 dags"},
            "value",
            "“2 dags” is no span of time. Write for example 2 days, 3 hours or 1 month.",
        ),
        (
            {"field": "status", "operator": "field.one_of", "value": "open, lost"},
            "value",
            "“lost” is not one of the choices: open, ordered.",
        ),
        (
            {"field": "total", "operator": "field.more", "value": ""},
            "value",
            "Enter a value, for example 2.",
        ),
        (
            {"field": "segment", "operator": "segment.in", "value": ""},
            "value",
            "Enter a value, for example regulars.",
        ),
        (
            {"field": "segment", "operator": "segment.in", "value": "nobody"},
            "value",
            "There is no segment “nobody”.",
        ),
        (
            {"field": "status", "operator": "relative_date.today", "value": ""},
            "operator",
            "“status” cannot be asked “is today”. Choose one of: is one of, is not one of, "
            "is empty, is not empty.",
        ),
        (
            {"field": "", "operator": "field.one_of", "value": "open"},
            "field",
            "Choose what the line is about, or remove the line.",
        ),
        (
            {"field": "total", "operator": "", "value": "2"},
            "operator",
            "Choose what is asked about it, such as “is”.",
        ),
        (
            {"field": "customer__password", "operator": "field.is", "value": "x"},
            "field",
            "“customer__password” is not there. Choose from the list.",
        ),
        (
            {"field": "total", "operator": "field.regex", "value": "2"},
            "operator",
            "There is no question “field.regex”. Choose from the list.",
        ),
        (
            {
                "field": "items:sum:price",
                "operator": "related.more",
                "value": "2",
                "within": "soon",
            },
            "value",
            "These rows have no date to count from.",
        ),
    ],
)
def test_a_wrong_condition_is_told_at_its_line(admin_client, line, at, message):
    generator = shop.generator()
    before = list(generator.conditions.values_list("pk", "position"))
    changed = {f"conditions-1-{name}": text for name, text in line.items()}
    response = post(admin_client, generator, **changed)
    assert errors(response) == {f"conditions-1-{at}": [message]}
    form = response.context["inline_admin_formsets"][0].formset.forms[1]
    assert {name: form[name].value() for name in line} == line
    assert list(generator.conditions.values_list("pk", "position")) == before


def test_a_segment_is_checked_as_a_generator_is(admin_client):
    segment = Segment.objects.create(name="Rich", slug="rich", source="demo.customer")
    response = post(
        admin_client,
        segment,
        **{
            "conditions-0-field": "paid_orders",
            "conditions-0-operator": "field.at_least",
            "conditions-0-value": "many",
        },
    )
    assert errors(response) == {
        "conditions-0-value": [
            "“many” is not a number. Write it in digits, for example 2 or 19.90."
        ]
    }


def test_a_field_that_is_gone_can_be_mended_or_removed(admin_client):
    generator = shop.generator()
    generator.conditions.filter(position=1).update(field="gone")
    page = admin_client.get(page_of(generator)).content.decode()
    assert "gone (no longer there)" in page
    response = post(admin_client, generator)
    assert errors(response) == {
        "conditions-1-value": ["“gone” is not a field of Carts that rules may use."]
    }
    url = page_of(generator)
    data = filled(admin_client, url, "generator") | {"conditions-1-DELETE": "on"}
    assert admin_client.post(url, data).status_code == 302
    assert list(generator.conditions.values_list("field", flat=True)) == ["status"]


# What works without scripts ----------------------------------------------------------------


def test_a_generator_is_built_in_two_steps_without_scripts(admin_client):
    url = reverse("admin:generators_generator_add")
    data = filled(
        admin_client,
        url,
        "generator",
        name="Cart left",
        slug="cart",
        source="demo.cart",
        group_template="cart_left",
        _save="Next",
    )
    response = admin_client.post(url, data)
    generator = Generator.objects.get()
    assert response["Location"] == page_of(generator)
    assert (generator.state, generator.source) == ("draft", "demo.cart")

    response = post(
        admin_client,
        generator,
        **{
            "conditions-0-field": "status",
            "conditions-0-operator": "field.one_of",
            "conditions-0-value": "Open",
            "conditions-1-joined_by": "or",
            "conditions-1-field": "total",
            "conditions-1-operator": "field.more",
            "conditions-1-value": "100",
            "_preview": "Save and see who matches",
        },
    )
    assert response["Location"] == f"/admin/generators/generator/{generator.pk}/preview/"
    assert generator.sentence() == "Carts where status is Open or total is more than 100"


def test_lines_keep_their_order_when_one_is_removed(admin_client):
    generator = shop.generator(
        ("status", "field.one_of", "open"),
        ("total", "field.more", "1"),
        ("total", "field.more", "2"),
    )
    url = page_of(generator)
    data = filled(admin_client, url, "generator") | {"conditions-0-DELETE": "on"}
    admin_client.post(url, data)
    lines = Condition.objects.order_by("position")
    assert [(line.position, line.value_text()) for line in lines] == [(0, "1"), (1, "2")]


def test_a_line_of_another_kind_takes_the_place_of_the_one_before(admin_client):
    generator = shop.generator()
    post(
        admin_client,
        generator,
        **{
            "conditions-0-field": "updated_at",
            "conditions-0-operator": "relative_date.less_than_ago",
            "conditions-0-value": "9 days",
        },
    )
    sentences = [str(condition) for condition in Condition.objects.order_by("position")]
    assert sentences == [
        "last changed on less than 9 days ago",
        "last changed on more than 2 days ago",
    ]


def test_a_line_that_became_another_kind_can_be_removed_at_once(admin_client):
    generator = shop.generator()
    post(
        admin_client,
        generator,
        **{
            "conditions-0-field": "updated_at",
            "conditions-0-operator": "relative_date.today",
            "conditions-0-value": "",
            "conditions-0-DELETE": "on",
        },
    )
    sentences = [str(condition) for condition in Condition.objects.all()]
    assert sentences == ["last changed on more than 2 days ago"]


def test_saving_an_armed_generator_moves_its_next_run_only_if_its_schedule_changed(admin_client):
    generator = shop.generator()
    planned = generator.next_run_at
    post(admin_client, generator, name="Another name")
    generator.refresh_from_db()
    assert (generator.name, generator.next_run_at) == ("Another name", planned)
    post(admin_client, generator, trigger="cron", cron="0 3 1 1 *", time_zone="UTC")
    generator.refresh_from_db()
    assert (generator.next_run_at.month, generator.next_run_at.hour) == (1, 3)


def test_a_rule_whose_source_is_gone_still_has_a_page(admin_client):
    generator = shop.generator()
    Generator.objects.update(source="gone.model")
    told = "“gone.model”"
    for url in (page_of(generator), f"{page_of(generator)[:-7]}preview/"):
        assert told in admin_client.get(url).content.decode()
    assert Cart.objects.count() == 0
