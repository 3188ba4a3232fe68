"""What many tests share: small plan folders, the sample plan, real extracts."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from planning_kit.agreement.keys import VARIABLE
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


@pytest.fixture
def sample(tmp_path: Path) -> Plan:
    """Give a copy of the sample plan that a test may change."""
    folder = tmp_path / "sample"
    shutil.copytree(
        ROOT / "data_samples",
        folder,
        ignore=shutil.ignore_patterns("runs", ".prepared", "*.py", "__pycache__"),
    )
    return load_plan(folder)


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
