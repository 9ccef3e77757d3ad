"""Everything that decides what recipients see of a mail, as one value.

A mail's ``content()`` is what is rendered, and what a version keeps: two mails with equal
content look the same to whoever gets them.
"""

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import Any, Self

from automation.rules import plain


@dataclass(frozen=True)
class Wording:
    """What a mail says in one language. ``text`` is empty if it is made from the body."""

    language: str
    subject: str
    body: str
    preheader: str = ""
    text: str = ""


@dataclass(frozen=True)
class Design:
    """What stands around the wording: a layout's parts. All empty: the built-in one.
    ``is_own``: the mail names it; it has not only come as the default one."""

    name: str = ""
    slug: str = ""
    header: str = ""
    footer: str = ""
    styles: str = ""
    is_own: bool = False


@dataclass(frozen=True)
class File:
    """A file that goes along, by its name and the SHA-256 of what is in it."""

    name: str
    digest: str


@dataclass(frozen=True)
class Content:
    """``wordings``: at least one, the first for everybody whose language has none.
    ``snippets``: those that are used, by their short names. ``to`` and the others are
    templates of addresses; an empty ``to`` is the person that the event is about."""

    wordings: tuple[Wording, ...]
    design: Design = field(default_factory=Design)
    snippets: dict[str, str] = field(default_factory=dict)
    to: str = ""
    cc: str = ""
    bcc: str = ""
    reply_to: str = ""
    from_email: str = ""
    send_incomplete: bool = False
    attachments: tuple[File, ...] = ()

    def wording(self, language: str) -> Wording:
        """The wording for a reader of ``language`` (``"de-ch"``): in just that language, else
        in the one it belongs to, else the first."""
        by_language = {wording.language.lower(): wording for wording in self.wordings}
        language = language.lower().replace("_", "-")
        for name in (language, language.partition("-")[0]):
            if name in by_language:
                return by_language[name]
        return self.wordings[0]

    @property
    def digest(self) -> str:
        """Equal for equal contents."""
        return hashlib.sha256(plain.dumps(self.as_data()).encode()).hexdigest()

    def as_data(self) -> dict[str, Any]:
        """As JSON has it, with its keys in a fixed order."""
        data = dataclasses.asdict(self)
        data["snippets"] = dict(sorted(self.snippets.items()))
        data["wordings"] = list(data["wordings"])
        data["attachments"] = list(data["attachments"])
        return data

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Self:
        """What ``as_data`` gave, also by an earlier release that knew fewer fields."""
        return cls(
            **{
                **data,
                "wordings": tuple(Wording(**each) for each in data["wordings"]),
                "design": Design(**data.get("design", {})),
                "attachments": tuple(File(**each) for each in data.get("attachments", ())),
            }
        )
