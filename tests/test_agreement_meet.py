from datetime import date
from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.agreement import (
    Event,
    agreement_findings,
    counter_offers,
    play_log,
    propose_from_table,
    record_events,
    standing_goals,
)
from planning_kit.messages import DataError, InfeasiblePlanError
from planning_kit.numbers.movement import least_movement
from tests.making import make_settings, make_table

PLAN = make_settings(rounding_unit=1000)
GOALS = pd.DataFrame(
    {
        "rep_id": ["ann", "ann", "bob", "cy"],
        "product_line": ["GTX", "MG", "GTX", "GTX"],
        "goal": [60_000.0, 40_000.0, 200_000.0, 300_000.0],
    }
)
PROPOSALS = make_table(
    "proposals",
    """
    starts_on  ends_on    rep_id product_line proposed
    2025-01-01 2025-12-31 ann    -            70000
    2026-01-01 2026-12-31 ann    -            80000
    2026-01-01 2026-12-31 bob    -            150400
    2026-01-01 2026-12-31 cy     -            320000
    2026-01-01 2026-12-31 zed    -            1
    """,
)


def negotiated(goals, proposals, *more, plan=PLAN, **options):
    return play_log(
        record_events([*propose_from_table(goals, proposals, plan, **options), *more], plan)
    )


def standing(goals, state, unit=1000):
    return standing_goals(goals, unit, state)


def offers(goals, state, plan=PLAN, bias=None):
    return counter_offers(goals, state, plan, bias).set_index("rep_id")


def test_a_table_becomes_assign_and_propose_events_of_the_coming_period_only():
    events = propose_from_table(GOALS, PROPOSALS, PLAN)
    assert [(e.kind, e.rep_id, e.amount) for e in events] == [
        ("assign", "ann", 100_000),
        ("assign", "bob", 200_000),
        ("assign", "cy", 300_000),
        ("propose", "ann", 80_000),
        ("propose", "bob", 150_000),
        ("propose", "cy", 320_000),
    ]
    assert events[4].reason == "from the table of proposals, rounded from 150,400.00"


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ("2026-01-01 2026-12-31 ann - -", None),
        ("2026-01-01 2026-12-31 ann - 0", 0),
        ("2026-01-01 2026-06-30 ann - 30000\n2026-07-01 2026-12-31 ann - 50000", 80_000),
        ("2026-01-01 2026-12-31 ann GTX 30000\n2026-01-01 2026-12-31 ann MG 20000", 50_000),
        (
            "2026-01-01 2026-12-31 ann GTX 30000\n2026-01-01 2026-12-31 ann MG -",
            "1 of 2 cells are empty",
        ),
        ("2026-01-01 2026-06-30 ann - 30000", "speaks for 181 of 365 days"),
        ("2026-01-01 2026-12-31 ann - 1000\n2026-02-01 2026-12-31 ann - 900", "of 365 days"),
        ("2025-07-01 2026-06-30 ann - 1000", "reaches beyond the plan's"),
        ("2026-01-01 2026-12-31 ann - -400", "an amount is negative"),
    ],
)
def test_a_part_of_a_proposal_is_noted_and_not_taken_for_the_whole(rows, outcome):
    table = make_table("proposals", f"starts_on ends_on rep_id product_line proposed\n{rows}")
    told = [e for e in propose_from_table(GOALS, table, PLAN) if e.kind != "assign"]
    if outcome is None:
        assert told == []
    elif isinstance(outcome, str):
        assert [e.kind for e in told] == ["note"]
        assert outcome in told[0].reason
    else:
        assert [(e.kind, e.amount) for e in told] == [("propose", outcome)]


def test_without_proposals_the_top_down_goals_stand_and_it_is_said():
    state = negotiated(GOALS, make_table("proposals", None))
    assert state["status"].tolist() == ["not started"] * 3
    goals = standing(GOALS, state)
    assert goals.cells["goal"].tolist() == goals.cells["allocated"].tolist()
    assert goals.cells["agreed"].isna().all() and set(goals.cells["basis"]) == {"allocated"}
    assert np.isnan(goals.agreed()) and goals.people("agreed") == []  # empty is not zero
    found = agreement_findings(state, goals).set_index("finding_id")
    assert "`proposals`" in found.loc["agreement.proposals", "advice"]
    assert found.loc["agreement.total", "status"] == "pass"
    assert (offers(GOALS, state)["suggested"] == [100_000, 200_000, 300_000]).all()


