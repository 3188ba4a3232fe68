"""`planning-kit agree`: every move of the negotiation as a command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

    from planning_kit.agreement.door import Door

_SHOWN = ["region", "rep_id", "rep", "assigned", "proposed", "countered", "agreed", "status"]


@click.group()
def agree() -> None:
    """Negotiate goals: begin, propose, counter, accept, decide; see where everybody stands.

    \b
    Example:
      planning-kit agree start --plan my-plan
      planning-kit agree propose R038 1_284_000 --as R038 --plan my-plan
      planning-kit agree counter R038 1_426_100 --as M04 --reason "half way" --plan my-plan
      planning-kit agree accept R038 1_426_100 --as R038 --plan my-plan
      planning-kit agree show West --plan my-plan
    """


_FOLDER = click.option("--plan", "folder", default="", help="The plan's folder; else found here.")
_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")


class _Amount(click.ParamType):
    """An amount as people write it: 1284000, 1_284_000 or 1,284,000."""

    name = "amount"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        from planning_kit.messages import DataError
        from planning_kit.messages.amounts import read_amount

        try:
            return read_amount(str(value))
        except DataError as error:
            self.fail(str(error), param, ctx)


def _open(folder: str) -> Door:
    from planning_kit.agreement.door import Door
    from planning_kit.plan import load_plan

    return Door.open(load_plan(folder))


def _print(table: pd.DataFrame, as_json: bool, columns: list[str] | None = None) -> None:
    if as_json:
        click.echo(table.to_json(orient="records", force_ascii=False, date_format="iso"))
        return
    shown = table[columns] if columns else table
    amounts = [name for name in shown if str(shown[name].dtype) == "float64"]
    texts: dict[str, Any] = {
        str(n): [f"{v:,.12g}" if v == v else "-" for v in shown[n]] for n in amounts
    }
    click.echo(shown.assign(**texts).fillna("").to_string(index=False))


@agree.command()
@click.option("--region", "regions", multiple=True, help="Only this region; may be repeated.")
@click.option("--scenario", default="base", help="Whose allocation is offered.")
@click.option("--company", is_flag=True, help="Offer the regions' totals to their heads.")
@_FOLDER
@_JSON
def start(
    folder: str, regions: tuple[str, ...], scenario: str, company: bool, as_json: bool
) -> None:
    """Offer everybody the allocated goal, and take the proposals of the table; once.

    A second start adds who is new, opens agreements again whose assumption is breached, and lists
    who negotiates under another target, scenario or allocation than today's.

    \b
    Example:
      planning-kit agree start --plan my-plan --region West
      planning-kit agree start --plan my-plan --company
      planning-kit agree accept region:West 13867500 --as M04 --plan my-plan
    """
    from planning_kit.walk import company_words, first_words, talks_to_reopen

    door = _open(folder)
    if company:
        table = door.start(company_words(door.plan, door.prepared, scenario, regions))
    else:
        words = first_words(door.plan, door.prepared, scenario, regions)
        table = door.start(words, talks_to_reopen(door, scenario, regions))
    added = int((table["what"] == "added").sum())
    told = table[~table["what"].isin(["added", "unchanged"])]
    if as_json:
        _print(table, as_json)
    else:
        click.echo(f"added {added}, unchanged {len(table) - added - len(told)}")
        if len(told):
            _print(told, as_json)


@agree.command()
@click.argument("of", default="", metavar="[REGION or PERSON]")
@_FOLDER
@_JSON
def show(of: str, folder: str, as_json: bool) -> None:
    """Show where everybody stands; of one person also what was said.

    \b
    Example:
      planning-kit agree show West --plan my-plan
    """
    door = _open(folder)
    state = door.stand(of)
    if as_json:
        _print(state, as_json)
    elif state.empty:
        click.echo("nobody negotiates yet; begin with: planning-kit agree start")
    else:
        _print(state, as_json, _SHOWN)
        for version in door.versions(of):
            click.echo(f"published: version {version.number} ({version.digest})")
        if of in set(state["rep_id"]):
            said = ["sequence", "time", "actor", "behalf", "kind", "amount", "reason"]
            _print(door.lines(of), as_json, said)


@agree.command()
@click.option("--digest", "noted", multiple=True, help="Noted elsewhere, as on a letter.")
@click.option(
    "--new-key", is_flag=True, help="Where all is in order, sign with a new key from now on."
)
@_FOLDER
@_JSON
def verify(folder: str, noted: tuple[str, ...], new_key: bool, as_json: bool) -> None:
    """Check every line of the log, its signatures and what was published; exit 3 where one was changed.

    \b
    Example:
      planning-kit agree verify --plan my-plan
    """
    from planning_kit.agreement.publish import check_all
    from planning_kit.plan import load_plan

    found = check_all(load_plan(folder), noted, new_key)
    _print(found, as_json, ["status", "message", "advice"])
    if (found["status"] == "fail").any():
        sys.exit(3)


@agree.command()
@click.argument("region")
@click.option("--as", "speaker", required=True, help="Id of who publishes; plan: the planner.")
@click.option("--for", "behalf", default="", help="In whose name; needs a reason.")
@click.option("--reason", default="", help="Why with a gap to the target, or why once more.")
@click.option("--scenario", default="base", help="Whose allocation the goals began with.")
@_FOLDER
@_JSON
def publish(
    region: str,
    speaker: str,
    behalf: str,
    reason: str,
    scenario: str,
    folder: str,
    as_json: bool,
) -> None:
    """Freeze the goals of a region once everybody has accepted, or it was decided.

    The tables go to published/REGION/v1 in the plan's folder; their digest stands in the log.
    Whatever changes later is published as the next version, and shown as a difference.

    \b
    Example:
      planning-kit agree publish West --as plan --plan my-plan
    """
    from planning_kit.agreement import Event
    from planning_kit.walk import publish_region

    event = Event("publish", "", speaker, reason=reason, behalf=behalf)
    version, changes = publish_region(_open(folder), region, event, scenario)
    if as_json:
        _print(changes, as_json)
        return
    where = version.folder.relative_to(version.folder.parents[2])
    click.echo(f"{region}: version {version.number} is published ({version.digest}), in {where}")
    if version.number > 1:
        _print(changes, as_json)


@agree.command()
@click.argument("rep_id", metavar="PERSON")
@click.option("--lang", default="en", help="en, fil, or a file of your own.", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="File; by default in the plan's talks."
)
@click.option("--scenario", default="base", help="Whose allocation was offered.")
@_FOLDER
@_JSON
def paper(
    rep_id: str, lang: str, out: Path | None, scenario: str, folder: str, as_json: bool
) -> None:
    """Print one page for the talk with a person, with room for notes and what comes of it.

    \b
    Example:
      planning-kit agree paper R038 --lang fil --plan my-plan
    """
    import json

    from planning_kit.messages import require_labels
    from planning_kit.output.talk_paper import Press
    from planning_kit.output.typesetting import Words
    from planning_kit.plan import folder_name, write_atomically
    from planning_kit.walk.first_words import step_today
    from planning_kit.walk.one_on_one import talk_sheet

    door = _open(folder)
    own = door.plan.papers / "templates" / "talk"
    press = Press(Words.read(lang, own, "talk"), own)
    home = dict(door.people[["rep_id", "current_region"]].dropna().to_numpy())
    require_labels([rep_id], home, "people")
    step = step_today(door.plan, door.prepared, home[rep_id], scenario)
    name = f"{folder_name(step.whose_talk(rep_id))}-{lang}.pdf"
    path = out or door.plan.folder / "talks" / folder_name(home[rep_id]) / name
    write_atomically(path, press.print(talk_sheet(step, rep_id)))
    click.echo(json.dumps({"file": str(path)}, ensure_ascii=False) if as_json else str(path))


def _basis(kind: str, speaker: str, given: dict[str, Any]) -> dict[str, str]:
    """Give what a move rests on besides the goal that was assigned."""
    if kind == "promise":
        from planning_kit.agreement.promises import promise_basis

        return promise_basis(given["owner"] or speaker, given["until"], given["hours"])
    return {"tied_to": given["tied_to"]} if given.get("tied_to") else {}


def _options(kind: str, amount: str, reason: bool) -> list[Callable[..., Any]]:
    """Give what the command of one move takes."""
    options = [
        _JSON,
        _FOLDER,
        click.option("--reason", required=reason, default=None if reason else "", help="In words."),
        click.option(
            "--for", "behalf", default="", help="In whose name, where not the own; needs a reason."
        ),
        click.option("--as", "speaker", required=True, help="Id of the person who says it."),
    ]
    if kind in ("propose", "counter"):
        options.append(
            click.option("--line", "product_line", default="", help="Of this line only.")
        )
        options.append(
            click.option("--territory", "territory_id", default="", help="Of this one only.")
        )
    if kind in ("accept", "decide"):
        said = "Assumption it rests on: breached, the talk opens again."
        options.append(click.option("--tied-to", "tied_to", default="", help=said))
    if kind == "promise":
        options += [
            click.option("--hours", default=0.0, help="It takes in all; into the owner's plan."),
            click.option("--owner", default="", help="Who keeps it; else who says it."),
            click.option("--until", required=True, help="Day it is due, as 2026-03-31."),
        ]
    if amount:
        options.append(click.argument("amount", type=_Amount(), required=amount == "needed"))
    options.append(click.argument("rep_id", metavar="PERSON"))
    return options


def _move(
    kind: str, words: str, example: str, *, amount: str = "needed", reason: bool = False
) -> Callable[..., None]:
    """Make the command of one move."""

    def run(
        rep_id: str, speaker: str, behalf: str, reason: str, folder: str, as_json: bool, **rest: Any
    ) -> None:
        from planning_kit.agreement import Event

        door = _open(folder)
        number = rest.get("amount")
        if kind == "reopen" and number is None:
            number = door.assigned(rep_id)
        event = Event(
            "assign" if kind == "reopen" else kind,
            rep_id,
            speaker,
            number,
            reason,
            product_line=rest.get("product_line", ""),
            territory_id=rest.get("territory_id", ""),
            behalf=behalf,
            basis=_basis(kind, speaker, rest),
        )
        _print(door.say(event), as_json, None if as_json else _SHOWN)

    run.__doc__ = f"""{words}

    \b
    Example:
      planning-kit agree {kind} {example}
    """
    for option in _options(kind, amount, reason):
        run = option(run)
    return agree.command(kind)(run)


_move(
    "propose",
    "Say the own number: the person does.",
    "R038 1284000 --as R038 --reason 'two contracts end'",
)
_move(
    "counter",
    "Answer a proposal with another number: the own manager does.",
    "R038 1426100 --as M04 --reason 'half way'",
    reason=True,
)
_move(
    "accept",
    "Accept the other side's number: the person the offered one, the manager the proposal.",
    "R038 1426100 --as R038",
)
_move(
    "escalate",
    "Hand it to somebody above both, as no number is near.",
    "R040 --as M04 --reason 'too far apart'",
    amount="",
    reason=True,
)
_move(
    "decide",
    "Decide what was escalated: somebody above both does.",
    "R040 900000 --as M00 --reason 'a smaller territory'",
    reason=True,
)
_move("withdraw", "Take the own last word back.", "R038 --as R038", amount="")
_move(
    "note",
    "Write down what was said, without a number.",
    "R038 --as M04 --reason 'calls back on Monday'",
    amount="",
    reason=True,
)
_move(
    "promise",
    "Promise something in return, with a day and the hours it takes: a manager does.",
    "R038 --as M04 --until 2026-03-31 --hours 12 --reason 'coaching on site'",
    amount="",
    reason=True,
)
_move(
    "reopen",
    "Begin anew, with the number assigned before or another one.",
    "R038 --as M04 --reason 'took over a territory'",
    amount="may be",
    reason=True,
)
