"""Proving a mail: it is rendered for every row that matches, as it would be sent, and nothing
is sent.

A worker takes a proof, writes down at least once a second how far it is, and gives it back
after a while, so that no task of the cluster takes for ever. Whoever takes it next goes on
after the last row that was written down: a worker that dies costs a second of work.
"""

import datetime
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from automation.events.event import Event, stored_address
from automation.events.groups import Producer, producers
from automation.rules import plain
from automation.rules.databases import database
from automation.rules.models import BrokenRule
from mails.building import envelope
from mails.content import Content
from mails.mail import Mail
from mails.obstacles import unreachable
from mails.proofs import MOST_ATTEMPTS, Kind, Proof, ProofFinding, ProofState
from mails.samples import as_recorded

logger = logging.getLogger(__name__)

#: A proof looks at so many rows at the most.
MAX_ROWS = 100_000
#: It lists so many of the problems that it finds, and counts the others.
MAX_FINDINGS = 500
#: It counts so many different problems one by one.
MAX_PROBLEMS = 50
#: So many rows are read at a time.
CHUNK = 500
#: After so many seconds a worker gives a proof back. Less than Q_CLUSTER's timeout.
SECONDS = 100
#: After so many seconds it writes down how far it is.
KEEP_EVERY = 1.0
#: Seconds that are spent on counting the rows of one producer beforehand.
PATIENCE = 10.0
#: So long may one of them be.
MAX_PROBLEM = 500

_QUOTED = re.compile("[“„][^“”„]*[”“]")


def work(proof: Proof, seconds: float = SECONDS) -> bool:
    """Go on with ``proof``, which the caller has claimed, for about ``seconds``. Returns
    whether nothing is left to do for the caller. Raises only when the database is gone."""
    with translation.override(proof.told_in or settings.LANGUAGE_CODE):
        try:
            return _Work(proof).go_on(time.monotonic() + seconds)
        except _Lost:
            return True
        except (DatabaseError, InterfaceError):
            raise
        except Exception as error:
            logger.exception("The proof of %s failed", proof.mail.slug)
            proof.finish(ProofState.FAILED, str(error) or type(error).__name__)
            return True


def problem(mail: Mail, content: Content, event: Event) -> tuple[Kind, str]:
    """What would become of the mail for ``event``, and why. Exactly what the delivery does
    with it, but for the hand-over."""
    try:
        event = as_recorded(event)
        recipients = mail.recipients(event)
        reasons = [unreachable(mail, event, recipient) for recipient in recipients]
        reachable = [to for to, reason in zip(recipients, reasons, strict=True) if not reason]
        unreached = " ".join(dict.fromkeys(filter(None, reasons)))
        if not reachable:
            return Kind.UNREACHABLE, unreached
        rendered = mail.render(event, content=content)
        if rendered.empty:
            return Kind.EMPTY, _("No value for: %s") % ", ".join(rendered.empty)
        envelope(mail, content, event, reachable[0])
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:  # as the delivery: whatever it is, it is this mail's
        return Kind.ERROR, str(error) or type(error).__name__
    return (Kind.UNREACHABLE, unreached) if unreached else (Kind.FINE, "")


class _Lost(Exception):
    """The proof is another worker's by now, or it is gone, or it was to stop."""


