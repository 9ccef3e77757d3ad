# mypy: ignore-errors
"""Measures one of them: prints a first run and one with nothing new as a line of JSON."""

import datetime
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
import environ
from django.conf import settings
from django.utils import translation

# 30 days before the moment that the rows are placed around.
BEFORE = datetime.datetime(2026, 2, 8, 12, tzinfo=datetime.UTC)


def main(name: str) -> None:
    translation.ugettext_lazy = translation.gettext_lazy
    settings.configure(
        SECRET_KEY="only for the benchmark",
        USE_TZ=True,
        DATABASES={"default": environ.Env.db_url_config(os.environ["DATABASE_URL"])},
        INSTALLED_APPS=[
            "django.contrib.contenttypes", "django.contrib.auth", "ancestors",
            "spark", "spark.spark_generators", "drip",
        ],
        AUTH_USER_MODEL="ancestors.Customer",
        EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        ROOT_URLCONF="ancestors.urls",
    )  # fmt: skip
    django.setup()
    from django.core.management import call_command
    from django.db import connection

    name_of_database = Path(str(connection.settings_dict["NAME"])).name
    if not name_of_database.startswith("flint_benchmark_"):
        sys.exit("This is not a database that the benchmark has made.")
    for app in ("spark", "spark_generators", "drip"):
        call_command("migrate", app, verbosity=0)
    run, table = {"spark": spark, "drip": drip}[name]()
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}")
    print(json.dumps([measured(run, table), measured(run, table)]))


def spark() -> tuple[Callable[[], Any], str]:
    """Candidates, conditions and events, as its documentation has it."""
    from ancestors.models import Customer
    from django.db.models import Count
    from spark import api
    from spark.spark_generators.api import SOURCES, events_from_generators
    from spark.spark_generators.models import Generator

    def context(customer: Any) -> dict[str, Any]:
        return {
            "seconds": (BEFORE - customer.created_at).total_seconds(),
            "orders": customer.order_count,
            "customer": customer,
        }

    SOURCES["customer"] = {
        "candidates": lambda: Customer.objects.annotate(order_count=Count("orders")),
        "context": context,
    }
    Generator.objects.all().delete()
    generator = Generator.objects.create(group="customer_lost", source="customer")
    generator.conditions.create(variable="seconds", operator=">", value=0)
    generator.conditions.create(variable="orders", operator="<", value=2)

    def run() -> None:
        for _event in api.only_new_events(events_from_generators()):
            pass

    return run, "spark_event"


def drip() -> tuple[Callable[[], Any], str]:
    """A campaign with two rules; it asks, sends and notes in one go."""
    from drip.models import Drip

    Drip.objects.all().delete()
    made = Drip.objects.create(
        name="lost",
        enabled=True,
        subject_template="We miss you",
        body_html_template="<p>Dear {{ user.email }}</p>",
    )
    made.queryset_rules.create(
        field_name="created_at", lookup_type="lt", field_value=BEFORE.isoformat()
    )
    made.queryset_rules.create(field_name="orders__count", lookup_type="lt", field_value="2")
    return lambda: Drip.objects.get().drip.run(), "drip_sentdrip"


def measured(run: Callable[[], Any], table: str) -> dict[str, Any]:
    from django.db import connection

    queries = 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    def rows() -> int:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            return int(cursor.fetchone()[0])

    before = rows()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    idle = status("VmRSS")
    with connection.execute_wrapper(count):
        started = time.perf_counter()
        run()
        seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "queries": queries,
        "memory": status("VmHWM") - idle,
        "events": rows() - before,
        "messages": 0,
        "ids": 0,
    }


def status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) / 1024


main(sys.argv[1])
