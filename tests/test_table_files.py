"""Tables that leave the kit: no spreadsheet runs them, and they come back to the letter."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from planning_kit.cli import main
from planning_kit.data import read_table, write_table
from tests.conftest import PlanMaker

SIGNS = (
    "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"  # the last eight: wide and small forms
)
BEFORE = ["", " ", "  ", "\t", "\r", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\x0b"]
# What a file in UTF-8 can hold; an empty text and an empty cell are one in CSV.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
ODD = st.builds(
    lambda *parts: "".join(parts), st.sampled_from(BEFORE), st.sampled_from(SIGNS), TEXTS
)
CELLS = st.one_of(TEXTS, ODD, st.builds("'{}".format, ODD))


def cells_of(path: Path) -> list[str]:
    """Give header and cells as a spreadsheet reads them."""
    with path.open(encoding="utf-8", newline="") as file:
        return [cell for row in csv.reader(file) for cell in row]


def would_run(cell: str) -> bool:
    """Say whether a spreadsheet may take a cell for a formula; it drops what nobody sees."""
    shown = cell.lstrip("\u200b\ufeff \t\r\n\u00a0\u3000\x0b")
    return cell[:1] in ("\t", "\r", "\n") or shown[:1] in (*SIGNS,)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", BEFORE)
def test_no_text_of_a_cell_or_a_header_runs_as_a_formula(tmp_path: Path, before: str, sign: str):
    text = f"{before}{sign}1+1"
    written = pd.DataFrame({text: ["plain", text], "other": [text, f"'{text}"]}, dtype="str")
    write_table(tmp_path / "t.csv", written)
    assert not [cell for cell in cells_of(tmp_path / "t.csv") if would_run(cell)]
    assert not [
        name for name in json.loads((tmp_path / "t.types.json").read_text()) if would_run(name)
    ]
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), written)


@given(st.lists(CELLS, min_size=1, max_size=4, unique=True), st.data())
@example(["a\rb", "'", "''=1"], None)
def test_every_text_comes_back_to_the_letter(names: list[str], data: st.DataObject | None):
    rows = data.draw(st.lists(st.tuples(*[CELLS] * len(names)), max_size=4)) if data else [names]
    written = pd.DataFrame(rows, columns=names, dtype="str")
    with TemporaryDirectory() as folder:
        write_table(Path(folder) / "t.csv", written)
        assert not [cell for cell in cells_of(Path(folder) / "t.csv") if would_run(cell)]
        pd.testing.assert_frame_equal(read_table(Path(folder) / "t.csv"), written)


def test_numbers_and_days_stay_what_they_are(tmp_path: Path):
    written = pd.DataFrame(
        {"a": [-1.5, None], "b": [-1, 2], "c": pd.to_datetime(["2026-01-31", None])}
    )
    write_table(tmp_path / "t.csv", written.astype({"c": "datetime64[us]"}))
    assert (tmp_path / "t.csv").read_text() == "a,b,c\n-1.5,-1,2026-01-31\n,2,\n"
    pd.testing.assert_frame_equal(
        read_table(tmp_path / "t.csv"), written.astype({"c": "datetime64[us]"})
    )


def test_what_check_found_carries_no_formula_into_a_spreadsheet(make_plan: PlanMaker):
    plan = make_plan(sales="sold_on,rep_id,amount\n2025-01-01,ann,=1+1\n")
    result = CliRunner().invoke(main, ["check", str(plan.folder), "--json"])
    assert any(row["value"] == "=1+1" for row in json.loads(result.stdout))  # exact for programs
    path = plan.runs_folder / "checks.csv"
    assert "'=1+1" in cells_of(path) and not [cell for cell in cells_of(path) if would_run(cell)]
    assert json.loads((plan.runs_folder / "checks.json").read_text()) == json.loads(result.stdout)
    assert read_table(path)["value"].eq("=1+1").any()
