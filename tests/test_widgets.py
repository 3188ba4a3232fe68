"""The what-if panel: a view of a scenario that never breaks and loses nothing."""

from __future__ import annotations

import tomllib

import pytest

from planning_kit.messages import UsageError
from planning_kit.outlook import read_assumptions
from planning_kit.plan import SECTIONS, Plan, Scenario, load_scenario
from planning_kit.walk import Step, open_step
from planning_kit.walk.scenario_file import write_scenario
from planning_kit.walk.what_if import WhatIf, compare_scenarios, scenario_of, what_if
from planning_kit.widgets import register_panel


@pytest.fixture
def step(sample: Plan, tmp_path, monkeypatch) -> Step:
    monkeypatch.setenv("PLANNING_CHARTS", "both")
    return open_step(
        "07_what_if", region="West", plan_folder=str(sample.folder), run_folder=str(tmp_path)
    )


def value(result, what: str) -> str:
    return result.summary.set_index("what")["value"][what]


def save_scenario(step, name: str, change: WhatIf):
    """Write a what-if as a scenario file."""
    return write_scenario(step, name, scenario_of(step, change))


def test_without_a_change_it_is_the_scenario(step: Step):
    result = what_if(step)
    assert (result.people["change"] == 0).all() and value(result, "gap") == "0 EUR"


def test_a_higher_target_is_allocated_to_the_unit(step: Step):
    result = what_if(step, WhatIf(target_change=0.02))
    wanted = round(step.inputs.target * 1.02 / 100) * 100
    assert round(result.people["goal"].sum()) == wanted
    assert result.people["chance"].mean() < what_if(step).people["chance"].mean()


def test_limits_that_cannot_hold_are_said_and_nothing_breaks(step: Step):
    result = what_if(step, WhatIf(target_change=0.3, most_up=0.01))
    assert result.summary.empty and "what if: largest change" in result.message


def test_apply_writes_a_scenario_that_gives_the_same_goals(step: Step):
    change = WhatIf(target_change=0.01, most_up=0.25, most_down=0.1)
    path = save_scenario(step, "trial", change)
    scenario = load_scenario(path)
    again = open_step(
        "03",
        region="West",
        plan_folder=str(step.plan.folder),
        run_folder=str(step.folder.parent / "again"),
        scenario="trial",
    )
    assert scenario.name == "trial"
    expected = what_if(step, change).people.set_index("rep_id")["goal"]
    found = again.table("allocation").groupby("rep_id")["goal"].sum()
    assert found.to_dict() == expected.to_dict()


@pytest.mark.parametrize("name", ["", "../up", "base", "a/b"])
def test_a_name_that_is_taken_or_no_name_is_refused(step: Step, name: str):
    before = sorted((step.plan.folder / "scenarios").iterdir())
    with pytest.raises(UsageError):
        save_scenario(step, name, WhatIf())
    assert sorted((step.plan.folder / "scenarios").iterdir()) == before


def test_what_is_written_reads_back(sample: Plan):
    for name in sample.scenario_names():
        scenario = sample.scenario(name)
        assert Scenario.parse(name, tomllib.loads(scenario.to_toml())) == scenario


def test_scenarios_stand_side_by_side(step: Step):
    table = compare_scenarios(step).set_index("scenario")
    assert table.index.tolist() == ["base", "cautious", "stretch"]
    assert (
        table.loc["stretch", "target"]
        > table.loc["base", "target"]
        > table.loc["cautious", "target"]
    )
    assert (table["allocated"] == table["target"]).all()


# --- the register ----------------------------------------------------------------------------


class Form:
    """The register's form by the names of its fields, as somebody who clicks sees it."""

    def __init__(self, step: Step) -> None:
        box = register_panel(step)
        box.children[0].click()
        (view,) = box.children
        self.table, self.below, self.message, self.line = view.children

    def rows(self) -> dict[str, list]:
        return {row.children[1].children[0].value: row.children for row in self.table.children[1:]}

    def press(self, name: str) -> None:
        next(b for b in self.below.children if getattr(b, "description", "") == name).click()


