"""ipywidgets views over a scenario, the talks and the answers; scenario file, log and table are the truth."""

from planning_kit.widgets.answers import answer_panel
from planning_kit.widgets.panel import what_if_panel
from planning_kit.widgets.register import register_panel
from planning_kit.widgets.talk import talk_panel

__all__ = ["answer_panel", "register_panel", "talk_panel", "what_if_panel"]
