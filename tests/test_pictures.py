"""Pictures of mails: uploaded, found again, served, renamed and deleted."""

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.storage import default_storage
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse

from mails import pictures, storage
from mails.files import Picture
from mails.models import Layout, Mail, Snippet, Variant
from tests import shop
from tests.uploads import SVG, address, event, image, mail_with, no_other_files, picture, upload

__all__ = ["no_other_files"]

pytestmark = pytest.mark.django_db

UPLOAD = "/admin/mails/picture/upload/"
CHOOSE = "/admin/mails/picture/choose/"


def staff(client, *codenames):
    user = User.objects.create_user("ann", "ann@example.com", "secret", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


# Uploading ----------------------------------------------------------------------------------


def test_an_upload_answers_with_what_the_editor_needs(admin_client):
    response = admin_client.post(UPLOAD, {"file": upload(image(size=(30, 20)), "Our logo.png")})
    kept = Picture.objects.get()
    assert response.json() == {
        "url": f"/admin/mails/picture/file/{kept.digest}.png",
        "name": "Our logo",
        "width": 30,
        "height": 20,
    }
    assert kept.uploaded_by.username == "admin"


def test_the_same_picture_is_kept_once(admin_client):
    urls = {
        admin_client.post(UPLOAD, {"file": upload(image(), name)}).json()["url"]
        for name in ("logo.png", "again.png")
    }
    assert len(urls) == 1
    assert Picture.objects.get().name == "logo"
    assert default_storage.listdir(storage.PICTURES)[1] == [Picture.objects.get().file_name]


def test_the_end_of_the_name_does_not_matter(admin_client):
    assert admin_client.post(UPLOAD, {"file": upload(image("JPEG"), "x.png")}).status_code == 200
    assert Picture.objects.get().suffix == "jpg"


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (SVG, "logo.png", "Mail programs do not show SVG. Save the picture as PNG."),
        (b"<html>hi</html>", "a.png", "This is no picture. Use PNG, JPEG, GIF or WebP."),
        (b"", "a.png", "This is no picture. Use PNG, JPEG, GIF or WebP."),
        (b"x" * (5 * 1024 * 1024 + 1), "a.png", "The file is larger than 5 MB."),
    ],
)
def test_what_is_refused_is_told_in_words(admin_client, data, name, reason):
    response = admin_client.post(UPLOAD, {"file": upload(data, name)})
    assert response.status_code == 400
    assert response.json()["error"].startswith(reason)
    assert not Picture.objects.exists()
    assert not default_storage.exists(storage.PICTURES)


def test_an_upload_without_a_file_says_so(admin_client):
    assert admin_client.post(UPLOAD).json() == {"error": "Choose a picture first."}


def test_the_limit_is_a_setting(admin_client, settings):
    settings.AUTOMATION = {"UPLOAD_MEGABYTES": 1}
    response = admin_client.post(UPLOAD, {"file": upload(b"x" * (1024 * 1024 + 1))})
    assert "larger than 1 MB" in response.json()["error"]


def test_a_name_is_only_a_name(admin_client):
    for number, (name, kept) in enumerate(
        [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\ann\\logo.PNG", "logo"),
            ("a\r\nX-Evil: 1\0.png", "a X-Evil: 1"),
            ("<script>alert(1)</script>.png", "script>"),
            (".png", "png"),
            ("…", "…"),
            ("x" * 300 + ".jpg", "x" * 146),
        ]
    ):
        data = image(size=(10 + number, 10))
        assert pictures.keep(pictures.take_in(upload(data)), name).name == kept
    assert set(default_storage.listdir("mails")[0]) == {"pictures"}


