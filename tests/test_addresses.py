"""Addresses as editors write them."""

import pytest

from mails.addresses import read, read_each, split

pytestmark = pytest.mark.sqlite_only  # none of these asks the database


@pytest.mark.parametrize(
    ("text", "found", "wrong"),
    [
        ("", [], []),
        ("ann@example.com", ["ann@example.com"], []),
        ("a@example.com, b@example.com; c@example.com\nd@example.com",
         ["a@example.com", "b@example.com", "c@example.com", "d@example.com"], []),
        ("Ann Lee <ann@example.com>", ["Ann Lee <ann@example.com>"], []),
        ('"Lee, Ann" <ann@example.com>, bob@example.com',
         ['"Lee, Ann" <ann@example.com>', "bob@example.com"], []),
        ("ann@example.com, ANN@Example.com", ["ann@example.com"], []),
        ("ann at example, b@example.com", ["b@example.com"], ["ann at example"]),
        ("x, x", [], ["x"]),
        ("ann@münchen.example", ["ann@münchen.example"], []),
        (" , ;", [], []),
    ],
)  # fmt: skip
def test_they_are_read_once_each(text, found, wrong):
    addresses, refused = read(text)
    assert ([str(each) for each in addresses], refused) == (found, wrong)


@pytest.mark.parametrize("character", ["\r", "\n", "\x0b", "\x00", "\u2028"])
def test_a_name_cannot_start_a_header(character):
    addresses, _wrong = read(f"Ann{character}Bcc: eve <ann@example.com>")
    assert all(character not in str(address) for address in addresses)


def test_a_quotation_mark_that_is_never_closed_quotes_nothing():
    assert read('5" Ann <a@example.com>, b@example.com')[1] == []


def test_a_piece_is_one_address_whatever_is_in_its_name():
    (address,), wrong = read_each(['"x" <evil@example.com>, "" <ann@example.com>'])
    assert (address.address, wrong) == ("ann@example.com", [])
    assert str(address) == '"x evil@example.com ," <ann@example.com>'


def test_a_template_is_cut_outside_of_tags_and_quotes():
    assert split('"{{ a | default: "x, y" }}, b" <{{ c }}>,{% assign d = "e,f" %}g') == [
        '"{{ a | default: "x, y" }}, b" <{{ c }}>',
        '{% assign d = "e,f" %}g',
    ]


@pytest.mark.parametrize(
    ("sign", "pieces"), [(",", 1_000_001), ('",', 500_001), ("{{", 1), ("{%,", 1), ('\\"', 1)]
)
def test_a_million_signs_are_cut_in_one_go(sign, pieces):
    """In steps that grow with their number this would not end."""
    assert len(split(sign * 1_000_000)) == pieces
