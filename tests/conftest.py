"""What many tests share: small plan folders, the sample plan, real extracts."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from planning_kit.agreement.keys import VARIABLE
from planning_kit.data import prepare
from planning_kit.plan import Plan, load_plan

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "realdata"

TOML = """
[plan]
name = "Small"
currency = "EUR"
rounding_unit = 10
starts_on = 2026-01-01
"""

TABLES = {
    "reps": "rep_id,rep_name,manager_id,region\nann,Ann,mia,\nbob,Bob,mia,\nmia,Mia,,North\n",
    "territories": "territory_id,region,potential\nt1,North,1000\nt2,South,500\n",
    "assignments": "rep_id,territory_id,starts_on\nann,t1,2024-01-01\nbob,t2,2024-01-01\n",
    "products": "product_id,product_line,list_price\np1,Line A,10\np2,Line B,20\n",
    "sales": (
        "sold_on,rep_id,amount,product_id,units\n2024-05-02,ann,90,p1,9\n2025-01-15,ann,100,p1,10\n"
        "2025-06-15,bob,40.50,p2,2\n2025-11-30,bob,-10,p2,-1\n"
    ),
    "goals": "starts_on,ends_on,rep_id,goal\n2025-01-01,2025-12-31,ann,120\n2025-01-01,2025-12-31,bob,30\n",
}


@pytest.fixture(scope="session", autouse=True)
def keys_of_tests() -> Iterator[None]:
    """Keep the keys of the tests' plans apart from those of whoever runs them."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[VARIABLE] = folder
        yield


class PlanMaker:
    """Writes a small plan folder; every table can be replaced or left out (None)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, toml: str = "", extra: str = "", **tables: str | bytes | None) -> Plan:
        content = {**TABLES, **tables}
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        lines = [toml or TOML, extra]
        for name, text in content.items():
            if text is None:
                continue
            blob = text if isinstance(text, bytes) else text.encode()
            (data / f"{name}.csv").write_bytes(blob)
            if f"[sources.{name}]" not in extra:
                lines.append(f'[sources.{name}]\nfile = "data/{name}.csv"')
        (self.folder / "plan.toml").write_text("\n".join(lines), encoding="utf-8")
        return load_plan(self.folder)


@pytest.fixture
def make_plan(tmp_path: Path) -> PlanMaker:
    return PlanMaker(tmp_path / "plan")


@pytest.fixture(scope="session")
def prepared_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the sample plan whose inputs are prepared; tests copy it."""
    plan = copy_sample(tmp_path_factory.mktemp("prepared") / "sample")
    prepare(plan)
    return plan.folder


@pytest.fixture
def sample(prepared_sample: Path, tmp_path: Path) -> Plan:
    """Give a copy of the sample plan that a test may change."""
    shutil.copytree(prepared_sample, tmp_path / "sample")
    return load_plan(tmp_path / "sample")


def copy_sample(folder: Path) -> Plan:
    """Copy the sample plan without what runs left."""
    shutil.copytree(
        ROOT / "data_samples",
        folder,
        ignore=shutil.ignore_patterns("runs", ".prepared", "*.py", "__pycache__"),
    )
    return load_plan(folder)


@pytest.fixture(scope="session")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a plan where bob, led by mia and she by zoe, has proposed; tests copy it.

    North is to reach 2,000, half of it by each of ann and bob, who sold 900 a year.
    """
    from planning_kit.agreement.door import Door
    from planning_kit.walk import first_words
    from planning_kit.walk.expected import OUTLOOK_TABLES
    from planning_kit.walk.first_words import step_today

    years, people = (2023, 2024, 2025), ("ann", "bob")
    spans = [(year, who) for year in years for who in people]
    plan = PlanMaker(tmp_path_factory.mktemp("talking") / "plan")(
        extra="[targets]\ncompany = 2000\n",
        reps="rep_id,rep_name,manager_id,region\nann,Ann,mia,\nbob,Bob B.,mia,\n"
        "mia,Mia,zoe,North\nzoe,Zoe,,North\n",
        assignments="rep_id,territory_id,starts_on\nann,t1,2023-01-01\nbob,t2,2023-01-01\n",
        territories="territory_id,region\nt1,North\nt2,North\n",
        sales="sold_on,rep_id,amount,product_id\n"
        + "".join(
            f"{year}-{month:02}-15,{who},{70 + 10 * (month % 2)},p1\n"
            for year, who in spans
            for month in range(1, 13)
        ),
        goals="starts_on,ends_on,rep_id,goal\n"
        + "".join(f"{year}-01-01,{year}-12-31,{who},1000\n" for year, who in spans),
        proposals="starts_on,ends_on,rep_id,proposed\n"
        + "".join(f"{year}-01-01,{year}-12-31,bob,850\n" for year in (2024, 2025, 2026)),
    )
    door = Door.open(plan)
    door.start(first_words(plan, door.prepared))
    # What a run leaves is taken by every step that is opened later, so that tests are quick.
    run = plan.runs_folder / "old"
    run.mkdir(parents=True)
    (plan.runs_folder / "latest").write_text("old")
    step = replace(step_today(plan, door.prepared, "North"), folder=run / "North")
    kept = ("register", "baseline", *OUTLOOK_TABLES, "allocation", "allocation_steps")
    step.write(**{name: step.table(name) for name in kept})
    return plan.folder


def real_plan(name: str, folder: Path) -> Plan:
    """Give a plan over real extracts with its runs kept apart; skip where they are absent."""
    if not (REAL / name).is_dir():
        pytest.skip(f"the extracts of {name} do not lie beside this checkout")
    source = ROOT / "tests" / "realdata" / name / "plan.toml"
    text = source.read_text(encoding="utf-8")
    text = text.replace("../../../../shared/realdata", REAL.as_posix())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.toml").write_text(text, encoding="utf-8")
    return load_plan(folder)