def test_counter_offers_by_hand():
    # Target 600,000; ann and bob propose 70,000 less than it takes, cy 20,000 more.
    # cy's 320,000 stands; 50,000 are left for ann and bob by size of goal, 100 : 200.
    table = offers(GOALS, negotiated(GOALS, PROPOSALS))
    assert table["suggested"].tolist() == [97_000, 183_000, 320_000]
    assert table["gap"].tolist() == [-20_000, -50_000, 20_000]
    assert table["suggested"].sum() == table["goal"].sum() == 600_000
    assert table["reason"].tolist() == [
        "moved +17,000 because your share of the uncertainty is 33%",
        "moved +33,000 because your share of the uncertainty is 67%",
        "the proposal stands",
    ]


def past_proposals(names, factors, spreads):
    """Make the columns of `planning_kit.review.proposal_bias` that matter here."""
    factors, half = np.asarray(factors), np.exp(1.2816 * np.asarray(spreads))
    return pd.DataFrame(
        {
            "rep_id": names,
            "factor": factors,
            "low_factor": factors / half,
            "high_factor": factors * half,
        }
    )


def test_counter_offers_use_what_past_proposals_were_worth():
    # Past results: ann 10 % above, bob as proposed, cy 5 % below the proposal: 88,000, 150,000
    # and 304,000 are 58,000 short of 600,000. Error variances (spread x larger number)²: 400, 400
    # and 1,024 million, so cy is first at the own 320,000; of the other 42,000 half would be
    # ann's, who stops at the top-down goal after 12,000; bob carries 30,000.
    bias = past_proposals(["cy", "bob", "ann"], [0.95, 1, 1.1], [0.1, 0.1, 0.2])
    table = offers(GOALS, negotiated(GOALS, PROPOSALS), bias=bias)
    assert table["adjusted"].tolist() == [88_000, 150_000, 304_000]
    assert table["suggested"].tolist() == [100_000, 180_000, 320_000]
    assert table["reason"].tolist() == [
        "moved +12,000 from what past results make of the proposal, up to the top-down goal",
        "moved +30,000 because your share of the uncertainty is 100%",
        "moved +16,000 from what past results make of the proposal, up to the proposal",
    ]


def test_past_results_never_bring_a_counter_offer_beyond_both_numbers():
    # ann proposes 80,000 against 100,000; times 1.5 that is 120,000, but nobody asked for more
    # than 100,000. cy proposes 320,000, times 0.5 is 160,000, and was asked for 300,000.
    bias = past_proposals(["ann", "bob", "cy"], [1.5, 1, 0.5], [0.1, 0.1, 0.1])
    table = offers(GOALS, negotiated(GOALS, PROPOSALS), bias=bias)
    assert table["adjusted"].tolist() == [120_000, 150_000, 160_000]
    assert (
        table["suggested"].between(*np.sort(table[["goal", "proposed"]].to_numpy(), axis=1).T).all()
    )
    assert table["suggested"].sum() == 600_000
    assert table.loc["ann", "reason"] == (
        "past results lift or lower the proposal to the top-down goal"
    )


def test_somebody_without_a_past_gets_the_mean_of_the_group():
    bias = past_proposals(["bob", "cy"], [0.8, 1.25], [0.1, 0.2])
    table = offers(GOALS, negotiated(GOALS, PROPOSALS), bias=bias)
    assert table["adjusted"].tolist() == [80_000, 120_000, 400_000]
    none = offers(GOALS, negotiated(GOALS, PROPOSALS), bias=bias[:0])
    pd.testing.assert_frame_equal(none, offers(GOALS, negotiated(GOALS, PROPOSALS)))


def test_counter_offers_follow_the_error_variance():
    goals = pd.DataFrame({"rep_id": ["ann", "bob", "cy"], "goal": [150_000.0, 150_000, 100_000]})
    table = make_table(
        "proposals",
        """
        starts_on  ends_on    rep_id proposed
        2026-01-01 2026-12-31 ann    100000
        2026-01-01 2026-12-31 bob    100000
        2026-01-01 2026-12-31 cy     150000
        """,
    )
    # 50,000 short: cy's 150,000 stands, ann moves by 1/5 of 50,000 and bob by 4/5.
    bias = past_proposals(["ann", "bob", "cy"], [1, 1, 1], [0.1, 0.2, 0.1])
    found = offers(goals, negotiated(goals, table), bias=bias)
    assert found["suggested"].tolist() == [110_000, 140_000, 150_000]
    assert (
        found.loc["bob", "reason"] == "moved +40,000 because your share of the uncertainty is 80%"
    )


