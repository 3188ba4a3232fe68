"""The target in words: what it is beside the expected and last year's, never one against the other."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from planning_kit.assumptions import judge_target
from planning_kit.outlook import ChanceOfTarget
from planning_kit.plan import Plan
from planning_kit.walk import open_step
from tests.making import make_inputs, make_settings

SOLD = "sold_on rep_id amount\n2025-05-01 ann 1000"


def chance(target, likely, expected=1000.0):
    no_people = pd.DataFrame(columns=["rep_id", "goal", "expected", "chance"])
    share = {"share_reaching": 0.5, "share_low": 0.2, "share_high": 0.8, "k": target / expected}
    amounts = {"target": float(target), "expected": expected}
    odds = {"probability": likely, "low": likely, "high": likely}
    run = {"people": no_people, "runs": 2000, "seed": 1, "is_measured": True, "note": ""}
    return ChanceOfTarget(**amounts, **odds, **share, **run)


def said(target, likely, people=(0.6, 0.6), **changes):
    inputs = make_inputs(sales=SOLD, **changes)
    return judge_target(inputs, chance(target, likely), pd.Series(people))


@pytest.mark.parametrize(
    ("target", "likely", "words"),
    [
        (900, 0.83, "target 900 EUR is below the expected 1,000 and last year's 1,000; "
         "reached in 83 of 100 years;"),
        (1005, 0.47, "target 1,005 EUR is about the expected 1,000 and last year's 1,000; "
         "reached in 47 of 100 years;"),
        (1300, 0.1, "target 1,300 EUR is above the expected 1,000 and last year's 1,000; "
         "reached in 10 of 100 years;"),
        (900, 0.45, "reached in 45 of 100 years: a few very good years make the expected;"),
        (1100, 0.55, "reached in 55 of 100 years: a few very bad years lower the expected;"),
        (1300, 0.001, "reached in fewer than 1 of 100 years;"),
        (1300, 0.0, "reached in none of 2,000 simulated years;"),
        (700, 0.999, "reached in more than 99 of 100 years;"),
        (700, 1.0, "reached in all of 2,000 simulated years;"),
    ],
)  # fmt: skip
def test_one_sentence_sets_the_target_beside_what_is_known(target, likely, words):
    assert words in said(target, likely)[1]


def test_expected_and_last_year_may_lie_on_either_side():
    inputs = make_inputs(sales="sold_on rep_id amount\n2025-05-01 ann 800")
    message = judge_target(inputs, chance(900, 0.8), pd.Series([0.8]))[1]
    assert "is below the expected 1,000 and above last year's 800; reached in 80 of" in message


def test_a_year_is_compared_with_a_year_only():
    half = make_settings(ends_on=pd.Timestamp("2026-06-30").date())
    assert "last year" not in said(900, 0.8, settings=half)[1]
    inputs = make_inputs(sales="sold_on rep_id amount\n2024-05-01 ann 800")
    assert "last year" not in judge_target(inputs, chance(900, 0.8), pd.Series([0.8]))[1]


@pytest.mark.parametrize(
    ("likely", "people", "status", "why"),
    [
        (0.8, (0.6, 0.7), "pass", ""),
        (
            0.4,
            (0.6, 0.7),
            "review",
            "yet in most years somebody falls so far short that all together",
        ),
        (0.6, (0.4, 0.3), "fail", "yet in most years somebody is so far above that all together"),
        (0.1, (0.2, 0.3), "fail", ""),
    ],
)
def test_the_chances_of_people_and_of_all_together_are_brought_together(
    likely, people, status, why
):
    found, message, advice = said(1000, likely, people)
    assert found == status and (why in message if why else ", yet" not in message)
    assert (advice == "") == (status == "pass")
    above = sum(one >= 0.5 for one in people)
    assert f"{above} of 2 people are more likely to reach their own goal" in message


def test_where_nothing_is_expected_nothing_is_said():
    assert said(1000, np.nan) is None
    assert said(1000, 0.5, (np.nan, np.nan)) is None


def test_a_notebook_never_says_that_nothing_stands_out_beside_a_target_mostly_missed(
    sample: Plan, tmp_path
):
    for name in ("02_assumptions", "03_target_allocation"):
        step = open_step(name, "North", sample.folder, tmp_path)
        likely = step.outlook().chance(step.inputs.target).probability
        assert likely < 0.5
        assert "Nothing stands out" not in repr(step.answer())
        message = step.findings()["message"].str.cat(sep="|")
        assert f"reached in {100 * likely:.0f} of 100 years" in message
    asked = replace(step.inputs, target=0.8 * step.inputs.target)
    easy = step.outlook().chance(asked.target)
    assert judge_target(asked, easy, easy.people["chance"])[0] == "pass"


def test_no_verdict_stands_on_spreads_that_were_not_measured():
    guessed = replace(chance(1000, 0.1), is_measured=False)
    status, message, advice = judge_target(make_inputs(sales=SOLD), guessed, pd.Series([0.1]))
    assert status == "review" and "was not measured" in message and "two whole years" in advice
