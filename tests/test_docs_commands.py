"""Every command in the documents is run, on the demo's data, or checked as far as a machine can
that it must not change."""

import importlib
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import polib
import pytest
from django.core.management import get_commands, load_command_class

from automation.demo.definitions import FILE
from automation.events.management.commands import process_sources
from tests.documents.blocks import HERE, ROOT, in_language
from tests.documents.commands import Command, commands, shows
from tests.documents.processes import Processes

# The database is only copied; but without a test that asks for one there is none.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

COMMANDS = list(commands())

#: Commands of manage.py that are not run as they stand: what is run instead, or None if another
#: test runs them and only their arguments are read here.
INSTEAD: dict[str, list[str] | None] = {
    "benchmark": None,  # tests/test_benchmark.py
    "createsuperuser": ["--noinput", "--username=ann", "--email=ann@example.com"],  # it asks
    "check": ["check"],  # --deploy: tests/test_project.py
    "doctor": None,  # shown below: what it says depends on the machine
}


def parsed(name: str, words: list[str]) -> None:
    """That ``manage.py name`` takes these arguments."""
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    parser = command.create_parser("manage.py", name)
    parser.parse_args(words)


def manage(command: Command, words: list[str], processes: Processes) -> None:
    name, rest = words[0], words[1:]
    parsed(name, rest)
    instead = INSTEAD.get(name, rest)
    if instead is None:
        return
    arguments = [name, *instead] if instead[:1] != [name] else instead
    code, out, errors = processes.manage(
        *arguments,
        files={"definitions.json": FILE.read_text()},
        DJANGO_SUPERUSER_PASSWORD="only for tests",
    )
    assert code == 0, errors
    if command.output:
        assert shows(command.output, out), out


def manage_py(command: Command, words: list[str], processes: Processes) -> None:
    manage(command, words[1:], processes)


def python(command: Command, words: list[str], processes: Processes) -> None:
    match words[1:]:
        case ["manage.py", *rest]:
            manage(command, rest, processes)
        case ["-c", _code]:
            subprocess.run([sys.executable, *words[1:]], check=True, capture_output=True)
        case ["-m", "venv", _directory]:
            importlib.import_module("venv")
        case ["-m", module, *rest]:
            known = help_of(module)
            options = {word.partition("=")[0] for word in rest if word.startswith("--")}
            assert options - set(re.findall(r"--[\w-]+", known)) == set()
        case _:
            pytest.fail(f"How is {words} run?")


@cache
def help_of(module: str) -> str:
    said = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    return said.stdout


def make(_command: Command, words: list[str], _processes: Processes) -> None:
    subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)


def pip(_command: Command, words: list[str], _processes: Processes) -> None:
    match words[1:]:
        case ["install", "-r", requirements]:
            assert (ROOT / requirements).is_file()  # tests/test_project.py holds the versions
        case ["install", wheel]:
            assert fnmatch("dist/django_flint-1.0-py3-none-any.whl", wheel)  # tests/test_wheel.py
        case _:
            pytest.fail(f"How is {words} run?")


def unit(command: Command, words: list[str], _processes: Processes) -> None:
    """systemctl and journalctl: the units are those that the page writes."""
    page = (ROOT / command.block.page).read_text()
    known = re.findall(r"# /etc/systemd/system/([\w-]+)\.service", page)
    named = [word for word in words[1:] if word.startswith("flint")]
    assert set(named) <= set(known)
    assert named or "daemon-reload" in words


def of_postgres(_command: Command, words: list[str], _processes: Processes) -> None:
    """sudo -u postgres: the options are the program's, where it is."""
    assert words[1:3] == ["-u", "postgres"]
    program, options = words[3], [word for word in words[4:] if word.startswith("--")]
    if shutil.which(program):
        said = subprocess.run([program, "--help"], check=True, capture_output=True, text=True)
        assert [option for option in options if option not in said.stdout] == []


def curl(_command: Command, words: list[str], processes: Processes) -> None:
    """The site answers at this path."""
    path = re.sub(r"http://[\w.:]+", "", words[-1])
    code = f"from django.test import Client; print(Client().get({path!r}).status_code)"
    assert processes.manage("shell", "-v", "0", "-c", code)[1].strip() == "200"


def nothing(_command: Command, _words: list[str], _processes: Processes) -> None:
    """Only that a shell understands it: it changes the machine, or asks the network."""


