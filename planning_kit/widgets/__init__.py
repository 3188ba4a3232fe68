"""ipywidgets views over a scenario and over the talks; scenario file and log are the truth."""

from planning_kit.widgets.panel import what_if_panel
from planning_kit.widgets.register import register_panel
from planning_kit.widgets.talk import talk_panel

__all__ = ["register_panel", "talk_panel", "what_if_panel"]
