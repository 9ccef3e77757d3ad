"""Files that go along with a mail: what may, how they arrive, and that they stay what they were."""

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.urls import reverse

from automation.rules.templating import TemplateError
from mails import attachments, embedding, storage
from mails.attachments import AttachmentError, check, name_for, plain_name
from mails.building import Envelope, build
from mails.content import File
from mails.delivery import send_test
from mails.files import Attachment
from tests import shop
from tests.smtp import SmtpServer
from tests.uploads import (
    SVG,
    attach,
    counted_reads,
    deliver_to,
    event,
    image,
    no_other_files,
    pdf,
    picture,
    upload,
    zipped,
)

__all__ = ["counted_reads", "no_other_files"]

pytestmark = pytest.mark.django_db

DOCX = zipped(word__document_xml=b"<w/>")
ODT = "application/vnd.oasis.opendocument.text"
DOCX_WITH_MACROS = zipped(word__document_xml=b"", word__vbaProject_bin=b"")
ODT_WITH_MACROS = zipped(mimetype=ODT.encode(), content_xml=b"", Basic__x_xml=b"")


def arrived(smtp_server: SmtpServer) -> list[tuple[str, str, bytes]]:
    """The attachments of the first mail: name, kind and bytes of each."""
    found = []
    for part in smtp_server.received[0].message.iter_attachments():
        assert part.get_content_disposition() == "attachment"
        data = part.get_payload(decode=True)
        found.append((part.get_filename(), part.get_content_type(), data))
    return found


# How they arrive ----------------------------------------------------------------------------


def test_an_attachment_arrives_as_it_was(smtp_server: SmtpServer):
    mail = shop.mail()
    attach(mail, pdf(), "Prices.pdf")
    attach(mail, DOCX, "Terms.docx")
    assert deliver_to("a@example.com") == [("sent", "")]
    assert arrived(smtp_server) == [
        ("Prices.pdf", "application/pdf", pdf()),
        ("Terms.docx", attachments.KINDS["docx"].content_type, DOCX),
    ]
    message = smtp_server.received[0].message
    assert [part.get_content_type() for part in message.walk()][:4] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html",
    ]  # fmt: skip


def test_pictures_stay_with_the_html_and_attachments_beside_the_text(smtp_server: SmtpServer):
    shown = picture()
    src = reverse("admin:mails_image_file", args=[shown.file_name])
    mail = shop.mail(body=f'<p><img alt="Logo" src="{src}"></p>')
    attach(mail, pdf(), "Prices.pdf")
    assert deliver_to("a@example.com") == [("sent", "")]
    received = smtp_server.received[0]
    assert [part.get_content_type() for part in received.message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
    ]
    assert f'src="cid:{embedding.content_id(shown.file_name)}"' in received.html
    assert [name for name, _kind, _data in arrived(smtp_server)] == ["Prices.pdf"]


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        ("Name;Größe\nÄrmel;1\n".encode(), "utf-8"),
        ("Name;Größe\r\nÄrmel;1\r\n".encode("cp1252"), None),
        (b"\xef\xbb\xbfa;b\rc;d", "utf-8"),
        (b"x" * 5000, "utf-8"),
    ],
)
def test_text_arrives_byte_by_byte(smtp_server: SmtpServer, data, charset):
    attach(shop.mail(), data, "list.csv")
    deliver_to("a@example.com")
    assert arrived(smtp_server) == [("list.csv", "text/csv", data)]
    (part,) = smtp_server.received[0].message.iter_attachments()
    assert part.get_param("charset") == charset


@pytest.mark.parametrize(
    "name",
    [
        "Preisliste für Ännchen.pdf",
        "价目表.pdf",
        "👍" * 40 + ".pdf",
        'He said "hi" \\ 50%.pdf',
        "a; filename=evil.exe.pdf",
        "x" * 146 + ".pdf",
        "O'Brien & Co (1).pdf",
        "=?utf-8?q?a?=.pdf",
    ],
)
def test_a_name_arrives_as_it_was_given(smtp_server: SmtpServer, name):
    made = Attachment(mail=shop.mail(), name=name, file=upload(pdf(), "x.pdf"))
    made.save()
    deliver_to("a@example.com")
    wanted = name.rpartition("\\")[2].strip()  # a path is left out
    assert [each for each, _kind, _data in arrived(smtp_server)] == [wanted]
    assert max(map(len, smtp_server.received[0].raw.split(b"\r\n"))) <= 998


