"""Servers that a fault may stop: a PostgreSQL, a Redis and a small disk, each of its own.

Nothing that runs on this machine is ever touched.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

HOST = "127.0.0.1"


class CannotBeShown(Exception):
    """This machine lacks what a fault needs."""


class OwnPostgres:
    """A PostgreSQL server in a temporary directory, as a user without rights."""

    def __init__(self, directory: Path) -> None:
        self._data = directory / "data"
        self._bin = _postgres_programs()
        # PostgreSQL refuses to run as root.
        self._user = _unprivileged() if os.getuid() == 0 else None
        self.port = _free_port()
        if self._user:
            shutil.chown(directory, self._user)
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "flint", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgres://flint@{HOST}:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses={HOST} -c unix_socket_directories=''"
        log = self._data / "log"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", log, "-o", options)

    def stop(self, how: str) -> None:
        """``how``: fast (as a restart does it) or immediate (as a crash)."""
        self._run("pg_ctl", "stop", "-w", "-D", self._data, "-m", how)

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._bin / program), *map(str, arguments)]
        done = subprocess.run(
            command,
            user=self._user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()}")


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    with tempfile.TemporaryDirectory(prefix="flint-faults-postgres-") as directory:
        server = OwnPostgres(Path(directory))
        server.start()
        try:
            with psycopg.connect(server.url):
                pass
            yield server
        finally:
            server.stop("immediate")


class OwnRedis:
    """A Redis that keeps nothing, on a port of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = _free_port()

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["redis-server", "--bind", HOST, "--port", str(self.port), "--save", "",
             "--appendonly", "no", "--dir", str(self._directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                redis.Redis.from_url(self.url).ping()
                return
            except redis.RedisError:
                time.sleep(0.05)
        raise RuntimeError("Redis did not start.")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def own_redis() -> Iterator[OwnRedis]:
    if shutil.which("redis-server") is None:
        raise CannotBeShown("redis-server is not in PATH")
    with tempfile.TemporaryDirectory(prefix="flint-faults-redis-") as directory:
        server = OwnRedis(Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.kill()


class SmallDisk:
    """A disk of few megabytes that can be filled up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Until not a byte more fits."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while file.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue

    def make_room(self) -> None:
        self._filler.unlink()


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    with tempfile.TemporaryDirectory(prefix="flint-faults-disk-") as directory:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", directory]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotBeShown(f"a small disk cannot be mounted: {done.stderr.strip()}")
        try:
            yield SmallDisk(Path(directory))
        finally:
            subprocess.run(["umount", "--lazy", directory], check=True)


def _postgres_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    at = found[-1] if found else shutil.which("initdb")
    if at is None:
        raise CannotBeShown("initdb of PostgreSQL was not found")
    return Path(at).parent


def _unprivileged() -> str:
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as free:
        return int(free.getsockname()[1])
