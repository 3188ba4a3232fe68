"""Nothing is worked out twice from the same tables, and nobody's changes reach anybody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial

import pandas as pd
import pytest

from planning_kit.data import Region, cached
from planning_kit.plan import Targets
from tests.making import make_inputs


@pytest.fixture
def inputs() -> Region:
    return make_inputs(sales=[{"sold_on": date(2025, 1, 5), "rep_id": "a", "amount": 10.0}])


def counted():
    calls: list[tuple] = []

    def function(inputs, by=(), **more):
        calls.append((by, more))
        return inputs.sales.groupby("rep_id")[["amount"]].sum()

    return calls, function


def test_the_same_tables_are_looked_at_once_whatever_the_target(inputs):
    calls, function = counted()
    found = cached(function)
    settings = replace(inputs.settings, targets=Targets(growth_share=0.5))
    found(inputs), found(replace(inputs, target=7.0)), found(replace(inputs, settings=settings))
    assert len(calls) == 1
    found(inputs, ["rep_id"]), found(inputs, ["rep_id"]), found(inputs, by=["rep_id"])
    assert len(calls) == 3


def test_other_tables_settings_or_targets_that_matter_are_looked_at_again(inputs):
    calls, function = counted()
    found = partial(cached, asks_target=True)(function)
    more = inputs.sales.assign(amount=11.0)
    assert found(inputs)["amount"].tolist() == [10.0]
    assert found(replace(inputs, sales=more))["amount"].tolist() == [11.0]
    assert found(inputs)["amount"].tolist() == [10.0]
    found(replace(inputs, target=7.0))
    found(replace(inputs, settings=replace(inputs.settings, currency="CHF")))
    assert len(calls) == 4


def test_what_a_caller_does_to_a_table_stays_with_the_caller(inputs):
    found = cached(counted()[1])
    first = found(inputs)
    first["amount"] = 0.0
    first.loc["b"] = 1.0
    assert found(inputs)["amount"].to_dict() == {"a": 10.0}


def test_only_the_last_results_are_kept(inputs):
    calls, function = counted()
    found = cached(function)
    for number in range(40):
        found(inputs, number)
    found(inputs, 39), found(inputs, 0)
    assert len(calls) == 41


def test_arguments_that_follow_from_the_others_are_not_compared(inputs):
    calls, function = counted()
    found = partial(cached, depends_on=0)(function)
    found(inputs, pd.DataFrame()), found(inputs, pd.DataFrame({"a": [1]}))
    assert len(calls) == 1
