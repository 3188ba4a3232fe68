"""Somebody who left without a word gets no goal without a word."""

import pytest

from planning_kit.data import check_plan
from planning_kit.walk import open_step
from tests.making import make_inputs

YEAR = [f"2025-{month:02d}-10" for month in range(1, 13)]


def inputs(last_month, assignments="rep_id territory_id\nann t1", reps=None, returned=False):
    sales = ["sold_on rep_id amount", *(f"{day} ann 100" for day in YEAR)]
    sales += [f"{day} bob 50" for day in YEAR[:last_month]]
    sales += ["2025-12-20 bob -5"] if returned else []
    return make_inputs(sales="\n".join(sales), assignments=assignments, reps=reps)


def quiet(found):
    team = found.team().set_index("rep_id")["quiet_months"].dropna()
    return team.to_dict()


@pytest.mark.parametrize(("last_month", "months"), [(9, {"bob": 3}), (4, {"bob": 8}), (10, {})])
def test_a_quarter_without_sales_and_no_assignment_is_counted(last_month, months):
    assert quiet(inputs(last_month)) == months


def test_a_return_is_no_sale():
    assert quiet(inputs(6, returned=True)) == {"bob": 6}


@pytest.mark.parametrize(
    ("assignment", "months"),
    [("bob t2 2025-01-01 -", {}), ("bob t2 2025-01-01 2025-08-31", {"bob": 6}),
     ("bob t2 2026-04-01 -", {})],
    ids=["still", "ended", "comes back"],
)  # fmt: skip
def test_whoever_holds_a_territory_in_the_plan_is_there(assignment, months):
    held = f"rep_id territory_id starts_on ends_on\nann t1 2025-01-01 -\n{assignment}"
    assert quiet(inputs(6, held)) == months


def test_somebody_new_need_not_have_sold_yet_and_who_left_carries_no_goal():
    reps = "rep_id region hired_on left_on\nann Home - -\nbob Home - 2025-08-31\n"
    reps += "cem Home 2025-11-01 -\ndot Home 2026-02-01 -\neve Home 2024-05-01 -"
    found = inputs(6, reps=reps)
    assert quiet(found) == {"eve": 12}
    assert "bob" not in set(found.team()["rep_id"])


def test_a_company_without_any_sales_says_nothing():
    found = make_inputs(goals="starts_on ends_on rep_id goal\n2025-01-01 2025-12-31 ann 100")
    assert quiet(found) == {}


def test_check_and_notebooks_say_who_with_months_and_amount(make_plan, tmp_path):
    sales = ["sold_on,rep_id,amount", *(f"{day},ann,1000" for day in YEAR)]
    sales += [f"{day},bob,500" for day in YEAR[:6]] + [f"{day},cem,200" for day in YEAR[:9]]
    plan = make_plan(
        reps="rep_id,rep_name,region\nann,Ann,North\nbob,Bob Moss,North\ncem,Cem Ay,North\n",
        territories="territory_id,region\nt1,North\n",
        assignments="rep_id,territory_id\nann,t1\n",
        sales="\n".join(sales),
        goals=None,
        products=None,
    )
    problems = check_plan(plan).query("rule == 'quiet'")
    assert problems["message"].tolist() == [
        "Bob Moss (bob) sold nothing in the last 6 months and has no assignment in the plan, yet gets "
        "a goal; 3,000 EUR were sold in the reviewed period",
        "Cem Ay (cem) sold nothing in the last 3 months and has no assignment in the plan, yet gets "
        "a goal; 1,800 EUR were sold in the reviewed period",
    ]
    assert set(problems["status"]) == {"review"} and set(problems["table"]) == {"reps"}
    for name in ("02_assumptions", "03_target_allocation"):
        step = open_step(name, "North", plan.folder, tmp_path)
        said = step.findings().set_index("finding_id").loc["allocation.quiet"]
        assert said["message"].startswith(
            "2 without an assignment in the plan and without sales of"
        )
        first, second = (said["message"].index(rep) for rep in ("'bob'", "'cem'"))
        assert first < second  # the larger amount first
        assert "nothing sold for 6 months" in said["message"]
    goals = step.table("allocation").groupby("rep_id")["goal"].sum()
    assert f"carry goals of {goals['bob'] + goals['cem']:,.0f} EUR" in said["message"]
    assert f"'bob' ({goals['bob']:,.0f}, nothing sold" in said["message"]
    assert "Bob Moss" in repr(step.show(step.findings(), "message"))
