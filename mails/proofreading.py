"""What is wrong with a mail, a layout or a snippet: found when it is saved.

Templates are checked against every generator whose events reach the mail, so that a variable
that one of them does not know is an error at once, and not a mail that fails next week.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.events.groups import Producer, overlap, producers
from automation.events.models import EVENT_SHAPE
from automation.events.records import CODE_EVENT_SHAPE
from automation.rules.templating import Problem, check
from automation.rules.templating.checker import OpenShape
from mails import addresses, styles

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from mails.designs import Layout, Snippet
    from mails.mail import Mail, Said

#: What every template of a mail knows besides its events.
MAIL_SHAPE: dict[str, Any] = {"mail": {"name": None, "language": None}}

#: What is known of events that no generator makes: what they bring, and nothing of their context.
MADE_IN_CODE = OpenShape({**MAIL_SHAPE, **CODE_EVENT_SHAPE})

#: The templates of a wording: whether each is HTML.
WORDED = {"subject": False, "preheader": False, "body": True, "text": False}

Errors = dict[str, list[str]]

#: Problems, and the mails that have each.
Told = dict[str, dict["Mail", None]]


@dataclass(frozen=True)
class Checker:
    """Checks templates against the shapes of the events that will fill them; a shape of None
    is one of which nothing is known, so that only the grammar is looked at."""

    shapes: tuple[Any, ...]
    snippets: Mapping[str, str]

    @classmethod
    def of(cls, mail: "Mail", snippets: Mapping[str, str] | None = None) -> "Checker":
        """For the templates of ``mail``; with ``snippets`` as they would be."""
        if snippets is None:
            snippets = _all_snippets()
        return cls._of(producers(mail.group), snippets)

    @classmethod
    def of_each(
        cls, mails: Iterable["Mail"], snippets: Mapping[str, str]
    ) -> Iterator[tuple["Mail", "Checker"]]:
        """The same for several mails, with as many queries as for one."""
        known = producers()
        for group, of_group in groupby(sorted(mails, key=_group), key=_group):
            heard = [producer for producer in known if overlap(group, producer.group)]
            checker = cls._of(heard, snippets)
            for mail in of_group:
                yield mail, checker

    @classmethod
    def _of(cls, heard: Iterable[Producer], snippets: Mapping[str, str]) -> "Checker":
        found = [{**MAIL_SHAPE, **producer.shape, **EVENT_SHAPE} for producer in heard]
        return cls(tuple(found) or (MADE_IN_CODE,), snippets)

    def check(self, template: str, *, html: bool, slug: str = "") -> list[Problem]:
        """``slug``: the template is itself the snippet of this name. Snippets are HTML, so only
        HTML can have them."""
        snippets = self.snippets if html else None
        found: dict[Problem, None] = {}
        for shape in self.shapes:
            problems = check(template, shape, html=html, snippets=snippets, slug=slug)
            found.update(dict.fromkeys(problems))
        return list(found)


def problems_of_mail(mail: "Mail") -> Errors:
    """By field; under ``layout`` what its layout would not find in the mail's events."""
    checker = Checker.of(mail)
    errors = problems_of_said(mail, mail, checker)
    for name, problems in _problems_of_addresses(mail, checker):
        errors[name] = problems
    layout = mail.layout or _default_layout()
    if layout is not None:
        found = [
            _("In the layout “%(layout)s”: %(problem)s") % {"layout": layout, "problem": problem}
            for _part, problem in _problems_of_parts(layout, checker)
        ]
        if found:
            errors["layout"] = found
    return errors


def problems_of_said(said: "Said", mail: "Mail", checker: Checker | None = None) -> Errors:
    """What is wrong with what a mail says in one language, by field."""
    checker = checker or Checker.of(mail)
    errors: Errors = {}
    for name, html in WORDED.items():
        if found := checker.check(getattr(said, name), html=html):
            errors[name] = [str(problem) for problem in found]
    return errors


def problems_of_layout(layout: "Layout") -> Errors:
    """By field; also what would no longer work in the mails that have this layout."""
    errors: Errors = {}
    if found := styles.problems(layout.styles):
        errors["styles"] = found
    snippets = _all_snippets()
    for name, problem in _problems_of_parts(layout, Checker((None,), snippets)):
        errors.setdefault(name, []).append(str(problem))
    if errors:
        return errors
    told: dict[str, Told] = {}
    for mail, checker in Checker.of_each(mails_with(layout), snippets):
        for name, problem in _problems_of_parts(layout, checker):
            told.setdefault(name, {}).setdefault(str(problem), {})[mail] = None
    return {name: list(_in_mails(found)) for name, found in told.items()}


