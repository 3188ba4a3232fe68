"""ipywidgets views over a scenario; the scenario file is the truth."""

from planning_kit.widgets.panel import what_if_panel
from planning_kit.widgets.register import register_panel

__all__ = ["register_panel", "what_if_panel"]
