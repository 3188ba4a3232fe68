"""Write the pages of the reference that follow from the code: tables, notebooks, the API.

Run `make docs` after a change; a test compares the committed pages with what this gives.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import planning_kit
from planning_kit.data.dictionary import dictionary
from planning_kit.output import columns
from planning_kit.plan.metrics import OWN_METRICS
from planning_kit.steps import STEPS, WalkStep
from planning_kit.walk.notebook import NotebookStep

FOLDER = Path(__file__).parent / "reference"
BEGIN, END = "<!-- from planning_kit/steps.py -->", "<!-- end -->"


def pages() -> dict[Path, str]:
    """Give every generated page with its text."""
    notebooks = FOLDER / "notebooks.md"
    before, _, rest = notebooks.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return {
        FOLDER / "tables.md": dictionary(),
        FOLDER / "columns.md": columns.reference(),
        FOLDER / "metrics.md": "\n".join(_metrics()) + "\n",
        notebooks: before + "\n".join([BEGIN, *_walk(), END]) + after,
        FOLDER / "api.md": "\n".join(_api()) + "\n",
    }


def _metrics() -> Iterator[str]:
    yield "# Metrics: what a goal can be in"
    yield ""
    yield (
        "`measured by` is a formula over canonical columns of the reviewed period; with it next "
        "year's review gives the attainment. A company adds its own in `plan.toml` "
        "([how](plan-toml.md#metricsname))."
    )
    yield ""
    yield "| metric | called | unit | set by | how the goal follows | measured by | columns | owner |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for metric in OWN_METRICS.values():
        formula = f"`{metric.formula}`" if metric.formula else metric.measured
        sources = ", ".join(f"`{name}`" for name in metric.sources)
        cells = (f"`{metric.name}`", metric.title, metric.unit, metric.grain, metric.goal)
        yield f"| {' | '.join([*cells, formula, sources, metric.owner])} |"


def _walk() -> Iterator[str]:
    yield "| notebook | asks | reads besides | writes |"
    yield "| --- | --- | --- | --- |"
    for step in STEPS.values():
        cells = (f"`{step.name}`", step.asks, "; ".join(_reads(step)), "; ".join(_writes(step)))
        yield f"| {' | '.join(cells)} |"


def _reads(step: WalkStep) -> Iterator[str]:
    if step.reads:
        yield ", ".join(f"**`{name}`**" for name in step.reads) + (
            " of every region" if step.of_company else ""
        )
    if step.needs:
        yield ", ".join(f"`{name}`" for name in step.needs)
    if step.scenario is None:
        yield "the scenario" if not step.whole_plan else "every scenario"
    elif step.scenario:
        yield ", ".join(f"`[{name}]`" for name in step.scenario) + " of the scenario"
    if step.reads_agreement:
        yield "the agreement log"


def _writes(step: WalkStep) -> Iterator[str]:
    yield ", ".join([f"**`{n}`**" for n in step.keeps] + [f"`{n}`" for n in step.writes])
    if step.files:
        yield ", ".join(f"`{name}`" for name in step.files)


def _api() -> Iterator[str]:
    yield "# The public names"
    yield ""
    yield "`import planning_kit as pk`; these are the names that notebooks and the how-tos use."
    yield ""
    yield "| name | what it gives |"
    yield "| --- | --- |"
    for name in planning_kit.__all__:
        thing = getattr(planning_kit, name)
        if not name.startswith("_"):
            yield f"| `pk.{name}{_signature(thing)}` | {_sentence(thing)} |"
    yield ""
    yield "## What a step can be asked"
    yield ""
    yield (
        "`step = pk.open_step(notebook, region)` opens a notebook's step. Each question is asked of "
        "its region and scenario; tables come with readable names."
    )
    yield ""
    yield "| question | what it gives |"
    yield "| --- | --- |"
    for name in _questions(NotebookStep):
        thing = getattr(NotebookStep, name)
        yield f"| `step.{name}{_signature(thing)}` | {_sentence(thing)} |"


def _questions(step: type) -> Iterator[str]:
    for owner in reversed(step.__mro__[:-1]):
        for name, thing in vars(owner).items():
            if inspect.isfunction(thing) and not name.startswith("_") and name not in _INNER:
                yield name


_INNER = ("make", "once", "under", "other", "key", "company_labels")


def _signature(thing: object) -> str:
    if inspect.isclass(thing) or not callable(thing):
        return ""
    names = []
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.name != "self":
            stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
            names.append(stars.get(parameter.kind, "") + parameter.name)
    return f"({', '.join(names)})"


def _sentence(thing: object) -> str:
    text = inspect.getdoc(thing) or ""
    return re.sub(r"\s+", " ", text.partition("\n\n")[0]).replace("|", "\\|")


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