def test_an_attachment_is_read_once_for_a_batch(smtp_server: SmtpServer, counted_reads):
    made = attach(shop.mail(), pdf(), "a.pdf")
    counted_reads.clear()
    deliver_to(*(f"{name}@example.com" for name in "abcd"))
    assert len(smtp_server.received) == 4
    assert counted_reads == [f"mails/attachments/{made.digest}"]


def test_a_test_mail_has_its_attachments(smtp_server: SmtpServer):
    mail = shop.mail()
    attach(mail, pdf(), "a.pdf")
    send_test(mail, event(), "ann@example.com")
    assert [name for name, _kind, _data in arrived(smtp_server)] == ["a.pdf"]


def test_an_attachment_that_is_gone_fails_the_message(smtp_server: SmtpServer):
    mail = shop.mail()
    made = attach(mail, pdf(), "Prices.pdf")
    default_storage.delete(made.file.name)
    gone = "The attachment “Prices.pdf” is gone. Remove it from the mail and add it again."
    assert deliver_to("a@example.com") == [("failed", gone)]
    assert smtp_server.received == []
    with pytest.raises(TemplateError, match="is gone"):
        mail.render(event())


# Versions -----------------------------------------------------------------------------------


def test_another_file_is_another_version_and_the_old_one_stays(smtp_server: SmtpServer):
    mail = shop.mail()
    old = attach(mail, pdf("2025"), "Prices.pdf")
    first = mail.keep_version()
    old.delete()
    attach(mail, pdf("2026"), "Prices.pdf")
    second = mail.keep_version()
    assert (first.number, second.number) == (1, 2)
    assert first.content.attachments == (File("Prices.pdf", storage.digest_of(pdf("2025"))),)
    assert storage.read(f"mails/attachments/{old.digest}") == pdf("2025")
    deliver_to("a@example.com")
    assert arrived(smtp_server) == [("Prices.pdf", "application/pdf", pdf("2026"))]


def test_going_back_to_a_version_brings_its_files_back(smtp_server: SmtpServer):
    mail = shop.mail()
    for year in ("2024", "2025"):
        attach(mail, pdf(year), f"Prices {year}.pdf")
    version = mail.keep_version()
    mail.attachments.all().delete()
    attach(mail, pdf("2026"), "Prices.pdf")
    assert mail.go_back(version) == []
    assert mail.content() == version.content
    deliver_to("a@example.com")
    assert [data for _name, _kind, data in arrived(smtp_server)] == [pdf("2024"), pdf("2025")]


def test_going_back_says_which_file_does_not_come_back():
    mail = shop.mail()
    for year in ("2024", "2025"):
        attach(mail, pdf(year), f"Prices {year}.pdf")
    version = mail.keep_version()
    mail.attachments.all().delete()
    default_storage.delete(f"{storage.ATTACHMENTS}/{storage.digest_of(pdf('2024'))}")
    assert mail.go_back(version) == ["An attachment that went along then is gone."]
    assert [each.name for each in mail.attachments.all()] == ["Prices 2025.pdf"]


def test_the_same_file_in_two_mails_is_kept_once():
    for name in ("a.pdf", "b.pdf"):
        attach(shop.mail(), pdf(), name)
    assert default_storage.listdir(storage.ATTACHMENTS)[1] == [storage.digest_of(pdf())]


def test_a_file_that_was_written_by_half_is_written_anew():
    path = f"mails/attachments/{storage.digest_of(pdf())}"
    attach(shop.mail(), pdf(), "a.pdf")
    with open(default_storage.path(path), "wb") as file:
        file.write(pdf()[:9])
    attach(shop.mail(), pdf(), "b.pdf")
    assert storage.read(path) == pdf()


