"""ipywidgets views over a scenario; the scenario file is the truth."""

from planning_kit.widgets.panel import what_if_panel
from planning_kit.widgets.register import register_panel
from planning_kit.widgets.what_if import WhatIf, WhatIfResult, compare_scenarios, what_if

__all__ = [
    "WhatIf",
    "WhatIfResult",
    "compare_scenarios",
    "register_panel",
    "what_if",
    "what_if_panel",
]
