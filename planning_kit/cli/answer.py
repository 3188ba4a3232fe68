"""`planning-kit answer`: what happened there? Open questions, answers, notes from the field."""

from __future__ import annotations

import json
from datetime import datetime

import click


@click.command()
@click.argument("text", default="", metavar="[TEXT]")
@click.option("--as", "speaker", default="", help="Id of who says it; plan: the planner.")
@click.option("--to", default="", metavar="ID", help="Question, or another finding, it answers.")
@click.option("--region", default="", help="Whose finding it is; a question needs none.")
@click.option(
    "--kind", type=click.Choice(["note", "event", "assumption"]), help="By default by day."
)
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="Day it began or will begin.")
@click.option("--person", "rep_id", default="", metavar="ID", help="Person it is about.")
@click.option(
    "--territory", "territory_id", default="", metavar="ID", help="Territory it is about."
)
@click.option("--line", "product_line", default="", help="Product line it is about.")
@click.option("--plan", "folder", default="", help="The plan's folder; else found here.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def answer(
    text: str,
    speaker: str,
    to: str,
    region: str,
    kind: str | None,
    day: datetime | None,
    folder: str,
    as_json: bool,
    **about: str,
) -> None:
    """Answer what the review asks, or note what was heard in the field; without TEXT list the questions.

    Answers are kept with name and day in data/answers.csv and stand beside the finding from
    the next run on. What has a day and a place becomes an event and is measured like any other; what
    speaks of the coming year becomes a candidate of the register.

    \b
    Example:
      planning-kit answer --plan my-plan
      planning-kit answer "A competitor opened next door" --to review.question.a3f09c \\
          --as M01 --kind event --on 2025-03-01 --plan my-plan
      planning-kit answer "The hospital builds a new wing in May" --as R012 --person R012 \\
          --on 2026-05-01 --plan my-plan
    """
    from planning_kit.data import prepare
    from planning_kit.messages import UsageError
    from planning_kit.plan import load_plan
    from planning_kit.walk.told import keep_answer, open_questions

    plan = load_plan(folder)
    if not text:
        if speaker or to or kind:
            raise UsageError("what is the answer? Write it in quotes: planning-kit answer TEXT ...")
        table = open_questions(plan, prepare(plan))
        if as_json:
            click.echo(table.to_json(orient="records", force_ascii=False, date_format="iso"))
            return
        for row in table.to_dict("records"):
            said = f" ({row['answers']} answered)" if row["answers"] else ""
            click.echo(f"{row['question_id']}  {row['region']}: {row['question']}{said}")
        if table.empty:
            click.echo("nothing is asked: no fall is left that the tables do not explain", err=True)
        return
    if not speaker:
        raise UsageError("who says it? Give --as with the id of a person, or --as plan.")
    kept = keep_answer(
        plan, text, speaker, to, kind or "", region, day.date() if day else None, about
    )
    if as_json:
        click.echo(json.dumps(kept, ensure_ascii=False))
        return
    more = {
        "event": "; it is measured as an event in the next review",
        "assumption": "; it is a candidate of the register (notebook 02)",
    }.get(kept["kind"], "")
    click.echo(f"{kept['what']}: {kept['kind']} {kept['answer_id']} in data/answers.csv{more}")
