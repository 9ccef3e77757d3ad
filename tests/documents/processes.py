"""A process of its own for each example, without the time that it takes to start one.

One process is started with Django and everything in it. For each example it forks a child, which
has a copy of the database and may register, connect and define whatever it likes: no other
example, and no other test, sees any of it.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.documents.blocks import ROOT, Block


class Failed(AssertionError):
    """With what the child said."""


class Processes:
    """Starts children on copies of the database ``empty``, which is migrated."""

    def __init__(self, empty: Path, directory: Path) -> None:
        self.databases = {"empty": directory / "empty.sqlite3", "demo": directory / "demo.sqlite3"}
        with (
            closing(sqlite3.connect(empty)) as source,
            closing(sqlite3.connect(self.databases["empty"])) as copy,
        ):
            source.backup(copy)
        self.directory = directory
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.documents.processes"],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if name != "REDIS_URL"},
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "DATABASE_URL": "sqlite://:memory:",  # each child names its own
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, *blocks: Block) -> None:
        """Run the blocks of a story. Raises ``Failed`` with the traceback."""
        self.ask("empty", "tell", blocks=[asdict(block) for block in blocks])

    def manage(
        self, *arguments: str, files: dict[str, str] | None = None, **environment: str
    ) -> tuple[int, str, str]:
        """``manage.py`` with these arguments on the demo's data, in a directory with ``files``:
        exit code, output, errors."""
        if not self.databases["demo"].exists():
            kept = self.ask("empty", "load_demo", keep=str(self.databases["demo"]))
            assert kept is None
        code, out, errors = self.ask(
            "demo", "manage", arguments=arguments, environment=environment, files=files or {}
        )
        return code, out, errors

    def ask(self, database: str, what: str, **said: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        question = {"what": what, "database": str(self.databases[database]), **said}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line or '{"error": "the process has ended"}')
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["result"]

    def stop(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


# The other side -----------------------------------------------------------------------------


def serve() -> None:
    import django
    from django.test.utils import setup_test_environment

    django.setup()
    setup_test_environment(debug=False)
    # What an example prints goes to the errors, answers go where this process was told.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            with os.fdopen(write, "w") as pipe:
                pipe.write(json.dumps(answer_to(json.loads(line))))
            sys.stdout.flush()
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            said = pipe.read()
        _pid, status = os.waitpid(child, 0)
        ended = json.dumps({"error": f"It ended with {status} and said nothing."})
        answers.write((said or ended) + "\n")
        answers.flush()
    answers.close()


def answer_to(question: dict[str, Any]) -> dict[str, Any]:
    from django.db import connections

    from tests.documents import telling

    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        database = shutil.copy(question["database"], directory / "database.sqlite3")
        connections["default"].settings_dict["NAME"] = str(database)
        try:
            match question["what"]:
                case "tell":
                    blocks = [Block(**block) for block in question["blocks"]]
                    result: Any = telling.tell(blocks, directory / "project")
                case "manage":
                    os.chdir(directory)
                    for name, text in question["files"].items():
                        Path(name).write_text(text)
                    result = telling.manage(question["arguments"], question["environment"])
                case "load_demo":
                    result = telling.load_demo()
                    connections.close_all()
                    shutil.copy(database, question["keep"])
            return {"result": result}
        except BaseException:
            return {"error": traceback.format_exc()}
        finally:
            connections.close_all()


if __name__ == "__main__":
    serve()
