"""What the machine has that some tests need: PostgreSQL, Redis, Chromium, gettext, ports."""

import os
import random
import shutil
import socket
from dataclasses import dataclass

import psycopg
import redis

POSTGRES = (
    "postgres://root@127.0.0.1:5432/postgres",
    "postgres://postgres@127.0.0.1:5432/postgres",
)
#: The last database of a usual Redis, which hardly anyone uses for anything else.
REDIS = ("redis://127.0.0.1:6379/15",)
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


#: Below those that the kernel gives to connections: what stops and starts again later finds its
#: port free, whatever else runs on the machine meanwhile.
PORTS = range(20_000, 30_000)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens at."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


@dataclass(frozen=True)
class Found:
    """Something that tests with the mark ``marker`` need: ``at`` is where it is, or None."""

    name: str
    marker: str
    at: str | None
    advice: str


def postgres() -> Found:
    given = os.environ.get("TEST_POSTGRES_URL")
    tried = (given,) if given else POSTGRES
    at = next((url for url in tried if _answers_as_postgres(url)), None)
    return Found("PostgreSQL", "postgres", at, _advice("TEST_POSTGRES_URL", tried))


def redis_server() -> Found:
    given = os.environ.get("TEST_REDIS_URL")
    tried = (given,) if given else REDIS
    at = next((url for url in tried if _answers_as_redis(url)), None)
    return Found("Redis", "redis", at, _advice("TEST_REDIS_URL", tried))


def chromium() -> Found:
    at = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    return Found(
        "Chromium", "browser", at, f"None of {', '.join(CHROMIUM)} is in PATH. Install Chromium."
    )


def gettext() -> Found:
    return Found(
        "gettext",
        "gettext",
        shutil.which("xgettext"),
        "xgettext is not in PATH. Install GNU gettext.",
    )


def _advice(variable: str, tried: tuple[str, ...]) -> str:
    # Without the user and the password, which may be in an address that was given.
    where = " or ".join(dict.fromkeys(url.rpartition("@")[2].rpartition("//")[2] for url in tried))
    return f"Nothing usable answered at {where}. Set {variable}."


def _answers_as_postgres(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


def _answers_as_redis(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
