"""What a mail said when: versions, what changed between them, and back."""

import pytest
from django.urls import reverse

from automation.events import Event, record
from automation.events.delivering import work
from mails.differences import differences, marked
from mails.models import Layout, Mail, Message, Snippet, Variant, Version
from tests import shop
from tests.forms import filled

pytestmark = pytest.mark.django_db


def save(client, mail, **changed):
    url = reverse("admin:mails_mail_change", args=[mail.pk])
    response = client.post(url, filled(client, url, "mail", **changed))
    assert response.status_code == 302
    return response


def numbers(mail):
    return list(mail.versions.values_list("number", flat=True))


def test_each_save_of_what_recipients_see_is_a_version_with_its_author(admin_client, admin_user):
    mail = shop.mail()
    save(admin_client, mail, subject="One")
    save(admin_client, mail, name="Another name")
    save(admin_client, mail, subject="Two")
    assert numbers(mail) == [2, 1]
    newest = mail.versions.first()
    assert newest.author == admin_user
    assert newest.content.wordings[0].subject == "Two"


def test_a_changed_layout_or_snippet_is_a_version_of_its_mails(admin_client):
    layout = Layout.objects.create(name="Shop", slug="shop", is_default=True, header="<p>a</p>")
    piece = Snippet.objects.create(name="End", slug="end", body="<p>a</p>")
    mail, other = shop.mail(body='{% render "end" %}'), shop.mail(layout=layout)
    for each in (mail, other):
        each.keep_version()
    for kind, thing in [("layout", layout), ("snippet", piece)]:
        url = reverse(f"admin:mails_{kind}_change", args=[thing.pk])
        field = "header" if kind == "layout" else "body"
        response = admin_client.post(url, filled(admin_client, url, kind, **{field: "<p>b</p>"}))
        assert response.status_code == 302
    assert (numbers(mail), numbers(other)) == ([3, 2, 1], [2, 1])


def test_a_message_belongs_to_the_version_it_was_made_from(smtp_server):
    mail = shop.mail(subject="One", body="<p>x</p>")
    for subject in ("One", "Two"):
        Mail.objects.update(subject=subject)
        record([Event("cart_left", subject, recipient="ann@example.com")])
        work(Message)
    assert [
        (message.subject, message.version.number, message.version.content.wordings[0].subject)
        for message in Message.objects.order_by("pk")
    ] == [("One", 1, "One"), ("Two", 2, "Two")]
    assert numbers(mail) == [2, 1]


def test_going_back_is_one_click_and_a_version_of_its_own(admin_client):
    mail = shop.mail(subject="One")
    Variant.objects.create(mail=mail, language="de", subject="Eins", body="<p>x</p>")
    mail.keep_version()
    mail.variants.all().delete()
    save(admin_client, mail, subject="Two", cc="team@example.com")
    response = admin_client.post(reverse("admin:mails_mail_version", args=[mail.pk, 1]))
    assert response.status_code == 302
    mail.refresh_from_db()
    assert (mail.subject, mail.cc) == ("One", "")
    assert [variant.subject for variant in mail.variants.all()] == ["Eins"]
    assert numbers(mail) == [3, 2, 1]
    assert mail.versions.first().digest == mail.versions.last().digest


def test_a_version_that_would_not_work_any_more_stays_history(admin_client):
    mail = shop.mail(subject="{{ cart.old_field }}")
    mail.keep_version()
    Mail.objects.update(subject="Two")
    shop.generator()
    response = admin_client.post(
        reverse("admin:mails_mail_version", args=[mail.pk, 1]), follow=True
    )
    assert "This version would not work any more" in response.content.decode()
    assert "cart.old_field" in response.content.decode()
    assert Mail.objects.get().subject == "Two"


def test_whoever_may_only_look_cannot_go_back(client, django_user_model):
    from django.contrib.auth.models import Permission

    user = django_user_model.objects.create_user("eve", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_mail"))
    client.force_login(user)
    mail = shop.mail()
    mail.keep_version()
    url = reverse("admin:mails_mail_version", args=[mail.pk, 1])
    assert client.get(url).status_code == 200
    assert client.post(url).status_code == 403


def test_the_newest_version_stands_first_and_is_the_one_that_is_now(admin_client):
    mail = shop.mail(subject="One")
    mail.keep_version()
    for subject in ("Two", "Three"):
        save(admin_client, mail, subject=subject)
    page = admin_client.get(reverse("admin:mails_mail_versions", args=[mail.pk]))
    listed = [(each["version"].number, each["changed"]) for each in page.context["listed"]]
    assert [number for number, _changed in listed] == [3, 2, 1]
    assert [changed for _number, changed in listed[:2]] == [["Subject"], ["Subject"]]
    assert page.content.decode().index(">3</a>") < page.content.decode().index(">now<")


def test_going_back_leaves_the_choice_of_the_layout_to_the_default(admin_client):
    Layout.objects.create(name="Shop", slug="shop", is_default=True)
    mail = shop.mail(subject="One")
    version = mail.keep_version()
    mail.go_back(version)
    mail.refresh_from_db()
    assert mail.layout is None


def test_the_pages_show_who_changed_what(admin_client):
    mail = shop.mail(subject="Your cart waits for you")
    mail.keep_version()
    save(admin_client, mail, subject="Your <b>basket</b> waits for you")
    listed = admin_client.get(reverse("admin:mails_mail_versions", args=[mail.pk]))
    assert "Subject" in listed.content.decode()
    page = admin_client.get(reverse("admin:mails_mail_version", args=[mail.pk, 2]))
    assert (
        "Your <del>cart</del><ins>&lt;b&gt;basket&lt;/b&gt;</ins> waits for you"
        in page.content.decode()
    )


def test_a_long_text_shows_only_what_changed_and_what_is_near():
    before = "word " * 500 + "old" + " word" * 500
    text = marked(before, before.replace("old", "new"))
    assert "<del>old</del><ins>new</ins>" in text
    assert len(text) < 200


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a " * 800, "b a " * 400),
        ("a " * 20_000, "b a " * 10_000),
        ("<tr><td>EUR</td></tr>\n" * 250, "<tr><td>CHF</td></tr>\n" * 250),
        ("x\n" * 6_000, "x\n" * 5_999),
        ("<" * 30_000, ">" * 30_000),
    ],
)
def test_no_difference_keeps_a_page_busy(before, after):
    assert "<del>" in marked(before, after)  # it took minutes once


def test_what_stayed_the_same_is_no_difference():
    mail = shop.mail()
    assert differences(mail.content(), mail.content()) == []


def test_a_content_comes_back_from_the_database_as_it_was():
    Layout.objects.create(name="Shop", slug="shop", is_default=True, styles="p { color: red }")
    mail = shop.mail(cc="a@example.com")
    Variant.objects.create(mail=mail, language="de", subject="Eins", body="<p>x</p>")
    version = mail.keep_version()
    assert Version.objects.get(pk=version.pk).content == mail.content()
    assert version.digest == mail.content().digest
