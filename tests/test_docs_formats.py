"""Every other block of the documents is what its language says: read by what will read it."""

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import crossplane
import environ
import pytest
import yaml
from django.utils import timezone

from automation.demo.definitions import FILE
from automation.events import Event
from automation.events.health.metrics import exposition
from automation.events.records import CODE_EVENT_SHAPE
from automation.events.webhooks import payload
from automation.rules.sources import sources
from automation.rules.templating import ANYTHING, check
from mails import html, styles
from mails.pages.frames import FRAME_POLICY
from tests.documents.blocks import HERE, Block, in_language

pytestmark = pytest.mark.sqlite_only

#: What there is to read each language.
READ = {
    "python": "tests/test_docs_python.py",
    "console": "tests/test_docs_commands.py",
    "sh": "tests/test_docs_commands.py",
    "text": "tests/test_docs_commands.py, and here",
    **dict.fromkeys(("css", "html", "ini", "json", "liquid", "nginx", "yaml"), "here"),
    **dict.fromkeys(("{toctree}", "{eval-rst}"), "tests/test_docs_site.py"),
}


def test_every_language_is_read_by_something():
    assert {block.language for block in HERE if block.mark != "file"} - set(READ) == set()


def each(*languages: str) -> pytest.MarkDecorator:
    blocks = in_language(*languages)
    return pytest.mark.parametrize("block", blocks, ids=[block.name for block in blocks])


# Templates --------------------------------------------------------------------------------


#: What the examples call their rows.
SHAPE = {
    **sources.get("demo.cart").shape,
    **sources.get("demo.order").shape,
    **CODE_EVENT_SHAPE,
    "mail": {"name": ANYTHING, "language": ANYTHING},
}
SNIPPETS = {
    **{each["slug"]: each["body"] for each in json.loads(FILE.read_text())["snippets"]},
    "product-card": "{{ item.title }}{% if buttons %}!{% endif %}",
}


@each("liquid")
def test_every_template_is_one(block: Block):
    assert [str(problem) for problem in check(block.source, SHAPE, snippets=SNIPPETS)] == []


@each("html")
def test_all_html_is_kept_in_mails(block: Block):
    assert [str(problem) for problem in check(block.source, SHAPE, html=True)] == []

    def tags(text: str) -> list[str]:
        return re.findall(r"</?\w+", text)

    assert tags(html.cleaned(block.source)) == tags(block.source)


@each("css")
def test_all_styles_are_those_of_mails(block: Block):
    assert styles.problems(block.source) == []


# Machines ---------------------------------------------------------------------------------


@each("ini")
def test_every_unit_and_environment_is_read(block: Block, tmp_path: Path):
    path = Path(re.match(r"# (/\S+)\n", block.source)[1])
    (tmp_path / path.name).write_text(block.source)
    if path.suffix == ".env":
        read = environ.FileAwareEnv
        variables: dict[str, str] = {}
        read.ENVIRON = variables
        read.read_env(str(tmp_path / path.name))
        assert list(variables) == re.findall(r"^(\w+)=", block.source, re.M)
        return
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str
    unit.read_string(block.source)
    assert unit.sections() == ["Unit", "Service", "Install"]
    if shutil.which("systemd-analyze"):
        # Its program and user are those of another machine.
        said = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(tmp_path / path.name)],
            capture_output=True, text=True, check=False,
        ).stderr  # fmt: skip
        wrong = [line for line in said.splitlines() if path.name in line]
        assert [line for line in wrong if "is not executable" not in line] == []


@each("nginx")
def test_every_part_of_nginx_is_one(block: Block, tmp_path: Path):
    config = tmp_path / "nginx.conf"
    config.write_text(f"events {{}}\nhttp {{ server {{\n{block.source}\n}} }}\n")
    read = crossplane.parse(str(config), strict=True)
    assert (read["status"], read["errors"]) == ("ok", [])


@each("yaml")
def test_all_yaml_is_read(block: Block):
    assert isinstance(yaml.safe_load(block.source), dict)


@pytest.mark.django_db
def test_alerts_ask_for_figures_that_there_are():
    known = set(re.findall(r"^# TYPE (\w+)", exposition(timezone.now()).decode(), re.M))
    alerts = [b for b in in_language("yaml") if "alert:" in b.source]
    expressions = [
        rule["expr"]
        for block in alerts
        for group in yaml.safe_load(block.source)["groups"]
        for rule in group["rules"]
    ]
    assert len(expressions) > 5
    asked = {name for text in expressions for name in re.findall(r"flint_\w+", text)}
    assert asked - known == set()
    for text in expressions:
        assert text.count("(") == text.count(")")


# Data -------------------------------------------------------------------------------------


@each("json")
def test_what_a_webhook_sends_has_these_parts(block: Block):
    shown = json.loads(block.source)
    event = Event(
        shown["type"], shown["data"]["key"], shown["data"]["context"],
        recipient=shown["data"]["recipient"], language=shown["data"]["language"],
        row_model=shown["data"]["row"]["model"], row_pk=shown["data"]["row"]["id"],
    )  # fmt: skip
    sent = json.loads(payload.body(event, timezone.now(), with_details=True))
    assert {**sent, "timestamp": shown["timestamp"]} == shown


def test_what_templates_see_of_a_row_is_its_shape():
    (block,) = [b for b in in_language("text") if b.page == "docs/sources.md"]
    names = [re.match(r" *(\w+)", line)[1] for line in block.source.splitlines()]
    shape = {**sources.get("demo.cart").shape, **CODE_EVENT_SHAPE}

    def named(tree: object) -> set[str]:
        if isinstance(tree, list):
            return named(tree[0])
        if not isinstance(tree, dict):
            return set()
        return set(tree).union(*map(named, tree.values()))

    assert set(names) - named(shape) == set()


def test_the_policy_of_frames_is_the_one_that_is_sent():
    (block,) = [b for b in in_language("text") if b.page == "docs/security.md"]
    assert " ".join(block.source.split()) == f"Content-Security-Policy: {FRAME_POLICY}"
