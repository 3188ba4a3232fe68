"""`planning-kit export`: tables of a run for other programs, and for next year's plan."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group()
def export() -> None:
    """Write tables of a run for other programs, and for next year's plan.

    \b
    Example:
      planning-kit export next-year --plan my-plan
    """


@export.command("next-year")
@click.argument("run_id", metavar="[RUN]", default="", required=False)
@click.option("--plan", "folder", default="", help="The plan's folder; else found here.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder; by default the run's.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def next_year(run_id: str, folder: str, out: Path | None, as_json: bool) -> None:
    """Write goals of every metric, proposals, evidence, assumptions and managers' hours as CSV.

    They are in the canonical columns: next year's plan reads them without a mapping, and its
    review finds what was asked of everybody. RUN: by default the newest.

    \b
    Example:
      planning-kit export next-year 20260105-090000 --plan my-plan --out next-plan/data
    """
    import pandas as pd

    from planning_kit.data import read_table, write_table
    from planning_kit.messages import UsageError
    from planning_kit.output.next_year import next_year_tables
    from planning_kit.plan import load_plan
    from planning_kit.run.manifest import chosen_run, read_manifest

    plan = load_plan(folder)
    run = chosen_run(plan, run_id)
    places = [run / record["folder"] for record in read_manifest(run)["regions"]]

    def read(name: str) -> pd.DataFrame:
        paths = [path for p in places if (path := p / "tables" / f"{name}.csv").is_file()]
        return pd.concat([read_table(path) for path in paths] or [pd.DataFrame()])

    if read("metric_goals").empty:
        raise UsageError(f"run {run.name} has no goals yet; run it to the end first.")
    place = out or run / "next_year"
    written = {}
    for name, table in next_year_tables(read, load_plan(plan.folder, run).settings).items():
        write_table(place / f"{name}.csv", table)
        written[name] = len(table)
    if as_json:
        click.echo(json.dumps({"folder": str(place), "rows": written}))
    else:
        counts = ", ".join(f"{name} {rows:,}" for name, rows in written.items())
        click.echo(f"written: {counts} rows; in {place}")
