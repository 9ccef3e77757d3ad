"""``make demo``: everything runs after one command, and nothing after the next signal."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import free_port
from tests.processes import marked_processes
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.sqlite_only,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc"),
]

ROOT = Path(__file__).resolve().parent.parent


class Demo:
    """A demo with ports, database and files of its own, whose processes can be told apart."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port, self.mail_port = free_port(), free_port()
        self.mark = f"DEMO_OF_TEST={uuid.uuid4().hex}"
        self.output_file = directory / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> "Demo":
        name, _equals, value = self.mark.partition("=")
        inherited = {
            key: os.environ[key]
            for key in os.environ
            if key not in ("TIME_ZONE", "REDIS_URL", "EMAIL_URL", "LANGUAGE_CODE")
        }
        with self.output_file.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-W", "error", "manage.py", "demo"),
                    *("--port", str(self.port), "--mail-port", str(self.mail_port)),
                    *("--directory", str(self.directory / "var")),
                ],
                cwd=ROOT,
                env=inherited
                | {
                    "DJANGO_SETTINGS_MODULE": "automation.settings",
                    "DATABASE_URL": f"sqlite:///{self.directory / 'demo.sqlite3'}",
                    "DEBUG": "1",
                    name: value,
                }
                | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    def wait_for(self, text: str, seconds: float = 60) -> None:
        wait_until(lambda: text in self.output or self.exit_code is not None, seconds, text)
        assert text in self.output, self.output

    @property
    def exit_code(self) -> int | None:
        assert self.process is not None
        return self.process.poll()

    def end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(30)

    def processes(self) -> dict[int, str]:
        """The command line of each process of this demo that is alive, by its id."""
        return marked_processes(self.mark)

    def first_process_of(self, command: str) -> int:
        """The id of the process that the demo started for ``manage.py COMMAND``."""
        return min(pid for pid, line in self.processes().items() if f"manage.py {command} " in line)

    def mails(self) -> list[Path]:
        return sorted((self.directory / "var" / "mailbox").glob("*.eml"))


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    left = demo.processes()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    if demo.process is not None:
        demo.process.wait()
    if demo.output_file.exists():
        print(demo.output)
    assert left == {}


# It runs ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_runs_brings_mails_and_ends_without_a_trace(demo: Demo) -> None:
    demo.start().wait_for("To end:")
    assert f"http://127.0.0.1:{demo.port}/admin/" in demo.output
    assert str(demo.directory / "var" / "mailbox") in demo.output
    connection = http.client.HTTPConnection("127.0.0.1", demo.port, timeout=10)
    connection.request("GET", "/admin/login/")
    assert connection.getresponse().status == 200
    connection.close()
    wait_until(demo.mails, 90, "A mail")
    demo.wait_for("arrived.", 10)
    assert demo.end(signal.SIGTERM) == 0
    assert demo.processes() == {}


@pytest.mark.slow
def test_a_second_run_works_on_what_the_first_left(demo: Demo) -> None:
    demo.start().wait_for("To end:")
    wait_until(demo.mails, 90, "A mail")
    assert demo.end(signal.SIGINT) == 0
    before = demo.mails()
    demo.start().wait_for("To end:")
    assert demo.end(signal.SIGINT) == 0
    assert demo.mails()[: len(before)] == before


# It ends ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_of_it(demo: Demo, number: int) -> None:
    demo.start().wait_for("To end:")
    assert demo.end(number) == 0
    assert demo.processes() == {}


@pytest.mark.slow
def test_a_signal_before_it_runs_ends_it_too(demo: Demo) -> None:
    demo.start().wait_for("Preparing")
    assert demo.end(signal.SIGTERM) == 0
    assert demo.processes() == {}
    assert "KeyboardInterrupt" not in demo.output


@pytest.mark.slow
def test_killing_it_leaves_nothing_behind(demo: Demo) -> None:
    demo.start().wait_for("To end:")
    assert len(demo.processes()) > 4
    assert demo.end(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: not demo.processes(), 30, "Nothing is left")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "name"),
    [("catch_mail", "The mail server"), ("runserver", "The site"), ("run_cluster", "The cluster")],
)
def test_a_part_that_dies_ends_the_others_and_is_named(demo: Demo, command: str, name: str) -> None:
    demo.start().wait_for("To end:")
    os.kill(demo.first_process_of(command), signal.SIGKILL)
    assert demo.process is not None
    assert demo.process.wait(30) == 1
    assert f"CommandError: {name} has ended by itself (exit code -9)." in demo.output
    # What a part has started itself ends a moment after it.
    wait_until(lambda: not demo.processes(), 30, "Nothing is left")


# It does not start ------------------------------------------------------------------------


def test_it_does_not_start_without_debug(demo: Demo) -> None:
    demo.start(DEBUG="0", SECRET_KEY="x" * 60)
    assert demo.process is not None
    assert demo.process.wait(30) == 1
    assert demo.output == (
        "CommandError: The demo creates a superuser with a known password, so it runs only "
        "with DEBUG=1: use “make demo”.\n"
    )


@pytest.mark.parametrize(("which", "variable"), [("port", "PORT"), ("mail_port", "MAIL_PORT")])
def test_a_port_that_is_taken_is_named(demo: Demo, which: str, variable: str) -> None:
    port = getattr(demo, which)
    with socket.create_server(("127.0.0.1", port)):
        demo.start()
        assert demo.process is not None
        assert demo.process.wait(30) == 1
    assert demo.output == (
        f"CommandError: Port {port} cannot be used (Address already in use). End what uses it, "
        f"or take another one: {variable}={port + 10} make demo\n"
    )


def test_a_database_that_cannot_be_used_is_said_in_one_line(demo: Demo) -> None:
    demo.start(DATABASE_URL=f"postgres://nobody@127.0.0.1:{free_port()}/none")
    assert demo.process is not None
    assert demo.process.wait(30) == 1
    _preparing, error = demo.output.split("\n", 1)
    assert error.startswith("CommandError: The database cannot be used: ")
    assert "Traceback" not in error
