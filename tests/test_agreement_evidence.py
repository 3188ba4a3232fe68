"""What stands behind goals: suggested from the own deals and customers, checked, and told."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from planning_kit.agreement import (
    evidence_problems,
    propose_from_table,
    record_events,
    suggested_evidence,
    told_evidence,
)
from planning_kit.data import Region, check_plan
from planning_kit.review import closing_ratios, recurring_accounts
from tests.conftest import PlanMaker
from tests.making import make_inputs, make_settings

PRODUCTS = {"product_id": ["p1", "p2"], "product_line": ["Lamps", "Lenses"]}


def deal(
    name: str, who: str, outcome: str, created: str, closed: Any = None, **more: Any
) -> dict[str, Any]:
    row = {"opportunity_id": name, "rep_id": who, "outcome": outcome, "created_on": created}
    return {**row, "closed_on": closed, "amount": 100.0, "product_id": "p1", **more}


CLOSED = [
    deal(f"c{n}{who}", who, "won" if n < wins else "lost", "2025-02-01", "2025-05-03")
    for who, wins in (("ann", 30), ("bob", 10))
    for n in range(40)
]


def company(*deals: dict[str, Any], sales: Any = None, **tables: Any) -> Region:
    sold = sales or [{"rep_id": w, "sold_on": "2025-03-01", "amount": 50.0} for w in ("ann", "bob")]
    rows = [{"product_id": "p1", **row} for row in sold]
    made: dict[str, Any] = {"products": PRODUCTS, "opportunities": [*CLOSED, *deals], "sales": rows}
    return make_inputs(**made, **tables)


def bought(
    account: str, years: dict[int, float], who: str = "ann", months: int = 1
) -> list[dict[str, Any]]:
    return [
        {
            "rep_id": who,
            "account_id": account,
            "sold_on": f"{year}-{m:02d}-10",
            "amount": amount / months,
        }
        for year, amount in years.items()
        for m in range(1, months + 1)
    ]


# --- what is suggested -------------------------------------------------------------------------


def test_an_open_deal_comes_with_the_own_win_rate_and_its_month():
    inputs = company(deal("o1", "ann", "open", "2025-12-15", account_id="x"))
    found = suggested_evidence(inputs, {"ann": 1000.0}).iloc[0]
    ratio = closing_ratios(inputs).set_index("rep_id")["ratio"]["ann"]
    assert (found["kind"], found["opportunity_id"], found["account_id"]) == ("open deal", "o1", "x")
    assert found["product_line"] == "Lamps" and found["amount"] == 100
    assert found["probability"] == pytest.approx(ratio) and 0.6 < ratio < 0.75
    assert found["month"] == pd.Timestamp("2026-03-01")  # 91 days later
    assert found["reason"] == f"{ratio:.0%} of the own closed deals are won".replace("%", " %")


def test_a_deal_that_closes_after_the_period_is_left_out_and_an_old_one_is_overdue():
    inputs = company(
        deal("late", "ann", "open", "2026-11-15"), deal("old", "ann", "open", "2025-01-02")
    )
    found = suggested_evidence(inputs, {"ann": 1000.0}).set_index("opportunity_id")
    assert "late" not in found.index
    assert found.loc["old", "kind"] == "overdue deal"
    assert found.loc["old", "month"] == pd.Timestamp("2026-01-01")
    assert "open longer than the usual 3.0 months" in found.loc["old", "reason"]


def test_deals_of_others_and_without_an_amount_are_no_evidence():
    inputs = company(
        deal("his", "bob", "open", "2025-12-15"),
        deal("none", "ann", "open", "2025-12-15", amount=None),
    )
    assert suggested_evidence(inputs, {"ann": 1000.0})["kind"].tolist() == ["not covered yet"]


def test_customers_that_keep_buying_come_with_last_years_amount_and_the_measured_retention():
    sales = [
        *bought("every year", {2023: 10, 2024: 20, 2025: 30}),
        *bought("most months", {2025: 70}, months=7),
        *bought("once", {2025: 99}),
        *bought("gone", {2023: 10, 2024: 10}),
        *bought("his", {2024: 5, 2025: 6}, who="bob"),
    ]
    inputs = company(sales=sales)
    kept = recurring_accounts(inputs).set_index(["rep_id", "account_id"])
    assert sorted(kept.index) == [("ann", "every year"), ("ann", "most months"), ("bob", "his")]
    found = suggested_evidence(inputs, {"ann": 1000.0}).set_index("account_id")
    assert found.loc["every year", "amount"] == 30 and found.loc["most months", "amount"] == 70
    # A year ago two of ann's customers were recurring, and one bought again.
    assert 0.4 < found.loc["every year", "probability"] < 0.6
    assert "bought in 7 months of last year" in found.loc["most months", "reason"]


def test_what_a_deal_with_a_customer_brings_is_not_counted_twice():
    sales = bought("x", {2024: 500, 2025: 500})
    inputs = company(deal("o1", "ann", "open", "2025-12-15", account_id="x"), sales=sales)
    found = suggested_evidence(inputs, {"ann": 1000.0}).set_index("kind")
    brings = found.loc["open deal", "amount"] * found.loc["open deal", "probability"]
    assert found.loc["customer", "amount"] == pytest.approx(500 - brings)


def test_the_rest_is_the_goal_less_what_all_of_it_brings():
    inputs = company(
        deal("o1", "ann", "open", "2025-12-15"), deal("o2", "bob", "open", "2025-12-15")
    )
    found = suggested_evidence(inputs, {"ann": 1000.0, "bob": 10.0})
    for rep, goal in (("ann", 1000.0), ("bob", 10.0)):
        rows = found[found["rep_id"] == rep]
        brings = (rows["amount"] * rows["probability"]).sum()
        rest = rows.loc[rows["kind"] == "not covered yet", "amount"].sum()
        assert rest == pytest.approx(max(0.0, goal - brings))


def test_without_any_history_there_is_only_the_rest():
    inputs = make_inputs(sales=[{"rep_id": "ann", "sold_on": "2025-03-01", "amount": 1.0}])
    found = suggested_evidence(inputs, {"ann": 100.0})
    assert found[["kind", "amount"]].to_numpy().tolist() == [["not covered yet", 100.0]]


# --- what is odd -------------------------------------------------------------------------------


def problems(
    inputs: Region, *rows: dict[str, Any], goals: dict[str, float] | None = None
) -> pd.DataFrame:
    names = ("rep_id", "account_id", "product_line", "opportunity_id", "amount", "probability")
    table = pd.DataFrame(
        [{"rep_id": "ann", "amount": 100.0, "probability": 1.0, **r} for r in rows]
    )
    return evidence_problems(table.reindex(columns=list(names)), inputs, goals or {"ann": 100.0})


@pytest.mark.parametrize(
    ("row", "what", "message"),
    [
        ({"opportunity_id": "o12"}, "label", "did you mean 'o1'"),
        ({"product_line": "Lampes"}, "label", "did you mean 'Lamps'"),
        ({"account_id": "xx"}, "label", "unknown label: 'xx'"),
        ({"opportunity_id": "c0ann"}, "closed", "c0ann (100 EUR) is won already on 2025-05-03"),
        ({"opportunity_id": "o1", "amount": 201.0}, "large", "more than twice the goal of 100 EUR"),
        ({"amount": 79.0}, "coverage", "brings 79 EUR, 79 % of the goal of 100 EUR"),
        ({"amount": 400.0, "probability": 0.51}, "coverage", "204 % of the goal"),
    ],
)
def test_odd_evidence_is_named_with_its_amount(row: dict[str, Any], what: str, message: str):
    inputs = company(deal("o1", "ann", "open", "2025-12-15", account_id="x"))
    found = problems(inputs, row).set_index("finding_id")["message"]
    assert message in found[f"evidence.{what}"]


def test_sound_evidence_is_not_odd():
    inputs = company(deal("o1", "ann", "open", "2025-12-15", account_id="x"))
    row = {"opportunity_id": "o1", "account_id": "x", "product_line": "Lamps"}
    assert problems(inputs, row).empty


def test_a_deal_is_claimed_once_by_one_person_or_by_two():
    inputs = company(deal("o1", "ann", "open", "2025-12-15"))
    goals = {"ann": 200.0, "bob": 100.0}
    one = problems(inputs, {"opportunity_id": "o1"}, {"opportunity_id": "o1"}, goals=goals)
    assert one["message"].tolist() == ["o1 (100 EUR) is claimed 2 times: 'ann'."]
    two = problems(
        inputs, {"opportunity_id": "o1"}, {"opportunity_id": "o1", "rep_id": "bob"}, goals=goals
    )
    assert "claimed 2 times: 'ann', 'bob'" in two["message"].iloc[0]


# --- the table ---------------------------------------------------------------------------------


def test_labels_of_the_table_that_nobody_knows_are_named_with_the_nearest(make_plan: PlanMaker):
    plan = make_plan(
        opportunities="opportunity_id,outcome,rep_id,amount,account_id\ndeal1,open,ann,5,acme\n",
        evidence="rep_id,starts_on,amount,probability,account_id,product_line,opportunity_id\n"
        "ann,2026-01-01,-5,0.5,acne,Line A,deal1\nann,2026-01-01,5,1.5,acme,Lina A,deal2\n",
    )
    found = check_plan(plan)
    told = {(r["column"], r["status"], r["rule"]) for r in found.to_dict("records")}
    assert told >= {
        ("amount", "fail", "negative"),
        ("probability", "fail", "share"),
        ("product_line", "fail", "unknown"),
        ("opportunity_id", "fail", "unknown"),
    }
    # A customer may be new, so this is only to look at.
    assert ("account_id", "review", "unknown") in told
    advice = " ".join(found["advice"])
    assert all(f"did you mean {near!r}" in advice for near in ("acme", "Line A", "deal1"))


def test_evidence_of_the_table_goes_with_the_proposal():
    row = {"rep_id": "ann", "starts_on": "2026-01-01", "amount": 60.0}
    inputs = company(
        evidence=[
            {
                **row,
                "account_id": "x",
                "probability": 0.5,
                "closes_on": "2026-04-02",
                "reason": "why",
            },
            {**row, "opportunity_id": "o1"},
            {**row, "starts_on": "2025-01-01", "account_id": "before"},
        ],
        proposals=[
            {"rep_id": "ann", "starts_on": "2026-01-01", "ends_on": "2026-12-31", "proposed": 90}
        ],
    )
    told = told_evidence(inputs)
    goals = pd.DataFrame({"rep_id": ["ann", "bob"], "goal": [100.0, 100.0]})
    events = propose_from_table(goals, inputs.proposals, make_settings(), evidence=told)
    lines = json.loads(record_events(events, make_settings())["evidence"].iloc[-1])
    assert lines[0] == {
        "account": "x",
        "amount": 60.0,
        "probability": 0.5,
        "month": "2026-04",
        "reason": "why",
    }
    own = closing_ratios(inputs).set_index("rep_id")["ratio"]["ann"]
    assert lines[1] == {"opportunity": "o1", "amount": 60.0, "probability": pytest.approx(own)}
    assert len(lines) == 2
