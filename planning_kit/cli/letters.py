"""`planning-kit letters`: write a letter for everybody, and note who signed it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click


@click.group()
def letters() -> None:
    """Write goal letters as PDF, and note who signed them.

    \b
    Example:
      planning-kit letters write --region West --plan my-plan
      planning-kit letters sign R038 --as R038 --digest 0f3c9a1be2d47788 --plan my-plan
    """


_FOLDER = click.option("--plan", "folder", default="", help="The plan's folder; else found here.")
_SCENARIO = click.option("--scenario", default="base", help="Whose allocation was offered.")
_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")


@letters.command()
@click.option("--region", "regions", multiple=True, help="Only this region; may be repeated.")
@click.option("--person", "people", multiple=True, help="Only this id; may be repeated.")
@click.option("--lang", default="en", help="en, fil, or a file of your own.", show_default=True)
@click.option("--draft", is_flag=True, help="Drafts for those who have not agreed, marked as such.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder; by default the plan's.")
@_SCENARIO
@_FOLDER
@_JSON
def write(
    regions: tuple[str, ...],
    people: tuple[str, ...],
    lang: str,
    draft: bool,
    out: Path | None,
    scenario: str,
    folder: str,
    as_json: bool,
) -> None:
    """Write a letter for everybody whose goal is agreed or decided.

    \b
    Example:
      planning-kit letters write --plan my-plan
      planning-kit letters write --region West --lang fil --draft --plan my-plan
    """
    from planning_kit.agreement.door import Door
    from planning_kit.messages import require_labels
    from planning_kit.output.letters import Press
    from planning_kit.output.typesetting import Words
    from planning_kit.plan import folder_name, load_plan, write_atomically
    from planning_kit.walk.first_words import step_today
    from planning_kit.walk.letters import region_letters, standing_tables

    plan = load_plan(folder)
    own = plan.papers / "templates" / "letter"
    press = Press(Words.read(lang, own), own)
    door = Door.open(plan)
    home = dict(door.people[["rep_id", "current_region"]].dropna().to_numpy())
    require_labels(regions, door.prepared.regions, "regions")
    require_labels(people, home, "people")
    chosen = set(regions) or {home[rep_id] for rep_id in people}
    wanted = [region for region in door.prepared.regions if region in chosen or not chosen]
    place = out or plan.folder / "letters"
    written: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    for number, region in enumerate(wanted, start=1):
        tables = standing_tables(step_today(plan, door.prepared, region, scenario))
        status, before = tables.unsettled(), len(written)
        for letter in region_letters(tables):
            who = {"region": region, "rep_id": letter.rep_id, "person": letter.person}
            if people and letter.rep_id not in people:
                continue
            if letter.is_draft and not draft:
                reason = f"neither agreed nor decided ({status[letter.rep_id]})"
                skipped.append({**who, "reason": reason})
                continue
            mark = "-draft" if letter.is_draft else ""
            path = place / folder_name(region) / f"{folder_name(letter.rep_id)}-{lang}{mark}.pdf"
            write_atomically(path, press.print(letter))
            written.append({**who, "file": str(path), "draft": letter.is_draft})
        count = len(written) - before
        click.echo(f"{number}/{len(wanted)} {region}: {count} written", err=True)
    if as_json:
        told = {"folder": str(place), "written": written, "skipped": skipped}
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    click.echo(f"letters written: {len(written)}, skipped: {len(skipped)}; in {place}")
    for row in skipped:
        click.echo(f"  skipped {row['rep_id']} {row['person']} ({row['region']}): {row['reason']}")
    if skipped:
        click.echo("  --draft writes drafts for them")


@letters.command()
@click.argument("rep_id", metavar="PERSON")
@click.option("--as", "speaker", required=True, help="Id of the person who says it.")
@click.option("--for", "behalf", default="", help="In whose name; needs a reason.")
@click.option("--reason", default="", help="In words.")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="Day it was signed.")
@click.option("--digest", required=True, help="The version that the letter names.")
@_SCENARIO
@_FOLDER
@_JSON
def sign(
    rep_id: str,
    speaker: str,
    behalf: str,
    reason: str,
    day: datetime | None,
    digest: str,
    scenario: str,
    folder: str,
    as_json: bool,
) -> None:
    """Note in the agreement log that somebody signed the letter of a person's goal.

    Refused where other goals stand by now than those of the letter.

    \b
    Example:
      planning-kit letters sign R038 --as R038 --digest 0f3c9a1be2d47788 --plan my-plan
      planning-kit letters sign R038 --as M04 --for R038 --reason "on paper" --on 2025-12-18 \\
        --digest 0f3c9a1be2d47788 --plan my-plan
    """
    from planning_kit.agreement import Event
    from planning_kit.agreement.door import Door
    from planning_kit.messages import UsageError, require_labels
    from planning_kit.plan import load_plan
    from planning_kit.walk.first_words import step_today
    from planning_kit.walk.letters import require_version

    if behalf and not reason.strip():
        raise UsageError("--for needs a --reason in words: how do you know that it was signed?")
    door = Door.open(load_plan(folder))
    state = door.stand()
    require_labels([rep_id], state["rep_id"], "people in the log")
    region = state.set_index("rep_id")["region"][rep_id]
    require_version(step_today(door.plan, door.prepared, region, scenario), rep_id, digest)
    letter = {"letter": digest, **({"signed_on": f"{day:%Y-%m-%d}"} if day else {})}
    door.say(Event("sign", rep_id, speaker, reason=reason, behalf=behalf, basis=letter))
    line = door.lines(rep_id).iloc[-1]
    if as_json:
        click.echo(line.to_json(force_ascii=False))
    else:
        click.echo(
            f"line {line['sequence']} of the log: {behalf or speaker} signed the letter {digest}"
        )
