"""The exact split says what cannot hold; `test_agreement_meet.py` asks it what it is for."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from planning_kit.allocation import exact, split_exactly
from planning_kit.plan import GroupRange

TODAY = date(2026, 1, 1)
CELLS = pd.DataFrame(
    {
        "rep_id": ["ann", "ann", "bob", "bob"],
        "product_line": ["A", "B", "A", "B"],
        "base": 1.0,
        "goal": 50.0,
        "start": 50.0,
        "weight": 1.0,
    }
)


def test_two_rules_about_the_same_cells_that_contradict_each_other_are_both_named():
    ann = {"rep_id": ("ann",)}
    rules = [
        GroupRange(name="least", where=ann, at_least=120.0, priority=3),
        GroupRange(name="most", where=ann, at_most=80.0, priority=6),
    ]
    found = split_exactly(CELLS, 200, rules, rounding_unit=1, today=TODAY)
    assert found is not None and set(found.conflict["rule"]) == {"least", "most"}
    assert found.gives[["rule", "gives"]].to_numpy().tolist() == [["least", 40.0]]
    assert found.goals.groupby(CELLS["rep_id"]).sum().to_dict() == {"ann": 80.0, "bob": 120.0}


def test_rules_that_can_hold_and_no_goals_are_an_error_and_no_answer(monkeypatch):
    monkeypatch.setattr(exact, "_find", lambda *_: None)
    with pytest.raises(RuntimeError, match="the rules can all hold, but no goals were found"):
        split_exactly(CELLS, 200, [], rounding_unit=1, today=TODAY)
