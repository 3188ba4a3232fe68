"""Split a target under rules, exactly, and explain it."""

from planning_kit.allocation.cells import blend_bases
from planning_kit.allocation.chance import EqualChance, equal_chance, padding_ledger
from planning_kit.allocation.conflicts import RulesConflictError
from planning_kit.allocation.engine import allocate, compare_objectives, score_plan
from planning_kit.allocation.exact import Split, split_exactly
from planning_kit.allocation.explain import Allocation, explain_rep
from planning_kit.allocation.phasing import phase

__all__ = [
    "Allocation",
    "EqualChance",
    "RulesConflictError",
    "Split",
    "allocate",
    "blend_bases",
    "compare_objectives",
    "equal_chance",
    "explain_rep",
    "padding_ledger",
    "phase",
    "score_plan",
    "split_exactly",
]
