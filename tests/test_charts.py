"""Every chart: title, unit, words for whoever does not see it; and a reason where there is none."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from planning_kit.messages import DataError
from planning_kit.output import charts
from planning_kit.output.shown import show_table
from tests.making import make_inputs, make_settings

PEOPLE = pd.DataFrame(
    {
        "rep": ["Ann", "Bob"],
        "goal": [100.0, 200.0],
        "actual": [90.0, 210.0],
        "base": [95.0, 190.0],
        "attainment": [0.9, 1.05],
        "chance": [0.4, 0.6],
        "proposed": [90.0, None],
        "agreed": [95.0, 205.0],
        "line": ["A", "B"],
    }
)
MONTHS = pd.DataFrame(
    {
        "month": pd.to_datetime(["2026-01-01", "2026-02-01"]),
        "expected": [1.0, 2.0],
        "low": [0.5, 1.0],
        "high": [2.0, 3.0],
        "last_year": [1.0, None],
        "goal_period": pd.to_datetime(["2025-01-01"] * 2),
        "goal": [1.0, 2.0],
        "actual": [1.0, 1.0],
        "attainment": [1.0, 0.5],
        "without_goal": [0.5, 0.0],
        "activity": ["coaching", "admin"],
        "hours": [3.0, 4.0],
        "hours_available": [5.0, 6.0],
    }
)
SWINGS = pd.DataFrame(
    {"assumption_id": ["a"], "effect_low": [-2.0], "effect_high": [3.0], "swing": [5.0]}
)
EFFECTS = pd.DataFrame(
    {
        "event_id": ["E1"],
        "kind": ["entry"],
        "effect_share": [-0.1],
        "low_share": [-0.2],
        "high_share": [0.0],
    }
)
STEPS = pd.DataFrame({"step": ["base", "growth", "rounding"], "amount": [100.0, 10.0, -1.0]})
FRONTIER = pd.DataFrame(
    {"over_assignment": [1.0, 1.1], "share_reaching": [0.5, 0.4], "team_chance": [0.5, 0.5]}
)
REGIONS = pd.DataFrame(
    {"region": ["N", "S"], "reviewed": [1.0, 2.0], "allocated": [2.0, 3.0], "target": [2.0, 3.0]}
)
YEARS = pd.DataFrame(
    {
        "rep": ["A", "A", "B"],
        "month": pd.to_datetime(["2025-01-01", "2025-02-01", "2025-01-01"]),
        "review": [3.0, 4.0, 9.0],
        "previous": [2.0, None, 8.0],
    }
)
TARGET = pd.DataFrame({"expected": [10.0], "low": [8.0], "high": [12.0], "target": [11.0]})

DRAWN = {
    "attainment": lambda t: charts.chart_attainment(t, "rep", "T"),
    "allocation": lambda t: charts.chart_allocation(t, "rep", "T", "EUR"),
    "chances": lambda t: charts.chart_chances(t, "rep", "T"),
    "agreement": lambda t: charts.chart_agreement(t, "rep", "T", "EUR"),
    "heat": lambda t: charts.chart_heat(t, "rep", "line", "attainment", "T"),
}
OVER_MONTHS = {
    "baseline": lambda t: charts.chart_baseline(t, "T", "EUR"),
    "history": lambda t: charts.chart_goal_history(t, "T"),
    "months": lambda t: charts.chart_months(t, {"goal": "goal"}, "T", "EUR"),
    "hours": lambda t: charts.chart_hours(t, t, "T"),
}
OTHERS = {
    "swings": (lambda t: charts.chart_swings(t, "T", "EUR"), SWINGS),
    "effects": (lambda t: charts.chart_effects(t, "T"), EFFECTS),
    "steps": (lambda t: charts.chart_steps(t, "T", "EUR"), STEPS),
    "years": (lambda t: charts.chart_years(t, "rep", "T", "EUR"), YEARS),
    "frontier": (lambda t: charts.chart_frontier(t, "T"), FRONTIER),
    "regions": (lambda t: charts.chart_regions(t, "T", "EUR"), REGIONS),
    "targets": (lambda t: charts.chart_targets(t, "T", "EUR"), TARGET),
}
ALL = {
    **{k: (f, PEOPLE) for k, f in DRAWN.items()},
    **{k: (f, MONTHS) for k, f in OVER_MONTHS.items()},
    **OTHERS,
}


@pytest.mark.parametrize("name", ALL)
def test_a_chart_has_title_and_words_and_can_be_drawn(name: str):
    draw, table = ALL[name]
    spec = draw(table).to_dict()
    assert spec["title"] == "T" and any(c.isdigit() for c in spec["description"])
    assert charts.renderer.chart_svg(spec).startswith("<svg")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [3, 22, 23, 60])
def test_labels_that_no_limit_cuts_are_drawn_the_same_without_measuring(name, width, monkeypatch):
    charts.enable()
    draw, table = ALL[name]
    wide = table.replace({"Ann": "W" * width, "A": "国" * width, "entry": "m" * width})
    spec = draw(wide).to_dict()
    drawn = charts.renderer.chart_svg(spec)
    monkeypatch.setattr(charts.renderer, "_SURELY_SHORT", -1)
    assert drawn == charts.renderer.chart_svg(spec)


@pytest.mark.parametrize("name", ALL)
def test_without_rows_the_reason_is_drawn(name: str):
    draw, table = ALL[name]
    spec = draw(table.iloc[:0]).to_dict()
    assert spec["mark"]["type"] == "text" and spec["description"]


def test_a_waterfall_ends_where_its_steps_add_up_to():
    chart = charts.chart_steps(STEPS, "T", "EUR")
    assert chart.to_dict()["description"].endswith("= result 109.")


def test_a_heat_map_has_its_margins_last():
    pairs = pd.DataFrame({"rep": ["z", "a"], "line": ["L", "L"], "attainment": [0.9, 1.1]})
    totals = [pairs[["rep", "attainment"]], pd.DataFrame({"attainment": [1.0]})]
    spec = charts.chart_heat(pairs, "rep", "line", "attainment", "T", totals).to_dict()
    axes = spec["layer"][0]["encoding"]
    assert axes["y"]["sort"] == ["a", "z", "all"] and axes["x"]["sort"] == ["L", "all"]
    assert spec["description"].startswith("2 pairs; the lowest is z / L")


def test_results_without_a_goal_stand_on_the_bars_and_in_the_words():
    nowhere = pd.DataFrame({"goal_period": [pd.NaT], "without_goal": [7.0]})
    table = pd.concat([MONTHS.iloc[:1], nowhere], ignore_index=True)
    spec = charts.chart_goal_history(table, "T", "EUR").to_dict()
    said = (
        "Results of people without a goal then: 8 EUR, 7 of it in no goal period, in no attainment."
    )
    assert spec["description"].endswith(said)
    names = spec["layer"][0]["encoding"]["color"]["scale"]["domain"]
    assert names == ["result of people with a goal", "result of people without a goal"]
    assert spec["title"]["subtitle"] == "not in the bars: 7 EUR in no goal period"
    alone = charts.chart_goal_history(MONTHS.assign(without_goal=0.0), "T", "EUR").to_dict()
    assert "without a goal" not in alone["description"]
    assert alone["layer"][0]["encoding"]["color"]["legend"] is None


def test_small_panels_stand_by_size_and_say_what_is_left_out():
    names = [f"P{number:02d}" for number in range(30)]
    table = pd.DataFrame(
        {"rep": names, "month": pd.Timestamp("2025-01-01"), "review": range(30), "previous": 1.0}
    )
    spec = charts.chart_years(table, "rep", "T", "EUR").to_dict()
    assert spec["facet"]["sort"][:2] == ["P29", "P28"] and len(spec["facet"]["sort"]) == 24
    assert "6 smaller ones are left out" in spec["description"]


@pytest.mark.parametrize("name", ALL)
def test_the_same_table_gives_the_same_chart(name: str):
    draw, table = ALL[name]
    assert draw(table).to_dict() == draw(table.copy()).to_dict()


def test_shown_numbers_are_readable_and_empty_is_a_dash():
    table = pd.DataFrame(
        {
            "rep_id": ["<b>x</b>", None],
            "goal": [1234567.891, None],
            "attainment": [0.9345, None],
            "small": [0.012, -0.0],
            "month": pd.to_datetime(["2026-01-01", None]),
            "fits": [True, False],
        }
    )
    shown = show_table(table, unit="EUR")
    assert shown.rows == (
        ("<b>x</b>", "1,234,568", "93.5 %", "0.012", "2026-01", "yes"),
        ("–", "–", "–", "0", "–", "no"),
    )
    assert "<b>" not in shown._repr_html_() and "Amounts in EUR" in shown._repr_html_()


def test_long_tables_say_how_many_rows_are_left_out():
    assert show_table(pd.DataFrame({"n": range(50)}), most=10).more == "and 40 more rows"


# --- the chart of a table, chosen by its columns -------------------------------------------------

REGION = make_inputs(
    settings=make_settings(currency="SEK"),
    reps="rep_id rep_name\nR01 Ann\nR02 Bob",
    sales="sold_on rep_id amount\n2025-03-01 R01 100",
)
BY_PERSON = (
    PEOPLE.rename(columns={"line": "product_line"})
    .assign(rep_id=["R01", "R02"])
    .drop(columns="rep")
)
BRIDGE = pd.DataFrame(
    {"before": [100.0], "after": [109.0], "price": [10.0], "volume": [0.0], "mix": [-1.0]}
).assign(new=0.0, discontinued=0.0, other=0.0)
CHOSEN = {
    "steps": STEPS.assign(rep="Ann"),
    "bridge": BRIDGE,
    "goal_history": MONTHS[["goal_period", "goal", "actual", "attainment", "without_goal"]],
    "event_path": pd.DataFrame(
        {"event_id": "E1", "months_after": [-1, 0], "affected_share": [0.1, 0.0]}
    ).assign(unaffected_share=0.1),
    "effects": EFFECTS,
    "swings": SWINGS,
    "frontier": FRONTIER,
    "buckets": pd.DataFrame({"bucket": ["small"], "people": [3], "verdict": ["fair"]}).assign(
        least=0.8, low=0.9, median=1.0, high=1.1, most=1.2
    ),
    "targets": TARGET,
    "regions": REGIONS,
    "years": YEARS,
    "baseline": MONTHS[["month", "expected", "low", "high", "last_year"]],
    "hours": MONTHS[["month", "activity", "hours"]],
    "heat": BY_PERSON[["rep_id", "product_line", "attainment"]],
    "attainment": BY_PERSON[["rep_id", "attainment", "goal", "actual"]],
    "agreement": BY_PERSON[["rep_id", "goal", "proposed"]].assign(suggested=100.0),
    "months": MONTHS[["month", "goal"]],
    "allocation": BY_PERSON[["rep_id", "product_line", "base", "goal"]],
    "chances": BY_PERSON[["rep_id", "chance"]],
}


@pytest.mark.parametrize("kind", CHOSEN)
def test_the_chart_follows_from_the_columns(kind: str):
    drawn = charts.chart_for(CHOSEN[kind], region=REGION).to_dict()
    named = charts.chart_for(CHOSEN[kind], region=REGION, kind=kind, title="T").to_dict()
    assert named["title"] == "T" and drawn["title"] not in ("", "T")
    assert drawn["description"] == named["description"]  # the same chart
    assert charts.renderer.chart_svg(drawn).startswith("<svg")
    words = json.dumps(drawn)
    assert "R01" not in words and "EUR" not in words
    if kind in ("steps", "swings", "targets", "attainment", "allocation", "goal_history"):
        assert "SEK" in words


def test_a_table_of_cells_is_drawn_by_person():
    cells = pd.concat([CHOSEN["allocation"]] * 2, ignore_index=True)
    drawn = charts.chart_for(cells, region=REGION).to_dict()
    assert drawn["description"].startswith("2 goals, 600 SEK in all")
    assert drawn["title"] == "Goal and starting point by person"


def test_columns_choose_what_is_drawn_by_month():
    table = MONTHS[["month"]].assign(presentations=[3, 4], proposals=[1, 2], goal=5.0)
    drawn = charts.chart_for(table, "presentations proposals", region=REGION).to_dict()
    assert drawn["title"] == "Presentations, proposals by month"
    assert drawn["encoding"]["y"]["title"] == "count"
    with pytest.raises(DataError, match="'goal', 'proposals' are count and money"):
        charts.chart_for(table, "goal proposals", region=REGION)
    with pytest.raises(DataError, match="did you mean 'proposals'"):
        charts.chart_for(table, "proposal", region=REGION)


def test_what_cannot_be_drawn_says_what_can():
    with pytest.raises(DataError, match=r"no chart is known .*'note'.* attainment \(a name, "):
        charts.chart_for(pd.DataFrame({"note": ["x"]}), region=REGION)
    with pytest.raises(DataError, match="did you mean 'chances'"):
        charts.chart_for(PEOPLE, region=REGION, kind="chance")
    with pytest.raises(DataError, match="'hours' needs month, activity, hours as well"):
        charts.chart_for(PEOPLE, region=REGION, kind="hours")
    with pytest.raises(DataError, match=r"2 people .* choose one"):
        charts.chart_for(STEPS.assign(rep=["Ann", "Bob", "Bob"]), region=REGION)
    twice = pd.concat([CHOSEN["baseline"]] * 2)
    with pytest.raises(DataError, match="4 rows have 2 months"):
        charts.chart_for(twice, region=REGION)


def test_hours_stand_against_those_there_are_and_no_two_activities_share_a_colour():
    many = pd.DataFrame({"activity": [f"work_{n}" for n in range(9)], "hours": range(9)})
    many["month"] = pd.Timestamp("2026-01-01")
    there = MONTHS[["month", "hours_available"]]
    spec = charts.chart_for(many, region=REGION, beside=[there]).to_dict()
    assert spec["description"] == "36 hours planned of 11 there are in the year."
    colours = spec["layer"][0]["encoding"]["color"]["scale"]
    assert len(set(colours["range"])) == len(colours["domain"]) == 8  # 0 hours are no bar


def test_an_activity_has_the_same_colour_in_the_plan_and_in_the_year_before():
    spent = pd.DataFrame({"activity": ["coaching", "admin"], "planned_hours": [9.0, 5.0]})
    spent = spent.assign(actual_hours=[4.0, 8.0], month=pd.Timestamp("2025-01-01"))
    before = charts.chart_for(spent, region=REGION).to_dict()
    assert before["description"] == "12 hours spent of 14 planned."
    assert before["layer"][1]["encoding"]["y"]["field"] == "planned_hours"
    planned = pd.DataFrame({"activity": ["coaching", "planning"], "hours": [1.0, 9.0]})
    plan = charts.chart_for(planned.assign(month=pd.Timestamp("2026-01-01")), region=REGION)
    scales = [spec["encoding"]["color"]["scale"] for spec in (before["layer"][0], plan.to_dict())]
    first, second = (dict(zip(s["domain"], s["range"], strict=True)) for s in scales)
    assert first["coaching"] == second["coaching"] != first["admin"]


def test_amounts_in_billions_are_said_as_planners_say_them_and_halves_as_halves():
    large = charts.chart_steps(STEPS.assign(amount=[2e9, 1e8, -1e7]), "T", "JPY").to_dict()
    axis = large["layer"][0]["encoding"]["x"]["axis"]
    assert "'bn'" in axis["labelExpr"]
    assert "bn</text>" in charts.renderer.chart_svg(large)
    small = charts.chart_months(MONTHS.assign(goal=0.5), {"goal": "goal"}, "T", "count").to_dict()
    assert "m</text>" not in charts.renderer.chart_svg(small)


def test_a_tooltip_says_headings_units_and_each_number_as_what_it_is():
    spec = charts.chart_attainment(PEOPLE, "rep", "T", "EUR").to_dict()
    tips = {tip["field"]: tip for tip in spec["layer"][2]["encoding"]["tooltip"]}
    assert tips["actual"]["title"] == "result, EUR" and tips["actual"]["format"] == ",.0f"
    assert tips["attainment"]["format"] == ".1%" and tips["rep"]["title"] == "person"
