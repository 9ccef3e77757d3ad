from typing import Any

from automation.events import Event, Listener, Observer, register


class Paid(Event):
    name = "careless_paid"


class PaidAgain(Event):
    name = "careless_paid"


class PaidByAnAgreementThatHasAVeryLongNameWhichNobodyHasEverThoughtOfShortening(Event): ...


class Defaulted(Event):
    recipient: str = "ann@example.com"


class Forgotten(Listener):
    """Not registered."""

    listens_for = [Paid]

    def handle(self, event: Event, *args: Any, **kwargs: Any) -> None:
        pass


class Base(Listener):
    """Is made for others."""

    listens_for = [Paid]


@register
class Known(Base):
    def handle(self, event: Event, *args: Any, **kwargs: Any) -> None:
        pass


class Mistyped(Observer):
    """Is registered by who needs it."""

    observes = "demo.Product"

    def created(self, event: Any, product: Any) -> None: ...

    def upated(self, event: Any, product: Any) -> None: ...

    def update(self, product: Any) -> None:
        """Nobody can have meant this one."""

    def _deletd(self, event: Any, product: Any) -> None:
        """Nor this one."""
