"""What the review says by itself: small companies whose truth is plain, and made-up ones without."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import date
from secrets import randbelow

import pandas as pd
import pytest

from planning_kit.review import changes, review_findings
from planning_kit.review.level import goal_level_of_years, level_words
from tests.making import make_inputs, make_settings
from tests.worlds import make_world

MONTHS = pd.date_range("2024-01-01", "2025-12-01", freq="MS")
PEOPLE = "rep_id rep_name\nann Ann\nbob Bob\ncyd Cyd"


def sold(rep, amount, months=MONTHS, **more):
    """Give a sale on the fifth of every month; the amount may follow from the month."""
    return [
        {
            "sold_on": month + pd.Timedelta(days=4),
            "rep_id": rep,
            "amount": float(amount(month) if callable(amount) else amount),
            **more,
        }
        for month in months
    ]


def uneven(amount):
    """Give an amount that goes up and down by a tenth, the same in every year."""
    return lambda month: amount * (1 + 0.1 * (-1) ** month.month)


def said(inputs, look):
    """Give what an observation says; None: nothing."""
    return "; ".join(look(inputs)["text"]) or None


# ---- the level ------------------------------------------------------------------------------


def leveled(shares, years=(2023, 2024, 2025), goal=1000.0):
    goals, sales = [], []
    for number, share in enumerate(shares):
        for year in years:
            span = {"starts_on": f"{year}-01-01", "ends_on": f"{year}-12-31"}
            goals.append({**span, "rep_id": f"r{number:02d}", "goal": goal})
            sales.append(
                {"sold_on": f"{year}-05-05", "rep_id": f"r{number:02d}", "amount": goal * share}
            )
    return make_inputs(goals=goals, sales=sales)


def test_the_level_of_all_goals_is_the_first_finding_with_years_and_people():
    table = review_findings(leveled([1.5] * 8 + [1.52] * 8))
    first = table.iloc[0]
    assert (first["finding_id"], first["status"]) == ("review.level", "fail")
    assert first["message"].startswith(
        "Goals were too low: 151% of target over 3 years (2023: 151%, 2024: 151%, 2025: 151%); "
        "all 16 people at or above their goals, 16 by more than 10%"
    )
    assert "Set goals near 151%" in first["advice"]
    assert table["finding_id"].iloc[1] == "review.result" and table["status"].iloc[1] != "pass"


def test_a_result_of_twice_the_goals_in_one_year_is_no_pass_anywhere():
    table = review_findings(leveled([2.0] * 9, years=(2025,))).set_index("finding_id")
    assert table.loc["review.level", "status"] == "fail"
    assert "200% of target in 2025, the only year with goals" in table["message"].iloc[0]
    assert table.loc["review.result", "status"] == "review"


def test_a_level_near_the_goals_stands_first_too_and_is_a_pass():
    table = review_findings(leveled([0.98, 1.0, 1.01, 1.03, 1.05, 0.95]))
    assert table["finding_id"].iloc[0] == "review.level" and table["status"].iloc[0] == "pass"
    assert "Goals and results were on one level: 100%" in table["message"].iloc[0]


def test_one_large_result_is_no_level_of_the_goals():
    level = goal_level_of_years(leveled([6.0] + [0.9] * 9))
    assert level is not None and round(level.share, 2) == 1.41
    assert level.verdict == "" and (level.beside, level.far) == (1, 1)
    assert "1 of 10 people" in level_words(level)


def test_two_people_do_not_say_if_goals_or_people_were_off():
    words = level_words(goal_level_of_years(leveled([0.5, 0.5])))
    assert "50% of target" in words and "it cannot be told if goals or people" in words


def test_goals_from_before_the_first_sale_and_of_the_coming_year_are_no_misses():
    goals = [
        {"starts_on": f"{year}-01-01", "ends_on": f"{year}-12-31", "rep_id": rep, "goal": 100.0}
        for year in (2020, 2025, 2026)
        for rep in "abcd"
    ]
    sales = [{"sold_on": "2025-03-03", "rep_id": rep, "amount": 100.0} for rep in "abcd"]
    level = goal_level_of_years(make_inputs(goals=goals, sales=sales))
    assert level is not None and level.years == {"2025": 1.0}


# ---- one observation each -------------------------------------------------------------------


def test_a_line_that_shrinks_while_the_others_grow_is_named_with_both():
    lines = (
        {"product_id": "p1", "product_line": "Balances"},
        {
            "product_id": "p2",
            "product_line": "Pumps",
        },
    )
    fallen = sold("ann", lambda m: uneven(100)(m) * (0.7 if m.year == 2025 else 1), **lines[0])
    grown = sold("ann", lambda m: uneven(300)(m) * (1.2 if m.year == 2025 else 1), **lines[1])
    text = said(make_inputs(sales=[*fallen, *grown]), changes.shrinking_lines)
    assert text == (
        "Balances fell by 30%, from 1,200 to 840 EUR, while all other lines together grew by 20%"
    )
    both = [
        *fallen,
        *sold("ann", lambda m: uneven(300)(m) * (0.8 if m.year == 2025 else 1), **lines[1]),
    ]
    assert said(make_inputs(sales=both), changes.shrinking_lines) is None  # the others fell too


def test_a_margin_that_falls_year_by_year_is_said_with_its_money_and_line():
    months = pd.date_range("2023-01-01", "2025-12-01", freq="MS")
    cost = {2023: 50.0, 2024: 55.0, 2025: 60.0}
    sales = [
        {**row, "cost": cost[row["sold_on"].year] if line == "Pumps" else 50.0}
        for line, product in (("Pumps", "p1"), ("Kits", "p2"))
        for row in sold("ann", 100, months, product_id=product, product_line=line)
    ]
    for number, row in enumerate(sales):
        row["cost"] += number % 3 / 10
    text = said(make_inputs(sales=sales), changes.falling_margin)
    assert text is not None and "year by year, 49.9%, 47.4%, 44.9% of sales" in text
    assert "would have brought 120 EUR more; most of it in Pumps (49.9% to 39.9%)" in text
    steady = make_inputs(sales=[{**row, "cost": 50.0} for row in sales])
    assert said(steady, changes.falling_margin) is None
    wild = [
        row | {"cost": 50 + 20 * (-1) ** row["sold_on"].month + 2 * (row["sold_on"].year == 2025)}
        for row in sales
    ]
    assert said(make_inputs(sales=wild), changes.falling_margin) is None  # two points by chance
    unknown = make_inputs(sales=[{**row, "cost": None} for row in sales])
    assert said(unknown, changes.falling_margin) is None


def test_a_seller_whose_sales_ended_and_who_still_carries_a_goal_is_named():
    sales = sold("ann", 100) + sold("bob", 50, MONTHS[:18]) + sold("cyd", 70, MONTHS[:18])
    goals = [
        {"starts_on": "2025-01-01", "ends_on": "2025-12-31", "rep_id": rep, "goal": 365.0}
        for rep in ("ann", "bob")
    ]
    people = "rep_id rep_name left_on\nann Ann -\nbob Bob -\ncyd Cyd 2025-06-30"
    text = said(make_inputs(reps=people, sales=sales, goals=goals), changes.ended_sellers)
    assert text == (
        "Bob has sold nothing since June 2025, 6 months, after 600 EUR in the twelve months before, "
        "and carried 184 of goals for that time and stands in the team of the coming year"
    )  # Cyd has left and carries nothing
    returned = [*sales, {"sold_on": "2025-12-05", "rep_id": "bob", "amount": -5.0}]
    again = said(make_inputs(reps=people, sales=returned, goals=goals), changes.ended_sellers)
    assert again is not None and "since June 2025, 6 months" in again  # a return is no sale


def test_sales_that_went_from_one_person_to_another_are_said_with_months_and_amounts():
    territory = {"territory_id": "t1"}
    sales = (
        sold("ann", 100, MONTHS[:15], **territory)
        + sold("bob", 80, MONTHS[16:], **territory)
        + sold("cyd", 300, territory_id="t2")
    )
    places = "territory_id territory_name region\nt1 Hanover Home\nt2 Kiel Home"
    text = said(make_inputs(reps=PEOPLE, territories=places, sales=sales), changes.taken_over)
    assert text == (
        "Bob has sold in Hanover since May 2025 (640 in the first 8 months) what was Ann's until "
        "March 2025 (1,200 in the twelve months before)"
    )


def test_customers_that_went_to_another_person_are_counted():
    sales = [
        row
        for number in range(3)
        for row in (
            *sold("ann", 10, MONTHS[:12], account_id=f"c{number}"),
            *sold("bob", 12, MONTHS[12:], account_id=f"c{number}"),
        )
    ]
    sales += sold("ann", 50, account_id="x") + sold("bob", 50, account_id="y")
    text = said(make_inputs(reps=PEOPLE, sales=sales), changes.moved_accounts)
    assert text == ("3 customers went from Ann (360 in the year before) to Bob (432 EUR)")


def test_sales_without_a_goal_and_goals_without_sales_are_said_with_amounts():
    goals = [
        {"starts_on": "2025-01-01", "ends_on": "2025-12-31", "rep_id": rep, "goal": 1000.0}
        for rep in ("ann", "cyd")
    ]
    sales = sold("ann", 100) + sold("bob", 50, MONTHS[14:])
    inputs = make_inputs(reps=PEOPLE, sales=sales, goals=goals)
    table = review_findings(inputs).set_index("finding_id")["message"]
    assert table["review.without_goal"] == (
        "500 EUR were sold by 1 without a goal for that time: Bob 500 (March 2025 to December 2025)."
    )
    assert table["review.without_sales"] == "Goals of 1,000 EUR had no sales at all: Cyd 1,000."
    nobody = make_inputs(reps=PEOPLE, sales=sales)
    assert said(nobody, changes.sales_without_goals) is None  # nobody had a goal


def test_the_goal_of_a_team_is_no_goal_without_sales_and_covers_its_people():
    goals = [{"starts_on": "2025-01-01", "ends_on": "2025-12-31", "rep_id": "mia", "goal": 1000.0}]
    people = "rep_id manager_id\nmia -\nann mia\nbob -"
    inputs = make_inputs(reps=people, sales=sold("ann", 100) + sold("bob", 50), goals=goals)
    assert said(inputs, changes.goals_without_sales) is None
    assert changes.sales_without_goals(inputs)["who"].tolist() == ["bob"]


def test_new_branches_and_lines_are_said_with_the_growth_that_is_left_without_them():
    old = sold("ann", 100, territory_id="t1", product_id="p1", product_line="Pumps")
    new = sold("ann", 30, MONTHS[15:], territory_id="t2", product_id="p1", product_line="Pumps")
    line = sold("ann", 10, MONTHS[15:], territory_id="t2", product_id="p2", product_line="Kits")
    places = "territory_id territory_name region\nt1 Hanover Home\nt2 Kiel Home"
    grown = make_inputs(territories=places, sales=old + new + line)
    text = review_findings(grown).set_index("finding_id")["message"]["review.new_units"]
    assert "Kiel (since April 2025, 360)" in text
    assert "Kits (since April 2025, 90)" in text
    assert "without that sales moved +0.0% instead of +30.0%" in text
    assert said(make_inputs(territories=places, sales=old), changes.begun_units) is None


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (date(2025, 3, 1), "the reviewed year has 10 of 12 months and no year before it"),
        (date(2024, 5, 1), "the year before has 8 of 12 months"),
        (date(2023, 6, 1), "the year to December 2023 has 7 of 12 months"),
        (date(2024, 1, 1), None),
    ],
)
def test_history_that_starts_within_a_year_is_said_with_what_it_spoils(first, words):
    months = pd.date_range(first, "2025-12-01", freq="MS")
    text = said(make_inputs(sales=sold("ann", 100, months)), changes.late_start)
    assert text is None if words is None else words in text and f"{first:%B %Y}" in text


def test_months_of_nothing_but_returns_are_no_beginning_of_the_year():
    returns = [{"sold_on": "2026-01-09", "rep_id": "ann", "amount": -40.0}]
    text = said(
        make_inputs(reps=PEOPLE, sales=sold("ann", 100) + returns), changes.months_of_returns
    )
    assert text == (
        "January 2026 holds nothing but returns (-40 EUR, Ann): sales are known until December "
        "2025, the time after has not begun"
    )
    more = [*returns, {"sold_on": "2026-01-20", "rep_id": "bob", "amount": 10.0}]
    assert said(make_inputs(sales=sold("ann", 100) + more), changes.months_of_returns) is None


def test_fiscal_years_are_named_by_both_calendar_years():
    fiscal = make_settings(
        starts_on=date(2026, 7, 1),
        ends_on=date(2027, 6, 30),
        review_starts_on=date(2025, 7, 1),
        review_ends_on=date(2026, 6, 30),
    )
    goals = [
        {"starts_on": "2025-07-01", "ends_on": "2026-06-30", "rep_id": rep, "goal": 100.0}
        for rep in "abcd"
    ]
    sales = [{"sold_on": "2025-08-03", "rep_id": rep, "amount": 80.0} for rep in "abcd"]
    level = goal_level_of_years(make_inputs(settings=fiscal, goals=goals, sales=sales))
    assert level is not None and list(level.years) == ["2025/26"] and level.verdict == "too high"


# ---- false alarms ---------------------------------------------------------------------------

LOOKS = {
    name: getattr(changes, name)
    for name in (
        "shrinking_lines falling_margin ended_sellers taken_over moved_accounts "
        "sales_without_goals goals_without_sales begun_units late_start months_of_returns"
    ).split()
}
QUIET = ("steady", "seasonal", "thin", "short history")


def alarms(families, seeds):
    """Count what is said of companies in which nothing of it happened: nobody comes or goes."""
    found: Counter[str] = Counter()
    for family in families:
        for seed in seeds:
            inputs = make_world(family, seed, turnover=0.0).inputs()
            floor = 0.003 * inputs.reviewed_sales()["amount"].abs().sum()
            for name, look in LOOKS.items():
                found[name] += bool((look(inputs)["amount"].abs() > floor).any())
    return found


def test_of_companies_where_nothing_happened_almost_nothing_is_said():
    # 4 families, a seed each: what happened nowhere is said of at most one of them
    found = alarms(QUIET, range(1))
    assert found.total() <= 1, found


def test_people_and_territories_that_sell_seldom_neither_end_nor_begin():
    for seed in range(2):  # in each of them somebody sold nothing in the last three months
        inputs = make_world("thin", seed, orders=0.8, turnover=0.0).inputs()
        last = inputs.sales[inputs.sales["amount"] > 0].groupby("rep_id")["month"].max()
        assert last.min() <= pd.Timestamp("2025-09-01")
        for look in (changes.ended_sellers, changes.taken_over, changes.begun_units):
            assert look(inputs).empty


@pytest.mark.slow
def test_of_many_companies_where_nothing_happened_almost_nothing_is_said():
    first = randbelow(10**6)
    sys.stdout.write(f"worlds from seed {first}\n")
    found = alarms(QUIET, range(first, first + 50))
    # 200 companies: each observation in at most 3 % and three standard errors, all in 8 %
    assert max(found.values()) <= 13, (first, found)
    assert found.total() <= 25, (first, found)


def test_what_is_said_of_people_who_follow_others_is_true():
    world = make_world("turnover 30 %", 1)
    held = world.tables["assignments"].sort_values("starts_on")
    follows = held.assign(before=held.groupby("territory_id")["rep_id"].shift())
    true = dict(zip(follows["rep_id"], follows["before"], strict=True))
    names = {f"Person {rep[1:]}": rep for rep in true}
    table = changes.taken_over(world.inputs())
    assert len(table) > 2
    for row in table.to_dict("records"):
        who = row["text"].split(" has sold")[0]
        before = row["text"].split(" what was ")[1].split("'s until")[0]
        assert true[names[who]] == names[before]
