"""Make the invented company "Alpine Instruments" with planted truths, byte-equal every time.

Run ``python data_samples/generate.py [--out FOLDER] [--seed N]``. FOLDER (this script's own
folder unless told) receives ``data/`` with the extracts and ``truth.json`` with what was planted.
It uses nothing of the package, so that a test which knows the truths is independent of it. Only
uniform and normal draws are taken, a stream a table; numbers are rounded before they are written.
"""

from __future__ import annotations

import argparse
import csv
import json
import zipfile
from collections.abc import Iterable
from datetime import datetime
from io import BytesIO
from pathlib import Path

import xlsxwriter
from invented.context import company_effects, table_assumptions, table_events, table_manager_time
from invented.funnel import table_activities, table_opportunities
from invented.goals import table_goals, table_proposals
from invented.people import Row, make_company, table_assignments, table_reps
from invented.selling import credited, table_sales
from invented.story import PRODUCTS, SEED
from invented.truth import all_truths

HEADERS = {
    "reps": "rep_id rep_name manager_id role hired_on left_on region",
    "assignments": "rep_id territory_id starts_on ends_on share",
    "products": "product_id product_name product_line list_price unit_cost",
    "sales": "sold_on rep_id territory_id product_id account_id units amount cost credit_share",
    "goals": "starts_on ends_on rep_id product_line metric goal",
    "opportunities": "opportunity_id rep_id outcome created_on presented_on proposed_on closed_on "
    "amount product_id account_id",
    "activities": "done_on rep_id activity count",
    "assumptions": "assumption_id statement low base high actual unit owner evidence check_on "
    "driver",
    "events": "event_id kind territory_id starts_on ends_on note",
    "manager_time": "manager_id activity month planned_hours actual_hours",
}


def write_csv(path: Path, header: str, rows: Iterable[Row]) -> None:
    """Write a table in UTF-8 with commas and plain line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split())
        writer.writerows(rows)


def write_proposals(path: Path, rows: list[Row]) -> None:
    """Write the file as an old desktop program would: semicolons, decimal commas, cp1252."""
    with path.open("w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(["Rep No", "Rep Name", "From", "To", "Proposed (€)"])
        writer.writerows(rows)


def write_territories(path: Path, rows: list[Row]) -> None:
    """Write a workbook; parts are stored unpacked, because packers differ between machines."""
    packed = BytesIO()
    with xlsxwriter.Workbook(packed, {"in_memory": True}) as workbook:
        workbook.set_properties({"created": datetime(2026, 1, 5)})
        sheet = workbook.add_worksheet("Territories")
        header = ["territory_id", "territory_name", "region", "potential"]
        sheet.write_row(0, 0, header, workbook.add_format({"bold": True}))
        for number, row in enumerate(rows, start=1):
            sheet.write_row(number, 0, row)
        sheet.set_column(0, 3, 16)
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            part = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            part.create_system = 0
            target.writestr(part, source.read(name))


def write_company(out: Path, seed: int) -> None:
    """Draw everything and write it into ``out``."""
    company = make_company(seed)
    sales = table_sales(company)
    months, years = credited(sales)
    opportunities = table_opportunities(company, months)
    effects = company_effects(sales)
    tables = {
        "reps": table_reps(company),
        "assignments": table_assignments(company),
        "products": [[product, *row[:4]] for product, row in PRODUCTS.items()],
        "sales": sales,
        "goals": table_goals(company, years),
        "opportunities": opportunities,
        "activities": table_activities(company, opportunities),
        "assumptions": table_assumptions(company, effects, opportunities),
        "events": table_events(),
        "manager_time": table_manager_time(company),
    }
    folder = out / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        write_csv(folder / f"{name}.csv", HEADERS[name], rows)
    write_proposals(folder / "proposals.csv", table_proposals(company, years))
    write_territories(folder / "territories.xlsx", company.territories)
    truths = json.dumps(all_truths(company, effects), indent=1, ensure_ascii=False) + "\n"
    (out / "truth.json").write_bytes(truths.encode("utf-8"))


def main() -> None:
    """Read the command line and write the company."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent,
        help="folder that receives data/ and truth.json",
    )
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args()
    write_company(chosen.out, chosen.seed)
    print(f"wrote {chosen.out / 'data'} and {chosen.out / 'truth.json'}")


if __name__ == "__main__":
    main()
