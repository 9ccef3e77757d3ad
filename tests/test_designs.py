"""Layouts and snippets: what mails share, checked with the mails that have them."""

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from automation.events import Event
from mails import styles
from mails.models import Layout, Mail, Snippet
from mails.proofreading import users_of_snippet
from tests import shop

pytestmark = pytest.mark.django_db

EVENT = Event("cart_left", "1", {"cart": {"customer": {"first_name": "Ann & Bob"}, "items": []}})


def layout(**values):
    made = Layout(**{"name": "Shop", "slug": "shop", "is_default": True, **values})
    made.full_clean()
    made.save()
    return made


def snippet(slug, body):
    made = Snippet(name=slug.title(), slug=slug, body=body)
    made.full_clean()
    made.save()
    return made


def test_the_default_layout_surrounds_mails_that_name_none():
    layout(header="<p>The shop</p>", footer="<p>For {{ cart.customer.first_name }}</p>")
    other = Layout.objects.create(name="Plain", slug="plain")
    mail = shop.mail()
    rendered = mail.render(EVENT)
    assert rendered.html.index("The shop") < rendered.html.index("Dear Ann")
    assert rendered.html.index("Dear Ann") < rendered.html.index("For Ann &amp; Bob")
    assert rendered.text.splitlines()[0] == "The shop"
    mail.layout = other
    assert "The shop" not in mail.render(EVENT).html


def test_one_layout_is_the_default_one():
    first, second = layout(), layout(slug="new")
    first.refresh_from_db()
    assert (first.is_default, second.is_default) == (False, True)


def test_its_styles_are_written_into_the_tags_and_its_media_rules_stay():
    layout(
        styles=".card { background-color: #fffbe6 } .hero { font-size: 40px }"
        " @media (max-width: 600px) { .hero { font-size: 24px !important } }"
    )
    html = shop.mail(body='<p class="hero card">Big</p>').render(EVENT).html
    assert "background-color: #fffbe6" in html.partition('class="card"')[2].partition(">")[0]
    assert '<p class="hero" style="margin: 0 0 16px 0;font-size: 40px;">' in html
    assert "@media (max-width: 600px) { .hero { font-size: 24px !important } }" in html


@pytest.mark.parametrize(
    ("css", "problem"),
    [
        ("p { position: fixed }", "Line 1, column 5: “position” is not for mails."),
        ("p { background: url(https://x) }", "Line 1, column 5: “background” is not for mails. "
         "Use “background-color” instead."),
        ("\np { background-color: url(https://x) }",
         "Line 2, column 5: “background-color” must not load anything."),
        ("@import 'x';", "“@import” has no place in the styles of a mail."),
        ("</style><script>", "“<” has no place in the styles of a mail."),
        ("p { col\\6fr: red }", "“\\” has no place in the styles of a mail."),
        ("@page { color: red }", "Line 1, column 1: only @media is possible here."),
        ("@media print { p { position: fixed } }",
         "Line 1, column 20: “position” is not for mails."),
        ("p { red }", "Line 1, column 8: this is no “name: value”."),
        ("p", "Line 1, column 1: this cannot be read: EOF reached before {} block for a "
         "qualified rule."),
        ("a" * 20_001, "The styles have more than 20000 characters."),
    ],
)  # fmt: skip
def test_styles_that_have_no_place_in_a_mail_are_refused(css, problem):
    assert styles.problems(css) == [problem]
    assert styles.read(css).inline == styles.read(css).media == ""


def test_a_layout_is_checked_with_the_mails_that_have_it():
    shop.generator()
    shop.mail(name="Cart")
    with pytest.raises(ValidationError) as refused:
        layout(footer="{{ cart.totl }}")
    assert refused.value.message_dict == {
        "footer": [
            "In the mail “Cart”: Line 1, column 4: “cart.totl” is not known here. Did you mean "
            "“cart.total”?"
        ]
    }


def test_a_mail_is_checked_with_its_layout():
    layout(footer="{{ cart.total }}")
    shop.generator(("email", "field.contains", "@"), source="demo.customer")
    with pytest.raises(ValidationError) as refused:
        shop.mail(subject="x", body="x")
    assert [*refused.value.message_dict] == ["layout"]
    assert refused.value.messages[0].startswith("In the layout “Shop”: Line 1, column 4: “cart")


def test_a_snippet_is_put_in_and_sees_what_the_mail_sees():
    snippet("name", "<b>{{ cart.customer.first_name }}</b>")
    snippet("footer", '<p>For {% render "name" %}</p>')
    rendered = shop.mail(body='<p>Hello</p>{% render "footer" %}').render(EVENT)
    assert "For <b>Ann &amp; Bob</b></p>" in rendered.html


def test_a_snippet_that_is_not_there_is_named_with_the_nearest():
    snippet("footer", "<p>x</p>")
    with pytest.raises(ValidationError, match="foter.*Did you mean “footer”"):
        shop.mail(body='{% render "foter" %}')


def test_a_snippet_is_checked_with_the_mails_that_put_it_in():
    shop.generator()
    piece = snippet("footer", "<p>x</p>")
    shop.mail(name="Cart", body='{% render "footer" %}')
    piece.body = "{{ cart.totl }}"
    with pytest.raises(ValidationError) as refused:
        piece.full_clean()
    assert [*refused.value.message_dict] == ["body"]
    assert refused.value.messages[0].startswith("In the mail “Cart”:")
    assert "cart.total" in refused.value.messages[0]


