"""Where webhooks call: nowhere inside, however it is spelled, and only as long as it takes."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from automation.events.webhooks.addresses import NotFound, Refused, Target, look_up, read
from automation.events.webhooks.checks import check_webhooks
from automation.events.webhooks.posting import ANSWER_LENGTH, NoAnswer, post
from tests.receiver import Receiver, certificate_for, saying

pytestmark = pytest.mark.sqlite_only  # none of these asks the database

INSIDE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.0.0.1", "①②⑦.0.0.1",
    "0.0.0.0", "0", "10.0.0.7", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1",
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]",
    "[fe80::1]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::a00:1]", "[64:ff9b:1::a00:1]", "[2001:0:7f00:1::1]",
    "[2001:db8::1]", "[100::1]", "168.63.129.16", "192.0.0.9", "192.0.0.192", "192.88.99.1",
    "100.100.100.200", "[::ffff:168.63.129.16]", "[64:ff9b::a83f:8110]", "[2002:a83f:8110::1]",
    "[2001:1::1]", "[2001:20::1]", "[3fff::1]", "[5f00::1]", "[fd00:ec2::254]",
]  # fmt: skip

PUBLIC = [
    "93.184.216.34", "8.8.8.8", "[2606:4700:4700::1111]", "[64:ff9b::808:808]",
    "[2002:808:808::1]",
]  # fmt: skip


def names(monkeypatch: pytest.MonkeyPatch, **known: Any) -> list[str]:
    """From now on these names have these addresses, one after the other in each look-up of a
    list of lists. Returns what is looked up."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look(host: str, port: int, *args: Any, **options: Any) -> Any:
        if host not in known:
            return real(host, port, *args, **{**options, "flags": socket.AI_NUMERICHOST})
        if options.get("flags", 0) & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        asked.append(host)
        answer = known[host]
        found = answer.pop(0) if isinstance(answer[0], list) else answer
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, port))
            for each in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    return asked


# What an address may be -------------------------------------------------------------------


@pytest.mark.parametrize("host", INSIDE)
def test_an_address_inside_is_refused_however_it_is_written(host: str):
    with pytest.raises(Refused, match="an address inside of a network. Calls only go to public"):
        read(f"http://{host}:8000/hook")


@pytest.mark.parametrize("host", PUBLIC)
def test_a_public_address_is_called(host: str):
    assert look_up(read(f"https://{host}/")) == [host.strip("[]")]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.com/", "Write an address that begins with https:// or http://."),
        ("file:///etc/passwd", "Write an address that begins with https:// or http://."),
        ("javascript:alert(1)", "Write an address that begins with https:// or http://."),
        ("example.com/hook", "Write an address that begins with https:// or http://."),
        ("//example.com/hook", "Write an address that begins with https:// or http://."),
        ("https://", "This is not a web address."),
        ("https://?x=1", "This is not a web address."),
        ("https://a..b/", "This is not a web address."),
        ("https://[::1/", "This is not a web address."),
        ("https://[fe80::1%25eth0]/", "This is not a web address."),
        ("https://ex$mple.com/", "This is not a web address."),
        (f"https://{'a' * 64}.com/", "This is not a web address."),
        ("https://example.com:99999/", "This is not a web address."),
        ("https://example.com:x/", "This is not a web address."),
        ("https://example.com:0/", "The port must be a number from 1 to 65535."),
        ("https://ann:pw@example.com/", "Leave out the user and the password"),
        ("https://example.com@10.0.0.1/", "Leave out the user and the password"),
        ("https://exam\tple.com/", "Write the address without blanks"),
        ("https://example.com/\r\nX: y", "Write the address without blanks"),
        ("https://example.com\\@10.0.0.1/", "Write the address without blanks"),
        ("https://example.com/a b", "Write the address without blanks"),
    ],
)
def test_what_is_no_address_of_the_web_is_refused_with_what_to_do(url: str, said: str):
    with pytest.raises(Refused) as refused:
        read(url)
    assert str(refused.value).startswith(said)


def test_an_address_is_taken_apart():
    assert read("https://Bücher.example/Zoë?a=ü&b=%20#part") == Target(
        "https", "xn--bcher-kva.example", 443, "/Zo%C3%AB?a=%C3%BC&b=%20"
    )
    assert read("http://example.com:8080").host_header == "example.com:8080"
    assert read("http://example.com:80").host_header == "example.com"
    assert read("https://[2606:4700::1]:8443/").host_header == "[2606:4700::1]:8443"


