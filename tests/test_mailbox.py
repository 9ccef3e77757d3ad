"""The demo's mail server: what it accepts becomes a file, byte for byte."""

import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from automation.demo.mailbox import Mailbox
from tests.waiting import wait_until

pytestmark = pytest.mark.sqlite_only

ROOT = Path(__file__).resolve().parent.parent
MAIL = (
    b"From: shop@example.com\r\n"
    b"To: ann@example.com\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"\r\n"
    b"A line\r\n"
    b".a line that begins with a dot\r\n"
    b".\r\n"
    b"and one after a dot alone\r\n"
)


def send(mailbox: Mailbox, *recipients: str, mail: bytes = MAIL) -> None:
    with smtplib.SMTP(mailbox.host, mailbox.port, timeout=10) as connection:
        connection.sendmail("shop@example.com", recipients, mail)


def test_a_mail_becomes_a_file_with_the_bytes_that_were_sent(tmp_path: Path) -> None:
    with Mailbox(tmp_path / "mailbox") as mailbox:
        send(mailbox, "ann@example.com")
        [file] = mailbox.files()
        assert file.read_bytes() == MAIL


def test_the_name_says_when_it_came_and_to_whom(tmp_path: Path) -> None:
    with Mailbox(tmp_path) as mailbox:
        send(mailbox, "ann@example.com")
        [file] = mailbox.files()
        assert re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-000001-ann@example\.com\.eml", file.name)


def test_each_recipient_gets_a_file(tmp_path: Path) -> None:
    with Mailbox(tmp_path) as mailbox:
        send(mailbox, "ann@example.com", "ben@example.org")
        assert [file.name.split("-", 2)[2] for file in mailbox.files()] == [
            "ann@example.com.eml",
            "ben@example.org.eml",
        ]


def test_a_recipient_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "mailbox"
    with Mailbox(directory) as mailbox:
        send(mailbox, "<../../../etc/ann?x@example.com>")
        files = mailbox.files()
    assert [file.name.split("-", 2)[2] for file in files] == [".._.._.._etc_ann_x@example.com.eml"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == files


def test_mails_of_an_earlier_time_are_kept_and_come_first(tmp_path: Path) -> None:
    for address in ("first@example.com", "second@example.com"):
        with Mailbox(tmp_path) as mailbox:
            send(mailbox, address)
    assert [file.name.split("-", 2)[2] for file in mailbox.files()] == [
        "first@example.com.eml",
        "second@example.com.eml",
    ]


def test_a_mail_that_cannot_be_stored_is_to_come_again_later(tmp_path: Path) -> None:
    directory = tmp_path / "mailbox"
    with Mailbox(directory) as mailbox:
        directory.rmdir()
        with pytest.raises(smtplib.SMTPDataError) as refused:
            send(mailbox, "ann@example.com")
        assert refused.value.smtp_code == 451


def test_it_ends_although_a_sender_keeps_its_connection(tmp_path: Path) -> None:
    with Mailbox(tmp_path) as mailbox:
        connection = smtplib.SMTP(mailbox.host, mailbox.port, timeout=10)
        connection.noop()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        connection.noop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((mailbox.host, mailbox.port), timeout=5)
    connection.close()


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with (
        Mailbox(tmp_path) as mailbox,
        pytest.raises(OSError, match="already in use"),
        Mailbox(tmp_path, port=mailbox.port),
    ):
        pass


# manage.py catch_mail ---------------------------------------------------------------------


def catch_mail(directory: Path, port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-W", "error", "manage.py", "catch_mail"),
            *("--port", str(port), "--directory", str(directory)),
        ],
        cwd=ROOT,
        env={**os.environ, "DEBUG": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_receives_mails_until_a_signal(tmp_path: Path, number: int) -> None:
    process = catch_mail(tmp_path, 0)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"Mails to (127\.0\.0\.1):(\d+) are written to (.*)\n", line)
    assert found is not None, (line, process.communicate())
    assert found[3] == str(tmp_path)
    with smtplib.SMTP(found[1], int(found[2]), timeout=10) as connection:
        connection.sendmail("shop@example.com", "ann@example.com", MAIL)
    assert len(wait_until(lambda: list(tmp_path.glob("*.eml")), 5)) == 1
    process.send_signal(number)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_the_command_says_in_one_line_that_a_port_is_taken(tmp_path: Path) -> None:
    with Mailbox(tmp_path) as mailbox:
        process = catch_mail(tmp_path, mailbox.port)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors.count("\n")) == (1, "", 1)
    assert errors.startswith(
        f"CommandError: Mails cannot be accepted on 127.0.0.1:{mailbox.port}: "
    )
