"""Pictures in mails: sent along or linked to, seen by colleagues, gone."""

import html
import re

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse, set_script_prefix

from automation.events import record
from automation.rules.templating import TemplateError
from mails import embedding, pictures, storage
from mails.checks import check_site_url
from mails.delivery import send_test
from mails.files import Picture
from mails.models import Layout, Message, Snippet
from tests import shop
from tests.forms import filled
from tests.smtp import SmtpServer
from tests.uploads import (
    BLUE,
    address,
    counted_reads,
    deliver_to,
    event,
    image,
    mail_with,
    no_other_files,
    picture,
)

__all__ = ["counted_reads", "no_other_files"]

pytestmark = pytest.mark.django_db


# In a mail ----------------------------------------------------------------------------------


def test_a_picture_comes_along_inside_the_mail(smtp_server: SmtpServer):
    shown = picture()
    mail_with(shown)
    assert deliver_to("a@example.com") == [("sent", "")]
    message = smtp_server.received[0].message
    assert message.get_content_type() == "multipart/alternative"
    text, related = message.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert related.get_content_type() == "multipart/related"
    assert related.get_param("type") == "text/html"
    page, part = related.iter_parts()
    cid = part["Content-ID"].strip("<>")
    assert f'<img alt="Logo" src="cid:{cid}"' in page.get_content()
    assert part.get_content_type() == "image/png"
    assert part.get_content_disposition() == "inline"
    assert part.get_content() == storage.read(pictures.path_of(shown.file_name))
    assert "admin" not in smtp_server.received[0].html


def test_each_picture_comes_along_once_and_others_do_not(smtp_server: SmtpServer):
    one, two, _other = (picture(name, size=(9, n)) for n, name in enumerate("abc", start=1))
    mail_with(one, two, one)
    deliver_to("a@example.com")
    parts = [
        part["Content-ID"].strip("<>")
        for part in smtp_server.received[0].message.walk()
        if part["Content-ID"]
    ]
    assert parts == [embedding.content_id(one.file_name), embedding.content_id(two.file_name)]


def test_a_picture_by_its_own_address_elsewhere_stays_linked(smtp_server: SmtpServer):
    shop.mail(body='<p><img alt="x" src="https://shop.example/logo.png"></p>')
    deliver_to("a@example.com")
    received = smtp_server.received[0]
    assert 'src="https://shop.example/logo.png"' in received.html
    assert [part.get_content_type() for part in received.message.walk()] == [
        "multipart/alternative", "text/plain", "text/html",
    ]  # fmt: skip


def test_pictures_of_layouts_and_snippets_come_along_too(smtp_server: SmtpServer):
    one, two, three = (picture(name, size=(9, n)) for n, name in enumerate("abc", start=1))
    Layout.objects.create(
        name="x",
        slug="x",
        is_default=True,
        header=f'<img src="{address(one)}">',
        footer=f'<img src="{address(two)}">',
    )
    Snippet.objects.create(name="x", slug="sign", body=f'<img src="{address(three)}">')
    shop.mail(body='<p>Hi</p>{% render "sign" %}')
    assert deliver_to("a@example.com") == [("sent", "")]
    related = [
        part for part in smtp_server.received[0].message.walk() if part["Content-ID"] is not None
    ]
    assert len(related) == 3


@pytest.mark.parametrize(
    "src",
    ['src="{}"', "src='{}'", "src={}", 'SRC = "{}"', 'src="https://flint.example{}"'],
)
def test_however_it_is_written_it_comes_along(src):
    shown = picture()
    written = src.format(address(shown))
    turned, names = embedding.embedded(f"<img {written} width=9>")
    assert names == [shown.file_name]
    assert f"cid:{embedding.content_id(shown.file_name)}" in turned
    assert "admin" not in turned


def test_many_beginnings_without_an_end_take_no_time():
    embedding.embedded(embedding.MARK + 'src="' * 60_000)
    embedding.embedded(embedding.MARK + "src=" * 60_000 + " " * 60_000)
    embedding.embedded(embedding.MARK + 'src="' + "/" * 300_000)


def test_a_picture_is_read_once_for_a_batch(smtp_server: SmtpServer, counted_reads):
    shown = picture()
    mail_with(shown)
    counted_reads.clear()
    deliver_to(*(f"{name}@example.com" for name in "abcdef"))
    assert len(smtp_server.received) == 6
    assert counted_reads == [f"mails/pictures/{shown.file_name}"]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(storage._remembered, "_most", 1000)
    for number in range(1, 20):
        shown = picture(size=(number, 1))
        storage.encoded(pictures.path_of(shown.file_name))
        assert storage._remembered._size <= 1000
    assert sum(map(len, storage._remembered._texts.values())) == storage._remembered._size > 0


def test_a_test_mail_has_its_pictures(smtp_server: SmtpServer):
    shown = picture()
    send_test(mail_with(shown), event(), "ann@example.com")
    assert f"<{embedding.content_id(shown.file_name)}>".encode() in smtp_server.received[0].raw


# Linked instead -----------------------------------------------------------------------------


