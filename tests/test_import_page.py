"""Definitions brought in through the admin: looked at first, all or nothing, switched off."""

import json
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from automation.demo.definitions import FILE
from automation.rules import definitions
from generators.models import Generator
from mails.models import Layout, Mail, Snippet
from tests import shop

pytestmark = pytest.mark.django_db

URL = "admin:automation_rules_segment_import"


def upload(client, content: bytes, **data):
    file = SimpleUploadedFile("definitions.json", content)
    return client.post(reverse(URL), {"file": file, **data})


def changed(**changes) -> bytes:
    return json.dumps({**json.loads(FILE.read_text(encoding="utf-8")), **changes}).encode()


def test_a_file_is_shown_before_anything_is_written(admin_client):
    response = upload(admin_client, Path(FILE).read_bytes())
    page = response.content.decode()
    assert "Abandoned cart" in page
    assert "Welcome to a new customer" in page
    assert Generator.objects.count() == Mail.objects.count() == 0
    response = admin_client.post(reverse(URL), {"text": response.context["text"], "apply": "1"})
    assert response.status_code == 302
    assert Generator.objects.count() > 0
    assert set(Generator.objects.values_list("state", flat=True)) == {"draft"}
    assert not Mail.objects.filter(is_active=True).exists()
    assert LogEntry.objects.filter(change_message="imported").count() > 0


def test_what_would_change_is_shown_side_by_side(admin_client):
    mail = shop.mail(slug="cart", subject="Old subject")
    data = definitions.dump(Mail.objects.all())
    data["mails"][0]["subject"] = "New <b>subject</b>"
    page = upload(admin_client, json.dumps(data).encode()).content.decode()
    assert "<del>Old subject</del>" in page
    assert "<ins>New &lt;b&gt;subject&lt;/b&gt;</ins>" in page
    mail.refresh_from_db()
    assert mail.subject == "Old subject"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Choose a file first."),
        (b"{", "The file is not JSON: line 1, column 2: Expecting property name enclosed in "
               "double quotes."),
        (b'{"version": "\xff"}', "The file is not UTF-8 text (byte 13)."),
        (b"[" * 100_000, "The file is not JSON that can be read."),
        (b"[]", "This is not a file of definitions."),
        (changed(version=2), "The file is of version 2; this site reads version 1."),
        (b" " * 5_000_001, "The file is larger than 5 MB."),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_and_nothing_is_written(admin_client, content, message):
    response = upload(admin_client, content)
    assert response.context["form"].errors["file"][-1] == message
    assert Generator.objects.count() == 0


def test_whoever_may_not_change_mails_cannot_bring_them_in(client, django_user_model):
    user = django_user_model.objects.create_user("eve", is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(codename__in=["change_segment", "add_segment"])
    )
    client.force_login(user)
    response = upload(client, changed(), apply="1")
    assert response.context["form"].errors["file"][-1] == "You may not add and change chains."
    user.user_permissions.clear()
    user = django_user_model.objects.get(pk=user.pk)
    client.force_login(user)
    assert upload(client, changed()).status_code == 403


def test_layouts_and_snippets_travel_by_short_name():
    Snippet.objects.create(name="B", slug="b", body='{% render "z" %}')
    Snippet.objects.create(name="Z", slug="z", body="<p>Bye</p>")
    layout = Layout.objects.create(name="Shop", slug="shop", footer='{% render "b" %}')
    shop.mail(slug="cart", layout=layout)
    data = definitions.dump()
    Mail.objects.all().delete()
    Layout.objects.all().delete()
    for snippet in Snippet.objects.all():
        snippet.delete()
    definitions.load(data)
    assert definitions.dump() == data
    assert Mail.objects.get().layout.slug == "shop"
    assert Mail.objects.get().versions.count() == 1


def test_a_layout_that_is_not_there_is_named():
    shop.mail()
    data = definitions.dump()
    data["mails"][0]["layout"] = "nothing"
    with pytest.raises(definitions.DefinitionError, match="There is no layout “nothing”."):
        definitions.load(data)


def test_active_mails_that_look_different_by_an_import_are_named_and_have_a_version(
    admin_client, admin_user
):
    Layout.objects.create(name="Shop", slug="shop", is_default=True, footer="<p>Old</p>")
    mail = shop.mail(name="The cart mail")
    mail.keep_version()
    shop.mail(name="A mail that is off", is_active=False)
    data = definitions.dump(Layout.objects.all())
    data["layouts"][0]["footer"] = "<p>New</p>"
    response = upload(admin_client, json.dumps(data).encode())
    assert "will be different at once: The cart mail<" in response.content.decode()
    admin_client.post(reverse(URL), {"text": response.context["text"], "apply": "1"})
    newest = mail.versions.first()
    assert (newest.number, newest.author) == (2, admin_user)
    assert newest.content.design.footer == "<p>New</p>"