def problems_of_snippet(snippet: "Snippet") -> Errors:
    """By field; also what would no longer work in the mails that put this snippet in."""
    from mails.designs import Snippet

    snippets = _all_snippets()
    before = Snippet.objects.filter(pk=snippet.pk).values_list("slug", flat=True).first()
    errors: Errors = {}
    users = users_of_snippet(before) if before else []
    if before and before != snippet.slug:
        snippets.pop(before, None)
        if users:
            errors["slug"] = [
                _("It is put into %(mails)s by its short name, which must stay “%(slug)s”.")
                % {"mails": ", ".join(map(str, users)), "slug": before}
            ]
    snippets[snippet.slug] = snippet.body
    if found := Checker((None,), snippets).check(snippet.body, html=True, slug=snippet.slug):
        errors["body"] = [str(problem) for problem in found]
    if errors:
        return errors
    default = _default_layout()
    told: Told = {}
    for mail, checker in Checker.of_each(users, snippets):
        for template in _templates(mail, default):
            for problem in checker.check(template, html=True):
                told.setdefault(str(problem), {})[mail] = None
    return {"body": list(_in_mails(told))} if told else {}


def mails_with(layout: "Layout") -> list["Mail"]:
    """The mails that have ``layout``, or would if it were saved as it is."""
    from mails.designs import Layout

    found = list(_mails().filter(layout=layout)) if layout.pk else []
    # While it is the default one, it also is until it is saved.
    if layout.is_default or layout == Layout.default():
        found += _mails().filter(layout=None)
    return found


def relying_on_default(layouts: Iterable["Layout"]) -> list["Mail"]:
    """The mails that name no layout, if the default one is among ``layouts``."""
    return list(_mails().filter(layout=None)) if _default_layout() in list(layouts) else []


def users_of_snippet(*slugs: str) -> list["Mail"]:
    """The mails that put one of these snippets in, also by way of a layout or another
    snippet."""
    from mails.mail import used_snippets

    snippets, default = _all_snippets(), _default_layout()
    return [
        mail
        for mail in _mails()
        if not used_snippets(_templates(mail, default), snippets).keys().isdisjoint(slugs)
    ]


def _mails() -> "QuerySet[Mail]":
    """With all that decides what they say: the same number of queries however many."""
    from mails.mail import Mail

    return Mail.objects.select_related("layout").prefetch_related("variants", "attachments")


def _templates(mail: "Mail", default: "Layout | None") -> Iterator[str]:
    """Every template of ``mail`` in which a snippet can stand."""
    for said in (mail, *mail.variants.all()):
        yield said.body
    if layout := mail.layout or default:
        for name in layout.TEMPLATES:
            yield getattr(layout, name)


def _all_snippets() -> dict[str, str]:
    from mails.designs import Snippet

    return dict(Snippet.objects.values_list("slug", "body"))


def _group(mail: "Mail") -> str:
    return mail.group.strip()


def _problems_of_parts(layout: "Layout", checker: Checker) -> Iterator[tuple[str, Problem]]:
    for name in layout.TEMPLATES:
        for problem in checker.check(getattr(layout, name), html=True):
            yield name, problem


def _problems_of_addresses(mail: "Mail", checker: Checker) -> Iterator[tuple[str, list[str]]]:
    from mails.mail import ADDRESS_FIELDS

    for name in (*ADDRESS_FIELDS, "from_email"):
        template = getattr(mail, name)
        if "{" in template and name != "from_email":
            found = [str(problem) for problem in checker.check(template, html=False)]
        else:
            read, wrong = addresses.read(template)
            found = [addresses.error(address) for address in wrong]
            if name == "from_email" and len(read) > 1:
                found.append(_("A mail comes from one address."))
        if found:
            yield name, found


def _default_layout() -> "Layout | None":
    from mails.designs import Layout

    return Layout.default()


def _in_mails(told: "Told") -> Iterator[str]:
    """Each problem once, with the mails that have it."""
    for problem, mails in told.items():
        sentence = ngettext(
            "In the mail %(mails)s: %(problem)s", "In the mails %(mails)s: %(problem)s", len(mails)
        )
        names = sorted(_("“%s”") % mail for mail in mails)
        yield sentence % {"mails": ", ".join(names), "problem": problem}
