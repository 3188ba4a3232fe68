"""What a planner does to a scenario: acts, each undone and redone, kept as a draft."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from planning_kit.messages import DataError, PlanningError, UsageError, require_labels
from planning_kit.plan import Scenario
from planning_kit.walk import Step
from planning_kit.walk.edits import EDITED
from planning_kit.walk.levers import LEVERS
from planning_kit.walk.scenario_file import ScenarioFile
from planning_kit.walk.what_if import Answer, ask, edit_cells

NOW = "what is shown"  # names the unsaved work among the scenarios that are compared
_MOST_COMPARED = 5
_MOST_UNDONE = 500
Wrong = tuple[str, str]  # the text as it was typed, and what is wrong with it


@dataclass
class Desk:
    """A scenario in somebody's hands. Every change is another `Scenario`; undoing goes back to one.

    Attributes
    ----------
    step : Step
        The step of the scenario that was opened.
    file : ScenarioFile
        Where it is saved, and where its draft is kept.
    now : Scenario
        What is shown.
    past, future : list of Scenario
        What undo and redo go to, the next one last.
    wrong : dict
        Texts that could not be read, by rep_id and column, or by lever: kept to be corrected.
    person : str
        Whose steps are shown; empty: nobody's.
    compared : tuple of str
        Scenarios that are set side by side; `NOW` is the unsaved work.
    said : str
        What the last act did, or why it did not.
    """

    step: Step
    file: ScenarioFile
    now: Scenario
    past: list[Scenario] = field(default_factory=list)
    future: list[Scenario] = field(default_factory=list)
    wrong: dict[Any, Wrong] = field(default_factory=dict)
    person: str = ""
    compared: tuple[str, ...] = ()
    said: str = ""
    _dragged: str = ""  # the lever that is moved right now: its moves are one act

    @classmethod
    def open(cls, step: Step, start: Scenario | None = None) -> Desk:
        """Open the step's scenario, with the unsaved work that lies beside it.

        Parameters
        ----------
        start
            What is shown where there is no unsaved work; None: the scenario as it is.
        """
        file = ScenarioFile.open(step, step.scenario.name)
        desk = cls(step, file, start or step.scenario, said=file.notice)
        if file.draft is None:
            return desk
        if start in (None, step.scenario):
            desk.now, desk.past = file.draft, [step.scenario]
            desk.said = file.notice or "unsaved work of before; Reset goes back to the file."
        else:  # the next act takes the draft's place: the work is one step back, not lost
            desk.past = [step.scenario, file.draft]
            desk.said = file.notice or "there is unsaved work of before; Undo brings it back."
        return desk

    @property
    def answer(self) -> Answer:
        """Give what is shown by now."""
        return ask(self.step, self.now)

    def do(self, act: Mapping[str, Any]) -> None:
        """Do one act of the panel; what cannot be done is said, and changes nothing.

        Parameters
        ----------
        act
            ``act`` names it; what else it holds is checked like anything from outside.
        """
        acts: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "edit": self._edit,
            "lever": self._lever,
            "way": self._way,
            "undo": lambda _: self._back(self.past, self.future),
            "redo": lambda _: self._back(self.future, self.past),
            "reset": lambda _: self._change(self.step.scenario),
            "save": self._save,
            "take": lambda _: self._take(),
            "save_as": self._save_as,
            "duplicate": self._duplicate,
            "load": self._load,
            "open": self._open,
            "compare": self._compare,
            "use": lambda _: self._use(),
        }
        name = act.get("act")
        dragged, self._dragged, self.said = self._dragged, "", ""
        try:
            require_labels([str(name)], acts, "act")
            if name == "lever":
                self._dragged = dragged
            acts[str(name)](act)
        except PlanningError as error:
            self.said = str(error)

    def _change(self, scenario: Scenario, goes_on: bool = False) -> None:
        """Go to another scenario; ``goes_on``: the act before goes on, undo takes back both."""
        if scenario == self.now:
            return
        if not goes_on:
            self.past = [*self.past[1 - _MOST_UNDONE :], self.now]
        self.future, self.now = [], scenario
        self.file.keep(scenario)

    def _back(self, source: list[Scenario], other: list[Scenario]) -> None:
        if source:
            other.append(self.now)
            self.now = source.pop()
            self.wrong = {}
            self.file.keep(self.now)

    def _edit(self, act: Mapping[str, Any]) -> None:
        cells = _cells(act.get("cells"))
        scenario, errors = edit_cells(self.step, self.now, cells)
        for rep_id, column, text in cells:
            self.wrong.pop((rep_id, column), None)
            if (rep_id, column) in errors:
                self.wrong[rep_id, column] = (text, errors[rep_id, column])
        self._change(scenario)
        if errors:
            self.said = f"{len(errors)} of {len(cells)} cells could not be taken over; see there."

    def _lever(self, act: Mapping[str, Any]) -> None:
        key, text = str(act.get("key")), act.get("text")
        require_labels([key], LEVERS, "lever")
        goes_on, self._dragged = self._dragged == key, key if act.get("drag") else ""
        self.wrong.pop(key, None)
        try:
            value = None if text is None else LEVERS[key].typed(str(text))
            self._change(LEVERS[key].write(self.step, self.now, value), goes_on)
        except PlanningError as error:
            self.wrong[key] = (str(text), str(error))

    def _way(self, act: Mapping[str, Any]) -> None:
        ways, at = self.answer.ways, act.get("at")
        if not isinstance(at, int) or not 0 <= at < len(ways):
            raise UsageError("this way out is no longer offered.")
        self._change(ways[at].scenario)
        self.said = f"done: {ways[at].text}; Undo takes it back."

    def _save(self, act: Mapping[str, Any]) -> None:
        self._stop_without_result()
        self._is_saved(self.file.save(self.now, over=act.get("over") is True))

    def _stop_without_result(self) -> None:
        if self.answer.message:
            raise UsageError("not saved: these rules cannot all hold; take a way out first.")

    def _save_as(self, act: Mapping[str, Any]) -> None:
        self._stop_without_result()
        self._is_saved(self.file.save_as(str(act.get("name", "")), self.now))

    def _duplicate(self, act: Mapping[str, Any]) -> None:
        path = self.file.duplicate(str(act.get("name", "")))
        self.said = f"copied to: scenarios/{path.name}"

    def _is_saved(self, file: ScenarioFile) -> None:
        self._begin(file)
        self.said = f"written: scenarios/{file.path.name}"

    def _take(self) -> None:
        work = self.now
        self._begin(self.file.reread())
        self.past = [work]
        self.said = "the file as it is now; Undo brings your work back."

    def _load(self, act: Mapping[str, Any]) -> None:
        name = str(act.get("name", ""))
        require_labels([name], self.step.plan.scenario_names(), "scenario")
        file = ScenarioFile.open(self.step, name)
        self._begin(file)
        if file.draft is not None:
            self.past, self.now = [file.scenario], file.draft
        self.said = file.notice or f"opened: scenarios/{file.path.name}"

    def _begin(self, file: ScenarioFile) -> None:
        """Go on from a file as it is: what was done before is no longer undone."""
        step = self.step.other(self.step.inputs.name, file.scenario, self.step.folder)
        self.step, self.file, self.now = step, file, file.scenario
        self.past, self.future, self.wrong = [], [], {}

    def _open(self, act: Mapping[str, Any]) -> None:
        rep_id = act.get("id")
        if rep_id is not None:
            require_labels([str(rep_id)], self.answer.people["rep_id"], "rep")
        self.person = "" if rep_id is None else str(rep_id)

    def _compare(self, act: Mapping[str, Any]) -> None:
        names = act.get("names")
        if not isinstance(names, list) or len(names) > _MOST_COMPARED:
            raise UsageError(f"choose up to {_MOST_COMPARED} scenarios.")
        require_labels(map(str, names), [NOW, *self.step.plan.scenario_names()], "scenario")
        self.compared = tuple(map(str, names))

    def _use(self) -> None:
        unsaved = " (save first: what is shown is not in the file)" if self.is_changed else ""
        self.said = f"planning-kit run --scenario {self.file.name!r}{unsaved}"

    @property
    def is_changed(self) -> bool:
        """Whether what is shown is not what the file says."""
        return self.now != self.file.scenario


def _cells(cells: Any) -> list[tuple[str, str, str]]:
    is_list = isinstance(cells, list) and all(
        isinstance(cell, list) and len(cell) == 3 and all(isinstance(one, str) for one in cell)
        for cell in cells
    )
    if not is_list:
        raise DataError("cells are a list of rep_id, column and text.")
    require_labels([column for _, column, _ in cells], EDITED, "column")
    return [tuple(cell) for cell in cells]
