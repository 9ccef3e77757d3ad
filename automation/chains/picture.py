"""A chain as a picture: where each box, line and word stands. The template draws it.

States stand below one another in their order. Under each are the steps that lead on from it, a row
each: those to the state below follow the trunk, all others run in a lane at the right, so that no
line crosses a word. Steps from any state have a box of their own, above the end. What ends a run
wherever it is, the goal and the limit, stands below.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from django.utils.text import Truncator
from django.utils.translation import gettext as _

from automation.chains.chain import Chain
from automation.chains.names import DONE, Outcome
from automation.chains.traffic import Share, Traffic
from automation.chains.transitions import Transition
from automation.chains.waiting import Unit, Wait
from automation.chains.wording import conditions_label, if_label, state_label, wait_label

EDGE, BOX_WIDTH, BOX_HEIGHT = 4, 240, 40
#: ``LINE``: what a row is higher that says who takes its step.
ROW_HEIGHT, LINE, GAP = 40, 14, 16
TRUNK, LABEL = EDGE + 20, EDGE + 34
LANES, LANE = 300, 12
#: So many letters of a name fit.
LETTERS = 30

#: The key of the box for steps that lead on from everywhere.
ANY = ""


@dataclass
class Box:
    """A state, at ``y``. ``count``: how many are in it, as it is shown. One that is not ``is_own``
    stands for all states."""

    state: str
    label: str
    y: int
    count: str = ""
    is_own: bool = True

    x: int = EDGE
    width: int = BOX_WIDTH
    height: int = BOX_HEIGHT

    @property
    def short(self) -> str:
        return Truncator(self.label).chars(LETTERS - 10)

    @property
    def middle(self) -> int:
        return self.y + BOX_HEIGHT // 2

    @property
    def right(self) -> int:
        return self.x + BOX_WIDTH

    @property
    def count_x(self) -> int:
        return self.right - 12

    @property
    def bottom(self) -> int:
        return self.y + BOX_HEIGHT


@dataclass
class Way:
    """A step from one box, in the row at ``y``. ``who`` takes it, if not everybody. ``went``: how
    many took it lately, as it is shown; ``arrived``: how many of these have reached the goal, where
    there are other ways. ``path``: its line, unless it follows the trunk."""

    step: Transition
    from_state: str
    y: int
    wait: str = ""
    who: str = ""
    went: str = ""
    arrived: str = ""
    path: str = ""
    #: Where its line leaves the trunk, and the lane that it runs in.
    turn: int = 0
    lane: int = -1

    x: int = LABEL

    @property
    def short(self) -> str:
        return Truncator(self.step.name).chars(LETTERS)

    @property
    def short_wait(self) -> str:
        return Truncator(self.wait).chars(LETTERS + 12)

    @property
    def short_who(self) -> str:
        return Truncator(self.who).chars(LETTERS + 12)

    @property
    def when(self) -> str:
        """The wait, and who takes it."""
        return ", ".join(filter(None, [self.wait, self.who]))

    @property
    def bottom(self) -> int:
        return self.y + ROW_HEIGHT + (LINE if self.who else 0)

    @property
    def went_x(self) -> int:
        return LANES - 10 - LABEL

    @property
    def to_label(self) -> str:
        return state_label(self.step.to_state)

    @property
    def from_label(self) -> str:
        return state_label(self.from_state) or _("any state")


@dataclass(frozen=True)
class Exit:
    """What ends a run in whichever state it is; ``who``: if not everybody. ``went``: how many it
    ended lately, as it is shown."""

    name: str
    wait: str
    who: str
    went: str


@dataclass
class Picture:
    """``trunks``: lines straight down, the last of each with an arrow if it arrives. ``compares``:
    whether it is known how many reached the goal on different ways."""

    width: int = 0
    height: int = 0
    boxes: list[Box] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    trunks: list[tuple[str, bool]] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    compares: bool = False

    @property
    def label(self) -> str:
        """The picture in one sentence."""
        states = ", ".join(box.label for box in self.boxes if box.is_own)
        return _("The chain: %(states)s. The table below says the same.") % {"states": states}

    @property
    def table(self) -> list[tuple[Box, list[Way]]]:
        """The same for those who cannot see it."""
        return [(box, self.leading_from(box)) for box in self.boxes]

    @property
    def compared(self) -> list[Way]:
        """The ways of which it is known how many reached the goal on them."""
        return [way for way in self.ways if way.arrived]

    def leading_from(self, box: Box) -> list[Way]:
        return [way for way in self.ways if way.from_state == box.state]


def picture(chain: Chain, steps: Sequence[Transition], seen: Traffic) -> Picture:
    """The picture of a chain with these steps, both as ``read_whole`` gives them. Asks no
    database."""
    found = Picture(exits=_exits(chain, seen), compares=bool(seen.compared))
    y = EDGE
    for state in _boxes(chain.all_states, steps):
        box = Box(state, state_label(state) or _("From any state"), y, is_own=state != ANY)
        box.count = _count(state, seen)
        found.boxes.append(box)
        y = box.bottom
        for place, step in enumerate(steps):
            if state != DONE and (state in step.from_states or not (state or step.from_states)):
                found.ways.append(_way(step, steps[:place], state, y, seen))
                y = found.ways[-1].bottom
        y += GAP
    found.height = y - GAP + EDGE
    _draw(found)
    return found


def _boxes(states: Sequence[str], steps: Sequence[Transition]) -> list[str]:
    """What has a box, from top to bottom."""
    gone = [state for step in steps for state in (*step.from_states, step.to_state)]
    known = [*states[:-1], *dict.fromkeys(state for state in gone if state not in states)]
    anywhere = [ANY] if any(not step.from_states for step in steps) else []
    return [*known, *anywhere, states[-1]]


def _exits(chain: Chain, seen: Traffic) -> list[Exit]:
    def went(outcome: Outcome) -> str:
        return "" if seen.ended is None else str(seen.ended[outcome])

    found, goal = [], chain.goal_rule()
    if goal is not None:
        who = _("if %(conditions)s") % {"conditions": conditions_label(goal)}
        found.append(Exit(str(Outcome.GOAL.label), _("at once"), who, went(Outcome.GOAL)))
    if chain.limit_days:
        wait = wait_label(Wait(chain.limit_days, Unit.DAYS))
        found.append(Exit(str(Outcome.LIMIT.label), wait, "", went(Outcome.LIMIT)))
    return found


def _way(step: Transition, earlier: Sequence[Transition], state: str, y: int, seen: Traffic) -> Way:
    return Way(
        step,
        state,
        y,
        wait=wait_label(step.wait),
        who=if_label(step, earlier),
        went=_went(step, state, seen),
        arrived=_arrived(step, state, seen),
    )


def _count(state: str, seen: Traffic) -> str:
    return "" if state in (ANY, DONE) or seen.here is None else str(seen.here[state])


def _went(step: Transition, state: str, seen: Traffic) -> str:
    if seen.went is None:
        return ""
    if state:
        return str(seen.went[step.pk, state])
    return str(sum(count for (pk, _from), count in seen.went.items() if pk == step.pk))


def _arrived(step: Transition, state: str, seen: Traffic) -> str:
    """ "3 of 10" where somebody could have gone another way."""
    shares = [
        share
        for (pk, at), share in (seen.compared or {}).items()
        if pk == step.pk and state in (ANY, at)
    ]
    whole = sum(shares, Share())
    if not whole.went:
        return ""
    return _("%(arrived)d of %(went)d (%(percent)d%%)") % {
        "arrived": whole.arrived,
        "went": whole.went,
        "percent": 100 * whole.arrived / whole.went,
    }


def _draw(found: Picture) -> None:
    """Give everything its line."""
    boxes = {box.state: box for box in found.boxes}
    following = {box.state: below for box, below in pairwise(found.boxes)}
    aside = []
    for box in found.boxes:
        ways = found.leading_from(box)
        below = following.get(box.state)
        straight = [way for way in ways if below and way.step.to_state == below.state]
        turning = [way for way in ways if way not in straight]
        for way in turning:
            way.turn = way.bottom - 5
        aside += turning
        if straight and below:
            found.trunks.append((f"M{TRUNK} {box.bottom}V{below.y}", True))
        elif turning:
            found.trunks.append((f"M{TRUNK} {box.bottom}V{turning[-1].turn}", False))
    lanes = _lanes([(way, boxes[way.step.to_state]) for way in aside])
    for way in aside:
        target, x = boxes[way.step.to_state], LANES + LANE * way.lane
        way.path = f"M{TRUNK} {way.turn}H{x}V{target.middle}H{target.right}"
    found.width = LANES + LANE * max(lanes - 1, 0) + EDGE + 2


def _lanes(aside: list[tuple[Way, Box]]) -> int:
    """Let each run in the first lane from the left that is free there, short ones first.
    Returns how many lanes there are."""
    taken: list[list[tuple[int, int]]] = []
    for way, target in sorted(aside, key=lambda each: abs(each[0].turn - each[1].middle)):
        start, end = sorted((way.turn, target.middle))
        for number, lane in enumerate([*taken, []]):
            if all(end < begin or start > finish for begin, finish in lane):
                if number == len(taken):
                    taken.append(lane)
                taken[number].append((start, end))
                way.lane = number
                break
    return len(taken)
