"""A floor imports only floors below it; rooms of the same floor do not know each other.

0 rules <- 1 events <- 2 chains, generators, mails <- 3 the roof: settings, urls, site, demo.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.sqlite_only  # none of these asks the database

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("automation", "generators", "mails")

ROOF = 3
FLOORS = {
    "automation.rules": 0,
    "automation.events": 1,
    "automation.chains": 2,
    "generators": 2,
    "mails": 2,
    "automation": ROOF,
}
#: A path in a string, as in ``async_task("mails.tasks.deliver")``, leads up as an import does.
DOTTED = re.compile(r"(automation\.[a-z]\w*|generators|mails)(\.\w+)+")


def room(module: str) -> str:
    """The package of ``FLOORS`` that a module is in, or "" for other people's code."""
    inside = [name for name in FLOORS if module == name or module.startswith(name + ".")]
    return max(inside, key=len, default="")


def imported(source: str, module: str, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """The modules that the source of ``module`` names, with the lines where it does."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            # "from automation import events" names automation.events.
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from ((node.lineno, name if is_module(name) else base) for name in names)
        elif isinstance(node, ast.Constant) and DOTTED.fullmatch(str(node.value)):
            yield node.lineno, str(node.value)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def wrong_imports(source: str, module: str, is_package: bool = False) -> list[str]:
    own = room(module)
    found = []
    for line, name in imported(source, module, is_package):
        other = room(name)
        # The package "automation" itself is the doorstep of all: it holds a version.
        allowed = other in ("", own) or name == "automation" or FLOORS[other] < FLOORS[own]
        if not allowed:
            found.append(f"{module}:{line} names {name}")
    return found


def modules() -> list[tuple[Path, str]]:
    return [
        (path, ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def test_a_floor_imports_only_floors_below_it() -> None:
    assert [
        wrong
        for path, module in modules()
        for wrong in wrong_imports(path.read_text(), module, path.name == "__init__.py")
    ] == []


def test_every_room_is_looked_into() -> None:
    missing = {name for name in FLOORS if is_module(name)} - {room(name) for _, name in modules()}
    assert {name for name in missing if any(ROOT.joinpath(*name.split(".")).rglob("*.py"))} == set()


def test_the_doorstep_imports_nothing() -> None:
    source = (ROOT / "automation" / "__init__.py").read_text()
    assert list(imported(source, "automation", is_package=True)) == []


@pytest.mark.parametrize(
    ("module", "source", "named"),
    [
        ("automation.rules.models", "import automation.events", "automation.events"),
        ("automation.rules.models", "import mails.models as m", "mails.models"),
        ("automation.rules.models", "from automation import events", "automation.events"),
        ("automation.rules.models", "from .. import events", "automation.events"),
        ("automation.rules.models", "from ..events.models import X", "automation.events.models"),
        ("automation.events.models", "from generators.models import X", "generators.models"),
        ("automation.events.tasks", "def f():\n    import mails", "mails"),
        ("automation.events.tasks", "async_task('mails.tasks.deliver')", "mails.tasks.deliver"),
        ("automation.events.tasks", "from automation import settings", "automation.settings"),
        ("generators.models", "from mails import models", "mails.models"),
        ("mails.models", "from generators.models import X", "generators.models"),
        ("mails.models", "import automation.demo.models", "automation.demo.models"),
    ],
)
def test_the_checker_sees(module: str, source: str, named: str) -> None:
    line = source.count("\n") + 1
    # ``is_module`` looks at the disk, and not every room above is built yet.
    assert [wrong.partition(" names ")[0] for wrong in wrong_imports(source, module)] == [
        f"{module}:{line}"
    ]
    assert wrong_imports(source, module)[0].startswith(
        f"{module}:{line} names {named if is_module(named) else named.split('.')[0]}"
    )


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("automation.rules.models", "from automation import __version__"),
        ("automation.rules.models", "from . import fields\nfrom .plain import plain"),
        ("automation.events.models", "from automation.rules.models import Rule"),
        ("automation.events.models", "from ..rules import sources"),
        ("generators.tasks", "async_task('generators.tasks.tick')"),
        ("mails.models", "import django\nfrom automation import events, rules"),
        ("automation.demo.sources", "from generators.models import Generator\nimport mails"),
    ],
)
def test_the_checker_lets_pass(module: str, source: str) -> None:
    assert wrong_imports(source, module) == []


def test_the_checker_counts_dots_from_the_package() -> None:
    assert wrong_imports("from ..events import record", "automation.rules", is_package=True) == [
        "automation.rules:1 names automation.events"
    ]