def test_accepted_and_locked_goals_stay_and_the_others_make_up_for_them():
    state = negotiated(GOALS, PROPOSALS, Event("accept", "ann", "mia", 80_000))
    locked = GOALS.assign(locked=[False, False, True, False])
    table = offers(locked, state)
    assert table["suggested"].tolist() == [80_000, 200_000, 320_000]
    assert table["reason"].tolist()[:2] == [
        "accepted: stays as agreed",
        "locked: stays at the top-down goal",
    ]
    low = negotiated(
        GOALS,
        PROPOSALS,
        Event("counter", "ann", "mia", 50_000, "sick leave"),
        Event("accept", "ann", "ann", 50_000),
    )
    table = offers(locked, low)
    assert table["suggested"].tolist() == [50_000, 200_000, 350_000]
    assert "moved +30,000 beyond both numbers" in table.loc["cy", "reason"]


def words_of(goals, state, table):
    """Give the findings on a negotiation by their ids."""
    findings = agreement_findings(state, standing(goals, state), offers=table.reset_index())
    return findings.set_index("finding_id")


def test_no_room_left_is_a_finding_that_says_by_how_much_and_the_offers_stand_at_the_limits():
    state = negotiated(GOALS, PROPOSALS, Event("accept", "ann", "mia", 80_000))
    tight = GOALS.assign(
        locked=[False, False, True, False], upper=[np.nan, np.nan, np.nan, 310_000]
    )
    table = offers(tight, state)
    assert table["suggested"].tolist() == [80_000, 200_000, 310_000]
    assert table.loc["cy", "reason"].endswith("even so 10,000.00 are still to find")
    found = words_of(tight, state, table).loc["agreement.room"]
    assert found["status"] == "fail"
    assert found["message"] == (
        "2 people whose goals stay ('ann', 'bob') leave 320,000.00 for the other 1, who carry "
        "310,000.00 at most: 10,000.00 still to find."
    )
    loose = GOALS.assign(lower=[np.nan, np.nan, 195_000, 310_000.0])
    high = negotiated(
        GOALS,
        PROPOSALS,
        Event("counter", "ann", "mia", 150_000, "new account"),
        Event("accept", "ann", "ann", 150_000),
    )
    table = offers(loose, high)
    assert table["suggested"].tolist() == [150_000, 195_000, 310_000]
    found = words_of(loose, high, table)
    assert "505,000.00 at least: 55,000.00 too much" in found.loc["agreement.room", "message"]
    assert found.loc["agreement.total", "advice"] == found.loc["agreement.room", "advice"]


def test_everybody_accepting_less_than_the_target_is_a_finding_with_what_is_still_to_find():
    accepts = [
        Event("accept", who, "mia", said)
        for who, said in (("ann", 80_000), ("bob", 150_000), ("cy", 320_000))
    ]
    state = negotiated(GOALS, PROPOSALS, *accepts)
    table = offers(GOALS, state)
    assert table["suggested"].tolist() == [80_000, 150_000, 320_000]
    assert set(table["reason"]) == {"accepted: stays as agreed"}
    found = words_of(GOALS, state, table)
    assert found.loc["agreement.total", "status"] == "fail"
    assert (
        "50,000.00 less than the target 600,000.00: that much is still to find"
        in (found.loc["agreement.total", "message"])
    )
    assert "agreement.room" not in found.index


def test_limits_closer_together_than_a_rounding_unit_leave_one_whole_number():
    narrow = GOALS.assign(lower=[np.nan, np.nan, np.nan, 300_100], upper=[np.nan] * 3 + [300_900])
    assert offers(narrow, negotiated(GOALS, PROPOSALS))["suggested"].tolist()[2] == 301_000


