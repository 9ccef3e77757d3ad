"""What the project does with Flint, from empty databases on: ``python -m tests.shapes.play``
prints it as one line of JSON. With the word ``pages`` it opens all pages of the admin, too."""

import io
import json
import re
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import django

if __name__ == "__main__":
    django.setup()

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core import mail as post
from django.core.management import call_command
from django.db import connections
from django.test import AsyncClient, Client
from django.test.utils import setup_test_environment
from django.urls import resolve, reverse
from django.utils import timezone
from django.utils.html import strip_tags

from automation.events.models import Webhook
from automation.events.tasks import tick
from automation.rules.definitions import dump, read_condition
from automation.rules.models import Segment
from automation.rules.sources import sources
from generators import Description, events_from
from generators.models import Generator
from generators.timing import Repeat
from mails.models import Account, Layout, Mail, Message, Proof, Snippet, Version
from tests.forms import filled
from tests.shapes import sequences
from tests.shapes.library.models import Loan, Reader, Shelf
from tests.shapes.other_sites import SITES

OURS = ("automation_rules", "automation_events", "automation_chains", "generators", "mails")

DESCRIBED = [
    Description("library.loan", "was_late", [("is_late", "field.yes", "")], name="loans"),
    Description("library.shelf", "was_full", [("is_full", "field.yes", "")], name="shelves"),
    Description("library.shelf", "shelf", name="all", every_row=True),
]

#: Of each page so many are opened.
EACH = 1


def command(name: str, *arguments: Any, **options: Any) -> str:
    told = io.StringIO()
    call_command(name, *arguments, stdout=told, **options)
    return told.getvalue()


def ask(rule: Any, field: str, operator: str, value: str = "") -> None:
    source = sources.get(rule.source)
    condition = read_condition(source, field=field, operator=operator, value=value)
    condition.rule = rule
    condition.save()


def generator(slug: str, source: str, field: str, repeat: str, **values: Any) -> Generator:
    made = Generator.objects.create(
        name=slug, slug=slug, source=source, repeat=repeat, group_template=slug, **values
    )
    ask(made, field, "field.yes")
    made.arm(timezone.now())
    return made


def mail(slug: str, group: str, body: str) -> Mail:
    made = Mail(name=slug, slug=slug, group=group, subject=slug, body=body, is_active=True)
    made.full_clean()
    made.save()
    return made


def set_up() -> None:
    """Rows, what is to happen with them, and somebody to look at it."""
    member = get_user_model().objects.create_superuser(badge=7, password="-")
    ann = Reader.objects.create(email="ann@example.com", language="de", zone="Europe/Zurich")
    due = datetime(2026, 3, 1, 11, tzinfo=UTC)
    for title in ("Emma", "Ulysses"):
        known = {"id": uuid5(NAMESPACE_URL, title), "title": title}
        Loan.objects.create(reader=ann, is_late=True, due_at=due, **known)
    Shelf.objects.create(code="A/1 ü", keeper=ann, is_full=True)
    for repeat in (Repeat.ONCE, Repeat.ANEW, Repeat.AFTER):
        generator(f"late-{repeat}", "library.loan", "is_late", repeat)
    own = {"key_template": "{{ loan.reader.email }}"}
    generator("late-key", "library.loan", "is_late", Repeat.KEY, **own)
    generator("full", "library.shelf", "is_full", Repeat.ANEW)
    listed = "{{ loan.id }}: {% for one in loan.others %}{{ one.title }} {% endfor %}"
    Layout.objects.create(name="Paper", slug="paper", header="<p>Library</p>")
    Snippet.objects.create(name="Bye", slug="bye", body="Bye")
    Webhook.objects.create(name="Shop", slug="shop", url="https://example.com/hook", group="never")
    mail("Loan", "late-once", f"<p>{listed}{{{{ loan.due_at }}}}</p>").keep_version(member)
    mail("Shelf", "full", "<p>{{ shelf.code }}</p>").keep_version(member)
    ask(Segment.objects.create(name="Late", slug="late", source="library.loan"),
        "is_late", "field.yes")  # fmt: skip


