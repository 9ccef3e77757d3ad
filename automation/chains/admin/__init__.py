"""The pages of chains in the admin."""

from automation.chains.admin.chains import ChainAdmin
from automation.chains.admin.runs import ChainRunAdmin
from automation.chains.admin.starts import ChainStartAdmin, StartChainAdmin
from automation.chains.admin.steps import EntryAdmin, GoalAdmin, TransitionAdmin

__all__ = [
    "ChainAdmin",
    "ChainRunAdmin",
    "ChainStartAdmin",
    "EntryAdmin",
    "GoalAdmin",
    "StartChainAdmin",
    "TransitionAdmin",
]
