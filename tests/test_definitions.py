"""Definitions travel between sites by name: all of a file or nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from automation.chains.models import Chain
from automation.demo.definitions import FILE, load_definitions
from automation.rules import definitions
from automation.rules.models import Condition, Segment
from generators.models import Generator
from mails.models import Mail
from tests import shop

pytestmark = pytest.mark.django_db


def demo() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))


def test_what_is_exported_is_what_was_imported():
    definitions.load(demo())
    assert definitions.dump() == {
        **demo(),
        "webhooks": [],
        "chain_starts": [],
        **{kind: sorted(demo()[kind], key=lambda entry: entry["slug"]) for kind in
           ("segments", "chains", "generators", "snippets", "layouts", "mails")},
    }  # fmt: skip


def test_what_arrives_is_not_armed():
    definitions.load(demo())
    Mail.objects.update(is_active=True)
    Generator.objects.update(state="armed", next_run_at=shop.NOW)
    Chain.objects.update(state="armed", next_entry_at=shop.NOW)
    report = definitions.load(demo())
    assert report.created == {}
    assert report.changed == {
        "segments": 1, "chains": 1, "generators": 7, "snippets": 5, "layouts": 3, "mails": 10
    }  # fmt: skip
    assert {g.state for g in Generator.objects.all()} == {"draft"}
    assert Chain.objects.get().state == "draft"
    assert not Mail.objects.filter(is_active=True).exists()
    assert Condition.objects.count() == 19


def test_the_demo_loads_and_arms_its_definitions_once():
    load_definitions()
    assert Generator.objects.filter(state="armed").count() == 7
    assert Chain.objects.get().state == "armed"
    Generator.objects.update(state="paused")
    Chain.objects.update(state="paused")
    load_definitions()
    assert Generator.objects.filter(state="paused").count() == 7
    assert Chain.objects.get().state == "paused"


def changed(**changes: Any) -> Any:
    return {**demo(), **changes}


def first(kind: str, **changes: Any) -> Any:
    entries = demo()[kind]
    return changed(**{kind: [{**entries[0], **changes}, *entries[1:]]})


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "This is not a file of definitions."),
        (changed(version=2), "The file is of version 2; this site reads version 1."),
        (changed(users=[]),
         "“users” is not known. Known are: segments, webhooks, chains, chain_starts, "
         "generators, snippets, layouts, mails."),
        (changed(mails={}), "mails must be a list of objects."),
        (changed(mails=["x"]), "mails must be a list of objects."),
        (first("mails", body="{{ cart.totl }}"),
         "mails[0].body: Line 1, column 4: “cart.totl” is not known here. "
         "Did you mean “cart.total”?"),
        (first("mails", colour="red"),
         "mails[0]: Unknown: colour. Known are: slug, name, group, language, subject, preheader, "
         "body, text, to, cc, bcc, reply_to, from_email, send_incomplete, "
         "expires_hours, account, layout, variants."),
        (first("generators", every_minutes="often"),
         "generators[0].every_minutes: This must be a whole number."),
        (first("generators", source="demo.nothing"),
         "generators[0].group_template: The source “demo.nothing” is not registered in this "
         "project."),
        (first("generators", conditions=[{"field": "country", "operator": "field.one_of",
                                          "value": "XX"}]),
         "generators[0].conditions[0]: “XX” is not one of the choices: CH, DE, AT, FR, GB, IE."),
        ({**first("segments", slug=""), "generators": []},
         "segments[0].slug: This field cannot be blank."),
        (first("generators", at_time=5), "generators[0].at_time: This must be a text."),
        (first("generators", cron=[]), "generators[0].cron: This must be a text."),
        (first("generators", name={"a": 1}), "generators[0].name: This must be a text."),
        (first("generators", on_save="yes"), "generators[0].on_save: This must be true or false."),
        (first("mails", body={}), "mails[0].body: This must be a text."),
        (first("mails", name="\ud800"),
         "mails[0].name: This has characters that cannot be stored."),
        (first("mails", name="a\x00b"),
         "mails[0].name: This has characters that cannot be stored."),
        (changed(version=True), "The file is of version True; this site reads version 1."),
        (first("generators", conditions=["x"]),
         "generators[0].conditions[0]: A condition is an object with at least a field and an "
         "operator."),
        (first("generators", conditions=[{"field": "country"}]),
         "generators[0].conditions[0]: A condition is an object with at least a field and an "
         "operator."),
        (first("generators", conditions=[{"field": "orders:count", "value": "1", "within": 5,
                                          "operator": "related.at_least"}]),
         "generators[0].conditions[0]: This must be a text."),
    ],
)  # fmt: skip
def test_a_wrong_file_says_where_and_why_and_writes_nothing(data: Any, problem: str):
    with pytest.raises(definitions.DefinitionError) as refused:
        definitions.load(data)
    assert refused.value.problems == [problem]
    assert Segment.objects.count() == Generator.objects.count() == Mail.objects.count() == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"version": 1, ', "The file is not JSON: line 1, column 16"),
        (b'{"version": "\xff"}', "is not UTF-8 text (byte 13)."),
        (b"[]", "Nothing was imported.\nThis is not a file of definitions."),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_error(
    tmp_path: Path, content: bytes, message: str
):
    file = tmp_path / "definitions.json"
    file.write_bytes(content)
    with pytest.raises(CommandError) as refused:
        call_command("import_definitions", str(file))
    assert message in str(refused.value)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("dry_run", [True, False])
def test_an_import_that_is_to_be_quiet_prints_nothing(tmp_path: Path, capsys: Any, dry_run: bool):
    file = tmp_path / "definitions.json"
    file.write_text(json.dumps(demo()), encoding="utf-8")
    call_command("import_definitions", str(file), dry_run=dry_run, verbosity=0)
    assert capsys.readouterr() == ("", "")
    assert Mail.objects.exists() == (not dry_run)


def test_the_commands_are_each_others_opposite(tmp_path: Path, capsys: Any):
    definitions.load(demo())
    call_command("export_definitions")
    file = tmp_path / "definitions.json"
    file.write_text(capsys.readouterr().out, encoding="utf-8")
    call_command("import_definitions", str(file))
    assert capsys.readouterr().out.split() == [
        "chains", "0", "created", "1", "changed", "generators", "0", "created", "7", "changed",
        "layouts", "0", "created", "3", "changed", "mails", "0", "created", "10", "changed",
        "segments", "0", "created", "1", "changed", "snippets", "0", "created", "5", "changed",
    ]  # fmt: skip


def test_a_segment_may_name_one_that_comes_later():
    segments = [
        Segment.objects.create(name=slug.upper(), slug=slug, source="demo.customer")
        for slug in ("b", "a")
    ]
    shop.ask(segments[0], ("country", "field.one_of", "CH"))
    shop.ask(segments[1], ("segment", "segment.in", "b"))
    data = definitions.dump()
    assert [entry["slug"] for entry in data["segments"]] == ["a", "b"]
    for segment in reversed(segments):
        segment.delete()
    definitions.load(data)
    assert definitions.dump() == data