def ran() -> list[list[str]]:
    """The generators, each with how many rows matched and how many were new."""
    return [line.split() for line in command("run_generators").splitlines()[1:]]


def mailbox() -> list[tuple[str, str]]:
    return [(message.to[0], str(message.body).strip()) for message in post.outbox]


def by_whom(model: Any) -> list[Any]:
    field = {LogEntry: "user", Version: "author", Proof: "requested_by"}[model]
    return [getattr(row, field) for row in model.objects.select_related(field)]


class Crawl:
    """All pages that links of an admin site lead to, from its home page on."""

    def __init__(self, client: Client, site: str = "admin") -> None:
        self.client = client
        self.home = reverse(f"{site}:index")
        self.seen: set[str] = set()
        self.opened: Counter[str] = Counter()
        self.wrong: list[str] = []

    def open(self) -> None:
        waiting = [self.home]
        while waiting:
            path = waiting.pop()
            view = resolve(urlsplit(path).path).view_name
            if path in self.seen or self.opened[view] >= EACH or "logout" in path:
                continue
            self.seen.add(path)
            self.opened[view] += 1
            response = self.client.get(path)
            if response.status_code not in (200, 302):
                self.wrong.append(f"{path} {response.status_code}")
            elif response["Content-Type"].startswith("text/html"):
                waiting += self.links(path, response.content.decode())

    def links(self, path: str, page: str) -> list[str]:
        found = re.findall(r'(?:href|src)="([^"]*)"', page)
        return [
            link.replace("&amp;", "&")
            for link in found
            if link.startswith(self.home) and "#" not in link
        ]


def pages_of_ours() -> set[str]:
    ours = (each for model, each in admin.site._registry.items() if model._meta.app_label in OURS)
    return {f"admin:{page.name}" for each in ours for page in each.urls if page.name}


def changed_on(crawl: Crawl) -> list[str]:
    """The models of ours of which it has opened a row's page."""
    pages = (name.partition(":")[2] for name in crawl.opened if name.endswith("_change"))
    return sorted(page.removesuffix("_change") for page in pages if page.startswith(OURS))


def on_other_site(client: Client, site: str) -> dict[str, Any]:
    """What goes wrong there, which pages of models are opened, and what saving one says."""
    crawl = Crawl(client, site)
    crawl.open()
    page = reverse(f"{site}:mails_mail_change", args=[Mail.objects.get(slug="Shelf").pk])
    saved = client.post(page, filled(client, page, "mail", subject=site), follow=True)
    return {
        "wrong": crawl.wrong,
        "changed": changed_on(crawl),
        "saved": [strip_tags(str(each)) for each in saved.context["messages"]],
        "subject": Mail.objects.get(slug="Shelf").subject,
    }


