"""Forms for 500 people: written, filled, read back.

Run `make bench NAME=forms`. Filling is simulated by writing numbers into the XML of the cells for
the own goal: LibreOffice takes about a third of a second a form, openpyxl a tenth, and both would be
what is measured. Seconds are those of one processor, whatever else runs on the machine.
"""

from __future__ import annotations

import re
import tempfile
import time
import zipfile
from pathlib import Path

from benchmarks.harness import Row, show, versions, write_results
from planning_kit.agreement import read_events
from planning_kit.agreement.door import Door
from planning_kit.plan import Plan, load_plan
from planning_kit.walk import first_words
from planning_kit.walk.forms_back import read_forms
from planning_kit.walk.forms_out import write_forms
from tests.filling import places

PEOPLE = 500
_TOML = """
[plan]
name = "Forms"
currency = "EUR"
rounding_unit = 100
starts_on = 2026-01-01
[targets]
growth_share = 0.05
"""


def company(folder: Path) -> Plan:
    """Write a plan of one region: a territory, 20 customers and 12 open deals a person."""
    people = [f"r{n:03}" for n in range(PEOPLE)]
    deals = "opportunity_id,rep_id,outcome,created_on,closed_on,amount,product_id,account_id"
    tables = {
        "reps": ["rep_id,rep_name,manager_id,region", "m,Mia,,North"]
        + [f"{p},Person {p},m," for p in people],
        "territories": ["territory_id,region"] + [f"t{p},North" for p in people],
        "assignments": ["rep_id,territory_id,starts_on"] + [f"{p},t{p},2023-01-01" for p in people],
        "products": ["product_id,product_line"] + [f"p{n},Line {n}" for n in range(4)],
        "sales": ["sold_on,rep_id,amount,product_id,account_id"]
        + [
            f"{year}-{1 + k % 12:02}-10,{p},{3000 + 37 * (n + k) % 900},p{k % 4},{p}-{k % 20}"
            for n, p in enumerate(people)
            for year in (2023, 2024, 2025)
            for k in range(60)
        ],
        "opportunities": [deals]
        + [
            f"{p}c{k},{p},{'won' if k % 3 == 0 else 'lost'},2025-0{1 + k % 5}-05,2025-0{4 + k % 5}-05,"
            f"9000,p{k % 4},{p}-{k}"
            for p in people
            for k in range(12)
        ]
        + [
            f"{p}o{k},{p},open,2025-11-20,,9000,p{k % 4},{p}-{k}" for p in people for k in range(12)
        ],
    }
    (folder / "data").mkdir(parents=True)
    sources = []
    for name, lines in tables.items():
        (folder / "data" / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        sources.append(f'[sources.{name}]\nfile = "data/{name}.csv"\n')
    (folder / "plan.toml").write_text(_TOML + "".join(sources), encoding="utf-8")
    return load_plan(folder)


def fill(folder: Path) -> None:
    """Write an own goal into every form, and save it."""
    for path in sorted(folder.glob("*.xlsx")):
        rows = places(path)
        cells = {f"{c}{n}" for key, n in rows.items() if key.startswith("goal:") for c in "EFGH"}
        with zipfile.ZipFile(path) as book:
            parts = {name: book.read(name) for name in book.namelist()}
        sheet = parts["xl/worksheets/sheet1.xml"].decode()
        parts["xl/worksheets/sheet1.xml"] = re.sub(
            r'<c r="([A-Z]+\d+)"([^>]*)/>',
            lambda m, cells=cells: (
                f'<c r="{m[1]}"{m[2]}><v>12000</v></c>' if m[1] in cells else m[0]
            ),
            sheet,
        ).encode()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
            for name, blob in parts.items():
                book.writestr(name, blob)


def main() -> None:
    """Measure each part once: every form is another one already."""
    with tempfile.TemporaryDirectory() as name:
        plan = company(Path(name) / "plan")
        door = Door.open(plan)
        door.start(first_words(plan, door.prepared))
        folder, rows, found = plan.folder / "forms" / "North", [], []
        parts = {
            "write": lambda: write_forms(plan),
            "fill (simulated)": lambda: fill(folder),
            "read": lambda: found.append(read_forms(plan, folder)),
        }
        for case, part in parts.items():
            before = time.process_time()
            part()
            rows.append((case, time.process_time() - before))
        rows.append(("all", sum(took for _, took in rows)))
        read = int((found[0].forms["what"] == "read").sum())
        proposals = int((read_events(door.log)["kind"] == "propose").sum())
        assert read == proposals == PEOPLE, found[0].problems
        used = versions("xlsxwriter", "python-calamine")
        said = f"{read} of {PEOPLE} read"
        results = [
            show(Row(c, f"{PEOPLE} forms", t, "", None, None, None, said, used)) for c, t in rows
        ]
        write_results("forms", results)


if __name__ == "__main__":
    main()
