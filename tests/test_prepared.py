"""What is prepared once is what was read, and is given back only as it was written."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

import duckdb
import pytest

from planning_kit.data import open_inputs, prepare, read_tables
from planning_kit.messages import DataError
from planning_kit.plan import Plan, load_plan
from tests.conftest import PlanMaker

preparing = sys.modules[prepare.__module__]  # the package gives the function under this name


def sold(plan: Plan, region: str | None = None) -> float:
    return float(open_inputs(plan, prepare(plan), region).sales["amount"].sum())


def times_ten(path: Path) -> None:
    changed = path.with_suffix(".new")
    query = f"SELECT * REPLACE (amount * 10 AS amount) FROM read_parquet('{path}')"
    duckdb.connect().execute(f"COPY ({query}) TO '{changed}' (FORMAT parquet)")
    changed.replace(path)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch):
    """Let something happen after the files were digested and before they are read."""

    def once_digested(happens) -> None:
        digest = preparing.input_fingerprint

        def then(plan: Plan) -> str:
            found = digest(plan)
            happens()
            return found

        monkeypatch.setattr(preparing, "input_fingerprint", then)

    return once_digested


def replaced(path: Path, amount: str) -> None:
    """Put another file of the same size and time in the place of an extract."""
    kept = path.stat()
    other = path.with_suffix(".new")
    other.write_text(path.read_text().replace(",100,", f",{amount},"))
    os.utime(other, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    other.replace(path)


def test_a_file_that_is_replaced_between_digest_and_reading_is_read_again(make_plan, meanwhile):
    plan = make_plan()
    before = (plan.folder / "data" / "sales.csv").read_text()
    amounts = iter(["700"])

    def exports() -> None:
        for amount in amounts:
            replaced(plan.folder / "data" / "sales.csv", amount)

    meanwhile(exports)
    assert sold(plan) == 220.5 + 600
    (plan.folder / "data" / "sales.csv").write_text(before)
    assert sold(plan) == 220.5  # the first state never got the other's numbers


def test_a_file_that_is_put_back_after_reading_leaves_nothing_wrong_behind(make_plan, meanwhile):
    plan = make_plan()
    path = plan.folder / "data" / "sales.csv"
    before = path.read_bytes()
    states = iter([before.replace(b",100,", b",900,"), before])  # while it is read; from then on

    def swaps() -> None:
        if (state := next(states, None)) is not None:
            path.write_bytes(state)

    meanwhile(swaps)
    assert sold(plan) == 220.5
    assert sold(load_plan(plan.folder)) == 220.5


def test_files_that_never_rest_are_refused(make_plan, meanwhile):
    plan = make_plan()
    path = plan.folder / "data" / "sales.csv"
    meanwhile(lambda: path.write_bytes(path.read_bytes() + b"2025-01-15,ann,1,p1,1\n"))
    with pytest.raises(DataError, match="change while they are read"):
        prepare(plan)
    assert not list((plan.folder / ".prepared").iterdir())


def test_settings_that_changed_since_the_plan_was_opened_are_not_digested_for_it(make_plan):
    plan = make_plan()
    text = (plan.folder / "plan.toml").read_text()
    later = text.replace("rounding_unit = 10", "review_starts_on = 2025-06-01")
    (plan.folder / "plan.toml").write_text(later)
    early, late = prepare(plan), prepare(load_plan(plan.folder))
    assert early.folder != late.folder
    reviewed = [[row["reviewed"] for row in p.facts["regions"]] for p in (early, late)]
    assert reviewed == [[100.0, 30.5], [0.0, 30.5]]


def test_a_partition_that_was_changed_is_said_in_one_line_and_prepared_again(
    make_plan: PlanMaker, caplog: pytest.LogCaptureFixture
):
    plan = make_plan()
    prepared = prepare(plan)
    times_ten(prepared.region_folder("North") / "sales.parquet")
    with caplog.at_level(logging.WARNING):
        assert sold(plan, "North") == 190.0
    assert [record.getMessage() for record in caplog.records] == [
        "'North/sales' changed after it was prepared; the inputs are prepared again."
    ]
    caplog.clear()
    assert sold(plan, "North") == 190.0 and not caplog.records


@pytest.mark.parametrize("region", ["North", None])
def test_a_run_never_opens_a_partition_that_was_changed(make_plan: PlanMaker, region):
    plan = make_plan()
    prepared = prepare(plan)
    times_ten(prepared.region_folder(region) / "sales.parquet")
    with pytest.raises(DataError, match="sales changed after the inputs were prepared; start"):
        open_inputs(plan, prepared, region)


@pytest.mark.parametrize("lost", ["goals.parquet", "digests.json"])
def test_a_partition_with_a_missing_file_is_prepared_again(make_plan: PlanMaker, lost: str):
    plan = make_plan()
    prepared = prepare(plan)
    (prepared.region_folder("South") / lost).unlink()
    with pytest.raises(DataError, match="changed after the inputs were prepared"):
        open_inputs(plan, prepared, "South")
    assert sold(plan, "South") == 30.5


def test_inputs_that_another_version_prepared_are_refused(make_plan: PlanMaker):
    plan = make_plan()
    file = prepare(plan).folder / "prepared.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 2}))
    with pytest.raises(DataError, match="another version of planning-kit"):
        preparing.open_prepared(file.parent)


def bytes_read() -> int:
    text = Path("/proc/self/io").read_text()
    return int(text.split("rchar:")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/io").is_file(), reason="only Linux counts bytes")
def test_opening_reads_the_region_and_nothing_else(sample: Plan):
    prepared = prepare(sample)
    folder = prepared.region_folder("North")
    size = sum(path.stat().st_size for path in folder.iterdir())
    everything = sum(path.stat().st_size for path in prepared.folder.rglob("*.parquet"))
    open_inputs(sample, prepared, "North")  # what Python itself reads at the first time
    before = bytes_read()
    open_inputs(sample, prepared, "North")
    read = bytes_read() - before
    assert size < read < 3 * size  # once for the digest, once for the tables, and their ends
    assert read < everything / 2
    before = bytes_read()
    read_tables(folder, ("reps",))
    assert bytes_read() - before < 30_000
