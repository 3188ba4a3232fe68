"""The command `planning-kit`: a thin shell over the rooms."""

from __future__ import annotations

import errno
import json
import re
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from planning_kit import __version__
from planning_kit.cli.agree import agree
from planning_kit.cli.answer import answer
from planning_kit.cli.app import app
from planning_kit.cli.calendar import calendar
from planning_kit.cli.export import export
from planning_kit.cli.forms import forms
from planning_kit.cli.letters import letters
from planning_kit.cli.report import report
from planning_kit.messages import PlanningError
from planning_kit.steps import COMPANY_STEP

if TYPE_CHECKING:
    from planning_kit.plan import Plan
    from planning_kit.run import BatchOptions, RunRecord
    from planning_kit.run.storage import Storage

_PLAN = click.argument("plan_folder", metavar="[FOLDER]", default="", required=False)


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Commands(click.Group):
    """Turns errors a planner can act on into one line and the documented exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PlanningError as error:
            _stop(str(error), error.exit_code)
        except KeyboardInterrupt:
            _stop("interrupted; the manifest of the run says how far it came", 130)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            _stop(f"{error.strerror}: {error.filename}; make room, then go on with --resume", 1)


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
    """Check inputs, scenarios and agreement log; every problem at once, with its cell and advice.

    Writes the same list to runs/checks.csv and runs/checks.json.

    \b
    Example:
      planning-kit check my-plan
    """
    import pandas as pd

    from planning_kit.agreement import log_problems
    from planning_kit.data import check_plan, check_scenarios, prepare
    from planning_kit.data.checks import problems_table
    from planning_kit.data.problems import problem_lines, write_problems
    from planning_kit.walk.company import resolver
    from planning_kit.walk.logged import totals_agreed

    plan, storage = _open_plan(plan_folder)
    problems = check_plan(plan)
    is_readable = not (problems["status"] == "fail").any()
    found = log_problems(plan.agreement_place, plan.settings)
    agreed = {} if found else totals_agreed(plan, plan.runs_folder / "draft")
    found += check_scenarios(plan, prepare(plan) if is_readable else None, resolver(agreed))
    problems = pd.concat([problems_table(found), problems], ignore_index=True)
    written = write_problems(plan, problems)
    if storage:
        for ending in ("csv", "types.json", "json"):
            storage.send(f"runs/checks.{ending}")
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
@click.option("--jobs", default=0, metavar="N", help="Regions at a time; 0: one more than cores.")
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
@click.option("--seconds", default=600, show_default=True, help="Time limit of a notebook.")
@click.option("--force", is_flag=True, help="Run every notebook, also where nothing changed.")
@click.option("--resume", is_flag=True, help="Go on with the newest run that was not finished.")
@click.option("--retry-failed", is_flag=True, help="Run what failed in the newest run again.")
@click.option("--plain-kernels", is_flag=True, help="Fork no kernels from a template process.")
@click.option("--executor", type=click.Choice(["local", "dask"]), default="local")
@click.option("--scheduler", default="", metavar="URL", help="Of the Dask cluster.")
@click.option("--quiet", is_flag=True, help="Nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="The manifest as JSON on stdout.")
def run(plan_folder: str, quiet: bool, as_json: bool, **asked: Any) -> None:
    """Run the notebooks for every region, then the company's roll-up.

    A notebook whose result would be the same as in an earlier run is taken over from it.

    \b
    Example:
      planning-kit run my-plan --region North --region "O'Brien" --jobs 2
      planning-kit run my-plan --resume
    """
    from planning_kit.messages import UsageError
    from planning_kit.run import BatchOptions, read_manifest, run_plan
    from planning_kit.run.manifest import run_folders
    from planning_kit.run.pool import dask_executor

    plan, storage = _open_plan(plan_folder)
    if storage:
        _fetch_newest_run(storage)
    into: Path | None = None
    options = BatchOptions(
        asked["regions"],
        scenario=asked["scenario"],
        parameters=_values(plan, asked["pairs"]),
        html=not asked["no_html"],
        force=asked["force"],
        jobs=asked["jobs"],
        seconds=asked["seconds"],
        fork=not asked["plain_kernels"],
    )
    if asked["resume"] or asked["retry_failed"]:
        options, into = _going_on(plan, options, failed_only=asked["retry_failed"])
    if (asked["executor"] == "dask") != bool(asked["scheduler"]):
        raise UsageError("--executor dask and --scheduler URL belong together.")
    # Whoever ends a service sends this; it should leave a manifest as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cluster = dask_executor(asked["scheduler"]) if asked["scheduler"] else nullcontext()
    before = set(run_folders(plan.runs_folder))
    with _Progress(quiet) as progress, cluster as executor:
        folder = run_plan(
            plan, options, executor=executor, progress=progress, into=into, storage=storage
        )
    if into is None and folder in before and not quiet:
        click.echo(
            f"nothing has changed since run {folder.name}: its results stand "
            "(--force runs everything again)",
            err=True,
        )
    manifest = read_manifest(folder)
    if as_json:
        click.echo(json.dumps(manifest, ensure_ascii=False))
    elif not quiet:
        _show_run(manifest, folder)
        if storage:
            click.echo(f"kept at: {storage.shown}/runs/{folder.name}")
    failed = [record for record in manifest["regions"] if record["status"] != "done"]
    for record in failed:
        click.echo(f"failed: {record['region']}: {record['error']}", err=True)
        click.echo(f"  see {folder / record['folder']}", err=True)
    if failed:
        sys.exit(1)


def _open_plan(where: str) -> tuple[Plan, Storage | None]:
    """Open a plan in a folder, or this machine's copy of one behind a URL."""
    from planning_kit.plan import load_plan

    if not re.match(r"[a-z][a-z0-9+.-]+://", where):
        return load_plan(where), None
    from planning_kit.run.storage import Storage

    storage = Storage(where)
    storage.fetch_plan()
    return load_plan(storage.copy), storage


