"""The what-if panel: grid, levers and answer over a `Desk`; the page shows and sends, Python computes."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from planning_kit.output.cards import Cards
from planning_kit.output.charts import chart_allocation
from planning_kit.output.charts.live import live_goals, vega_module
from planning_kit.output.charts.renderer import chart_svg, draws_pictures
from planning_kit.output.shown import show_table
from planning_kit.walk import Step
from planning_kit.walk.what_if import WhatIf, scenario_of
from planning_kit.widgets.desk import Desk
from planning_kit.widgets.notes import note
from planning_kit.widgets.panel_view import panel_view
from planning_kit.widgets.static import as_image, with_static

_TITLE = "Goal and starting point by person"
_COLUMNS = ["rep", "base", "goal", "change", "chance", "held_by"]
_SCRIPTS = ("grid.js", "picture.js", "panel.js")
_STYLES = ("grid.css", "panel.css")


_LINKS = re.compile(r"^import .*?;\n|^export (?!default)", re.MULTILINE)


def _joined(names: tuple[str, ...]) -> str:
    """Put files together; a page is sent one module, so what links them goes."""
    texts = (Path(__file__).with_name(name).read_text("utf-8") for name in names)
    return _LINKS.sub("", "\n".join(texts))


class WhatIfPanel(anywidget.AnyWidget):
    """The panel as a widget: ``view`` is everything it shows.

    JupyterLab answers widgets on other threads than cells, so acts are done one after the other.
    """

    _esm = _joined(_SCRIPTS)
    _css = _joined(_STYLES)
    view = traitlets.Dict().tag(sync=True)
    chart = traitlets.Dict().tag(sync=True)

    def __init__(self, desk: Desk) -> None:
        self.desk, self.lock, self.seq = desk, threading.Lock(), 0
        chart = live_goals(desk.step.inputs.settings.currency)
        super().__init__(chart=chart, view=self._shown({}))
        self.on_msg(lambda _, message, __: self.hear(message))

    def hear(self, message: Any) -> None:
        """Do the acts of a message from the page, and show what comes out."""
        if not isinstance(message, Mapping):
            return
        if message.get("kind") == "vega":
            self.send({"kind": "vega"}, [vega_module()])
            return
        with self.lock:
            for act in message.get("acts") or ():
                self.desk.do(act if isinstance(act, Mapping) else {})
            self.view = self._shown(message)

    def _shown(self, message: Mapping[str, Any]) -> dict[str, Any]:
        self.seq += 1
        answered = {"client": message.get("client"), "acted": message.get("seq", 0)}
        return panel_view(self.desk) | answered | {"seq": self.seq}


def what_if_panel(step: Step, start: WhatIf | None = None) -> WhatIfPanel:
    """Make the panel for one region.

    Parameters
    ----------
    step
        The opened step; the panel reads it and never changes it.
    start
        The values it opens with; unsaved work on the scenario comes first where there are none.
    """
    begun = None if start is None or start == WhatIf() else scenario_of(step, start)
    panel = WhatIfPanel(Desk.open(step, begun))
    return with_static(panel, *_still(panel.desk))


def _still(desk: Desk) -> tuple[str, str]:
    """Write what stands where nobody can click, as HTML and as text."""
    answer, inputs = desk.answer, desk.step.inputs
    if answer.message:
        return note(answer.message, "#B00020"), answer.message
    currency = inputs.settings.currency
    people = inputs.with_names(answer.people)
    shown = Cards(answer.cards), show_table(people, _COLUMNS, unit=currency)
    chart = chart_allocation(people, "rep", _TITLE, currency).to_dict()
    image = as_image(chart_svg(chart), _TITLE) if draws_pictures() else ""
    cards, table = (one._repr_html_() for one in shown)
    return cards + image + table, "\n\n".join(map(repr, shown))
