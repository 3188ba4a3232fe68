"""The command `planning-kit`: a thin shell over the rooms."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from planning_kit import __version__
from planning_kit.errors import PlanningError

if TYPE_CHECKING:
    from planning_kit.batch import RunRecord

_PLAN = click.argument("plan_folder", metavar="[FOLDER]", default="", required=False)


class _Commands(click.Group):
    """Turns errors a planner can act on into one line and the documented exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PlanningError as error:
            _stop(str(error), error.exit_code)
        except KeyboardInterrupt:
            _stop("interrupted; the manifest of the run says how far it came", 130)


def _stop(message: str, code: int) -> NoReturn:
    click.echo(f"planning-kit: {' '.join(message.split())}", err=True)
    sys.exit(code)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="planning-kit")
def main() -> None:
    """Set sales goals that the people who must reach them agree to.

    \b
    Example:
      planning-kit init my-plan
      planning-kit check my-plan
      planning-kit run my-plan

    Exit codes: 0 good, 1 some regions failed, 2 wrong usage, 3 bad input, 130 interrupted.
    """


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--sample", is_flag=True, help="With the invented company's data, to look around.")
def init(folder: Path, sample: bool) -> None:
    """Write a new plan folder: a commented plan.toml, scenarios, notebooks, empty tables.

    \b
    Example:
      planning-kit init my-plan
    """
    from planning_kit.plan.new import new_plan

    for line in new_plan(folder, sample=sample):
        click.echo(line)


@main.command()
@_PLAN
@click.option("--json", "as_json", is_flag=True, help="All problems as JSON on stdout.")
def check(plan_folder: str, as_json: bool) -> None:
    """Check inputs and scenarios of a plan; every problem at once, with its cell and what to do.

    Writes the same list to runs/checks.csv and runs/checks.json.

    \b
    Example:
      planning-kit check my-plan
    """
    import pandas as pd

    from planning_kit.plan import load_plan
    from planning_kit.sources import check_plan, prepare
    from planning_kit.sources.problems import problem_lines, write_problems
    from planning_kit.tables import problems_table
    from planning_kit.walk.scenarios import check_scenarios

    plan = load_plan(plan_folder)
    problems = check_plan(plan)
    if not (problems["status"] == "fail").any():
        found = problems_table(check_scenarios(plan, prepare(plan)))
        problems = pd.concat([found, problems], ignore_index=True)
    written = write_problems(plan, problems)
    failed = int((problems["status"] == "fail").sum())
    if as_json:
        click.echo(problems.to_json(orient="records", force_ascii=False, indent=1))
    else:
        for line in problem_lines(problems):
            click.echo(line)
    odd = int((problems["status"] == "review").sum())
    click.echo(f"{failed} to correct, {odd} to look at; all of them in {written}", err=True)
    if failed:
        sys.exit(3)