def test_one_person_no_people_and_a_target_of_zero():
    one = pd.DataFrame({"rep_id": ["ann"], "goal": [5000.0]})
    table = make_table(
        "proposals", "starts_on ends_on rep_id proposed\n2026-01-01 2026-12-31 ann 9000"
    )
    assert offers(one, negotiated(one, table))["suggested"].tolist() == [5000]
    none = one[:0]
    state = negotiated(none, table)
    assert offers(none, state).empty
    nobody = standing(none, state)
    assert nobody.cells.empty and nobody.by("rep").empty and nobody.gap(500_000) == -500_000
    assert agreement_findings(state, nobody)["status"].eq("pass").all()
    zero = one.assign(goal=0.0)
    assert offers(zero, negotiated(zero, table))["suggested"].tolist() == [0]


def test_a_goal_nobody_planned_stays_empty():
    goals = pd.DataFrame({"rep_id": ["ann", "bob"], "goal": [np.nan, 5000.0]})
    state = negotiated(goals, PROPOSALS)
    assert state["rep_id"].tolist() == ["bob"]
    table = offers(goals, state)
    assert table["suggested"].isna().tolist() == [True, False]
    stands = standing(goals, state)
    assert stands.cells["goal"].isna().tolist() == [True, False]
    assert stands.cells["basis"].isna().tolist() == [True, False] and stands.people() == ["bob"]


def test_an_agreed_number_is_spread_as_the_top_down_goals_are():
    state = negotiated(GOALS, PROPOSALS, Event("accept", "ann", "mia", 80_000))
    goals = standing(GOALS, state)
    assert goals.cells["goal"].tolist() == [48_000, 32_000, 200_000, 300_000]
    assert goals.cells["agreed"].fillna(-1).tolist() == [48_000, 32_000, -1, -1]
    assert goals.cells["basis"].tolist() == ["agreed", "agreed", "allocated", "allocated"]
    assert (goals.standing(), goals.agreed(), goals.gap(600_000)) == (580_000, 80_000, -20_000)
    found = agreement_findings(state, goals).set_index("finding_id")
    assert "20,000.00 less than the target 600,000.00" in found.loc["agreement.total", "message"]
    assert found.loc["agreement.total", "status"] == "review"
    assert found.loc["agreement.open", "message"] == "2 of 3 people are still open: 'bob', 'cy'."


def test_a_total_that_is_missed_when_everybody_is_through_fails():
    goals = GOALS[GOALS["rep_id"] == "ann"]
    state = negotiated(goals, PROPOSALS, Event("accept", "ann", "mia", 80_000))
    found = agreement_findings(state, standing(goals, state)).set_index("finding_id")
    assert found.loc["agreement.total", "status"] == "fail"
    assert found.loc["agreement.open", "status"] == "pass"


def test_what_was_agreed_by_product_line_is_published_by_product_line():
    table = make_table(
        "proposals",
        """
        starts_on  ends_on    rep_id product_line proposed
        2026-01-01 2026-12-31 ann    GTX          70000
        2026-01-01 2026-12-31 ann    MG           20000
        """,
    )
    state = negotiated(GOALS, table, Event("accept", "ann", "mia", 90_000), by_product_line=True)
    assert standing(GOALS, state).cells["goal"].tolist()[:2] == [70_000, 20_000]
    with pytest.raises(DataError, match="ann: agreed for 'GTX', which has no goal cell"):
        standing(GOALS.drop(columns="product_line").drop(index=1), state)


def test_a_product_line_without_a_goal_is_noted():
    table = make_table(
        "proposals",
        """
        starts_on  ends_on    rep_id product_line proposed
        2026-01-01 2026-12-31 bob    GTX          70000
        2026-01-01 2026-12-31 bob    MG           20000
        2026-01-01 2026-12-31 cy     -            90000
        """,
    )
    events = propose_from_table(GOALS, table, PLAN, by_product_line=True)
    told = [(e.kind, e.rep_id, e.product_line, e.amount) for e in events if e.kind != "assign"]
    assert told == [
        ("propose", "bob", "GTX", 70_000),
        ("note", "bob", "MG", None),
        ("propose", "cy", "", 90_000),
    ]
    assert play_log(record_events(events, PLAN))["proposed"].fillna(-1).tolist() == [
        -1,
        70_000,
        90_000,
    ]
    with pytest.raises(DataError, match="needs product_line"):
        propose_from_table(GOALS[["rep_id", "goal"]][1:], table, PLAN, by_product_line=True)


