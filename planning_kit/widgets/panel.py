"""The what-if panel: sliders over a scenario, target, allocated and gap always in view."""

from __future__ import annotations

import threading
from typing import Any

import ipywidgets as w

from planning_kit.messages import PlanningError
from planning_kit.output.charts import chart_allocation
from planning_kit.output.charts.renderer import chart_svg, draws_pictures
from planning_kit.output.shown import show_table
from planning_kit.walk import Step
from planning_kit.walk.scenario_file import write_scenario
from planning_kit.walk.what_if import WhatIf, scenario_of, what_if

_COLUMNS = ["rep", "base", "before", "goal", "change", "change_share", "chance"]
_WIDE = w.Layout(width="560px")
_LABEL = {"description_width": "270px"}


class _Panel:
    """Holds the controls; only the newest values are ever shown.

    JupyterLab answers widgets on another thread than cells, so drawing is locked, and a result
    that was overtaken by newer values is thrown away.
    """

    def __init__(self, step: Step, start: WhatIf) -> None:
        self.step, self.start = step, start
        self.lock, self.asked = threading.Lock(), 0
        self.target = _share("change of the target", start.target_change, -0.3, 0.3, "+.0%")
        self.up = _share("largest rise (0: as in scenario)", start.most_up, 0.0, 1.0)
        self.down = _share("largest fall (0: as in scenario)", start.most_down, 0.0, 1.0)
        self.name = w.Text(
            "", description="scenario name", placeholder="stretch", layout=_WIDE, style=_LABEL
        )
        self.apply = w.Button(description="Apply", tooltip="Write these values as a scenario file")
        self.reset = w.Button(description="Reset", tooltip="Back to the values it opened with")
        self.line = w.HTML()
        self.message = w.HTML()
        self.picture = w.HTML()
        self.table = w.HTML()
        for text in (self.line, self.table):  # tables look as they do under a cell
            text.add_class("jp-RenderedHTMLCommon")
        for control in (self.target, self.up, self.down):
            control.observe(lambda _: self.draw(), names="value")
        self.apply.on_click(lambda _: self.save())
        self.reset.on_click(lambda _: self.restore())

    def values(self) -> WhatIf:
        return WhatIf(self.target.value, self.up.value, self.down.value)

    def draw(self) -> None:
        self.asked += 1
        mine = self.asked
        with self.lock:
            if mine != self.asked:
                return
            result = what_if(self.step, self.values())
            if result.message:
                self.message.value = note(result.message, "#B00020")
                self.line.value = self.picture.value = self.table.value = ""
                return
            self.message.value = ""
            self.line.value = show_table(result.summary)._repr_html_()
            people = self.step.inputs.with_names(result.people)
            currency = self.step.inputs.settings.currency
            self.table.value = show_table(people, _COLUMNS, unit=currency)._repr_html_()
            if not draws_pictures():
                return
            chart = chart_allocation(people, "rep", "Goal and starting point by person", currency)
            self.picture.value = chart_svg(chart.to_dict())

    def restore(self) -> None:
        self.target.value = self.start.target_change
        self.up.value, self.down.value = self.start.most_up, self.start.most_down
        self.message.value = ""

    def save(self) -> None:
        try:
            path = write_scenario(self.step, self.name.value, scenario_of(self.step, self.values()))
        except PlanningError as error:
            self.message.value = note(str(error), "#B00020")
            return
        self.message.value = note(f"written: scenarios/{path.name}", "#00612E")

    def view(self) -> w.VBox:
        controls = w.VBox(
            [self.target, self.up, self.down, w.HBox([self.name, self.apply, self.reset])]
        )
        return w.VBox([controls, self.message, self.line, self.picture, self.table])


def _share(label: str, value: float, least: float, most: float, shown: str = ".0%") -> Any:
    return w.FloatSlider(
        value=value,
        min=least,
        max=most,
        step=0.01,
        description=label,
        readout_format=shown,
        continuous_update=False,
        layout=_WIDE,
        style=_LABEL,
    )


def note(text: str, colour: str) -> str:
    """Say something below the controls, in a colour that stands on white in a dark theme too."""
    import html

    style = f"color:{colour};background:#FFFFFF;padding:0 0.5em"
    return f'<p role="status"><span style="{style}">{html.escape(text)}</span></p>'


def what_if_panel(step: Step, start: WhatIf | None = None) -> w.VBox:
    """Make the panel for one region.

    Parameters
    ----------
    step
        The opened step; the panel reads it and never changes it.
    start
        The values it opens with, which *Reset* brings back.
    """
    panel = _Panel(step, start or WhatIf())
    panel.draw()
    return panel.view()
