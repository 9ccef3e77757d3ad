"""The models of this floor; each kind of thing has its own module."""

from automation.chains.chain import Chain, Reentry, State
from automation.chains.runs import ChainResource, ChainRun, ChainStep
from automation.chains.starting import ChainStart, StartChain
from automation.chains.transitions import Entry, Goal, Transition

__all__ = [
    "Chain",
    "ChainResource",
    "ChainRun",
    "ChainStart",
    "ChainStep",
    "Entry",
    "Goal",
    "Reentry",
    "StartChain",
    "State",
    "Transition",
]
