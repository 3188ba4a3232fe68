"""The register of assumptions as a form: change it, see what it is worth, write a scenario."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ipywidgets as w

from planning_kit.messages import PlanningError, UsageError
from planning_kit.outlook import ChanceOfTarget, coming_year, read_assumptions
from planning_kit.outlook.register import entry_of, with_register
from planning_kit.plan import DRIVERS, Scenario
from planning_kit.walk import Step
from planning_kit.walk.scenario_file import write_scenario
from planning_kit.widgets.notes import note

_COLUMNS = {
    "": "24px",
    "assumption": "128px",
    "low": "60px",
    "base": "60px",
    "high": "60px",
    "unit": "50px",
    "actual": "60px",
    "owner": "104px",
    "evidence": "110px",
    "check on": "132px",
}
_NUMBERS = ("low", "base", "high", "actual")
_SAME = ("statement", "driver", "unit", "territories", "product_line")


def save_register(step: Step, name: str, entries: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write the register with the rest of the scenario as ``scenarios/<name>.toml``.

    Raises
    ------
    PlanningError
        The name is empty or taken, or the register has faults: all of them named.
    """
    return write_scenario(step, name, with_register(step.scenario, entries))


class _Row:
    """The fields of one assumption."""

    def __init__(self, name: str, entry: Mapping[str, Any], changed: Any) -> None:
        self.name, self.entry = name, dict(entry)
        self.keep = w.Checkbox(True, indent=False, tooltip="Untick to take it out")
        self.numbers = {k: w.Text(_shown(entry.get(k))) for k in _NUMBERS}
        self.owner, self.evidence = (w.Text(entry.get(k, "")) for k in ("owner", "evidence"))
        self.check_on = w.DatePicker(value=entry.get("check_on"))
        unit = DRIVERS[entry["driver"]].unit
        names = w.VBox([_words(name, entry.get("statement", "")), _words(entry["driver"])])
        fields = [
            self.keep,
            names,
            *(self.numbers[k] for k in ("low", "base", "high")),
            _words(unit),
            self.numbers["actual"],
            self.owner,
            self.evidence,
            self.check_on,
        ]
        for field, width in zip(fields, _COLUMNS.values(), strict=True):
            field.layout = _fixed(width)
        for field in (self.keep, *self.numbers.values()):
            field.continuous_update = False
            field.observe(lambda _: changed(), names="value")
        self.view = w.HBox(fields)

    def read(self) -> dict[str, Any]:
        entry = {k: v for k, v in self.entry.items() if k in _SAME}
        entry |= {
            k: _number(self.name, k, field.value)
            for k, field in self.numbers.items()
            if field.value.strip()
        }
        entry |= {"owner": self.owner.value, "evidence": self.evidence.value}
        entry["check_on"] = self.check_on.value
        return {k: v for k, v in entry.items() if v not in ("", None)}


def _fixed(width: str) -> w.Layout:
    return w.Layout(width=width, flex=f"0 0 {width}")  # else a narrow window cuts the labels


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.12g}"  # what is not touched must come back as it was


def _words(text: str, tip: str = "") -> w.Label:
    return w.Label(text, tooltip=tip or text)


def _number(name: str, key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name}: {key} is {text!r}; write a number, with a point for decimals.")
    return value


class _Form:
    """Holds the rows; JupyterLab answers widgets on another thread, so drawing is locked."""

    def __init__(self, step: Step) -> None:
        self.step, self.lock = step, threading.Lock()
        known = [a for a in read_assumptions(step.inputs, step.scenario) if a.moves]
        self.opened = {a.assumption_id: entry_of(a) for a in known}
        self.before = self.chance(self.opened)
        self.rows: list[_Row] = []
        self.table, self.line, self.message = w.VBox(), w.HTML(), w.HTML()
        self.driver = w.Dropdown(options=list(DRIVERS), layout=w.Layout(width="180px"))
        self.id = w.Text(placeholder="id of a new one", layout=w.Layout(width="180px"))
        self.name = w.Text(placeholder="scenario name", layout=w.Layout(width="180px"))
        buttons = {"Add": self.add, "Apply": self.save, "Reset": self.restore}
        tips = ("Add an assumption", "Write as a scenario file", "Back to what it opened with")
        self.buttons = [
            w.Button(description=k, tooltip=t, layout=w.Layout(width="90px"))
            for k, t in zip(buttons, tips, strict=True)
        ]
        for button, act in zip(self.buttons, buttons.values(), strict=True):
            button.on_click(lambda _, act=act: self.guarded(act))
        self.restore()

    def guarded(self, act: Any) -> None:
        with self.lock:
            try:
                act()
            except PlanningError as error:
                self.message.value = note(str(error), "#B00020")

    def entries(self) -> dict[str, dict[str, Any]]:
        return {row.name: row.read() for row in self.rows if row.keep.value}

    def fill(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self.rows = [_Row(k, v, lambda: self.guarded(self.draw)) for k, v in entries.items()]
        head = [w.HTML(f"<b>{k}</b>", layout=_fixed(v)) for k, v in _COLUMNS.items()]
        self.table.children = (w.HBox(head), *(row.view for row in self.rows))

    def chance(self, entries: Mapping[str, Mapping[str, Any]]) -> ChanceOfTarget:
        scenario = with_register(self.step.scenario, entries)
        return coming_year(self.step.inputs, scenario).chance(self.step.inputs.target)

    def draw(self) -> None:
        now, before = self.chance(self.entries()), self.before
        money = self.step.inputs.settings.currency
        self.message.value = ""
        self.line.value = (
            f"expected <b>{now.expected:,.0f} {money}</b> ({now.expected - before.expected:+,.0f}); "
            f"the region reaches {now.target:,.0f} in <b>{now.probability:.0%}</b> of the years "
            f"(as opened: {before.probability:.0%})"
        )

    def add(self) -> None:
        name, driver = self.id.value.strip(), DRIVERS[self.driver.value]
        last = read_assumptions(self.step.inputs, Scenario())  # last year's, taken over
        if not name or name in {row.name for row in self.rows}:
            raise UsageError("give the new assumption an id of its own.")
        alike = [entry_of(a) for a in last if a.driver == driver.name]
        value = driver.most if driver.moves == "ratio" else max(driver.least, 0.0)
        entry = (
            alike[0]
            if alike
            else {"driver": driver.name, "unit": driver.unit, **dict.fromkeys(_NUMBERS[:3], value)}
        )
        self.fill({**{row.name: row.read() for row in self.rows}, name: entry})
        self.draw()

    def restore(self) -> None:
        self.fill(self.opened)
        self.draw()

    def save(self) -> None:
        path = save_register(self.step, self.name.value, self.entries())
        self.message.value = note(f"written: scenarios/{path.name}", "#00612E")

    def view(self) -> w.VBox:
        add, apply, reset = self.buttons
        below = w.HBox([self.driver, self.id, add, self.name, apply, reset])
        return w.VBox([self.table, below, self.message, self.line])


def register_panel(step: Step) -> w.VBox:
    """Give a button that opens the form for the scenario's register; the file stays the truth.

    The form is a hundred fields: it is made when somebody asks for it, not in every batch.

    Parameters
    ----------
    step
        The opened step; the form reads it and never changes it.
    """
    button = w.Button(description="Edit the register", layout=w.Layout(width="180px"))
    box = w.VBox([button])
    button.on_click(lambda _: setattr(box, "children", (_Form(step).view(),)))
    return box
