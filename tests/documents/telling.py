"""Runs what the documents say, as a child of ``tests.documents.processes``."""

import io
import linecache
import os
import sys
import types
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.management import execute_from_command_line
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from tests.documents.blocks import Block

#: What of a project's settings is only looked at: a running process cannot change it.
LOOKED_AT = {"INSTALLED_APPS", "TEMPLATES", "STATICFILES_DIRS", "MIDDLEWARE", "DATABASES"}


def tell(blocks: Sequence[Block], directory: Path) -> None:
    """Run the blocks in order, those with files as a project in ``directory``. Raises what they
    raise."""
    write(blocks, directory)
    module = types.ModuleType("example")
    sys.modules["example"] = module
    said: dict[str, Any] = {}
    for block in blocks:
        if block.mark == "file":
            if block.said.endswith(".py"):
                import_module(block.said.removesuffix(".py").replace("/", "."))
        elif block.mark == "settings":
            said = {**(said if block.continues else {}), **run(block, {})}
            try_settings(said)
        else:
            if not block.continues and not any(each.mark == "file" for each in blocks):
                module.__dict__.clear()
                module.__dict__["__name__"] = "example"
            run(block, module.__dict__)


def run(block: Block, names: dict[str, Any]) -> dict[str, Any]:
    # So that a traceback shows the line of the page.
    lines = ["\n"] * (block.line - 1) + block.source.splitlines(keepends=True)
    linecache.cache[block.name] = (len(block.source), None, lines, block.name)
    source = "\n" * (block.line - 1) + block.source
    exec(compile(source, block.name, "exec", dont_inherit=True), names)
    return names


def try_settings(names: dict[str, Any]) -> None:
    said = {name: value for name, value in names.items() if name.isupper()}
    assert said, "It sets nothing."
    known = {*settings.INSTALLED_APPS, *(config.name for config in apps.get_app_configs())}
    assert set(said.get("INSTALLED_APPS", [])) - known == set()
    before = {problem.id for problem in checks.run_checks()}
    with override_settings(**{n: v for n, v in said.items() if n not in LOOKED_AT}):
        found = checks.run_checks()
    assert [problem for problem in found if problem.id not in before] == []


# A project ----------------------------------------------------------------------------------


def write(blocks: Sequence[Block], directory: Path) -> None:
    """Write the files, and install the apps that they make."""
    files = {block.said: block.source for block in blocks if block.mark == "file"}
    for name, source in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    sys.path.insert(0, str(directory))
    for package in sorted({name.partition("/")[0] for name in files if "/" in name}):
        (directory / package / "__init__.py").touch()
        install(package)
    if files:
        autodiscover_modules("sources")
        autodiscover_modules("listeners")


def install(package: str) -> None:
    """Add an app to those that run, and make its tables."""
    config = AppConfig.create(package)
    config.apps = apps
    apps.app_configs[config.label] = config
    config.models = apps.all_models[config.label]
    config.import_models()
    apps.clear_cache()
    config.ready()
    with connection.schema_editor() as editor:
        for model in config.get_models():
            editor.create_model(model)


# Commands -----------------------------------------------------------------------------------


def manage(arguments: Sequence[str], environment: dict[str, str]) -> tuple[int, str, str]:
    """Run ``manage.py`` with ``arguments``; returns exit code, output and errors."""
    os.environ.update(environment)
    out, errors = io.StringIO(), io.StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(errors):
        try:
            execute_from_command_line(["manage.py", *arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return code, out.getvalue(), errors.getvalue()


def load_demo() -> None:
    """The demo as ``make demo`` loads it."""
    from automation.demo.definitions import load_definitions
    from automation.demo.shop import load_shop

    load_shop(timezone.now())
    load_definitions()
