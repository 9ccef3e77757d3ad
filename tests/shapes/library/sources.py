from django.db.models import Count

from automation.rules import RelatedList, Source, sources
from tests.shapes.library.models import Loan, Reader, Shelf

sources.register(
    Source(
        Loan,
        fields=["id", "title", "is_late", "due_at", "reader__email"],
        lists={"others": RelatedList("reader__loans", ["id", "title"], order_by=["title"])},
        annotations={"shelves_kept": Count("reader__shelves")},
        recipient="reader__email",
        language="reader__language",
        time_zone="reader__zone",
    )
)
sources.register(
    Source(Shelf, fields=["code", "is_full"], recipient="keeper__email"),
)
sources.register(
    Source(
        Reader,
        fields=["email"],
        lists={
            "loans": RelatedList("loans", ["title"]),
            "shelves": RelatedList("shelves", ["code"]),
        },
        recipient="email",
    )
)