def test_a_site_that_recipients_reach_is_linked_to(smtp_server: SmtpServer, settings, client):
    settings.AUTOMATION = {"SITE_URL": "https://shop.example/"}
    shown = picture()
    mail_with(shown)
    assert deliver_to("a@example.com") == [("sent", "")]
    received = smtp_server.received[0]
    assert received.message.get_content_type() == "multipart/alternative"
    assert len(list(received.message.walk())) == 3
    (src,) = re.findall(r'src="(.*?)"', received.html)
    assert src == f"https://shop.example/mails/pictures/{shown.file_name}"
    assert client.get(src.removeprefix("https://shop.example")).status_code == 200


def test_a_site_under_a_path_is_linked_to_there(settings):
    settings.AUTOMATION = {"SITE_URL": "https://shop.example/flint"}
    name = f"{'0' * 64}.png"
    wanted = f"https://shop.example/flint/mails/pictures/{name}"
    assert embedding.public_url("https://shop.example/flint", name) == wanted  # the cluster
    set_script_prefix("/flint/")
    try:
        assert embedding.public_url("https://shop.example/flint", name) == wanted  # the site
    finally:
        set_script_prefix("/")


@pytest.mark.parametrize(
    ("site", "found"),
    [
        ("", []),
        ("https://shop.example", []),
        ("http://127.0.0.1:8000/flint/", []),
        ("shop.example", ["mails.E003"]),
        ("https://", ["mails.E003"]),
        ("ftp://shop.example", ["mails.E003"]),
        ("https://shop.example/?a=b", ["mails.E003"]),
    ],
)
def test_an_address_that_is_none_is_found(settings, site, found):
    settings.AUTOMATION = {"SITE_URL": site}
    assert [problem.id for problem in check_site_url()] == found


def test_a_project_without_the_addresses_for_recipients_is_told(settings):
    settings.AUTOMATION = {"SITE_URL": "https://shop.example"}
    settings.ROOT_URLCONF = "tests.uploads"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tests.uploads.urlpatterns", [], raising=False)
        assert [problem.id for problem in check_site_url()] == ["mails.E004"]


# Gone ---------------------------------------------------------------------------------------


def lose(shown: Picture) -> None:
    default_storage.delete(pictures.path_of(shown.file_name))
    storage.forget()


GONE = "The picture “Logo” is gone. Upload it again, or take it out of the mail."


@pytest.mark.parametrize("site", ["", "https://shop.example"])
def test_without_its_picture_a_mail_is_not_sent(smtp_server: SmtpServer, settings, site):
    settings.AUTOMATION = {"SITE_URL": site}
    shown = picture()
    mail = mail_with(shown)
    lose(shown)
    assert deliver_to("a@example.com") == [("failed", GONE)]
    assert smtp_server.received == []
    with pytest.raises(TemplateError, match="“Logo” is gone"):
        mail.render(event())


def test_a_picture_that_is_not_what_it_was_is_gone(smtp_server: SmtpServer):
    shown = picture()
    mail_with(shown)
    storage.forget()
    with open(default_storage.path(pictures.path_of(shown.file_name)), "wb") as file:
        file.write(image(colour=BLUE))
    assert deliver_to("a@example.com") == [("failed", GONE)]


def test_a_picture_that_was_uploaded_again_is_there_again(smtp_server: SmtpServer):
    shown = picture()
    mail_with(shown)
    lose(shown)
    assert picture() == shown
    assert deliver_to("a@example.com") == [("sent", "")]


def test_a_disk_that_does_not_answer_is_waited_for(smtp_server: SmtpServer, settings, tmp_path):
    shown = picture()
    mail_with(shown)
    storage.forget()
    (tmp_path / "file").write_text("in the way")
    settings.MEDIA_ROOT = tmp_path / "file"
    ((state, reason),) = deliver_to("a@example.com")
    assert state == "queued"
    assert reason.startswith("“Logo” cannot be read just now: ")


def test_saving_a_mail_warns_of_what_is_gone(admin_client):
    shown = picture()
    mail = mail_with(shown)
    lose(shown)
    page = reverse("admin:mails_mail_change", args=[mail.pk])
    response = admin_client.post(page, filled(admin_client, page, "mail"), follow=True)
    assert GONE in html.unescape(response.content.decode())


# Shown to colleagues ------------------------------------------------------------------------


def test_a_sent_mail_is_shown_with_its_pictures(admin_client, smtp_server: SmtpServer):
    shown = picture()
    mail_with(shown)
    deliver_to("a@example.com")
    message = Message.objects.get()
    assert "cid:" in message.html
    page = admin_client.get(reverse("admin:mails_message_frame", args=[message.pk]))
    assert "cid:" not in page.content.decode()
    assert page.content.decode().count('src="data:image/png;base64,iVBOR') == 1
    assert "img-src data:" in page["Content-Security-Policy"]


def test_a_preview_shows_the_pictures(admin_client):
    mail = mail_with(picture())
    record([event()])
    found = admin_client.get(
        reverse("admin:mails_mail_frame", args=[mail.pk]), {"key": "1"}
    ).content.decode()
    assert 'src="data:image/png;base64,' in html.unescape(found)


def test_a_picture_that_is_gone_leaves_its_words(smtp_server: SmtpServer):
    shown = picture()
    rendered = mail_with(shown).render(event())
    lose(shown)
    assert '<img alt="Logo" src=""' in pictures.shown_pictures(rendered.html)
