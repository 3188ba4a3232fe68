"""`planning-kit forms`: forms for the people, out and back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

_PLAN = click.option(
    "--plan", "plan_folder", default="", help="The plan's folder; else found here."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")


@click.group()
def forms() -> None:
    """Send everybody a form with the offered goal, and read the answers back.

    \b
    Example:
      planning-kit forms write --region West --lang en --plan my-plan
      planning-kit forms read my-plan/forms/West --plan my-plan
    """


@forms.command()
@click.option("--region", "regions", multiple=True, help="Only this region; may be repeated.")
@click.option("--lang", "language", default="en", show_default=True, help="en or fil.")
@click.option("--out", type=click.Path(path_type=Path), help="By default forms/ of the plan.")
@_PLAN
@_JSON
def write(
    regions: tuple[str, ...], language: str, out: Path | None, plan_folder: str, as_json: bool
) -> None:
    """Write a form (.xlsx) and a draft mail with it (.eml) for everybody who has not agreed yet.

    Nothing is sent. The forms answer what the negotiation says now; begin it with `agree start`.

    \b
    Example:
      planning-kit forms write --region West --lang fil --plan my-plan
    """
    from planning_kit.plan import load_plan
    from planning_kit.walk.forms_out import write_forms

    table = write_forms(load_plan(plan_folder), regions, language, out)
    if as_json:
        click.echo(table.to_json(orient="records", force_ascii=False))
        return
    for what, rows in table.groupby("what", sort=False):
        click.echo(
            f"{len(rows)} {what}" + ("" if what == "written" else f": {', '.join(rows['rep'])}")
        )
    for folder in dict.fromkeys(str(Path(file).parent) for file in table["file"] if file):
        click.echo(folder)


@forms.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--as",
    "speaker",
    default="plan",
    show_default=True,
    help="Who hands them in.",
)
@click.option("--reason", default="", help="In words, beside whose form it is.")
@_PLAN
@_JSON
def read(folder: Path, speaker: str, reason: str, plan_folder: str, as_json: bool) -> None:
    """Take filled forms into the negotiation; every problem is named with its cell, all at once.

    A form with a problem is refused as a whole, the others go in, each in the name of its person.
    Reading the same folder again adds nothing. Concerns and own goals also go to concerns.csv and
    answers.csv beside the forms. Exit 3 where a form was refused.

    \b
    Example:
      planning-kit forms read my-plan/forms/West --plan my-plan
    """
    import json

    from planning_kit.agreement.log import login
    from planning_kit.plan import load_plan
    from planning_kit.walk.forms_back import read_forms

    found = read_forms(load_plan(plan_folder), folder, speaker, reason, login())
    if as_json:
        tables = {name: getattr(found, name) for name in ("forms", "problems", "findings")}
        parts = {n: json.loads(t.to_json(orient="records")) for n, t in tables.items()}
        click.echo(json.dumps(parts, ensure_ascii=False))
    else:
        shown = found.forms.assign(
            amount=[f"{v:,.12g}" if v == v else "" for v in found.forms["amount"].astype(float)]
        )
        click.echo(shown.to_string(index=False))
        for row in found.problems.to_dict("records"):
            place = f"{row['file']}: {row['cell']}" if row["cell"] else row["file"]
            click.echo(f"{place}: {row['message']}; {row['advice']}")
        for row in found.findings.to_dict("records"):
            click.echo(f"{row['status']} {row['where']}: {row['message']} {row['advice']}")
    if len(found.problems):
        sys.exit(3)
