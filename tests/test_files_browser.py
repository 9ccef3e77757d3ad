"""Pictures and attachments in a real browser, which is particular about what it sends."""

from contextlib import contextmanager

import pytest
from django.urls import reverse

from automation.events import Event, record
from mails.files import Picture
from mails.models import Mail
from tests import shop
from tests.uploads import SVG, image, no_other_files, pdf, picture

__all__ = ["no_other_files"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def file(data: bytes, name: str) -> dict:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def change_page(mail: Mail) -> str:
    return reverse("admin:mails_mail_change", args=[mail.pk])


@contextmanager
def signed_in(chromium, live_server, client, **options):
    """A page that may write errors into its console, as for an answer that says no."""
    context = chromium.new_context(base_url=live_server.url, **options)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    yield context.new_page()
    context.close()


def test_one_file_is_attached_after_another(superuser_page):
    page, mail = superuser_page, shop.mail()
    for number, name in enumerate(["Prices.pdf", "Terms.pdf"]):
        page.goto(change_page(mail))
        page.set_input_files(f"#id_attachments-{number}-file", file(pdf(name), name))
        page.click("[name=_save], [name=_continue]")
        page.wait_for_selector(".messagelist .success")
    assert [each.name for each in mail.attachments.all()] == ["Prices.pdf", "Terms.pdf"]


def test_a_file_need_not_be_chosen_again_when_the_form_was_wrong(superuser_page):
    page, mail = superuser_page, shop.mail()
    page.goto(change_page(mail))
    page.set_input_files("#id_attachments-0-file", file(pdf(), "Prices.pdf"))
    page.fill("#id_subject", "{{ nonsense")
    page.click("[name=_save], [name=_continue]")
    assert "“Prices.pdf” is uploaded." in page.inner_text(".kept-file")
    page.fill("#id_subject", "Hello")
    page.click("[name=_save], [name=_continue]")
    page.wait_for_selector(".messagelist .success")
    assert [each.name for each in mail.attachments.all()] == ["Prices.pdf"]


def test_a_picture_is_uploaded_and_listed_without_scripts(chromium, live_server, admin_client):
    with signed_in(chromium, live_server, admin_client, java_script_enabled=False) as page:
        page.goto("/admin/mails/picture/add/")
        page.set_input_files("#id_upload", file(image(size=(70, 50)), "Our logo.png"))
        page.click("[name=_save]")
        page.wait_for_url("/admin/mails/picture/")
        assert page.get_by_role("img", name="Our logo").bounding_box()["width"] == 70


def test_pictures_are_seen_in_the_sandboxed_preview(superuser_page):
    page = superuser_page
    shown = picture("Logo", size=(70, 50))
    src = reverse("admin:mails_image_file", args=[shown.file_name])
    mail = shop.mail(body=f'<p><img alt="Logo" src="{src}"></p>')
    context = {"cart": {"customer": {"first_name": "Ann"}, "items": []}}
    record([Event("cart_left", "1", context, recipient="a@example.com")])
    page.goto(reverse("admin:mails_mail_preview", args=[mail.pk]))
    seen = page.frame_locator("iframe").get_by_role("img", name="Logo")
    assert seen.evaluate("image => image.naturalWidth") == 70


def test_a_picture_is_uploaded_in_the_editor(superuser_page):
    page, mail = superuser_page, shop.mail(body="<p>Hello</p>")
    page.goto(change_page(mail))
    page.locator("#cke_id_body .cke_button__image").click()
    dialog = page.locator("dialog[open]")
    dialog.locator("input[type=file]").set_input_files(file(image(size=(70, 50)), "Our logo.png"))
    dialog.get_by_text("70 × 50").wait_for()
    dialog.locator("[name=alt]").fill("Our logo")
    dialog.locator("button[value=save]").click()
    page.click("[name=_save], [name=_continue]")
    page.wait_for_selector(".messagelist .success")
    kept = Picture.objects.get()
    src = reverse("admin:mails_image_file", args=[kept.file_name])
    assert f'<img alt="Our logo" src="{src}" width="70" />' in Mail.objects.get().body


def test_what_is_no_picture_is_told_in_the_editor(chromium, live_server, admin_client):
    mail = shop.mail(body="<p>Hello</p>")
    with signed_in(chromium, live_server, admin_client) as page:
        page.goto(change_page(mail))
        page.locator("#cke_id_body .cke_button__image").click()
        dialog = page.locator("dialog[open]")
        dialog.locator("input[type=file]").set_input_files(file(SVG, "logo.png"))
        dialog.get_by_text("Mail programs do not show SVG. Save the picture as PNG.").wait_for()
