"""Floor 0: what may be asked of a row."""

from automation.rules.fields import Field, Kind
from automation.rules.sources import RelatedList, Source, sources

__all__ = ["Field", "Kind", "RelatedList", "Source", "sources"]
