"""What is written fast is what Django and Python's email package write, byte by byte."""

import random
import string
from pathlib import Path

import pytest
from django.core.mail import EmailMultiAlternatives

from mails.addresses import Address
from mails.building import Envelope, build
from mails.rendering import RenderedMail
from mails.text import plain_text

pytestmark = pytest.mark.sqlite_only

HERE = Path(__file__).resolve().parent
FILES = sorted([*(HERE / "corpus").glob("*.html"), *(HERE / "texts").glob("*.html")])
WHOM = Envelope(to="ann@example.com", from_email="Flint <flint@example.com>")


def assert_equal(
    subject: str = "Hello",
    html: str = "<p>Hello</p>",
    text: str = "Hello",
    whom: Envelope = WHOM,
    identity: str = "<1@example.com>",
) -> None:
    email = build(RenderedMail(subject, html, text), whom, identity)
    ours = email.message()
    theirs = EmailMultiAlternatives(
        email.subject, email.body, email.from_email, email.to, cc=email.cc, bcc=email.bcc,
        reply_to=email.reply_to, headers=email.extra_headers, alternatives=email.alternatives,
    ).message()  # fmt: skip
    theirs.replace_header("Date", ours["Date"])
    for our_part, their_part in zip(ours.walk(), theirs.walk(), strict=True):
        assert our_part.items() == their_part.items() or our_part.is_multipart()
        if our_part.is_multipart():
            their_part.set_boundary(our_part.get_boundary())
    for linesep in ("\n", "\r\n"):
        assert ours.as_bytes(linesep=linesep) == theirs.as_bytes(linesep=linesep)
    assert ours.as_string() == theirs.as_string()


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_body_that_we_have(file):
    html = file.read_text()
    assert_equal(html=html, text=plain_text(html))
    assert_equal(html=html.encode("ascii", "xmlcharrefreplace").decode(), text="")


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "\n\n", " ", "no end", "an end\n", "two\n\n", "\nat first", "blank \nat the end ",
        ".", ".\n..\n.hidden\n.", "From here\nFrom there", "--=_\n--\n--=_--", "\t\n\v\f\n",
        "a\rb", "a\r\nb\r\n", "a\n\rb", "\r", "\x00\x01\x7f", "Größe\n", "日本語\n" * 40, "😀",
        "a\u2028b\u2029c\x85d\x1ce", "=20=\n=?utf-8?q?x?=", "x" * 998, "x" * 999, "x" * 2000,
        "ü" * 499, "ü" * 500, ("x" * 998 + "\n") * 3, ("x" * 400 + "\u2028") * 3,
        ("x" * 400 + "\r") * 3, "x " * 600 + "\nend",
    ],
    ids=lambda text: repr(text)[:20],
)  # fmt: skip
def test_texts_that_a_line_could_break(text):
    assert_equal(text=text, html=text)


@pytest.mark.parametrize(
    "subject",
    [
        "", " ", "Hello", " Hello ", "a  b", "a\tb", "Größe", "日本語" * 30, "😀" * 40,
        "=?utf-8?q?Hello?=", "x" * 300, "word " * 50, "a, b; c" * 20, ";" * 90, "ü " * 100,
        "Order: 12", "x" * 69, "x" * 70, "x" * 71, "x " * 34 + "end", "\x01", "-" * 77,
    ],
    ids=lambda subject: repr(subject)[:20],
)  # fmt: skip
def test_subjects(subject):
    assert_equal(subject)


@pytest.mark.parametrize(
    "name",
    [
        "Ann",
        "Ann Lee",
        "Lee, Ann",
        "Jörg",
        "日本",
        'Ann "A" Lee',
        "x" * 70,
        "Ö" * 60,
        "a.b",
        "=?x?=",
    ],
)
def test_names(name):
    address = Address("ann.lee@example.com", name)
    whom = Envelope(
        to="bob@example.com",
        from_email=str(address),
        cc=tuple(Address(f"ann{number}@example.com", name) for number in range(4)),
        reply_to=(address, Address("x@bücher.example")),
    )
    assert_equal(whom=whom)


def test_headers_of_any_length():
    """Those that fit into one line are written as they are."""
    for length in range(40, 100):
        assert_equal(identity=f"<{'a' * length}@example.com>")
        assert_equal(
            "s" * length, whom=Envelope("ann@example.com", f"{'f' * length} <a@b.example>")
        )


def test_headers_of_any_characters():
    chance = random.Random(5)
    signs = string.ascii_letters + string.punctuation + "   \t\x00\x7fü€😀"
    for _time in range(500):
        words = "".join(chance.choices(signs, k=chance.randrange(120)))
        assert_equal(words, identity=words or "x")


def test_a_header_with_a_sign_that_ends_a_line_somewhere():
    assert_equal(identity="<a@example.com>\x0b b")
    assert_equal(identity="<a@example.com>\x1c b")


def test_a_header_never_has_a_line_too_many():
    for whom in (
        Envelope("ann@example.com\nBcc: all@example.com", "flint@example.com"),
        Envelope("ann@example.com", "flint@example.com\r\nBcc: all@example.com"),
    ):
        with pytest.raises(ValueError, match="newlines"):
            build(RenderedMail("Hello", "<p>", ""), whom, "<1@example.com>").message()
