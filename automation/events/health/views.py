"""What machines ask: whether this process works, whether the cluster does, and figures.

No account, no session, nothing personal. ``automation.events.urls`` has their addresses.
"""

import logging
import secrets
from collections.abc import Callable
from typing import TypeVar

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from automation.events import schedule
from automation.events.health import backlog
from automation.events.health.metrics import exposition
from automation.events.health.tally import Tally
from automation.events.outbox import delivery_models
from automation.rules import conf

logger = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., HttpResponse])


class _EveryAlias(frozenset[str]):
    def __contains__(self, alias: object) -> bool:
        return True


def outside_of_transactions(view: View) -> View:
    """``view`` has no transaction around it on any database, also with ``ATOMIC_REQUESTS``: one
    that cannot begin would keep the view from saying why."""
    view._non_atomic_requests = _EveryAlias()  # type: ignore[attr-defined]
    return view


@outside_of_transactions
@require_safe
def process(request: HttpRequest) -> HttpResponse:
    """Whether this process reaches its database."""
    return _answer({"database": _database_answers})


@outside_of_transactions
@require_safe
def cluster(request: HttpRequest) -> HttpResponse:
    """Whether a cluster works, and nothing waits for it for long."""
    return _answer(
        {"database": _database_answers, "cluster": _cluster_beats, "deliveries": _none_waits}
    )


@outside_of_transactions
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Figures for Prometheus, for who knows the token; not there at all without one."""
    token = conf.get().METRICS_TOKEN
    if not token:
        raise Http404
    scheme, _blank, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secrets.compare_digest(given.encode(), token.encode()):
        response = HttpResponse("The token is wrong.\n", status=401, content_type="text/plain")
        response["WWW-Authenticate"] = "Bearer"
        return _unstored(response)
    answer = exposition(timezone.now())
    return _unstored(HttpResponse(answer, content_type=CONTENT_TYPE_LATEST))


def _answer(parts: dict[str, Callable[[], bool]]) -> HttpResponse:
    """200, or 503 with the first of ``parts`` that does not work."""
    for name, works in parts.items():
        try:
            well = works()
        except Exception as error:
            logger.warning("%s does not work: %s", name, error)
            well = False
        if not well:
            return _unstored(JsonResponse({"status": "failing", "part": name}, status=503))
    return _unstored(JsonResponse({"status": "ok"}))


def _database_answers() -> bool:
    Tally.objects.exists()  # SQLite would say yes to "SELECT 1" without a look at the file
    return True


def _cluster_beats() -> bool:
    return not schedule.is_silent(timezone.now())


def _none_waits() -> bool:
    now = timezone.now()
    waiting = (backlog.oldest_due(model, now) for model in delivery_models())
    return all(since is None or now - since <= backlog.VERY_LATE for since in waiting)


def _unstored(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