def test_a_storage_that_does_not_answer_is_told(admin_client, settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings.MEDIA_ROOT = tmp_path / "file"
    response = admin_client.post(UPLOAD, {"file": upload(image())})
    assert response.status_code == 400
    assert response.json()["error"].startswith("The picture cannot be kept just now: ")


def test_uploading_needs_the_permission_a_token_and_a_post(client, admin_user):
    assert client.post(UPLOAD).status_code == 302  # to the login
    staff(client, "change_mail", "view_picture")
    response = client.post(UPLOAD, {"file": upload(image())})
    assert response.status_code == 403
    assert response.json() == {"error": "You may not upload pictures."}
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert strict.post(UPLOAD, {"file": upload(image())}).status_code == 403
    strict.get("/admin/login/")
    assert strict.get(UPLOAD).status_code == 405
    assert not Picture.objects.exists()


# Finding them again -------------------------------------------------------------------------


def test_pictures_are_listed_newest_first_and_searched(admin_client):
    for number, name in enumerate(["Lamp", "Bulb", "Old lamp"]):
        picture(name, size=(10 + number, 10))
    listed = admin_client.get(CHOOSE).json()
    assert [each["name"] for each in listed["images"]] == ["Old lamp", "Bulb", "Lamp"]
    assert listed["images"][0] == {
        "url": address(Picture.objects.first()), "name": "Old lamp", "width": 12, "height": 10,
    }  # fmt: skip
    assert (listed["page"], listed["pages"], listed["count"]) == (1, 1, 3)
    found = admin_client.get(CHOOSE, {"q": "lamp"}).json()
    assert [each["name"] for each in found["images"]] == ["Old lamp", "Lamp"]


def test_pictures_are_listed_a_page_at_a_time(admin_client, django_assert_max_num_queries):
    for number in range(30):
        picture(f"{number}", size=(10 + number, 10))
    with django_assert_max_num_queries(4):  # session, user, count, pictures
        assert len(admin_client.get(CHOOSE).json()["images"]) == 24
    second = admin_client.get(CHOOSE, {"page": "2"}).json()
    assert [each["name"] for each in second["images"]] == ["5", "4", "3", "2", "1", "0"]
    for page, shown in (("", 1), ("x", 1), ("99999999999999999999", 2), ("-1", 2)):
        assert admin_client.get(CHOOSE, {"page": page}).json()["page"] == shown
    assert admin_client.get(CHOOSE, {"q": "\0%_"}).json()["count"] == 0


def test_looking_at_the_pictures_needs_the_permission(client):
    assert client.get(CHOOSE).status_code == 302
    assert staff(client, "change_mail").get(CHOOSE).status_code == 403


# Serving them -------------------------------------------------------------------------------


def test_colleagues_see_a_picture_and_nothing_but_a_picture(admin_client, client):
    shown = picture()
    response = admin_client.get(address(shown))
    assert response.content == storage.read(f"mails/pictures/{shown.file_name}")
    assert response["Content-Type"] == "image/png"
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert Client().get(address(shown)).status_code == 302


def test_recipients_see_a_picture_without_an_account(client, django_assert_num_queries):
    shown = picture()
    with django_assert_num_queries(0):
        response = client.get(f"/mails/pictures/{shown.file_name}")
    assert response.content == storage.read(f"mails/pictures/{shown.file_name}")
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert client.post(f"/mails/pictures/{shown.file_name}").status_code == 405


@pytest.mark.parametrize(
    "name", ["x.png", f"{'0' * 64}.png", f"{'0' * 64}.svg", "../attachments/x", f"{'0' * 63}/.png"]
)
def test_there_is_nothing_else_to_see(client, name):
    assert client.get(f"/mails/pictures/{name}").status_code == 404


# The pages of pictures ----------------------------------------------------------------------


def test_a_picture_is_uploaded_by_a_form_of_its_own(admin_client):
    page = "/admin/mails/picture/add/"
    assert 'enctype="multipart/form-data"' in admin_client.get(page).content.decode()
    response = admin_client.post(page, {"upload": upload(image(), "a.png"), "name": "Our logo"})
    kept = Picture.objects.get()
    assert response.url == "/admin/mails/picture/"
    assert (kept.name, kept.uploaded_by.username) == ("Our logo", "admin")
    assert f'src="{address(kept)}"' in admin_client.get(response.url).content.decode()


def test_the_form_says_what_is_wrong_and_when_there_is_nothing_new(admin_client):
    page = "/admin/mails/picture/add/"
    refused = admin_client.post(page, {"upload": upload(SVG, "a.svg")}).content.decode()
    assert "Mail programs do not show SVG. Save the picture as PNG." in refused
    picture("Our logo")
    again = admin_client.post(page, {"upload": upload(image(), "again.png")}, follow=True)
    assert "This picture was here already, as “Our logo”." in again.content.decode()
    assert Picture.objects.count() == 1


def test_a_picture_can_be_renamed_and_says_where_it_is_shown(admin_client):
    shown = picture()
    mail = mail_with(shown, name="Spring <sale>")
    page = reverse("admin:mails_picture_change", args=[shown.pk])
    assert "Spring &lt;sale&gt;</a>" in admin_client.get(page).content.decode()
    admin_client.post(page, {"name": "New name"})
    shown.refresh_from_db()
    assert shown.name == "New name"
    assert mail.render(event())


def test_a_picture_that_a_mail_shows_stays(admin_client):
    shown = picture()
    mail = mail_with(shown, name="Spring sale")
    delete = reverse("admin:mails_picture_delete", args=[shown.pk])
    for data in ({}, {"post": "yes"}):
        assert "Spring sale" in admin_client.post(delete, data).content.decode()
    listed = {"action": "delete_selected", "_selected_action": [shown.pk], "post": "yes"}
    admin_client.post("/admin/mails/picture/", listed)
    with pytest.raises(ProtectedError, match="Spring sale"):
        shown.delete()
    assert Picture.objects.exists()
    # What was sent is shown as it was sent.
    mail.keep_version()
    Mail.objects.update(body="<p>Without</p>")
    with pytest.raises(ProtectedError):
        shown.delete()


@pytest.mark.parametrize("place", ["variant", "layout", "snippet"])
def test_a_picture_that_is_shown_anywhere_stays(place):
    shown = picture()
    body = f'<img src="{address(shown)}">'
    if place == "variant":
        Variant.objects.create(mail=shop.mail(), language="de", subject="x", body=body)
    elif place == "layout":
        Layout.objects.create(name="x", slug="x", footer=body)
    else:
        Snippet.objects.create(name="x", slug="x", body=body)
    with pytest.raises(ProtectedError):
        shown.delete()


@pytest.mark.django_db(transaction=True)
def test_a_picture_that_no_mail_shows_is_deleted_with_its_file(admin_client):
    shown, other = picture(), picture("Other", size=(3, 3))
    delete = reverse("admin:mails_picture_delete", args=[shown.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 302
    assert list(Picture.objects.all()) == [other]
    assert default_storage.listdir(storage.PICTURES)[1] == [other.file_name]