def test_faulty_goals_are_all_named_at_once():
    wrong = pd.DataFrame(
        {"rep_id": ["ann", "ann", "bob", "cy"], "goal": [1000, 1000, -1000, 1500.0]}
    )
    with pytest.raises(DataError) as error:
        standing(wrong, negotiated(GOALS, PROPOSALS))
    text = str(error.value)
    assert "1 rows name the same rep_id again: 'ann'" in text
    assert "1 rows are negative: 'bob'" in text
    assert "1 rows are no multiple of 1000: 'cy'" in text
    with pytest.raises(DataError, match="no column 'goal'"):
        standing(wrong[["rep_id"]], negotiated(GOALS, PROPOSALS))


def test_thin_evidence_no_evidence_and_open_escalations_are_flagged():
    deal = [{"account": "Oak", "amount": 50_000, "probability": 0.5}]
    state = play_log(
        record_events(
            [
                *[Event("assign", who, "plan", 100_000) for who in ("ann", "bob", "cy")],
                Event("propose", "ann", "ann", 100_000, evidence=deal),
                Event("propose", "bob", "bob", 90_000),
                Event("escalate", "cy", "cy", reason="territory was cut"),
                Event("note", "bob", "mia", reason="waits for the price list"),
            ],
            PLAN,
        )
    )
    goals = pd.DataFrame({"rep_id": ["ann", "bob", "cy"], "goal": 100_000.0})
    events = record_events(
        [
            *[Event("assign", w, "plan", 1000) for w in ("ann", "bob")],
            Event("note", "bob", "mia", reason="waits"),
        ],
        PLAN,
    )
    found = agreement_findings(state, standing(goals, state), events)
    words = found.set_index("finding_id")["message"]
    assert "covers less than 80% of the goal: 'ann 25%'" in words["agreement.evidence_coverage"]
    assert "1 of 2 proposals have no evidence: 'bob'" in words["agreement.evidence"]
    assert "1 goals wait for a decision: 'cy'" in words["agreement.escalated"]
    assert "'bob: waits'" in words["agreement.notes"]


@st.composite
def regions(draw):
    count = draw(st.integers(1, 8))
    unit = draw(st.sampled_from([0.01, 1.0, 1000.0]))
    most = draw(st.sampled_from([3, 1000, 10**9]))
    names = [f"r{k}" for k in range(count)]
    whole = st.lists(st.integers(0, most), min_size=count, max_size=count)
    goals = pd.DataFrame({"rep_id": names, "goal": [u * unit for u in draw(whole)]})
    if unit < 1:
        goals["goal"] = [u / 100 for u in draw(whole)]
    said = [u / 100 if unit < 1 else u * unit for u in draw(whole)]
    silent = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    rows = [
        {"starts_on": "2026-01-01", "ends_on": "2026-12-31", "rep_id": name, "proposed": amount}
        for name, amount, no in zip(names, said, silent, strict=True)
        if not no
    ]
    spreads = draw(st.lists(st.floats(0, 1), min_size=count, max_size=count))
    biases = draw(st.lists(st.floats(-1, 1), min_size=count, max_size=count))
    bias = past_proposals(names, np.exp(biases), spreads)
    plan = make_settings(rounding_unit=unit)
    return goals, make_table("proposals", rows), plan, draw(st.sampled_from([None, bias]))


