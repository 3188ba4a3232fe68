"""`planning-kit report`: everything of one person for the year on one printed page."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.option("--rep", "people", multiple=True, required=True, help="An id; may be repeated.")
@click.option("--lang", default="en", help="en, or a file of your own.", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder; by default the plan's.")
@click.option("--scenario", default="base", help="Whose allocation was offered.")
@click.option("--plan", "folder", default="", help="The plan's folder; else found here.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def report(
    people: tuple[str, ...], lang: str, out: Path | None, scenario: str, folder: str, as_json: bool
) -> None:
    """Print a page a person: goals, activity, prices, pipeline and promises for the year.

    \b
    Example:
      planning-kit report --rep R038 --rep R041 --plan my-plan
    """
    from planning_kit.agreement.door import Door
    from planning_kit.messages import require_labels
    from planning_kit.output.person_page import Press
    from planning_kit.output.typesetting import Words
    from planning_kit.plan import folder_name, load_plan, write_atomically
    from planning_kit.walk.first_words import step_today
    from planning_kit.walk.person_page import person_page

    plan = load_plan(folder)
    own = plan.papers / "templates" / "page"
    press = Press(Words.read(lang, own, "page"), own)
    door = Door.open(plan)
    home = dict(door.people[["rep_id", "current_region"]].dropna().to_numpy())
    require_labels(people, home, "people")
    steps = {}
    for rep_id in people:
        region = home[rep_id]
        if region not in steps:
            steps[region] = step_today(plan, door.prepared, region, scenario)
        place = out or plan.folder / "pages" / folder_name(region)
        path = place / f"{folder_name(rep_id)}-{lang}.pdf"
        write_atomically(path, press.print(person_page(steps[region], rep_id)))
        click.echo(json.dumps({"rep_id": rep_id, "file": str(path)}) if as_json else str(path))
