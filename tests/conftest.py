"""Real parts for tests: a mail server, a cluster, a browser."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection, connections, transaction
from django.template import Context, Template
from django.test import TransactionTestCase
from django.test.utils import instrumented_test_render
from playwright.sync_api import Browser, Page, sync_playwright

from tests import machine, projects
from tests.documents.processes import Processes
from tests.processes import Cluster
from tests.receiver import Receiver
from tests.smtp import SmtpServer

# What can run here ------------------------------------------------------------------------

#: Kept out of the browser: what it would ask the network for on its own, and a sandbox
#: that it does not start in as root.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A run of few tests does not read the files without them, unless it was given files.
    ``None``: pytest decides."""
    only = "redis" if os.environ.get("REDIS_URL") else ""
    if os.environ.get("TEST_BROWSER") == "only":
        only = "browser"
    all_files = config.args_source is not pytest.Config.ArgsSource.ARGS
    if not only or not all_files or config.option.collectonly:
        return None
    if not collection_path.match("test_*.py") or f"mark.{only}" in collection_path.read_text():
        return None
    return True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that this run cannot show; ``tests/run.py`` runs them elsewhere.

    On PostgreSQL neither browser nor gettext tests run again, and with the Redis broker
    only those run that are marked for it. ``TEST_BROWSER`` is ``only`` in a run of nothing but
    the browser's tests, and ``apart`` beside one. ``--collect-only`` shows all of them.
    """
    if config.option.collectonly:
        return
    from django.conf import settings

    on_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    on_redis = bool(os.environ.get("REDIS_URL"))
    browser = os.environ.get("TEST_BROWSER", "")
    runs = {
        "postgres": not on_sqlite,
        "sqlite_only": on_sqlite,
        "redis": on_redis,
        "browser": on_sqlite and browser != "apart" and machine.chromium().at is not None,
        "gettext": on_sqlite and machine.gettext().at is not None,
    }
    kept, left_out = [], []
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        can_run = all(runs[mark] for mark in marks & runs.keys())
        wanted = "redis" in marks if on_redis else "browser" in marks or browser != "only"
        (kept if can_run and wanted else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


# Speed ------------------------------------------------------------------------------------


def pytest_collection_finish() -> None:
    """What has been imported and collected stays, and is most of what there is: the garbage
    collector does not look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def _pages_are_kept_and_not_their_parts(django_test_environment: None) -> Iterator[None]:
    """``response.context`` and ``response.templates`` are of whole templates. Django's own also
    have a copy of the context for each part: each option of each choice, on our pages hundreds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Template, "_render", _rendered)
        yield


def _rendered(template: Template, context: Context) -> str:
    is_part = context.template is not template or (template.name or "").startswith("django/forms/")
    if is_part:
        return template.nodelist.render(context)
    return instrumented_test_render(template, context)


# The database -----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """On PostgreSQL no process waits for the disk: no test cuts the power. (SQLite's own are in
    ``tests/settings.py``.)"""
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            name = connection.ops.quote_name(connection.settings_dict["NAME"])
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
            connection.close()


@pytest.fixture
def durable(db: None) -> Iterator[None]:
    """This connection waits for the disk, as those of a site do."""
    if connection.vendor != "postgresql":
        yield
        return
    connection.cursor().execute("SET synchronous_commit = on")
    yield
    if not connection.in_atomic_block:
        connection.cursor().execute("RESET synchronous_commit")


# An empty database ------------------------------------------------------------------------

#: No test changes these, and to make them anew takes longest.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}


def pytest_configure() -> None:
    TransactionTestCase._fixture_teardown = _empty_the_databases


def _empty_the_databases(test: TransactionTestCase) -> None:
    """After a test that commits. What Django does itself (TRUNCATE on PostgreSQL, then each
    content type and permission again) takes twenty times as long for these few rows."""
    from automation.events.schedule import ensure_tick

    for name in test._databases_names(include_mirrors=False):
        connection = connections[name]
        tables = set(connection.introspection.django_table_names(only_existing=True)) - KEPT
        with transaction.atomic(using=name), connection.cursor() as cursor:
            for table in sorted(tables):  # in any order: foreign keys are looked at at the end
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")
            ensure_tick(using=name)


# A mail server ----------------------------------------------------------------------------


@pytest.fixture
def smtp_server(settings: Any) -> Iterator[SmtpServer]:
    """A real SMTP server, which Django's mail goes to."""
    server = SmtpServer()
    server.start()
    # pytest-django keeps mail in memory unless told otherwise.
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = server.host
    settings.EMAIL_PORT = server.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = 5
    yield server
    server.stop()


# A server that webhooks call --------------------------------------------------------------


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """A real HTTP server, which webhooks may call although it is inside."""
    server = Receiver()
    server.start()
    settings.AUTOMATION = {"WEBHOOK_INSIDE_HOSTS": (server.host,), "WEBHOOK_SECONDS": 5}
    yield server
    server.stop()


# A cluster --------------------------------------------------------------------------------


@pytest.fixture
def cluster(transactional_db: None, smtp_server: SmtpServer, tmp_path: Path) -> Iterator[Cluster]:
    """A running cluster on the test's database; its mail goes to ``smtp_server``.

    Its log is printed, which pytest shows for a test that failed.
    """
    running = Cluster(tmp_path / "cluster.log", EMAIL_URL=smtp_server.url)
    running.start()
    yield running
    running.stop()
    print(running.log())


# The built wheel --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return projects.build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path) -> Iterator[Path]:
    """The Python of an environment that has the wheel: for ``projects.Project.start``."""
    # It is large: pytest would keep those of the last runs.
    with tempfile.TemporaryDirectory(prefix="flint-installed-") as directory:
        yield projects.install(wheel, Path(directory))


# A browser --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Playwright's synchronous API runs an event loop in this thread, and Django then
        # refuses to use the database here, taking this for asynchronous code. It is not:
        # nothing else runs in this thread while a test does.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        browser = playwright.chromium.launch(
            executable_path=machine.chromium().at, args=CHROMIUM_ARGUMENTS
        )
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def browser_page(chromium: Browser, live_server: Any) -> Iterator[Page]:
    """An empty page of a real browser; paths lead to the live server.

    The test fails if a page reports an error or asks any other host for anything.
    """
    context = chromium.new_context(base_url=live_server.url, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(15_000)
    own_host = urlsplit(live_server.url).netloc
    problems: list[str] = []
    context.on("weberror", lambda error: problems.append(f"error: {error.error}"))

    def note_line(line: Any) -> None:
        if line.type == "error":
            problems.append(f"console: {line.text} ({line.location['url']})")

    def note_request(request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != own_host:
            problems.append(f"asked another host: {request.url}")

    context.on("console", note_line)
    context.on("request", note_request)
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def superuser_page(browser_page: Page, client: Any, admin_user: Any, live_server: Any) -> Page:
    """``browser_page``, signed in as a superuser."""
    client.force_login(admin_user)
    browser_page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    return browser_page


# Documents --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def processes(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Processes]:
    """Processes in which examples of the documents run, each on a database of its own."""
    from django.conf import settings

    empty = Path(settings.DATABASES["default"]["NAME"])
    running = Processes(empty, tmp_path_factory.mktemp("documents"))
    yield running
    running.stop()