def test_a_snippet_in_use_keeps_its_short_name_and_stays():
    piece = snippet("footer", "<p>x</p>")
    shop.mail(name="Cart", body='{% render "footer" %}')
    piece.slug = "end"
    with pytest.raises(ValidationError, match="must stay “footer”"):
        piece.full_clean()
    with pytest.raises(ProtectedError), transaction.atomic():
        Snippet.objects.get().delete()


@pytest.mark.parametrize("kind", ["layout", "snippet"])
def test_their_pages_show_and_save_them(admin_client, kind):
    thing = layout(header="<p>Hi</p>") if kind == "layout" else snippet("footer", "<p>Hi</p>")
    shop.mail(body='{% render "footer" %}' if kind == "snippet" else "<p>x</p>")
    for page in ("changelist", "add"):
        assert admin_client.get(reverse(f"admin:mails_{kind}_{page}")).status_code == 200
    assert (
        "Hi"
        in admin_client.get(reverse(f"admin:mails_{kind}_change", args=[thing.pk])).content.decode()
    )


def test_a_layout_is_looked_at_in_a_frame(admin_client):
    url = reverse("admin:mails_layout_frame", args=[layout(header="<p>The shop</p>").pk])
    response = admin_client.get(url)
    assert "The shop" in response.content.decode()
    assert "A headline" in response.content.decode()
    assert "sandbox" in response["Content-Security-Policy"]


def test_a_snippet_is_checked_with_the_mails_that_have_it_through_a_layout():
    shop.generator()
    piece = snippet("footer", "<p>x</p>")
    layout(footer='{% render "footer" %}')
    shop.mail(name="Cart", body="<p>x</p>")
    shop.mail(name="Again", body="<p>x</p>")
    piece.body = "{{ cart.totl }}"
    with pytest.raises(ValidationError) as refused:
        piece.full_clean()
    (message,) = refused.value.message_dict["body"]
    assert message.startswith("In the mails “Again”, “Cart”: ")
    assert "cart.total" in message


def test_a_snippet_in_use_is_not_deleted_whichever_way(admin_client):
    piece = snippet("footer", "<p>x</p>")
    shop.mail(name="Cart", body='{% render "footer" %}')
    with pytest.raises(ProtectedError), transaction.atomic():
        Snippet.objects.all().delete()
    page = admin_client.post(
        reverse("admin:mails_snippet_delete", args=[piece.pk]), {"post": "yes"}
    )
    assert page.status_code == 200
    assert ">Cart</a>" in page.content.decode()
    chosen = {"action": "delete_selected", "_selected_action": [piece.pk], "post": "yes"}
    page = admin_client.post(reverse("admin:mails_snippet_changelist"), chosen)
    assert ">Cart</a>" in page.content.decode()
    assert Snippet.objects.exists()


def test_the_default_layout_is_not_deleted_while_a_mail_relies_on_it(admin_client):
    made = layout()
    mail = shop.mail(name="Cart")
    with pytest.raises(ProtectedError), transaction.atomic():
        Layout.objects.all().delete()
    url = reverse("admin:mails_layout_delete", args=[made.pk])
    assert ">Cart</a>" in admin_client.post(url, {"post": "yes"}).content.decode()
    assert Layout.objects.exists()
    mail.delete()
    admin_client.post(url, {"post": "yes"})
    assert not Layout.objects.exists()


@pytest.mark.parametrize(
    "css",
    [
        "p{width:" + "(" * 6_000,
        "p{width:" + "(" * 20 + ")" * 20 + "}",
        "p" + ":not(" * 3_000 + "{color:red}",
        "@media " + "(" * 6_000 + "{p{color:red}}",
        "p{width:" + "[)" * 6_000,
        "url(a'){width:" + "(" * 6_000,
    ],
)
def test_styles_with_too_many_brackets_are_refused(css):
    assert styles.problems(css) == ["The styles have more than 20 brackets inside each other."]
    assert styles.read(css).inline == styles.read(css).media == ""


@pytest.mark.parametrize("way", ["snippet page", "snippet saved", "layout saved"])
def test_more_mails_need_no_more_queries(admin_client, way):
    shop.generator()
    piece = snippet("footer", "<p>{{ cart.total }}</p>")
    around = layout(footer='{% render "footer" %}')
    page = reverse("admin:mails_snippet_change", args=[piece.pk])
    ask = {
        "snippet page": lambda: admin_client.get(page),
        "snippet saved": lambda: piece.full_clean(),
        "layout saved": lambda: around.full_clean(),
    }[way]

    def queries(mails):
        while Mail.objects.count() < mails:
            shop.mail(name=f"Mail {Mail.objects.count()}", body='{% render "footer" %}')
        with CaptureQueriesContext(connection) as captured:
            ask()
        return len(captured)

    queries(1)
    assert queries(3) == queries(12)


@pytest.mark.parametrize(
    "tag",
    [
        "{%- render 'footer' -%}",
        '{% render " footer " %}',
        "{% render &quot;footer&quot; %}",
        '{% liquid\nassign a = 1\nrender "footer"\n%}',
    ],
)
def test_a_snippet_is_put_in_however_its_tag_is_written(tag):
    piece = snippet("footer", "<p>Open now</p>")
    mail = shop.mail(body=f"<p>x</p>{tag}")
    assert "Open now" in mail.render(EVENT).html
    assert users_of_snippet(piece.slug) == [mail]