PROGRAMS: dict[str, Callable[[Command, list[str], Processes], None]] = {
    "python": python,
    "python3": python,
    "manage.py": manage_py,
    "make": make,
    "pip": pip,
    "systemctl": unit,
    "journalctl": unit,
    "sudo": of_postgres,
    "curl": curl,
    "apt-get": nothing,
    "git": nothing,
    "cd": nothing,
    "set": nothing,
    ".": nothing,
}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_is_one(command: Command, processes: Processes):
    subprocess.run(["bash", "-n", "-c", command.text], check=True)
    for words in command.programs:
        program = words[0].rpartition("/")[2]
        assert program in PROGRAMS, f"Say in PROGRAMS how {program} is run, or what is checked."
        PROGRAMS[program](command, words, processes)


# What they show ---------------------------------------------------------------------------


def options_of(parser: ArgumentParser) -> set[str]:
    own = {"--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback"}
    own |= {"--no-color", "--force-color", "--skip-checks"}
    found = {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(action.choices, dict):
            found = found.union(*map(options_of, action.choices.values()))
    return {option for option in found if option.startswith("--")} - own


USAGES = [
    block for block in in_language("text") if re.split(r"\W", block.source)[0] in get_commands()
]


@pytest.mark.parametrize("block", USAGES, ids=lambda block: block.source.split()[0])
def test_every_usage_has_the_options_that_there_are(block):
    name = block.source.split()[0]
    app = get_commands()[name]
    parser = load_command_class(app, name).create_parser("manage.py", name)
    assert set(re.findall(r"--[\w-]+", block.source)) == options_of(parser)


def said_by_the_program() -> list[re.Pattern[str]]:
    """Every text for people, with anything where its values stand."""
    texts = [
        text
        for path in ROOT.rglob("locale/de/LC_MESSAGES/django.po")
        for entry in polib.pofile(str(path))
        for text in (entry.msgid, entry.msgid_plural)
        if text
    ]
    return [
        re.compile(re.sub(r"%\\?\((\w+)\\?\)[sd]|%[sd]", ".+", re.escape(text)), re.S)
        for text in texts
    ]


def test_what_the_doctor_shows_is_what_it_can_say():
    (shown,) = [each for each in COMMANDS if "doctor" in each.text and each.output]
    told: list[str] = []
    for line in shown.output[:-1]:
        level, text = line[:9].strip(), line[9:].strip()
        if level or text.startswith("/"):
            told.append(text)
        elif told[-1].startswith("\0"):
            told[-1] += f" {text}"
        else:
            told.append(f"\0{text}")
    patterns = said_by_the_program()
    for text in (text.strip("\0") for text in told):
        # "Messages: 12 due, 0 for later" has its kind before it.
        wanted = [text, text.partition(": ")[2]]
        assert text.startswith("/admin/") or any(
            pattern.fullmatch(each) for pattern in patterns for each in wanted if each
        ), text
    levels = [line[:9].strip() for line in shown.output]
    counts = {level: levels.count(level) for level in ("problem", "warning", "fine")}
    assert shown.output[-1] == (
        f"problems: {counts['problem']}, warnings: {counts['warning']}, fine: {counts['fine']}"
    )


LOGS = [b for b in in_language("text") if re.match(r"(INFO|WARNING|ERROR) ", b.source)]


@pytest.mark.parametrize("block", LOGS, ids=lambda block: block.name)
def test_every_line_of_a_log_is_written_by_its_module(block):
    for line in block.source.splitlines():
        level, name, text = re.fullmatch(r"([A-Z]+) ([\w.]+): (.*)", line).groups()
        source = Path(importlib.import_module(name).__file__).read_text()
        source = re.sub(r'"\s+f?"', "", source)  # a text over several lines
        parts = [part.strip(" ().") for part in re.split(r"\d+|\. ", text)]
        assert [part for part in parts if part not in source] == [], level


TABLES = [b for b in in_language("text") if b.source.startswith("model ")]


def test_the_table_of_process_sources_has_its_columns():
    (block,) = TABLES
    source = Path(process_sources.__file__).read_text()
    assert re.findall(r"\w+", block.source.splitlines()[0]) == re.findall(r"{'(\w+)':", source)


def test_every_text_is_held_against_something():
    """Those that are neither a usage nor a log: tests/test_docs_formats.py."""
    rest = {b.page for b in HERE if b.language == "text" and b not in [*USAGES, *LOGS, *TABLES]}
    assert rest == {"docs/security.md", "docs/sources.md"}
