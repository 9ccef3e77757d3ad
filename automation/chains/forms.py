"""The form of a chain: its states one per line, and what becomes of those in a state that goes."""

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.chains.chain import Chain
from automation.chains.names import DONE, NEW
from automation.chains.vanishing import END, renamed, stranded
from automation.chains.wording import state_label
from automation.rules import plain
from automation.rules.forms import SourceForm


class StatesField(forms.CharField):
    """States, one per line. Empty lines do not count."""

    widget = forms.Textarea(attrs={"rows": 5, "cols": 40, "class": "states", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = plain.text(str(value or ""))
        return [line.strip() for line in text.splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(list(initial or []) != self.to_python(data))


class ChainForm(SourceForm):
    """A state that is taken away while somebody is in it is asked about before anything is
    saved: ``answers`` then says where they go."""

    states = StatesField(
        label=gettext_lazy("States"),
        required=False,
        help_text=gettext_lazy(
            "Where somebody can be, one per line and in order, such as REMINDED. Everybody begins "
            "at the start and comes to the end: these two are always there."
        ),
    )

    class Meta:
        model = Chain
        fields = (
            "name", "slug", "source", "states", "reentry", "limit_days", "entry_minutes",
            "look_minutes", "time_zone",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before = list(self.instance.states)
        self.after = self.before
        self.going: dict[str, int] = {}
        if self.instance.pk and self.is_bound and "states" in self.fields:
            states: Any = self.fields["states"]
            self.after = states.to_python(self.data.get("states"))
            self.going = {
                state: count
                for state, count in stranded(self.instance, self.after).items()
                if state in self.before
            }
            likely = renamed(self.before, self.after)
            self.fields |= where_to_fields(self.going, self.after, likely)

    @property
    def all_states(self) -> list[str]:
        """The states as the form has them, before anything is saved."""
        return [NEW, *self.after, DONE]

    @property
    def answers(self) -> dict[str, str]:
        """Where those go who are in states that are no more."""
        return read_answers(self.going, self.cleaned_data)

    @property
    def renamed(self) -> dict[str, str]:
        """States with another name, as they were called and as they are called now."""
        return renamed(self.before, self.after)

    def questions(self) -> list[Any]:
        """The fields that ask where those go who are in states that are no more."""
        return [self[name] for name in self.fields if name.startswith(WHERE_TO)]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        unanswered = any(name.startswith(WHERE_TO) for name in self.errors)
        if unanswered and "states" not in self.errors:
            self.add_error(
                "states",
                _("Somebody is in a state that you take away. Say below where they go."),
            )
        return cleaned


class WhereTo(forms.ChoiceField):
    """Where those in a state go. What is likely meant stands there when it is asked: that is in
    the answer to a form that did not have this field yet."""

    def bound_data(self, data: Any, initial: Any) -> Any:
        return initial if data is None else data


#: The start of the names of the fields that ask where those in a state go.
WHERE_TO = "where_to_"


def where_to_fields(
    going: dict[str, int], states: Iterable[str], guesses: dict[str, str]
) -> dict[str, forms.Field]:
    """A field for each state of ``going``, by name. ``guesses`` are what is likely meant."""
    targets = [(state, state_label(state)) for state in (NEW, *states, DONE)]
    found: dict[str, forms.Field] = {}
    for number, (state, count) in enumerate(going.items()):
        found[f"{WHERE_TO}{number}"] = WhereTo(
            label=_in_state(state, count),
            choices=[("", "—"), *targets, (END, _("nowhere: they leave the chain"))],
            initial=guesses.get(state, ""),
            error_messages={"required": _("Say what becomes of those in “%s”.") % state},
        )
    return found


def read_answers(going: dict[str, int], cleaned: dict[str, Any]) -> dict[str, str]:
    """What was chosen in ``where_to_fields``, by state."""
    return {state: cleaned[f"{WHERE_TO}{number}"] for number, state in enumerate(going)}


def _in_state(state: str, count: int) -> str:
    if not count:  # too many to count quickly
        return _("Those in “%(state)s” go to") % {"state": state}
    said = ngettext(
        "%(count)d is in “%(state)s” and goes to", "%(count)d are in “%(state)s” and go to", count
    )
    return said % {"count": count, "state": state}


class WhereToForm(forms.Form):
    """Where those go who are in states that a chain has not any more."""

    def __init__(self, chain: Chain, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.going = stranded(chain)
        self.fields |= where_to_fields(self.going, chain.states, {})

    @property
    def answers(self) -> dict[str, str]:
        return read_answers(self.going, self.cleaned_data)


class StepsFrom(forms.MultipleChoiceField):
    """The states that a step comes from; ``ANY`` for all of them."""

    ANY = " any"  # no state has spaces around its name
    widget = forms.CheckboxSelectMultiple

    def prepare_value(self, value: Any) -> Any:
        return [self.ANY] if isinstance(value, list) and not value else value

    def clean(self, value: Any) -> list[str]:
        chosen: list[str] = super().clean(value)
        if self.ANY not in chosen:
            return chosen
        if len(chosen) > 1:
            raise ValidationError(_("Choose either any state, or some of them."))
        return []

    def has_changed(self, initial: Any, data: Any) -> bool:
        before = list(initial or []) or [self.ANY]
        return set(before) != set(data or [])


def state_choices(chain: Chain, also: Iterable[str], *, end: bool) -> Iterator[tuple[str, str]]:
    """The states of ``chain``, the end among them if it is wanted; and those of ``also`` that
    it has not any more, so that they stay visible."""
    known = [NEW, *chain.states, *([DONE] if end else [])]
    yield from ((state, state_label(state)) for state in known)
    for state in dict.fromkeys(also):
        if state and state not in known:
            yield state, _("%s (no longer there)") % state_label(state)
