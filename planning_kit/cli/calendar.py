"""`planning-kit calendar`: the managers' year as calendar files, with a sheet to look back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.option("--manager", "managers", multiple=True, help="Only this id; may be repeated.")
@click.option("--activity", "activities", multiple=True, help="Only this one; may be repeated.")
@click.option("--out", type=click.Path(path_type=Path), help="By default managers/ of the plan.")
@click.option("--scenario", default="base", show_default=True, help="Whose levers count.")
@click.option("--plan", "plan_folder", default="", help="The plan's folder; else found here.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def calendar(
    managers: tuple[str, ...],
    activities: tuple[str, ...],
    out: Path | None,
    scenario: str,
    plan_folder: str,
    as_json: bool,
) -> None:
    """Write every manager's hours as a calendar (.ics) and a sheet for the quarter's self-review.

    Beside them manager_time.csv holds the planned hours in the form of next year's table. The hour
    is that of time_zone in plan.toml, else that of whoever opens the calendar.

    \b
    Example:
      planning-kit calendar --plan my-plan
      planning-kit calendar --manager M04 --activity one_on_one --activity field_work --plan my-plan
    """
    from planning_kit.plan import load_plan
    from planning_kit.walk.manager_files import write_manager_files

    table = write_manager_files(load_plan(plan_folder), scenario, managers, activities, out)
    if as_json:
        click.echo(table.to_json(orient="records", force_ascii=False))
        return
    rows: Any = table.itertuples()
    for row in rows:
        short = f"; {row.hours_missing:,.0f} h found no place" if row.hours_missing >= 1 else ""
        click.echo(f"{row.manager_id} {row.manager}: {row.hours:,.0f} h in {row.calendar}{short}")
