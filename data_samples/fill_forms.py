"""Make the filled forms of West in ``forms/West``: written by the kit, filled in LibreOffice.

Run ``python -m data_samples.fill_forms`` in the checkout. They answer the goals that
``planning-kit agree start`` offers in the sample plan as it is shipped. Some are sound, some are refused,
and R047 has sent none. LibreOffice writes the time into its files, so that another run gives the
same answers in other bytes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from click.testing import CliRunner

from planning_kit.cli import main
from planning_kit.data.forms import read_form
from tests.filling import Filling, places

HERE = Path(__file__).parent
REGION = "West"
# Share of the offered goal that people propose, and what else they write: row, column, text.
ANSWERS: dict[str, tuple[float, list[tuple[str, str, str]]]] = {
    "R038": (0.95, [("why:0", "B", "Two service contracts end in March.")]),
    "R039": (
        1.0,
        [
            ("why:0", "B", "Kaya po, basta may kapalit si Ana sa Abril."),
            ("need:0", "B", "Isang demo unit para sa mga ospital"),
        ],
    ),
    "R040": (
        0.45,
        [
            ("why:0", "B", "Half of my customers wait for the new budget."),
            ("concern:0", "B", "market: The market grows by two per cent"),
            ("concern:0", "E", "Hospitals here have frozen their budgets until summer."),
        ],
    ),
    "R041": (1.02, [("evidence:0", "F", "80 %"), ("need:0", "B", "Training for the new sensors")]),
    "R042": (0.9, [("goal:1", "F", "about as last year")]),
    "R043": (0.9, [("evidence:2", "F", "sure"), ("goal:0", "D", "200000")]),  # a locked cell
    "R044": (0.97, [("why:0", "B", "The rest must come from new customers.")]),
    "R045": (
        0.0,
        [("need:0", "B", "Somebody to talk to: I cannot plan before my leave is settled.")],
    ),
    "R046": (1.05, [("why:0", "B", "A framework contract is nearly signed.")]),
    "R048": (0.9, []),  # late, where a number is said on the phone before it is read
}


def fill() -> None:
    """Begin the talks of West, write its forms, fill them, and keep what came back."""
    os.environ["LOGNAME"] = "planner"  # who is logged in stands in the log
    out, filling = HERE / "forms" / REGION, Filling()
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        plan = Path(name) / "plan"
        ignored = shutil.ignore_patterns("runs", ".prepared", "*.py", "forms")
        shutil.copytree(HERE, plan, ignore=ignored)
        _run(plan, "agree", "start", "--region", REGION)
        _run(plan, "forms", "write", "--region", REGION)
        _run(plan, "forms", "write", "--region", REGION, "--lang", "fil", "--out", f"{name}/fil")
        for rep_id, (share, texts) in ANSWERS.items():
            written = Path(name) / "fil" if rep_id == "R039" else plan / "forms"
            form = written / REGION / f"{rep_id}.xlsx"
            orders = [("unprotect",)] if rep_id == "R043" else []
            orders += _own_goal(form, share)
            if rep_id == "R046":  # a deal of R044
                rows = read_form(plan / "forms" / REGION / "R044.xlsx").rows["evidence"]
                deal = next(row["opportunity_id"] for row in rows if row["opportunity_id"])
                texts = [*texts, ("evidence:0", "D", deal)]
            orders += [("text", f"{c}{places(form)[key]}", text) for key, c, text in texts]
            filling.fill(form, out / form.name, *orders)
        filling.run(Path(name) / "office")


def _own_goal(form: Path, share: float) -> list[tuple[str, ...]]:
    rows = {key: n for key, n in places(form).items() if key.startswith("goal:")}
    offered = float(read_form(form).meta["offered"])
    amount = round(share * offered / len(rows) / 4, -2)
    return [("number", f"{c}{n}", f"{amount:.0f}") for n in rows.values() for c in "EFGH" if share]


def _run(plan: Path, *words: str) -> None:
    done = CliRunner().invoke(main, [*words, "--plan", str(plan)])
    if done.exit_code:
        raise SystemExit(done.output)


if __name__ == "__main__":
    fill()