def test_the_register_is_edited_in_the_notebook_and_written_as_a_scenario(step: Step):
    form = Form(step)
    rows, before = form.rows(), form.line.value
    assert set(rows) == {a.assumption_id for a in read_assumptions(step.inputs, step.scenario)}
    _, _, low, base, high, _, actual, owner, _, _ = rows["market"]
    high.value, base.value, low.value = "0.09", "0.08", "0.07"
    actual.value, owner.value = "0.075", "Ann"
    assert form.line.value != before and form.message.value == ""
    form.below.children[3].value = "bold"
    form.press("Apply")
    assert "written: scenarios/bold.toml" in form.message.value
    again = step.other("West", step.plan.scenario("bold"), step.folder)
    market = next(
        a for a in read_assumptions(again.inputs, again.scenario) if a.assumption_id == "market"
    )
    assert (market.low, market.base, market.high, market.actual) == (0.07, 0.08, 0.09, 0.075)
    assert market.owner == "Ann" and market.status == "this plan"
    others = set(SECTIONS) - {"assumptions", "name"}
    assert again.scenario.digest(others) == step.scenario.digest(others)
    assert again.outlook().expected.sum() > step.outlook().expected.sum()


def test_a_wrong_value_is_named_and_reset_brings_everything_back(step: Step):
    form = Form(step)
    before = form.line.value
    form.rows()["market"][2].value = "0.5"
    assert "are not in this order" in form.message.value and form.line.value == before
    form.rows()["market"][2].value = "much"
    assert "write a number" in form.message.value
    form.below.children[3].value = "bad"
    form.press("Apply")
    assert "bad" not in step.plan.scenario_names()
    form.press("Reset")
    assert form.line.value == before and form.message.value == ""


def test_assumptions_are_added_and_taken_out(step: Step):
    form = Form(step)
    form.press("Add")
    assert "id of its own" in form.message.value
    driver, name = form.below.children[:2]
    driver.value, name.value = "working_days", "days"
    form.press("Add")
    assert form.rows()["days"][1].children[1].value == "working_days" and form.message.value == ""
    form.rows()["market"][0].value = False
    form.below.children[3].value = "other"
    form.press("Apply")
    found = step.plan.scenario("other").assumptions
    assert "days" in found and "market" not in found


def test_a_register_taken_over_from_last_year_becomes_this_plans(step: Step):
    carried = step.other("West", Scenario.parse("none", {}), step.folder)
    form = Form(carried)
    form.below.children[3].value = "confirmed"
    form.press("Apply")
    read = read_assumptions(step.inputs, step.plan.scenario("confirmed"))
    assert len(read) == 9 and {a.status for a in read} == {"this plan"}


def test_what_is_not_touched_comes_back_as_it_was(step: Step):
    content = {
        "assumptions": {
            "m": {
                "driver": "market_growth",
                "low": 0.0123456789,
                "base": 0.02,
                "high": 0.0333333333,
            }
        }
    }
    form = Form(step.other("West", Scenario.parse("fine", content), step.folder))
    form.below.children[3].value = "same"
    form.press("Apply")
    written = step.plan.scenario("same").assumptions["m"]
    assert (written.low, written.high) == (0.0123456789, 0.0333333333)


def test_a_moved_target_is_split_again_after_the_allocation_was_written(sample, tmp_path):
    def opened(notebook: str):
        return open_step(notebook, "West", str(sample.folder), str(tmp_path))

    opened("03_target_allocation").write()
    step = opened("07_what_if")
    as_written = what_if(step, WhatIf()).people
    moved = what_if(step, WhatIf(target_change=0.05))
    said = dict(zip(moved.summary["what"], moved.summary["value"], strict=True))
    assert said["target"] == said["allocated"] and said["gap"] == "0 EUR"
    assert moved.people["goal"].sum() > as_written["goal"].sum()
    both = moved.people["chance"].notna()
    assert (moved.people["chance"] < as_written["chance"])[both].any()


def test_a_split_does_not_estimate_again_what_the_assumptions_left(sample, tmp_path, monkeypatch):
    opened = [
        open_step(notebook, "West", str(sample.folder), str(tmp_path))
        for notebook in ("02_assumptions", "07_what_if")
    ]
    opened[0].write()
    moved = what_if(opened[1], WhatIf(target_change=0.05, most_up=0.5))
    origins = dict(opened[1].origins().to_numpy().tolist())
    assert not moved.message and origins["cells"] == "written by 02_assumptions"