def _fetch_newest_run(storage: Storage) -> None:
    from planning_kit.run.manifest import run_folders

    storage.fetch("runs", ("/manifest.json", "/latest"))
    for folder in run_folders(storage.copy / "runs")[:1]:  # to go on with, or to take over from
        storage.fetch(f"runs/{folder.name}")


def _values(plan: Plan, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Read the values of ``-p`` as the first notebook says that has a parameter of that name."""
    from planning_kit.run import notebook_parameters
    from planning_kit.run.parameters import read_value

    values: dict[str, Any] = {}
    notebooks = plan.notebooks()
    for name, text in pairs:
        having = (n for n in notebooks if name in notebook_parameters(n))
        values[name] = read_value(next(having, notebooks[0]), name, text)
    return values


def _going_on(
    plan: Plan, options: BatchOptions, *, failed_only: bool
) -> tuple[BatchOptions, Path | None]:
    """Find the run to go on with, and the options it was started with."""
    from dataclasses import replace

    from planning_kit.messages import UsageError
    from planning_kit.run import unfinished_run

    if options.regions or options.parameters or options.force or options.scenario != "base":
        raise UsageError(
            "--resume and --retry-failed go on as the run was started; leave out --region, "
            "--scenario, -p and --force."
        )
    found = unfinished_run(plan, failed_only=failed_only)
    if found is None:
        click.echo("nothing to go on with: this is a new run", err=True)
        return options, None
    folder, before = found
    click.echo(f"going on with run {folder.name}", err=True)
    again = replace(before, jobs=options.jobs, seconds=options.seconds, fork=options.fork)
    return again, folder


class _Progress:
    """A bar of notebooks on a terminal, one line a region elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.bar: Any = None
        self.is_terminal = sys.stderr.isatty()
        self.regions = ""
        if self.is_terminal and not quiet:
            self.notebooks = self._move

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, record: RunRecord, done: int, total: int) -> None:
        if self.quiet:
            return
        self.regions = f"{done}/{total} regions"
        if not self.is_terminal:
            taken = sum(n.kernel == "taken over" for n in record.notebooks)
            words = f", {taken} of {len(record.notebooks)} notebooks taken over" if taken else ""
            line = (
                f"{done}/{total} {record.region}: {record.status} ({record.seconds:.0f} s{words})"
            )
            click.echo(line, err=True)

    def _move(self, done: int, total: int) -> None:
        from tqdm import tqdm

        self.bar = self.bar or tqdm(total=total, unit="notebook", leave=False, initial=done)
        self.bar.set_postfix_str(self.regions, refresh=False)
        self.bar.update(done - self.bar.n)


def _show_run(manifest: dict[str, Any], folder: Path) -> None:
    from planning_kit.run import status_table

    table = status_table(manifest)
    for name in ("target", "allocated", "gap"):
        table[name] = [("-" if v is None or v != v else f"{v:,.0f}") for v in table[name]]
    table["reps"] = [("-" if v is None or v != v else f"{v:.0f}") for v in table["reps"]]
    table["seconds"] = table["seconds"].map("{:.1f}".format)
    click.echo(table.to_string(index=False))
    click.echo(f"amounts in {manifest['currency']}; scenario {manifest['scenario']}")
    notebooks = [n for record in manifest["regions"] for n in record["notebooks"]]
    for kind, count in Counter(n.get("kernel", "") for n in notebooks).items():
        if kind.startswith(("plain:", "taken")):
            click.echo(f"{count} of {len(notebooks)} notebooks: {kind}")
    for name in ("index.html", f"company/{COMPANY_STEP.name}.html"):
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
    from planning_kit.run import read_manifest
    from planning_kit.run.manifest import chosen_run, process_is_gone

    plan, storage = _open_plan(plan_folder)
    if storage:
        storage.fetch("runs", ("/manifest.json",))
    chosen = chosen_run(plan, run_id)
    manifest = read_manifest(chosen)
    gone = process_is_gone(manifest)
    if as_json:
        click.echo(json.dumps({**manifest, "process_is_gone": gone}, ensure_ascii=False))
        return
    click.echo(f"run {manifest['run_id']}: {manifest['status']}")
    if gone:
        click.echo(
            f"its process {manifest['process']} is gone; go on with: planning-kit run --resume"
        )
    _show_run(manifest, chosen)


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


main.add_command(agree)
main.add_command(export)
main.add_command(answer)
main.add_command(app)
main.add_command(calendar)
main.add_command(letters)
main.add_command(report)
main.add_command(forms)


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
    from planning_kit.run.refresh import refresh_notebooks

    for line in refresh_notebooks(folder):
        click.echo(line, err=True)


if __name__ == "__main__":
    main()
