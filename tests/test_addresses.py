"""Addresses as editors write them."""

import pytest

from mails.addresses import read


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
