"""Django projects outside the repository, as other people have them: made by ``startproject``,
in a virtual environment that knows the built wheel and nothing of this checkout.
"""

import ast
import os
import re
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: A block of a document for a file of a project: ``<!-- file: shop/urls.py -->`` before it.
BLOCK = re.compile(r"<!-- file: (\S+) -->\n+```\w+\n(.*?)```", re.S)


def build(kind: str, directory: Path, source: Path = ROOT) -> Path:
    """The "wheel", "wheel:editable" or "sdist" of the checkout at ``source``, in ``directory``."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(directory)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = directory.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return built


def requirement_lines(file: str = "requirements.txt") -> list[str]:
    lines = [line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("-")]


def install(wheel: Path, directory: Path) -> Path:
    """A fresh virtual environment with ``wheel``; returns its Python.

    Of what the wheel depends on it gets the versions that the other tests run with: what was
    released today is not what is tested here.
    """
    venv.create(directory / "venv", with_pip=False)
    python = directory / "venv" / "bin" / "python"
    constraints = directory / "constraints.txt"
    pins = [re.sub(r"\[.*?\]", "", line) for line in requirement_lines()]
    constraints.write_text("\n".join(pins))
    command = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    # Only what is imported is compiled, when it is.
    command += ["--quiet", "--no-compile", "--no-input", "--disable-pip-version-check"]
    command += ["--constraint", str(constraints), str(wheel)]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"pip could not install the wheel:\n{done.stdout}{done.stderr}"
    return python


def blocks(document: Path) -> Iterator[tuple[str, str]]:
    """What a document wants written: the files' names with the text, in the document's order."""
    for found in BLOCK.finditer(document.read_text()):
        yield found[1], found[2]


@dataclass(frozen=True)
class Project:
    """A project in ``directory``, whose settings are in the package ``name``; its environment
    has no variable of this process but ``PATH``."""

    directory: Path
    python: Path
    name: str = "shop"

    @classmethod
    def start(cls, python: Path, directory: Path, name: str = "shop") -> "Project":
        """``django-admin startproject NAME`` in the empty ``directory``."""
        directory.mkdir(parents=True, exist_ok=True)
        project = cls(directory, python, name)
        project.run("-m", "django", "startproject", name, ".")
        return project

    def path(self, file: str) -> Path:
        return self.directory / file

    def write(self, file: str, text: str) -> None:
        """Write the file; of settings only what ``text`` assigns is replaced, and the rest of
        it comes at the end, as somebody would edit them who follows a document."""
        path = self.path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name == "settings.py" and path.exists():
            text = replaced(path.read_text(), text)
        path.write_text(text)

    def take(self, document: Path) -> None:
        """Write all that a document says."""
        for file, text in blocks(document):
            self.write(file, text)

    def run(
        self, *arguments: str, code: int = 0, with_errors: bool = True, **environment: str
    ) -> str:
        """What the project's Python says, with what goes to standard error unless not wanted;
        it must end with ``code``."""
        done = subprocess.run(
            [str(self.python), *arguments],
            cwd=self.directory,
            env=self._environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if with_errors else subprocess.PIPE,
            text=True,
            check=False,
        )
        said = f"{done.stdout}{done.stderr or ''}"
        assert done.returncode == code, f"{' '.join(arguments)}:\n{said}"
        return done.stdout

    def manage(
        self, *arguments: str, code: int = 0, with_errors: bool = True, **environment: str
    ) -> str:
        """What ``manage.py ARGUMENTS`` says."""
        return self.run("manage.py", *arguments, code=code, with_errors=with_errors, **environment)

    def shell(self, source: str, **environment: str) -> str:
        """What ``source`` prints in the project, with its models imported."""
        return self.manage("shell", "--verbosity", "0", "--command", source, **environment)

    @contextmanager
    def running(self, *arguments: str, **environment: str) -> Iterator[Path]:
        """``manage.py ARGUMENTS`` while the block runs; its log is printed, and given."""
        log = self.path(f"{arguments[0]}.log")
        with log.open("ab") as written:
            process = subprocess.Popen(
                [str(self.python), "manage.py", *arguments],
                cwd=self.directory,
                env=self._environment({"PYTHONUNBUFFERED": "1", **environment}),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with suppress(ProcessLookupError):  # all of them have ended
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            print(log.read_text(errors="replace"))

    def _environment(self, changes: dict[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], **changes}


def replaced(settings: str, changes: str) -> str:
    """``settings`` with each name that ``changes`` assigns assigned as there; the rest of
    ``changes`` at the end."""
    lines, rest = settings.splitlines(keepends=True), []
    for statement in ast.parse(changes).body:
        source = ast.get_source_segment(changes, statement)
        standing = [
            other
            for other in ast.parse("".join(lines)).body
            if isinstance(statement, ast.Assign)
            and isinstance(other, ast.Assign)
            and ast.dump(other.targets[0]) == ast.dump(statement.targets[0])
        ]
        if standing:
            last = standing[-1]
            lines[last.lineno - 1 : last.end_lineno] = [f"{source}\n"]
        else:
            rest.append(f"\n{source}\n")
    return "".join([*lines, *rest])