class _Work:
    """What one worker does of a proof."""

    def __init__(self, proof: Proof) -> None:
        self.proof = proof
        self.mail = proof.mail
        self.content = proof.version.content
        self.waiting: list[ProofFinding] = []
        self.listed = proof.findings.count()
        self.by_language: dict[str, dict[str, int]] = proof.by_language
        self.by_problem = {(kind, said): count for kind, said, count in proof.by_problem}
        self.kept = time.monotonic()

    def go_on(self, end: float) -> bool:
        proof = self.proof
        if proof.attempts > MOST_ATTEMPTS:
            reason = _("Workers stopped %(count)d times at the same place, after row %(row)s.")
            said = reason % {"count": MOST_ATTEMPTS, "row": proof.after or "0"}
            proof.finish(ProofState.FAILED, said)
            return True
        known = {producer.key: producer for producer in producers(self.mail.group)}
        if proof.started_at is None:
            self._begin(known, timezone.now())
        for producer, event in self._events(known):
            if self.mail.hears(event.group):
                self._look_at(producer, event)
            proof.done += 1
            if proof.done >= MAX_ROWS:
                break
            self._keep_now_and_then()
            if time.monotonic() > end:
                self._keep()
                proof.let_go()
                return False
        self._finish()
        return True

    def _begin(self, known: dict[str, Producer], now: datetime.datetime) -> None:
        total: int | None = 0
        for producer in known.values():
            try:
                counted = producer.count(now, PATIENCE)
            except BrokenRule:
                continue  # found again when its rows are read
            total = None if total is None or counted.number is None else total + counted.number
        self.proof.started_at, self.proof.total = now, total
        self.proof.remaining = list(known)
        self._keep(started_at=now, total=total)

    def _events(self, known: dict[str, Producer]) -> Iterator[tuple[Producer, Event]]:
        """The events of all rows that are left; ``remaining`` and ``after`` follow."""
        proof = self.proof
        assert proof.started_at is not None
        while proof.remaining:
            producer = known.get(proof.remaining[0])
            try:
                if producer is not None:
                    for chunk in producer.chunks(proof.started_at, CHUNK, proof.after):
                        for event in chunk.events:
                            # Before it is given: once it is looked at, it is done.
                            proof.after = event.row_pk
                            yield producer, event
                        proof.after = chunk.last
                        proof.done += chunk.left_out
            except BrokenRule as error:
                self._note(Kind.ERROR, f"{producer.label if producer else ''}: {error}")
            proof.remaining, proof.after = proof.remaining[1:], ""

    def _look_at(self, producer: Producer, event: Event) -> None:
        language = self.content.wording(event.language).language
        kind, said = problem(self.mail, self.content, event)
        counts = self.by_language.setdefault(language, {})
        counts[kind] = counts.get(kind, 0) + 1
        if kind != Kind.FINE:
            self._note(kind, said, language, event, producer.row_name(event))

    def _note(
        self,
        kind: Kind,
        said: str,
        language: str = "",
        event: Event | None = None,
        name: str = "",
    ) -> None:
        said = plain.text(said)[:MAX_PROBLEM]
        # The same mistake in another row quotes another value.
        same = (kind, _QUOTED.sub("“…”", said))
        if same in self.by_problem or len(self.by_problem) < MAX_PROBLEMS:
            self.by_problem[same] = self.by_problem.get(same, 0) + 1
        if self.listed >= MAX_FINDINGS:
            return
        self.listed += 1
        found = ProofFinding(proof=self.proof, kind=kind, problem=said, language=language)
        if event is not None:
            found.name, found.recipient = name[:255], stored_address(event.recipient)
            found.row_model, found.row_pk = event.row_model, plain.text(event.row_pk)[:255]
        self.waiting.append(found)

    def _keep_now_and_then(self) -> None:
        if time.monotonic() - self.kept >= KEEP_EVERY:
            self._keep()

    def _keep(self, **written: Any) -> None:
        """Write down how far this is. Raises ``_Lost`` if it must not go on."""
        with transaction.atomic(using=database()):
            if not self.proof.keep(attempts=0, **self._so_far(), **written):
                raise _Lost
            self._write_findings()
        self.kept = time.monotonic()
        if Proof.objects.filter(pk=self.proof.pk, stop_requested=True).exists():
            self.proof.finish(ProofState.STOPPED)
            raise _Lost

    def _finish(self) -> None:
        with transaction.atomic(using=database()):
            total = self.proof.total if self.proof.remaining else self.proof.done
            if self.proof.finish(ProofState.DONE, total=total, **self._so_far()):
                self._write_findings()

    def _write_findings(self) -> None:
        ProofFinding.objects.bulk_create(self.waiting)
        self.waiting = []

    def _so_far(self) -> dict[str, Any]:
        return {
            "done": self.proof.done,
            "remaining": self.proof.remaining,
            "after": self.proof.after[:255],
            "by_language": self.by_language,
            "by_problem": [[*known, count] for known, count in self.by_problem.items()],
        }
