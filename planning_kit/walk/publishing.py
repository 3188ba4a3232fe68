"""Publish the goals of a region as they stand after every line of the log."""

from __future__ import annotations

import pandas as pd

from planning_kit.agreement import Event
from planning_kit.agreement.door import Door
from planning_kit.agreement.publish import Version
from planning_kit.walk.first_words import step_today
from planning_kit.walk.talks import goals_of


def publish_region(
    door: Door, region: str, event: Event, scenario: str = "base"
) -> tuple[Version, pd.DataFrame]:
    """Freeze the goals of a region, see `planning_kit.agreement.door.Door.publish`.

    Returns
    -------
    tuple of Version and DataFrame
        What was published, and what has changed since the version before.

    Raises
    ------
    DataError
        A region nobody knows, or goals that cannot be published yet.
    """
    step = step_today(door.plan, door.prepared, region, scenario)
    changes = door.publish(region, goals_of(step), step.street_target, event)
    return door.versions(region)[-1], changes