# What may go along --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pdf", pdf()),
        ("A.PDF", pdf()),
        ("a.png", image()),
        ("a.jpg", image("JPEG")),
        ("a.jpeg", image("JPEG")),
        ("a.gif", image("GIF")),
        ("a.txt", b"Hello"),
        ("a.csv", b"\xef\xbb\xbfa;b"),
        ("a.ics", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"),
        ("a.vcf", b"\xef\xbb\xbfBEGIN:VCARD\nEND:VCARD\n"),
        ("a.docx", DOCX),
        ("a.xlsx", zipped(xl__workbook_xml=b"")),
        ("a.pptx", zipped(ppt__presentation_xml=b"")),
        ("a.odt", zipped(mimetype=ODT.encode(), content_xml=b"")),
    ],
)
def test_these_may_go_along(name, data):
    check(name, data)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.exe", b"MZ", "Files of the kind “.exe” cannot go along. Allowed are: pdf, png,"),
        ("a.pdf.exe", pdf(), "Files of the kind “.exe” cannot go along."),
        ("a.html", b"<html>", "Files of the kind “.html” cannot go along."),
        ("a.svg", SVG, "Files of the kind “.svg” cannot go along."),
        ("a.js", b"alert(1)", "Files of the kind “.js” cannot go along."),
        ("a.zip", zipped(a=b""), "Files of the kind “.zip” cannot go along."),
        ("a.docm", DOCX, "Documents with macros are not let through by mail servers. Save"),
        ("pdf", pdf(), "The file's name has no ending that says what it is."),
        (".pdf", pdf(), "The file's name has no ending that says what it is."),
        ("a.pdf", b"MZ\x90\0", "The name says “.pdf”, but there is something else in the file."),
        ("a.pdf", SVG, "The name says “.pdf”,"),
        ("a.png", SVG, "The name says “.png”,"),
        ("a.txt", b"\xef\xbb\xbf \n<!DOCTYPE html><script>", "The name says “.txt”,"),
        ("a.csv", SVG, "The name says “.csv”,"),
        ("a.txt", b"MZ\x90\0", "The name says “.txt”,"),
        ("a.ics", b"Hello", "The name says “.ics”,"),
        ("a.docx", zipped(a=b""), "The name says “.docx”,"),
        ("a.docx", DOCX[:40], "The name says “.docx”,"),
        ("a.xlsx", DOCX, "The name says “.xlsx”,"),
        ("a.odt", zipped(content_xml=b""), "The name says “.odt”,"),
        ("a.ods", zipped(mimetype=ODT.encode(), content_xml=b""), "The name says “.ods”,"),
        ("a.docx", DOCX_WITH_MACROS, "The document has macros in it."),
        ("a.odt", ODT_WITH_MACROS, "The document has macros in it."),
        ("a.pdf", pdf() + b"x" * (5 * 1024 * 1024), "The file is larger than 5 MB."),
    ],
)  # fmt: skip
def test_these_may_not_go_along(name, data, reason):
    with pytest.raises(AttachmentError) as raised:
        check(name, data)
    assert str(raised.value).startswith(reason)
    with pytest.raises(ValidationError):
        attach(shop.mail(), data, name)
    assert not Attachment.objects.exists()
    assert not default_storage.exists(storage.ATTACHMENTS)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../etc/cron.d/x.pdf", "x.pdf"),
        ("C:\\temp\\x.pdf", "x.pdf"),
        ("x.pdf\r\nBcc: evil@example.com", "x.pdf Bcc: evil@example.com"),
        ("a\x00b\x0bc\u2028d\ud800.pdf", "a b c d.pdf"),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
        ("  two   blanks .pdf", "two blanks.pdf"),
        ("...", "file"),
        ("", "file"),
        ("a/", "file"),
        (".pdf", "pdf"),
        ("v1.2 of the prices", "v1.2 of the prices"),
        ("ü" * 300 + ".pdf", "ü" * 98 + ".pdf"),
        ("x" * 300, "x" * 150),
    ],
)
def test_a_name_becomes_a_plain_one(name, plain):
    assert plain_name(name, "file") == plain


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("Prices.pdf", "Prices.pdf"),
        ("Prices", "Prices.pdf"),
        ("Prices 1.2", "Prices 1.2.pdf"),
        ("Prices.docx", "Prices.pdf"),
        ("Prices.exe", "Prices.exe.pdf"),
        ("x" * 150, "x" * 146 + ".pdf"),
    ],
)
def test_a_name_ends_as_its_file_does(name, whole):
    assert name_for(name, "application/pdf") == whole


def test_a_mail_written_fast_is_written_as_python_writes_it():
    shown = picture()
    src = reverse("admin:mails_image_file", args=[shown.file_name])
    mail = shop.mail(body=f'<p>From here<br>.<br><img alt="Logo" src="{src}"></p>\nFrom here\n')
    attach(mail, pdf() * 100, "Prices.pdf")
    attach(mail, "From here\n.\nGröße\n".encode(), "a.txt")
    content = mail.content()
    rendered = mail.render(event(), content=content)
    whom = Envelope(to="a@example.com", from_email="b@example.com")
    message = build(rendered, whom, "<x@y>", files=content.attachments).message()
    for linesep in ("\n", "\r\n"):
        assert message.as_bytes(linesep=linesep) == type(message).as_bytes(message, linesep=linesep)
