"""What the cluster calls for mails besides deliveries: thin, repeatable at any time."""

import datetime
from typing import Any

from django.utils import timezone

from automation.events import bell
from mails import proving
from mails.proofs import Proof

PROVE_TASK = "mails.tasks.prove"


def prove(pk: int) -> None:
    """Go on with a proof, unless another worker is at it; what is left is another task."""
    proof = Proof.objects.filter(pk=pk).first()
    if proof is not None and proof.claim(timezone.now()) and not proving.work(proof):
        bell.enqueue(PROVE_TASK, pk)


def ring_for_proofs(now: datetime.datetime, **kwargs: Any) -> None:
    """Queue what waits for a worker, and what dead ones left, once a tick."""
    for pk in Proof.objects.ownerless(now).values_list("pk", flat=True):
        bell.enqueue(PROVE_TASK, pk)