# Names ------------------------------------------------------------------------------------


def test_a_name_that_leads_inside_is_refused(monkeypatch):
    names(monkeypatch, **{"hook.example": ["10.1.2.3"]})
    with pytest.raises(Refused, match="“hook.example” leads to 10.1.2.3, an address inside"):
        look_up(read("https://hook.example/"))


def test_one_address_inside_among_public_ones_is_enough(monkeypatch):
    names(monkeypatch, **{"hook.example": ["93.184.216.34", "::1"]})
    with pytest.raises(Refused, match="“hook.example” leads to ::1, an address inside"):
        look_up(read("https://hook.example/"))


def test_a_name_that_nobody_has_is_told(monkeypatch):
    def nobody(*args: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(NotFound, match="There is no host “hook.example”. Check how it is written."):
        look_up(read("https://hook.example/"))


def test_a_name_server_that_is_silent_is_not_waited_for(monkeypatch, settings):
    over = threading.Event()
    target = read("https://hook.example/")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: over.wait(30))
    settings.AUTOMATION = {"WEBHOOK_SECONDS": 0.1}
    with pytest.raises(
        NotFound, match="Where “hook.example” is could not be found out within 0.1 seconds."
    ):
        look_up(target)
    over.set()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, []),
        ({"WEBHOOK_INSIDE_HOSTS": ("localhost:9000", "n8n.internal", "[::1]:80", "[::1]")}, []),
        ({"WEBHOOK_INSIDE_HOSTS": ["n8n"]}, []),
        ({"WEBHOOK_INSIDE_HOSTS": "localhost:9000"}, ["automation_events.E201"]),
        ({"WEBHOOK_INSIDE_HOSTS": ("http://localhost",)}, ["automation_events.E201"]),
        ({"WEBHOOK_INSIDE_HOSTS": ("localhost/x",)}, ["automation_events.E201"]),
        ({"WEBHOOK_INSIDE_HOSTS": ("",)}, ["automation_events.E201"]),
        ({"WEBHOOK_INSIDE_HOSTS": (9000,)}, ["automation_events.E201"]),
        ({"WEBHOOK_INSIDE_HOSTS": ("localhost:port",)}, ["automation_events.E201"]),
        ({"WEBHOOK_SECONDS": 31}, ["automation_events.E202"]),
        ({"WEBHOOK_SECONDS": 90, "DELIVERY_LEASE": 600}, ["automation_events.E203"]),
    ],
)
def test_settings_that_cannot_work_are_told(settings: Any, values: dict[str, Any], found: Any):
    settings.AUTOMATION = values
    assert [message.id for message in check_webhooks()] == found


def test_a_host_is_opened_by_its_name_or_only_for_a_port(settings):
    settings.AUTOMATION = {"WEBHOOK_INSIDE_HOSTS": ("127.0.0.1:9000", "[::1]", "LocalHost:80")}
    assert read("http://LOCALHOST/").is_opened
    assert look_up(read("http://127.0.0.1:9000/")) == ["127.0.0.1"]
    assert look_up(read("http://[::1]:1234/")) == ["::1"]
    with pytest.raises(Refused):
        read("http://127.0.0.1:9001/")
    with pytest.raises(Refused):
        read("http://localhost:9000@10.0.0.1/")


def test_the_call_goes_to_the_address_that_was_checked(monkeypatch, settings, receiver):
    """A name that means something else when it is called (DNS rebinding) gains nothing."""
    elsewhere = Receiver()
    elsewhere.start()
    asked = names(monkeypatch, **{"hook.example": [["127.0.0.1"], ["127.0.0.2"]]})
    settings.AUTOMATION = {"WEBHOOK_INSIDE_HOSTS": ("hook.example",)}
    target = read(f"http://hook.example:{receiver.port}/")
    answer = post(target, look_up(target), b"{}", {}, 5)
    elsewhere.stop()
    assert answer.status == 200
    assert asked == ["hook.example"]
    assert [call.headers["Host"] for call in receiver.received] == [f"hook.example:{receiver.port}"]


# The call ---------------------------------------------------------------------------------


@pytest.fixture
def receiver():
    server = Receiver()
    server.start()
    yield server
    server.stop()


def at(port: int, scheme: str = "http", host: str = "127.0.0.1") -> tuple[Target, list[str]]:
    """As if this server's address had been found to be public."""
    return Target(scheme, host, port, "/hook"), ["127.0.0.1"]


