"""Attachments on the form of a mail, and what of them colleagues can look at."""

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from mails import storage
from mails.content import File
from mails.models import Mail
from tests import shop
from tests.forms import errors, filled
from tests.uploads import SVG, attach, no_other_files, pdf, upload

__all__ = ["no_other_files"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail(db) -> Mail:
    made = shop.mail()
    made.keep_version()
    return made


def save(client, mail: Mail, *files, **changed):
    """Save the mail's form with ``files`` to attach: each bytes and name."""
    page = reverse("admin:mails_mail_change", args=[mail.pk])
    form = filled(client, page, "mail")
    start = int(form["attachments-INITIAL_FORMS"])
    form["attachments-TOTAL_FORMS"] = str(start + max(len(files), 1))
    for number, (data, name) in enumerate(files, start=start):
        form[f"attachments-{number}-file"] = upload(data, name)
        form[f"attachments-{number}-mail"] = str(mail.pk)
    return client.post(page, {**form, **changed})


def attached(mail: Mail) -> list[tuple[str, int]]:
    return list(mail.attachments.values_list("name", "size"))


def test_a_file_is_attached_and_makes_a_version(admin_client, mail):
    assert save(admin_client, mail, (pdf(), "Prices.pdf")).status_code == 302
    assert attached(mail) == [("Prices.pdf", len(pdf()))]
    made = mail.attachments.get()
    assert made.content_type == "application/pdf"
    assert made.file.name == f"mails/attachments/{made.digest}"
    assert mail.versions.first().content.attachments == (File("Prices.pdf", made.digest),)


def test_a_new_mail_begins_without_a_row_for_files_and_takes_them_all_the_same(admin_client):
    page = reverse("admin:mails_mail_add")
    form = filled(admin_client, page, "mail")
    assert form["attachments-TOTAL_FORMS"] == "0"
    assert 'enctype="multipart/form-data"' in admin_client.get(page).content.decode()
    sent = {
        "name": "Prices",
        "slug": "prices",
        "group": "prices",
        "subject": "Prices",
        "body": "Here",
    }
    files = {"attachments-TOTAL_FORMS": "1", "attachments-0-file": upload(pdf(), "Prices.pdf")}
    assert admin_client.post(page, {**form, **sent, **files}).status_code == 302
    assert attached(Mail.objects.get()) == [("Prices.pdf", len(pdf()))]


def test_the_form_can_always_send_files(admin_client, mail):
    page = reverse("admin:mails_mail_change", args=[mail.pk])
    assert 'enctype="multipart/form-data"' in admin_client.get(page).content.decode()
    save(admin_client, mail, (pdf(), "p.pdf"))
    assert 'enctype="multipart/form-data"' in admin_client.get(page).content.decode()


def test_a_file_is_renamed_and_removed(admin_client, mail):
    save(admin_client, mail, (pdf(), "p.pdf"))
    renamed = {"attachments-0-name": "Our prices"}
    assert save(admin_client, mail, **renamed).status_code == 302
    assert attached(mail) == [("Our prices.pdf", len(pdf()))]
    assert save(admin_client, mail, **{"attachments-0-DELETE": "on"}).status_code == 302
    assert attached(mail) == []
    assert mail.versions.count() == 4


def test_what_is_wrong_with_a_file_is_told_at_its_field(admin_client, mail):
    told = errors(save(admin_client, mail, (b"MZ", "a.exe"), (SVG, "b.png"), (b"", "c.pdf")))
    assert [told[f"attachments-{number}-file"][0][:30] for number in range(3)] == [
        "Files of the kind “.exe” canno",
        "The name says “.png”, but ther",
        "The submitted file is empty.",
    ]
    assert attached(mail) == []


def test_all_files_together_have_a_limit(admin_client, mail, settings):
    settings.AUTOMATION = {"ATTACHMENTS_MEGABYTES": 1}
    large = pdf() + b"x" * 600_000
    assert save(admin_client, mail, (large, "a.pdf")).status_code == 302
    response = save(admin_client, mail, (large + b"y", "b.pdf"))
    assert "Together the attachments are larger than 1 MB" in response.content.decode()
    replaced = save(admin_client, mail, (large + b"y", "b.pdf"), **{"attachments-0-DELETE": "on"})
    assert replaced.status_code == 302
    assert [name for name, _size in attached(mail)] == ["b.pdf"]


def kept_of(response) -> str:
    (formset,) = [
        each.formset
        for each in response.context["inline_admin_formsets"]
        if each.formset.prefix == "attachments"
    ]
    html = str(formset.forms[0]["file"])
    return html.partition('-kept" value="')[2].partition('"')[0]


def test_a_file_that_was_uploaded_is_not_lost_when_the_form_is_wrong(admin_client, mail):
    response = save(admin_client, mail, (pdf(), "Prices.pdf"), subject="{{ nonsense")
    page = response.content.decode()
    assert "“Prices.pdf” is uploaded." in page
    kept = {"attachments-0-file-kept": kept_of(response)}
    assert save(admin_client, mail, **kept).status_code == 302
    assert attached(mail) == [("Prices.pdf", len(pdf()))]


def test_a_file_that_was_uploaded_can_be_left_out_after_all(admin_client, mail):
    response = save(admin_client, mail, (pdf(), "Prices.pdf"), subject="{{ nonsense")
    left_out = {
        "attachments-0-file-kept": kept_of(response),
        "attachments-0-file-left-out": "on",
    }
    assert save(admin_client, mail, **left_out).status_code == 302
    assert attached(mail) == []


def test_nobody_attaches_what_others_uploaded_by_its_digest(admin_client, mail):
    attach(shop.mail(), pdf(), "secret.pdf")
    forged = {"attachments-0-file-kept": f'["{storage.digest_of(pdf())}","x.pdf"]:x:y'}
    assert save(admin_client, mail, **forged).status_code == 302
    assert attached(mail) == []


def test_whoever_may_change_a_mail_may_change_its_attachments(client, mail):
    user = User.objects.create_user("ann", password="secret", is_staff=True)
    client.force_login(user)
    user.user_permissions.add(Permission.objects.get(codename="view_mail"))
    page = client.get(reverse("admin:mails_mail_change", args=[mail.pk])).content.decode()
    assert "attachments-0-file" not in page
    user.user_permissions.add(Permission.objects.get(codename="change_mail"))
    assert save(client, mail, (pdf(), "a.pdf")).status_code == 302
    assert attached(mail) == [("a.pdf", len(pdf()))]


# To be looked at ----------------------------------------------------------------------------


def test_an_attachment_is_saved_and_never_opened_as_a_page(admin_client, mail):
    made = attach(mail, pdf(), "Preise für Öl.pdf")
    url = reverse("admin:mails_mail_attachment", args=[mail.pk, made.digest])
    assert (
        f'href="{url}"'
        in admin_client.get(reverse("admin:mails_mail_change", args=[mail.pk])).content.decode()
    )
    response = admin_client.get(url)
    assert response.content == pdf()
    assert response["Content-Disposition"].startswith("attachment; filename*=utf-8''Preise%20f")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_what_went_along_with_an_earlier_version_can_be_looked_at(admin_client, mail):
    made = attach(mail, pdf(), "a.pdf")
    url = reverse("admin:mails_mail_attachment", args=[mail.pk, made.digest])
    mail.keep_version()
    made.delete()
    assert admin_client.get(url).content == pdf()


def test_an_attachment_needs_the_permission_to_look_at_its_mail(client, admin_client, mail):
    made = attach(mail, pdf(), "a.pdf")
    url = reverse("admin:mails_mail_attachment", args=[mail.pk, made.digest])
    other = reverse("admin:mails_mail_attachment", args=[shop.mail().pk, made.digest])
    assert admin_client.get(other).status_code == 404
    far = reverse("admin:mails_mail_attachment", args=[2**70, made.digest])
    assert admin_client.get(far).status_code == 404
    user = User.objects.create_user("ann", password="secret", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_picture"))
    client.force_login(user)
    assert client.get(url).status_code == 403