@main.command()
@_PLAN
@click.option("--region", "regions", multiple=True, help="Only this region; may be repeated.")
@click.option("--jobs", default=0, metavar="N", help="Regions at a time; 0: one a core.")
@click.option("--scenario", default="base", show_default=True, help="Name of a scenario.")
@click.option(
    "--parameter",
    "-p",
    "pairs",
    multiple=True,
    nargs=2,
    metavar="NAME VALUE",
    help="A parameter of the notebooks; may be repeated.",
)
@click.option("--no-html", is_flag=True, help="Only notebooks and tables, no HTML reports.")
@click.option("--quiet", is_flag=True, help="Nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="The manifest as JSON on stdout.")
def run(
    plan_folder: str,
    regions: tuple[str, ...],
    jobs: int,
    scenario: str,
    pairs: tuple[tuple[str, str], ...],
    no_html: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the notebooks for every region, then the company's roll-up.

    \b
    Example:
      planning-kit run my-plan --region North --region "O'Brien" --jobs 2
    """
    from planning_kit.batch import BatchOptions, read_manifest, run_plan
    from planning_kit.batch.parameters import read_value
    from planning_kit.plan import load_plan

    plan = load_plan(plan_folder)
    notebooks = sorted(plan.notebooks().glob("[0-9][0-9]_*.ipynb"))
    values = {name: read_value(_having(notebooks, name), name, text) for name, text in pairs}
    options = BatchOptions(regions, jobs, scenario, values, html=not no_html)
    folder = run_plan(plan, options, progress=None if quiet else _Progress())
    manifest = read_manifest(folder)
    if as_json:
        click.echo(json.dumps(manifest, ensure_ascii=False))
    elif not quiet:
        _show_run(manifest, folder)
    failed = [record for record in manifest["regions"] if record["status"] != "done"]
    for record in failed:
        click.echo(f"failed: {record['region']}: {record['error']}", err=True)
        click.echo(f"  see {folder / record['folder']}", err=True)
    if failed:
        sys.exit(1)


def _having(notebooks: list[Path], name: str) -> Path:
    from planning_kit.batch import notebook_parameters

    return next((n for n in notebooks if name in notebook_parameters(n)), notebooks[0])


class _Progress:
    """A bar on a terminal, one line a region elsewhere."""

    def __init__(self) -> None:
        self.bar: Any = None

    def __call__(self, record: RunRecord, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            click.echo(
                f"{done}/{total} {record.region}: {record.status} ({record.seconds:.0f} s)",
                err=True,
            )
            return
        from tqdm import tqdm

        self.bar = self.bar or tqdm(total=total, unit="region", leave=False)
        self.bar.update(done - self.bar.n)
        self.bar.set_postfix_str(f"{record.region}: {record.status}")
        if done == total:
            self.bar.close()


def _show_run(manifest: dict[str, Any], folder: Path) -> None:
    from planning_kit.batch import status_table

    table = status_table(manifest)
    for name in ("target", "allocated", "gap"):
        table[name] = [("-" if v is None or v != v else f"{v:,.0f}") for v in table[name]]
    table["reps"] = [("-" if v is None or v != v else f"{v:.0f}") for v in table["reps"]]
    table["seconds"] = table["seconds"].map("{:.1f}".format)
    click.echo(table.to_string(index=False))
    click.echo(f"amounts in {manifest['currency']}; scenario {manifest['scenario']}")
    for name in ("index.html", "company/08_company_rollup.html"):
        if (folder / name).is_file():
            click.echo(f"open: {folder / name}")
            return


@main.command()
@_PLAN
@click.option("--run", "run_id", default="", help="A run; by default the newest.")
@click.option("--json", "as_json", is_flag=True, help="The manifest as JSON.")
def status(plan_folder: str, run_id: str, as_json: bool) -> None:
    """Show how far a run is, or how it ended.

    \b
    Example:
      planning-kit status my-plan
    """
    from planning_kit.batch import read_manifest
    from planning_kit.errors import UsageError
    from planning_kit.plan import load_plan

    runs = load_plan(plan_folder).runs_folder
    found = sorted(p.parent for p in runs.glob("*/manifest.json"))
    chosen = [r for r in found if r.name == run_id] if run_id else found[-1:]
    if not chosen:
        raise UsageError(
            f"no run {run_id!r} in this plan" if run_id else "this plan has no run yet"
        )
    manifest = read_manifest(chosen[0])
    if as_json:
        click.echo(json.dumps(manifest, ensure_ascii=False))
        return
    click.echo(f"run {manifest['run_id']}: {manifest['status']}")
    _show_run(manifest, chosen[0])


@main.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(as_json: bool) -> None:
    """Say what is installed, what is missing, and what each missing thing is for.

    \b
    Example:
      planning-kit doctor
    """
    from planning_kit.cli.doctor import examine

    rows = examine()
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        for row in rows:
            click.echo(f"{row['status']:8} {row['what']:28} {row['detail']}")
    if any(row["status"] == "missing" for row in rows):
        sys.exit(1)


@main.group()
def notebooks() -> None:
    """Look after the committed notebooks."""


@notebooks.command()
@click.option("--folder", type=click.Path(path_type=Path), help="By default the kit's notebooks.")
def refresh(folder: Path | None) -> None:
    """Run the notebooks on the sample plan and keep their outputs in them.

    \b
    Example:
      planning-kit notebooks refresh
    """
    from planning_kit.batch.refresh import refresh_notebooks

    for line in refresh_notebooks(folder):
        click.echo(line, err=True)


if __name__ == "__main__":
    main()
