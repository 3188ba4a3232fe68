"""The page of `planning-kit app`: the what-if panel and the talks of the regions somebody may see."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import ipywidgets as w

from planning_kit.data import prepare
from planning_kit.messages import PlanningError
from planning_kit.output.cards import Cards
from planning_kit.output.charts import enable
from planning_kit.plan import load_plan
from planning_kit.walk.first_words import step_today
from planning_kit.walk.notebook import NotebookStep
from planning_kit.walk.one_on_one import (
    talk_evidence,
    talk_history,
    talk_promises,
    talk_proposals,
    talk_way,
)
from planning_kit.widgets.notes import note
from planning_kit.widgets.panel import what_if_panel
from planning_kit.widgets.talk import LOGIN, talk_view

_OF_A_PERSON = {
    "What each step towards the other does": talk_way,
    "Goals and results of past years": talk_history,
    "Past proposals": talk_proposals,
    "Evidence behind the proposal": talk_evidence,
    "Promises": talk_promises,
}


class App:
    """The page: a region, and for it the what-if and the talks.

    Nothing is worked out before it is looked at, and then what the run has already made is taken.

    Parameters
    ----------
    plan_folder
        Folder with plan.toml; empty: the one above here, else the sample plan.
    run
        Name of the run whose tables are taken; empty: the newest complete one.
    scenario
        Name of the scenario the page opens with.
    regions
        The regions that may be chosen; empty: all.
    region
        The one that is opened first; empty: the first.
    user
        Who is logged in; it is recorded with every move of a talk.
    """

    def __init__(
        self,
        plan_folder: str = "",
        run: str = "",
        scenario: str = "base",
        regions: Sequence[str] = (),
        region: str = "",
        user: str = "",
    ) -> None:
        os.environ[LOGIN] = user
        enable()
        self.plan = load_plan(plan_folder)
        self.prepared = prepare(self.plan)
        self.run, self.scenario = run, scenario
        names = list(regions or self.prepared.regions)
        self.region = w.Dropdown(options=names, value=region or names[0], description="region")
        self.tabs = w.Tab([w.VBox(), w.VBox()], titles=["What if", "One to one"], selected_index=0)
        self.region.observe(lambda _: self.turn(), names="value")
        self.tabs.observe(lambda _: self.open(), names="selected_index")

    def step(self, number: str) -> NotebookStep:
        """Open a step of the region that is chosen."""
        return step_today(
            self.plan, self.prepared, self.region.value, self.scenario, number, self.run
        )

    def answer(self) -> Cards:
        """Give the answer in one line, before there is anything to move."""
        return self.step("07").answer()

    def view(self) -> w.VBox:
        """Give the page."""
        self.open()
        choice = [self.region] if len(self.region.options) > 1 else []
        page = w.VBox([*choice, self.tabs])
        page.add_class("planning-kit-app")
        return page

    def turn(self) -> None:
        """Turn to another region."""
        for tab in self.tabs.children:
            tab.children = ()
        self.open()

    def open(self) -> None:
        """Fill the tab that is looked at, unless it is full."""
        made: list[Callable[[], w.Widget]] = [self.what_if, self.talk]
        at = self.tabs.selected_index or 0
        tab = self.tabs.children[at]
        if not tab.children:
            try:
                tab.children = (made[at](),)
            except PlanningError as error:
                tab.children = (w.HTML(note(str(error), "#B00020")),)

    def what_if(self) -> w.Widget:
        """Make the what-if of the region."""
        return what_if_panel(self.step("07"))

    def talk(self) -> w.Widget:
        """Make the talks of the region, that with the largest gap first."""
        return talk_view(self.step("05"), more=_OF_A_PERSON)
