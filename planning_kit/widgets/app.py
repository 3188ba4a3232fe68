"""The page of `planning-kit app`: the what-if panel and the talks of the regions somebody may see."""

from __future__ import annotations

import os
from collections.abc import Sequence

import ipywidgets as w

from planning_kit.agreement.log import APP_USER
from planning_kit.data import prepare
from planning_kit.messages import PlanningError
from planning_kit.output.cards import Cards
from planning_kit.output.charts import enable
from planning_kit.plan import load_plan
from planning_kit.walk.first_words import step_today
from planning_kit.walk.logged import log_end
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
from planning_kit.widgets.talk import talk_view

_OF_A_PERSON = {
    "What each step towards the other does": (talk_way, ""),
    "Goals and results of past years": (talk_history, ""),
    "Past proposals": (talk_proposals, "years proposed actual factor low_factor high_factor note"),
    "Evidence behind the proposal": (talk_evidence, ""),
    "Promises": (talk_promises, "promise owner until hours said_by"),
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
        os.environ[APP_USER] = user
        enable()
        self.plan = load_plan(plan_folder)
        self.prepared = prepare(self.plan)
        self.run, self.scenario = run, scenario
        names = list(regions or self.prepared.regions)
        self.region = w.Dropdown(options=names, value=region or names[0], description="region")
        self.tabs = w.Tab([w.VBox(), w.VBox()], titles=["What if", "One to one"], selected_index=0)
        self._steps: dict[tuple[str, str], NotebookStep] = {}
        self._shown: dict[int, str] = {}
        for chosen, name in ((self.region, "value"), (self.tabs, "selected_index")):
            chosen.observe(lambda _: self.open(), names=name)

    def step(self, number: str) -> NotebookStep:
        """Open a step of the region that is chosen; again only where the log has gone on."""
        key = number, self._state()
        if key not in self._steps:
            where = (self.plan, self.prepared, self.region.value, self.scenario)
            self._steps[key] = step_today(*where, number, self.run)
        return self._steps[key]

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

    def open(self) -> None:
        """Fill the tab that is looked at, unless what it shows is still so."""
        at = self.tabs.selected_index or 0
        # The talks read every new line by themselves.
        state = self.region.value if at else self._state()
        if self._shown.get(at) == state:
            return
        try:
            made = (
                talk_view(self.step("05"), more=_OF_A_PERSON)
                if at
                else what_if_panel(self.step("07"))
            )
        except PlanningError as error:
            made = w.HTML(note(str(error), "#B00020"))
        self.tabs.children[at].children = (made,)
        self._shown[at] = state

    def _state(self) -> str:
        """Say what a step was opened on: a region, and the last line of the log."""
        end = log_end(self.plan, self.plan.runs_folder / "draft")
        return f"{end['digest']} {self.region.value}"