@given(regions(), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_counter_offers_keep_the_total_lie_between_and_ignore_the_order_of_rows(region, chance):
    goals, proposals, plan, bias = region
    state = negotiated(goals, proposals, plan=plan)
    table = counter_offers(goals, state, plan, bias)
    units = (table[["goal", "proposed", "suggested"]] / plan.rounding_unit).round()
    assert units["suggested"].sum() == units["goal"].sum()
    proposed = units["proposed"].fillna(units["goal"])
    assert (units["suggested"] >= np.minimum(units["goal"], proposed)).all()
    assert (units["suggested"] <= np.maximum(units["goal"], proposed)).all()
    order = list(range(len(goals)))
    chance.shuffle(order)
    mixed = counter_offers(goals.iloc[order], state.iloc[::-1], plan, bias)
    pd.testing.assert_frame_equal(mixed, table)


@given(regions(), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_the_published_cells_of_a_person_add_up_to_the_agreed_number(region, agreed):
    goals, proposals, plan, _ = region
    cells = goals.merge(pd.DataFrame({"product_line": ["x", "y", "z"]}), how="cross")
    amount = agreed * int(max(1, plan.rounding_unit))
    deal = [
        Event("escalate", "r0", "r0", reason="no"),
        Event("decide", "r0", "mia", amount, "so be it"),
    ]
    state = negotiated(cells, proposals, *deal, plan=plan)
    goals_now = standing_goals(cells, plan.rounding_unit, state)
    table = goals_now.cells
    units = (table[["allocated", "goal"]] / plan.rounding_unit).round()
    mine = table["rep_id"] == "r0"
    total = state.set_index("rep_id").loc["r0", "agreed"]
    assert units.loc[mine, "goal"].sum() == round(total / plan.rounding_unit)
    assert (units.loc[~mine, "goal"] == units.loc[~mine, "allocated"]).all()
    gap = goals_now.gap(goals_now.allocated()) / plan.rounding_unit
    assert round(gap) == units["goal"].sum() - units["allocated"].sum()
    assert set(table.loc[mine, "basis"]) == {"decided"} and goals_now.people("agreed") == []
    spread = units.loc[mine, "goal"]
    assert spread.max() - spread.min() <= 1  # three equal cells


def best_by_trying(start, weight, low, high, total):
    """Least movement exactly: try every set of numbers that stand at a limit, in fractions."""
    best = None
    for held in product("lfu", repeat=len(start)):
        fixed = {k: (low if h == "l" else high)[k] for k, h in enumerate(held) if h != "f"}
        free = [k for k, h in enumerate(held) if h == "f"]
        rest = total - sum(fixed.values()) - sum(start[k] for k in free)
        if not free and rest:
            continue
        share = Fraction(rest, sum(weight[k] for k in free)) if free else 0
        found = [Fraction(fixed.get(k, start[k] + weight[k] * share)) for k in range(len(start))]
        if all(a <= x <= b for a, x, b in zip(low, found, high, strict=True)):
            cost = sum(
                (x - s) ** 2 / Fraction(w) for x, s, w in zip(found, start, weight, strict=True)
            )
            best = min(best or (cost, found), (cost, found))
    return best[1]


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_least_movement_is_the_best_of_all_and_rounded_by_less_than_one_unit(data):
    count = data.draw(st.integers(1, 4))
    some = st.lists(st.integers(0, 100), min_size=count, max_size=count)
    start, one, two = data.draw(some), data.draw(some), data.draw(some)
    weight = [w + 1 for w in data.draw(some)]
    low = [min(a, b) for a, b in zip(one, two, strict=True)]
    high = [max(a, b) for a, b in zip(one, two, strict=True)]
    total = data.draw(st.integers(sum(low), sum(high)))
    given_ = [pd.Series(v, [f"r{k}" for k in range(count)]) for v in (start, weight, low, high)]
    found = least_movement(*given_, total)
    assert found.sum() == total
    assert (found >= low).all() and (found <= high).all()
    exact = best_by_trying(start, weight, low, high, total)
    assert max(abs(f - e) for f, e in zip(found.tolist(), exact, strict=True)) < 1 + 1e-6


def test_units_left_over_go_to_different_people_and_ties_by_label():
    start = pd.Series({"c": 100, "a": 100, "b": 100})
    found = least_movement(start, start, start * 0, start * 2, 302)
    assert found.to_dict() == {"c": 100, "a": 101, "b": 101}


def test_least_movement_at_the_largest_amounts_keeps_every_unit():
    start = pd.Series(10**14 // 3, [f"r{k:02}" for k in range(40)])
    weight = pd.Series(np.linspace(0, 1, 40), start.index) ** 2
    total = int(start.sum()) + 12_345_678_901
    found = least_movement(start, weight, start * 0, start * 3, total)
    assert int(found.sum()) == total


def test_least_movement_refuses_a_total_out_of_reach():
    one = pd.Series({"a": 10})
    with pytest.raises(InfeasiblePlanError, match="30 units lie outside 10 to 20"):
        least_movement(one, one, one, one * 2, 30)


def test_a_plan_of_another_year_takes_its_own_proposals():
    plan = make_settings(rounding_unit=1000, starts_on=date(2025, 1, 1), ends_on=date(2025, 12, 31))
    told = [e for e in propose_from_table(GOALS, PROPOSALS, plan) if e.kind == "propose"]
    assert [(e.rep_id, e.amount) for e in told] == [("ann", 70_000)]