def test_a_call_arrives_as_it_was_sent(receiver):
    answer = post(*at(receiver.port), "Zoë".encode(), {"X-One": "1"}, 5)
    (call,) = receiver.received
    assert (call.path, call.body, call.headers) == (
        "/hook",
        "Zoë".encode(),
        {
            "Host": f"127.0.0.1:{receiver.port}", "Accept-Encoding": "identity",
            "Content-Length": "4", "X-One": "1",
        },
    )  # fmt: skip
    assert (answer.status, answer.text, answer.is_yes) == (200, "thanks", True)


def test_the_next_address_is_tried_when_one_is_out_of_reach(receiver):
    target, _places = at(receiver.port)
    assert post(target, ["127.0.0.9", "127.0.0.1"], b"", {}, 5).status == 200


def test_no_proxy_is_taken_from_the_environment(monkeypatch, receiver):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert post(*at(receiver.port), b"", {}, 5).status == 200


def test_a_redirect_is_not_followed(receiver):
    inside = Receiver()
    inside.start()
    receiver.status, receiver.headers = 307, {"Location": inside.url}
    answer = post(*at(receiver.port), b"{}", {}, 5)
    inside.stop()
    assert (answer.status, answer.is_yes) == (307, False)
    assert inside.received == []


def test_a_server_that_says_nothing_is_left_when_the_time_is_over():
    with (
        saying(then_wait=True) as port,
        pytest.raises(NoAnswer, match="^There was no answer within 0.3 seconds.$"),
    ):
        post(*at(port), b"{}", {}, 0.3)


def test_a_server_that_drips_its_headers_is_left_when_the_time_is_over():
    drops = [b"HTTP/1.1 200 OK\r\n", *([b"X"] * 100)]
    with (
        saying(*drops, pause=0.05) as port,
        pytest.raises(NoAnswer, match="^There was no answer within 0.4 seconds.$"),
    ):
        post(*at(port), b"{}", {}, 0.4)


def test_a_yes_counts_though_its_text_never_ends():
    drops = [b"HTTP/1.1 200 OK\r\n\r\nso far", *([b"."] * 100)]
    with saying(*drops, pause=0.05) as port:
        answer = post(*at(port), b"{}", {}, 0.4)
    assert answer.is_yes
    assert answer.text.rstrip(".") == "so far"


def test_of_a_huge_answer_only_the_beginning_is_read(receiver):
    receiver.answer = "ü".encode() * 10_000_000
    answer = post(*at(receiver.port), b"{}", {}, 5)
    assert answer.text == "ü" * ANSWER_LENGTH


def test_what_no_database_can_store_of_an_answer_is_replaced(receiver):
    receiver.answer = b"\x00\xff<b>"
    assert post(*at(receiver.port), b"{}", {}, 5).text == "\ufffd\ufffd<b>"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "The answer is no HTTP: "),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "The answer is no HTTP: "),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "The answer is no HTTP: "),
        (b"", "The server cannot be reached: "),
    ],
)
def test_an_answer_that_is_none_is_told(said: bytes, reason: str):
    with saying(said) as port, pytest.raises(NoAnswer) as error:
        post(*at(port), b"{}", {}, 5)
    assert str(error.value).startswith(reason)


def test_a_closed_port_is_told():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NoAnswer, match="^The server cannot be reached: Connection refused"):
        post(*at(port), b"{}", {}, 5)


def test_a_header_that_would_be_two_is_not_sent(receiver):
    with pytest.raises(ValueError, match="Invalid header value"):
        post(*at(receiver.port), b"{}", {"X": "1\r\nY: 2"}, 5)
    assert receiver.received == []


# TLS --------------------------------------------------------------------------------------


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A receiver as hook.example, whose certificate this process trusts."""
    certificate = certificate_for("hook.example", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = Receiver(certificate=certificate)
    server.start()
    yield server
    server.stop()


def test_a_certificate_of_the_right_name_is_taken(tls):
    assert post(*at(tls.port, "https", "hook.example"), b"{}", {}, 5).status == 200


def test_a_certificate_of_another_name_is_refused(tls):
    with pytest.raises(NoAnswer, match="^The certificate is not valid: .*other.example"):
        post(*at(tls.port, "https", "other.example"), b"{}", {}, 5)
    assert tls.received == []


def test_a_certificate_that_nobody_vouches_for_is_refused(tls, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(NoAnswer, match="^The certificate is not valid: self-signed"):
        post(*at(tls.port, "https", "hook.example"), b"{}", {}, 5)
    assert tls.received == []