class Work:
    """What somebody does in the admin, and what the pages answer."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.member = get_user_model().objects.get()
        self.told: dict[str, list[str]] = {}

    def post(self, name: str, url: str, data: dict[str, Any]) -> Any:
        response = self.client.post(url, data, follow=True)
        assert response.status_code == 200, (name, response.status_code)
        context = response.context or {}
        self.told[name] = [strip_tags(str(each)) for each in context.get("messages", [])]
        return response

    def do(self) -> None:
        mail, message = Mail.objects.get(slug="Loan"), Message.objects.latest("pk")
        page = reverse("admin:mails_mail_change", args=[mail.pk])
        self.post("save", page, filled(self.client, page, "mail", subject="Your loan"))
        self.post("go back", reverse("admin:mails_mail_version", args=[mail.pk, 1]), {})
        test = reverse("admin:mails_mail_send_test", args=[mail.pk])
        nobody = self.post("test without an address", test, {"to": ""})
        self.told["test without an address"] = nobody.context["form"].errors["to"]
        self.member.post = "staff@example.com"
        self.member.save()
        self.post("test", test, {"to": ""})
        account = Account.objects.get(name="default")
        self.post("test of an account", reverse("admin:mails_account_test", args=[account.pk]), {})
        self.post("proof", reverse("admin:mails_mail_proof_start", args=[mail.pk]), {})
        Message.objects.filter(pk=message.pk).update(state="failed")
        chosen = {"action": "retry", "_selected_action": [message.pk], "confirmed": "1"}
        self.post("decide", reverse("admin:mails_message_changelist"), chosen)
        late = Generator.objects.get(slug="late-once")
        chosen = {"action": "pause", "_selected_action": [late.pk]}
        self.post("pause", reverse("admin:generators_generator_changelist"), chosen)
        data = {"text": json.dumps(dump()), "apply": "1"}
        self.post("import", reverse("admin:automation_rules_segment_import"), data)

    def erase(self) -> None:
        erase = reverse("admin:automation_events_eventrecord_erase")
        self.post("erase", erase, {"address": "ann@example.com", "confirmed": "1"})


def on_the_way(client: Client) -> dict[str, list[str]]:
    """Which rows on chains are found, by what is searched for."""
    pks = {str(loan.pk): loan.title for loan in Loan.objects.all()}
    named = {loan.pk.hex: loan.title for loan in Loan.objects.all()}
    found = {}
    for text in ("emma", "ULYS", "A/1 ü", "nobody", *pks):
        page = client.get(reverse("admin:automation_chains_chainrun_changelist"), {"q": text})
        runs = page.context["cl"].result_list
        found[pks.get(text, text)] = sorted({named.get(run.row_pk, run.row_pk) for run in runs})
    return found


async def over_asgi(client: Client) -> int:
    """The status of a page of ours."""
    other = AsyncClient()
    other.cookies = client.cookies
    response = await other.get(reverse("admin:generators_generator_changelist"))
    return int(response.status_code)


def play(*, opening_pages: bool) -> dict[str, Any]:
    setup_test_environment()
    told: dict[str, Any] = {}
    for alias in connections:
        command("migrate", database=alias, verbosity=0)
    told["missing migrations"] = command("makemigrations", check_changes=True, dry_run=True)
    told["checks"] = command("check", databases=list(connections))
    set_up()
    told["runs"] = {name: counts for name, *counts in ran()}
    told["new when it runs again"] = [new for _name, _matched, new in ran()]
    told["from code"] = sorted(
        [event.row_model, event.key.partition(":")[0]] for event in events_from(DESCRIBED)
    )
    told["deliver"] = command("deliver")
    told["mails"] = mailbox()
    told["loans"] = [str(loan.pk) for loan in Loan.objects.order_by("pk")]
    told["tables in default"] = connections["default"].introspection.table_names()
    client = Client(raise_request_exception=True)
    client.force_login(get_user_model().objects.get())
    work = Work(client)
    work.do()
    told["done by"] = sorted(
        {str(by) for model in (LogEntry, Version, Proof) for by in by_whom(model)}
    )
    told["late loans"] = [Loan.objects.get(title=title).pk.hex for title in ("Emma", "Ulysses")]
    told["chains"] = sequences.play(client)
    told["mails by hand"] = [message.to[0] for message in post.outbox[len(told["mails"]) :]]
    if opening_pages:
        crawl = Crawl(client)
        crawl.open()
        told["wrong pages"] = crawl.wrong
        told["changed"] = changed_on(crawl)
        told["not opened"] = sorted(pages_of_ours() - set(crawl.opened))
        told["other sites"] = {site.name: on_other_site(client, site.name) for site in SITES}
    told["decided about runs"] = sequences.decided(client)
    work.erase()
    tick()
    command("prune")
    told["asgi"] = async_to_sync(over_asgi)(client)
    told["healthz"] = [client.get(f"/flint/healthz{of}").json() for of in ("", "/cluster")]
    told["by hand"] = work.told
    told["on the way"] = on_the_way(client)
    return told


if __name__ == "__main__":
    json.dump(play(opening_pages="pages" in sys.argv), sys.stdout)
