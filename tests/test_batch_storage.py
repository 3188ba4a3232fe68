"""A plan behind a URL: the same run, with nothing of it on this machine but a copy."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

from planning_kit.cli import main
from planning_kit.messages import DataError, UsageError
from planning_kit.plan import Plan
from planning_kit.run import read_manifest
from planning_kit.run.storage import Storage
from tests.conftest import PlanMaker
from tests.test_batch import STOP_SOUTH, WRITE, own_notebook

pytest.importorskip("fsspec", reason="fsspec is not installed")

TABLE = """
from pathlib import Path
folder = Path(run_folder, region or "company", "tables")
folder.mkdir(parents=True, exist_ok=True)
(folder / "mine.csv").write_text(f"region\\n{region}\\n")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of this machine's copies, for the time of a test."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return place


@pytest.fixture
def plan(make_plan: PlanMaker) -> Plan:
    plan = make_plan()
    own_notebook(plan, "01_small", WRITE + TABLE)
    own_notebook(plan, "08_company", WRITE + TABLE)
    return plan


def command(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, [*words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def run_of(plan: Plan) -> Path:
    return sorted(plan.runs_folder.glob("*/manifest.json"))[-1].parent


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_plan_behind_a_url_is_run_and_its_run_lies_there(plan: Plan, here: Path):
    url = plan.folder.as_uri()
    assert "0 to correct" in command("check", url)
    command("run", url, "--quiet")
    run = run_of(plan)
    manifest = read_manifest(run)
    assert (
        manifest["status"] == "done"
        and (plan.runs_folder / "latest").read_text().strip() == run.name
    )
    there = names(run)
    assert {
        "index.html",
        "manifest.json",
        "North/01_small.html",
        "North/tables/mine.csv",
        "company/08_company.ipynb",
    } <= {*there}
    assert names(Storage(url).copy / "runs" / run.name) == there
    assert f"run {run.name}: done" in command("status", url)
    again = command("run", url)
    assert "nothing has changed" in again and f"kept at: {url}/runs/{run.name}" in again


def test_what_changed_at_the_url_is_brought_and_what_is_gone_goes(plan: Plan, here: Path):
    storage = Storage(plan.folder.as_uri())
    (plan.folder / "scenarios").mkdir()
    (plan.folder / "scenarios" / "old.toml").write_text("")
    (plan.folder / ".git").mkdir()
    (plan.folder / ".git" / "config").write_text("")
    storage.fetch_plan()
    assert not (storage.copy / ".git").exists()
    kept = storage.copy / "data" / "reps.csv"
    was = kept.stat()
    (plan.folder / "scenarios" / "old.toml").unlink()
    (plan.folder / "data" / "goals.csv").write_text("changed")
    storage.fetch_plan()
    assert (storage.copy / "data" / "goals.csv").read_text() == "changed"
    assert not (storage.copy / "scenarios" / "old.toml").exists()
    assert kept.stat() == was  # it was not carried twice
    assert os.stat(storage.copy.parents[1]).st_mode & 0o077 == 0


def test_what_a_region_no_longer_has_goes_at_the_url_and_nothing_else(plan: Plan, here: Path):
    storage = Storage(plan.folder.as_uri())
    for name in ("North/a.csv", "North/b.csv", "South/a.csv"):
        (storage.copy / "runs" / "r1" / name).parent.mkdir(parents=True, exist_ok=True)
        (storage.copy / "runs" / "r1" / name).write_text(name)
    storage.send("runs/r1/North")
    storage.send("runs/r1/South")
    (plan.runs_folder / "r1" / "North" / "of_somebody.txt").write_text("kept")
    (storage.copy / "runs" / "r1" / "North" / "a.csv").unlink()
    storage.send("runs/r1/North")
    assert names(plan.runs_folder / "r1") == ["North/b.csv", "North/of_somebody.txt", "South/a.csv"]
    again = storage.copy / "runs" / "r1" / "South" / "a.csv"
    was = again.stat()
    storage.fetch("runs/r1", (".csv",))
    assert again.stat() == was and "North/of_somebody.txt" not in names(
        storage.copy / "runs" / "r1"
    )


def test_another_machine_goes_on_with_a_run(plan: Plan, here: Path):
    own_notebook(plan, "01_small", STOP_SOUTH + TABLE)
    url = plan.folder.as_uri()
    command("run", url, "--quiet", code=1)
    shutil.rmtree(Storage(url).copy.parents[1])  # a machine that never saw the plan
    own_notebook(plan, "01_small", WRITE + TABLE)
    command("run", url, "--quiet", "--retry-failed")
    ((path,),) = [list(plan.runs_folder.glob("*/manifest.json"))]
    assert read_manifest(path.parent)["status"] == "done"
    assert (path.parent / "South" / "tables" / "mine.csv").is_file()


@pytest.mark.slow
def test_workers_of_other_machines_bring_and_send_for_themselves(
    plan: Plan, here: Path, tmp_path: Path
):
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    place = tmp_path / "there"
    place.mkdir()
    url = plan.folder.as_uri()
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            env={"TMPDIR": str(place)},
        ) as cluster,
    ):
        warnings.simplefilter("default")
        command(
            "run", url, "--quiet", "--executor", "dask", "--scheduler", cluster.scheduler_address
        )
    run = run_of(plan)
    manifest = read_manifest(run)
    assert manifest["status"] == "done"
    assert {"North/01_small.html", "South/tables/mine.csv", "company/08_company.html"} <= {
        *names(run)
    }
    (copy,) = place.glob("planning-kit-*/*/plan/runs/*")
    assert {"North/01_small.ipynb", "South/01_small.ipynb"} <= {*names(copy)}
    # This machine brought what it adds up, and no notebook that a worker ran.
    own = names(Storage(url).copy / "runs" / run.name)
    assert "South/tables/mine.csv" in own
    assert {n for n in own if n.endswith("small.ipynb")} == {"plan/notebooks/01_small.ipynb"}
    assert str(place) in json.dumps((run / "North" / "01_small.ipynb").read_text())


class Elsewhere:
    """What lies somewhere with a name that leads out of the plan."""

    def invalidate_cache(self) -> None:
        pass

    def ls(self, root: str, detail: bool) -> list[str]:
        return [f"{root}/plan.toml", f"{root}/../../stolen"]


def test_no_file_of_a_url_gets_a_place_outside_the_copy(here: Path, plan: Plan):
    storage = Storage(plan.folder.as_uri())
    storage.files = Elsewhere()
    with pytest.raises(DataError, match="stolen"):
        storage.fetch_plan()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://planning/2027", "s3fs"),
        ("nowhere://x", "nowhere"),
        ("file:///no/such/plan", "nothing at"),
        ("nowhere://ann:secret@host/plan", "^nowhere://host/plan: "),
    ],
)
def test_an_address_that_cannot_be_read_is_named(url: str, words: str, here: Path):
    with pytest.raises(UsageError, match=words):
        Storage(url).fetch_plan()


def test_a_folder_of_somebody_else_is_not_used(here: Path, plan: Plan, tmp_path: Path):
    (tmp_path / "theirs").mkdir()
    (here / f"planning-kit-{os.getuid()}").symlink_to(tmp_path / "theirs")
    with pytest.raises(UsageError, match="not yours"):
        Storage(plan.folder.as_uri())
