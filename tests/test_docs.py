"""Nothing public is missing from the documents, and their links lead somewhere.

That their blocks are true is in ``tests/test_docs_python.py``, ``…_commands.py`` and
``…_formats.py``; that they make a site in ``…_site.py``.
"""

import dataclasses
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import get_commands

import generators
from automation import chains, events, rules
from automation.events.housekeeping.chore import chores
from automation.events.records import CODE_EVENT_SHAPE
from automation.events.states import State
from automation.rules import templating
from automation.rules.conf import Settings
from automation.rules.fields import SENSITIVE, Field, Kind
from automation.rules.related_conditions import RelatedCondition
from automation.rules.rule import kinds_of_condition
from automation.rules.sources import RelatedList, Source, sources
from automation.rules.templating import check
from automation.rules.templating.filters import filters
from automation.rules.templating.lexer import TAGS
from generators.timing import Repeat, Trigger
from mails.layout import CLASSES
from tests.documents.blocks import DOCUMENTS, ROOT
from tests.test_project import PRODUCTION

OURS = ("automation.", "generators", "mails")

pytestmark = pytest.mark.sqlite_only


def document(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def code(text: str) -> set[str]:
    """The words that stand as code in ``text``, between backticks or in a block."""
    return set(re.findall(r"\w+", " ".join(re.findall(r"```.*?```|`[^`]+`", text, re.S))))


# Links ------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """The names by which GitHub's pages know the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _hash, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text()), target


# Completeness -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "package", [rules, events, chains, templating, generators], ids=lambda found: found.__name__
)
def test_every_public_name_is_in_the_documents(package):
    named = set().union(*(code(page.read_text()) for page in DOCUMENTS))
    assert set(package.__all__) - named == set()


@pytest.mark.parametrize("declared", [Source, RelatedList, Field], ids=lambda found: found.__name__)
def test_every_part_of_a_source_is_explained(declared):
    parts = {field.name for field in dataclasses.fields(declared)} - {"annotation"}
    assert parts - code(document("sources.md")) == set()


def test_every_part_of_a_description_is_explained():
    parts = {field.name for field in dataclasses.fields(generators.Description)}
    assert parts - code(document("generators-in-code.md")) == set()


def test_the_kinds_of_field_are_explained():
    assert {str(kind) for kind in Kind} - code(document("sources.md")) == set()


def test_every_setting_stands_in_its_table_with_its_default():
    defaults = dataclasses.asdict(Settings())
    rows = [f"| `{name}` | `{default!r}` |" for name, default in defaults.items()]
    assert [row for row in rows if row not in document("settings.md")] == []


def test_every_kind_of_data_stands_in_its_table_with_its_age():
    rows = re.findall(r"^\| `(\w+)` \| ([\w ]+) \|", document("personal-data.md"), re.M)
    ages = {chore.name: chore.default_days for chore in chores}
    said = {name: f"{days} days" if days else "for ever" for name, days in ages.items()}
    assert dict(rows) == said


def test_every_variable_of_the_environment_is_explained():
    settings = (ROOT / "automation" / "settings.py").read_text()
    read = set(re.findall(r'\benv\.\w+\(\s*"(\w+)"', settings)) | {"PORT", "MAIL_PORT"}
    # Those of each e-mail account, and of the default one without its name.
    read |= set(re.findall(r'\benv\.\w+\(f"(\w+)\{suffix\}"', settings))
    table = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), re.M))
    assert table == read


def test_the_production_environment_is_the_one_that_is_checked():
    """tests/test_project.py runs ``check --deploy`` with it."""
    (example,) = re.findall(r"```ini\n# /etc/flint\.env\n(.*?)```", document("deployment.md"), re.S)
    assert set(re.findall(r"^(\w+)=", example, re.M)) == {*PRODUCTION, "DATABASE_URL"} - {"PATH"}


def test_every_command_is_explained():
    commands = {
        name
        for name, app in get_commands().items()
        if isinstance(app, str) and app.startswith(OURS) and apps.is_installed(app)
    }
    headings = re.findall(r"^## `(\w+)`", document("commands.md"), re.M)
    assert sorted(headings) == sorted(commands)


def test_every_state_of_a_delivery_is_explained():
    rows = re.findall(r"^\| \*\*(\w+)\*\* \|", document("delivery.md"), re.M)
    assert set(rows) == {str(state) for state in State}


def test_every_question_a_rule_can_ask_is_explained():
    """Related rows are asked what fields are asked; the demo's own kind is an example."""
    text = document("rules.md")
    asked = {
        (f"{kind.kind}.{operator.name}", str(operator.label))
        for kind in kinds_of_condition()
        if kind is not RelatedCondition and not kind.__module__.startswith("automation.demo")
        for source in sources
        for subject in kind.subjects(source)
        for operator in kind.operators(subject)
    }
    assert {pair for pair in asked if f"| {pair[1]} | `{pair[0]}` |" not in text} == set()


def test_every_choice_of_a_generator_is_explained():
    text = document("rules.md")
    labels = [str(choice.label) for choice in (*Repeat, *Trigger)]
    assert [label for label in labels if label not in text] == []


def test_everything_a_template_can_use_is_explained():
    known = code(document("templates.md"))
    wanted = {*filters(as_html=True), *(TAGS - {"#"}), *CLASSES, "elsif", "else", "when"}
    assert wanted - known == set()


def test_names_that_look_like_secrets_are_listed():
    """The words of the pattern, as far as they are words."""
    words = set(re.findall(r"[a-z]{3,}", SENSITIVE.pattern))
    assert words - set(re.findall(r"[a-z]+", document("security.md"))) == set()


def test_every_template_within_a_sentence_is_one():
    shape = {
        **sources.get("demo.cart").shape,
        **sources.get("demo.order").shape,
        **CODE_EVENT_SHAPE,
    }
    inline = re.findall(r"`(\{\{ (?:cart|order|event|\d)[^`]*\}\})`", document("templates.md"))
    assert [str(problem) for source in inline for problem in check(source, shape)] == []
    assert len(inline) > 8
