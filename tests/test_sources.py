"""Extracts of any shape become the same canonical tables."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.data import check_plan, open_inputs, prepare
from planning_kit.data.text_files import open_text_file
from planning_kit.messages import DataError
from planning_kit.plan import Plan
from tests.conftest import PlanMaker

SALES = ["month", "rep_id", "amount"]


def company(plan: Plan):
    return open_inputs(plan, prepare(plan))


def failures(plan: Plan) -> pd.DataFrame:
    problems = check_plan(plan)
    return problems[problems["status"] == "fail"].reset_index(drop=True)


def test_a_plan_in_canonical_form_needs_no_mapping(make_plan: PlanMaker):
    inputs = company(make_plan())
    assert inputs.sales["amount"].sum() == 220.5
    assert inputs.team()["rep_id"].tolist() == ["ann", "bob"]
    assert inputs.sales["product_line"].dropna().unique().tolist() == ["Line A", "Line B"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_any_usual_encoding_is_found(make_plan: PlanMaker, encoding: str):
    reps = "rep_id,rep_name\nann,Äna Müller\nbob,Bob\n".encode(encoding)
    assert company(make_plan(reps=reps)).reps["rep_name"].tolist() == ["Äna Müller", "Bob"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_usual_delimiter_is_found(make_plan: PlanMaker, delimiter: str):
    goals = "starts_on,ends_on,rep_id,goal\n2025-01-01,2025-12-31,ann,120\n"
    plan = make_plan(goals=goals.replace(",", delimiter))
    assert company(plan).goals["goal"].tolist() == [120.0]


def test_decimal_commas_thousands_currency_signs_and_days_are_declared(make_plan: PlanMaker):
    sales = "Datum;Wer;Betrag\n31.12.2025;ann;1.234.567,89 €\n01.01.2025;bob;-0,01 €\n"
    extra = """
[sources.sales]
file = "data/sales.csv"
decimal = ","
thousands = "."
currency_sign = "€"
date_format = "%d.%m.%Y"
[sources.sales.columns]
sold_on = "Datum"
rep_id = "Wer"
amount = "Betrag"
"""
    sales_table = company(make_plan(extra=extra, sales=sales)).sales
    assert sales_table.set_index("rep_id")["amount"].to_dict() == {"ann": 1234567.89, "bob": -0.01}


def test_undeclared_separators_are_refused_and_the_line_to_write_is_said(make_plan: PlanMaker):
    sales = 'sold_on,rep_id,amount\n2025-01-01,ann,"1,234.50"\n2025-01-02,ann,€ 7\n'
    found = failures(make_plan(sales=sales))
    assert found["row"].tolist() == [2, 3]
    assert "thousands" in found["advice"][0] and 'currency_sign = "€"' in found["advice"][1]


def test_a_decimal_point_in_a_file_of_decimal_commas_is_refused(make_plan: PlanMaker):
    extra = '[sources.sales]\nfile = "data/sales.csv"\ndecimal = ","\n'
    found = failures(make_plan(extra=extra, sales="sold_on;rep_id;amount\n2025-01-01;ann;1.5\n"))
    assert found["value"].tolist() == ["1.5"]


def test_month_columns_become_rows_and_empty_stays_empty(make_plan: PlanMaker):
    goals = "seller,2025-01,2025-02,2025-03\nann,100,,0\n"
    extra = """
[sources.goals]
file = "data/goals.csv"
[sources.goals.columns]
rep_id = "seller"
[sources.goals.unpivot]
columns = ["2025-*"]
name_to = "starts_on"
value_to = "goal"
format = "%Y-%m"
"""
    goals_table = company(make_plan(extra=extra, goals=goals)).goals.sort_values("starts_on")
    assert goals_table["starts_on"].dt.month.tolist() == [1, 2, 3]
    assert goals_table["goal"].isna().tolist() == [False, True, False]
    assert goals_table["goal"].iloc[2] == 0.0


def test_a_goal_without_an_end_lasts_until_the_next_start_of_the_same_person(make_plan: PlanMaker):
    goals = (
        "starts_on,rep_id,goal\n2025-01-01,ann,1\n2025-04-01,ann,2\n2025-06-01,ann,3\n"
        "2025-02-01,bob,4\n2025-05-01,bob,5\n"
    )
    table = company(make_plan(goals=goals)).goals.set_index(["rep_id", "goal"])["ends_on"]
    assert table[("ann", 1.0)] == pd.Timestamp("2025-03-31")
    assert table[("ann", 2.0)] == pd.Timestamp("2025-05-31")
    assert table[("bob", 4.0)] == pd.Timestamp("2025-04-30")
    assert table[("bob", 5.0)] == pd.Timestamp("2025-07-31")  # as long as most: three months


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def by_year(columns: str, extra: str = "", where: str = "goals.csv") -> str:
    return f"""
[sources.goals]
file = "data/{where}"
[sources.goals.columns]
rep_id = "Seller"
[sources.goals.unpivot]
year = "Year"
columns = {columns}
name_to = "starts_on"
value_to = "goal"
{extra}"""


def wide(headers: tuple[str, ...], *rows: str) -> str:
    head = ",".join('"' + header.replace('"', '""') + '"' for header in headers)
    return "\n".join([head, *rows]) + "\n"


def test_a_year_in_a_column_and_months_beside_it_become_rows(make_plan: PlanMaker):
    cells = ",".join(str(number) for number in range(1, 13))
    text = wide(("Seller", "Year", *MONTHS, "Total"), f"ann,2024,{cells},78", f"ann,2025.0,{cells},78",
                "bob,2025,,0,,,,,,,,,,5,5")  # fmt: skip
    plan = make_plan(extra=by_year('["???"]'), goals=text)
    table = company(plan).goals.set_index(["rep_id", "starts_on"]).sort_index()
    assert len(table) == 36 and table.loc["ann", "goal"].tolist() == [*range(1, 13)] * 2
    assert table.loc[("ann", pd.Timestamp("2024-02-01")), "ends_on"] == pd.Timestamp("2024-02-29")
    bob = table.loc["bob", "goal"]
    assert bob.isna().tolist() == [True, False, *[True] * 9, False]  # empty is not 0
    assert company(plan).goals["goal"].sum() == 78 * 2 + 5


@pytest.mark.parametrize(
    "headers",
    [
        tuple(month.upper() for month in MONTHS),
        tuple(f" {number:02d}" for number in range(1, 13)),
        tuple(f"M{number}" for number in range(1, 13)),
        tuple(f'Goal "net"; {month}. (EUR)' for month in MONTHS),
        tuple(f"{month}'); DROP TABLE plan.goals; --" for month in MONTHS),
        (
            "Jän",
            "Feber",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "Sept",
            "Okt",
            "Nov",
            "Dez",
        ),
        ("janv", "fév", "mars", "avr", "mai", "juin", "juil", "août", "sept", "oct", "nov", "déc"),
    ],
    ids=["capitals", "numbers", "letters", "quotes", "sql", "German", "French"],
)
def test_months_are_found_in_any_usual_header(make_plan: PlanMaker, headers):
    text = wide(("Seller", "Year", *headers), "ann,2025," + ",".join(map(str, range(1, 13))))
    table = company(make_plan(extra=by_year('["*"]'), goals=text)).goals.sort_values("starts_on")
    assert table["goal"].tolist() == [*range(1, 13)]
    assert table["starts_on"].dt.month.tolist() == [*range(1, 13)]


@pytest.mark.parametrize(
    ("headers", "extra", "words"),
    [
        (("Jan", "Total"), "", "no single month in 'Total'"),
        (
            ("Jan", "January"),
            "",
            "'Jan' and 'January' are the same month|'Jan', 'January' are the same",
        ),
        (("Jan", "Feb 24"), "", "no single month in 'Feb 24'"),
        (
            ("Jan", "13"),
            "",
            r'no single month in \'13\'; say \[sources.goals.values.starts_on\] "HEADER"',
        ),
        (("Jan", "Feb"), "yaer = 1", "unpivot: 1 unknown label: 'yaer'"),
    ],
    ids=["a total", "twice", "with a year", "no month", "a key mistyped"],
)
def test_headers_that_name_no_single_month_are_refused(make_plan: PlanMaker, headers, extra, words):
    text = wide(("Seller", "Year", *headers), "ann,2025,1,2")
    with pytest.raises(DataError, match=words):
        prepare(make_plan(extra=by_year('["*"]', extra), goals=text))


def test_the_plan_may_say_which_month_a_header_means(make_plan: PlanMaker):
    text = wide(("Seller", "Year", "start", "Feb"), "ann,2025,1,2")
    extra = '[sources.goals.values.starts_on]\n"start" = "Jan"'
    table = company(make_plan(extra=by_year('["start", "Feb"]', extra), goals=text)).goals
    assert sorted(table["starts_on"].dt.month) == [1, 2]


def test_a_year_that_is_none_is_named_with_its_cell(make_plan: PlanMaker):
    text = wide(("Seller", "Year", "Jan"), "ann,FY25,1", "bob,,2", "ann,2025,3")
    said = failures(make_plan(extra=by_year('["Jan"]'), goals=text))
    assert said[["row", "column"]].to_numpy().tolist() == [[2, "starts_on"], [3, "starts_on"]]
    assert said["message"].tolist()[0].startswith("'FY25-01-01' is not a day")


def test_whole_dates_may_stand_in_the_headers_of_a_workbook(make_plan: PlanMaker, tmp_path: Path):
    plan = make_plan(
        extra="""
[sources.goals]
file = "data/goals.xlsx"
[sources.goals.unpivot]
columns = ["20*"]
name_to = "starts_on"
value_to = "goal"
""",
        goals=None,
    )
    days = pd.date_range("2025-01-01", periods=3, freq="MS")
    table = pd.DataFrame([["ann", 1, 2, None]], columns=["rep_id", *days])
    table.to_excel(plan.folder / "data" / "goals.xlsx", index=False)
    found = company(plan).goals.sort_values("starts_on")
    assert found["starts_on"].tolist() == list(days)
    assert found["goal"].fillna(-1).tolist() == [1, 2, -1]


def periods(plan: Plan) -> list[str]:
    table = company(plan).goals.sort_values(["rep_id", "starts_on"])
    return [f"{r.rep_id} {r.starts_on:%y-%m-%d} {r.ends_on:%y-%m-%d}" for r in table.itertuples()]


def test_a_monthly_goal_ends_with_its_month_whatever_follows(make_plan: PlanMaker):
    months = [*(f"2025-{m:02d}-01" for m in (1, 2, 3, 4, 7, 12)), "2026-03-01"]
    plan = make_plan(goals="starts_on,rep_id,goal\n" + "".join(f"{m},ann,5\n" for m in months))
    assert periods(plan) == [
        *("ann 25-01-01 25-01-31", "ann 25-02-01 25-02-28", "ann 25-03-01 25-03-31"),
        *("ann 25-04-01 25-04-30", "ann 25-07-01 25-07-31", "ann 25-12-01 25-12-31"),
        "ann 26-03-01 26-03-31",
    ]
    said = check_plan(plan).query("rule == 'gap'")
    assert said["message"].tolist() == [
        "3 goals of 1 people have no ends_on and the next starts later than usual: taken to be as long "
        "as most, so that the one of 'ann' from 2025-04-01 ends on 2025-04-30 and nothing is planned "
        "until 2025-07-01"
    ]
    assert said[["file", "row", "column"]].to_numpy().tolist() == [["goals.csv", 5, "ends_on"]]


def test_a_december_goal_moves_nothing_into_the_year_after(make_plan: PlanMaker):
    months = [f"2025-{m:02d}-01" for m in range(1, 13)]
    goals = [f"{m},ann,10" for m in months] + ["2026-02-01,ann,10"] + [f"{m},bob,1" for m in months]
    sales = "sold_on,rep_id,amount\n2025-12-15,ann,9\n2026-01-15,ann,8\n2025-01-15,bob,1\n"
    plan = make_plan(goals="starts_on,rep_id,goal\n" + "\n".join(goals) + "\n", sales=sales)
    assert "ann 25-12-01 25-12-31" in periods(plan)
    sold = company(plan).sales.set_index(["rep_id", "month"])["goal_period"]
    assert sold[("ann", pd.Timestamp("2025-12-01"))] == pd.Timestamp("2025-12-01")
    assert pd.isna(sold[("ann", pd.Timestamp("2026-01-01"))])  # no goal covers it


@pytest.mark.parametrize(
    ("starts", "ends"),
    [
        (["25-01-01", "25-04-01", "25-07-01", "25-10-01"], "25-12-31"),
        (["22-01-01", "23-01-01", "25-01-01"], "25-12-31"),
        (["25-01-01"], "25-12-31"),
        (["25-01-01", "25-03-01", "25-04-01", "25-08-01", "25-11-01"], "25-11-30"),
        (["25-01-15", "25-02-15", "25-05-15"], "25-06-14"),
    ],
    ids=["quarters", "years", "a single one", "irregular", "not on firsts"],
)
def test_the_last_goal_is_as_long_as_most(make_plan: PlanMaker, starts, ends):
    plan = make_plan(goals="starts_on,rep_id,goal\n" + "".join(f"20{s},ann,5\n" for s in starts))
    assert periods(plan)[-1] == f"ann {starts[-1]} {ends}"


def test_goals_at_odd_distances_last_until_the_next_and_leave_no_gap(make_plan: PlanMaker):
    starts = ["2025-01-01", "2025-03-01", "2025-04-01", "2025-08-01", "2025-11-01"]
    plan = make_plan(goals="starts_on,rep_id,goal\n" + "".join(f"{s},ann,5\n" for s in starts))
    assert periods(plan)[1:3] == ["ann 25-03-01 25-03-31", "ann 25-04-01 25-07-31"]
    assert "gap" not in set(check_plan(plan)["rule"])


def test_years_of_managers_and_months_of_their_people_stand_in_one_table(make_plan: PlanMaker):
    months = [f"2025-{m:02d}-01,ann,10" for m in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)]
    years = [f"{year}-01-01,mia,120" for year in (2024, 2025)]
    plan = make_plan(goals="starts_on,rep_id,goal\n" + "\n".join(months + years) + "\n")
    assert "mia 25-01-01 25-12-31" in periods(plan) and "ann 25-12-01 25-12-31" in periods(plan)


def test_values_and_constants_are_mapped(make_plan: PlanMaker):
    extra = """
[sources.sales]
file = "data/sales.csv"
[sources.sales.values.product_id]
"P-1" = "p1"
[sources.sales.constants]
credit_share = 0.5
"""
    sales = "sold_on,rep_id,amount,product_id\n2025-01-01,ann,100,P-1\n"
    table = company(make_plan(extra=extra, sales=sales)).sales
    assert table["product_line"].tolist() == ["Line A"] and table["amount"].tolist() == [50.0]


def test_excel_parquet_and_csv_give_the_same_table(make_plan: PlanMaker):
    plan = make_plan()
    expected = company(plan).sales
    data = plan.folder / "data"
    frame = pd.read_csv(data / "sales.csv", parse_dates=["sold_on"])
    frame.to_excel(data / "sales.xlsx", index=False, engine="openpyxl")
    duckdb.connect().execute(f"COPY (FROM '{data}/sales.csv') TO '{data}/sales.parquet'")
    for name in ("sales.xlsx", "sales.parquet"):
        extra = f'[sources.sales]\nfile = "data/{name}"\n'
        pd.testing.assert_frame_equal(company(make_plan(extra=extra)).sales, expected)


def test_several_files_of_one_shape_are_one_table(make_plan: PlanMaker):
    plan = make_plan(extra='[sources.sales]\nfile = "data/sales_*.csv"\n', sales=None)
    head = "sold_on,rep_id,amount\n"
    (plan.folder / "data" / "sales_1.csv").write_text(head + "2025-01-01,ann,1\n")
    (plan.folder / "data" / "sales_2.csv").write_text("amount,rep_id,sold_on\n2,ann,2025-01-02\n")
    assert company(plan).sales["amount"].sum() == 3.0


def test_sql_over_files_joins_what_no_single_file_has(make_plan: PlanMaker):
    plan = make_plan(
        extra="""
[files.orders]
file = "data/orders.csv"
[files.lines]
file = "data/lines.csv"
[sources.sales]
sql = '''SELECT o.day AS sold_on, o.who AS rep_id,
         CAST(l.q AS INT) * CAST(l.p AS DECIMAL(9,2)) AS amount
         FROM orders o JOIN lines l USING (id)'''
""",
        sales=None,
    )
    (plan.folder / "data" / "orders.csv").write_text("id,day,who\n01,2025-01-01,ann\n")
    (plan.folder / "data" / "lines.csv").write_text("id,q,p\n01,3,2.50\n01,1,1\n1,9,9\n")
    assert company(plan).sales["amount"].tolist() == [8.5]


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO 'stolen.csv'",
        "SELECT 1; DROP TABLE x",
        "ATTACH 'other.db'",
        "SELECT * FROM read_csv('/etc/passwd', header=false)",
        "SELECT * FROM 'data/reps.csv'",
        "INSTALL httpfs",
    ],
)
def test_sql_can_only_read_the_files_the_plan_names(make_plan: PlanMaker, query: str):
    plan = make_plan(extra=f'[sources.sales]\nsql = """{query}"""\n', sales=None)
    with pytest.raises(DataError, match=r"sources\.sales\.sql"):
        prepare(plan)
    assert not list(plan.folder.rglob("stolen*"))


def test_reading_never_changes_a_source(make_plan: PlanMaker):
    plan = make_plan()
    files = sorted((plan.folder / "data").iterdir())
    before = [(f.stat().st_mtime_ns, hashlib.sha256(f.read_bytes()).digest()) for f in files]
    prepare(plan)
    assert before == [
        (f.stat().st_mtime_ns, hashlib.sha256(f.read_bytes()).digest()) for f in files
    ]


def test_reading_never_writes_into_a_source_however_large_it_is(make_plan: PlanMaker):
    # So many lines that the scratch database tidies its files up in the middle of the sources.
    lines = (
        f"2025-{1 + n % 12:02d}-01,{('ann', 'bob')[n % 2]},t1,p1,customer {n:060d},"
        f"{n % 9},{n % 977}.{n % 100:02d},{n % 311}.5"
        for n in range(120_000)
    )
    head = "sold_on,rep_id,territory_id,product_id,account_id,units,amount,cost\n"
    plan = make_plan(sales=head + "\n".join(lines) + "\n")
    files = sorted((plan.folder / "data").iterdir())
    before = [hashlib.sha256(f.read_bytes()).digest() for f in files]
    prepare(plan)
    assert before == [hashlib.sha256(f.read_bytes()).digest() for f in files]


def test_a_name_that_went_away_in_the_scratch_folder_is_not_used_again(tmp_path: Path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "other").write_text("")
    sources = [tmp_path / "first.csv", tmp_path / "second.csv"]
    for number, source in enumerate(sources):
        source.write_text(f"a,b\n{number},{number}\n")
    first = open_text_file(sources[0], scratch)
    (scratch / "other").unlink()  # as a database does with its log
    second = open_text_file(sources[1], scratch)
    assert first.path != second.path
    assert [source.read_text() for source in sources] == ["a,b\n0,0\n", "a,b\n1,1\n"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"PK\x03\x04rest", "Excel"),
        (b"a,b\x00c", "not a text file"),
        (b"rep_id,rep_id\n1,2\n", "twice"),
        (b"rep_id,,x\n1,2,3\n", "without a name"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(make_plan: PlanMaker, content: bytes, words: str):
    assert words in failures(make_plan(reps=content))["message"].str.cat()


def test_a_missing_file_names_the_nearest_one(make_plan: PlanMaker):
    plan = make_plan(extra='[sources.sales]\nfile = "data/slaes.csv"\n')
    with pytest.raises(DataError, match=r"slaes\.csv' \(did you mean 'sales\.csv'\?\)"):
        prepare(plan)


def test_a_missing_column_names_the_line_to_write(make_plan: PlanMaker):
    plan = make_plan(sales="sold_on,rep_id,Amount EUR\n2025-01-01,ann,1\n")
    with pytest.raises(DataError, match=r'\[sources\.sales\.columns\] amount = "Amount EUR"'):
        prepare(plan)


def test_all_sources_that_cannot_be_read_are_named_at_once(make_plan: PlanMaker):
    plan = make_plan(extra='[sources.goals]\nfile = "data/g.csv"\n', reps="", goals=None)
    with pytest.raises(DataError, match=r"(?s)reps\.csv.*g\.csv|g\.csv.*reps\.csv"):
        prepare(plan)


def test_check_lists_sources_that_cannot_be_read_one_by_one(make_plan: PlanMaker):
    plan = make_plan(extra='[sources.goals]\nfile = "data/g.csv"\n', reps="", goals=None)
    found = failures(plan)
    assert len(found) == 2 and found["rule"].eq("source").all()
    assert not (plan.folder / ".prepared").exists()


def test_a_guessed_encoding_is_said(make_plan: PlanMaker):
    reps = "rep_id,rep_name\nann,Åsa\nbob,Bob\n".encode("cp1252")
    problems = check_plan(make_plan(reps=reps))
    assert problems["rule"].tolist() == ["encoding"] and problems["status"].tolist() == ["review"]
    said = '[sources.reps]\nfile = "data/reps.csv"\nencoding = "cp1252"\n'
    assert check_plan(make_plan(extra=said, reps=reps)).empty


def test_lines_that_do_not_fit_the_header_are_named(make_plan: PlanMaker):
    found = failures(
        make_plan(sales="sold_on,rep_id,amount\n2025-01-01,ann,1\n2025-01-02,ann,1,9\n")
    )
    assert found["row"].tolist() == [3] and found["rule"].tolist() == ["shape"]


def test_row_numbers_are_those_of_a_spreadsheet_in_spite_of_blank_lines(make_plan: PlanMaker):
    sales = 'sold_on,rep_id,amount\n2025-01-01,ann,1\n\n\n2025-01-02,ann,"x\ny"\n2025-01-03,ann,z\n'
    assert failures(make_plan(sales=sales))["row"].tolist() == [5, 6]


def test_names_that_look_like_nothing_stay_names(make_plan: PlanMaker):
    regions = ["NA", "NO", "null", "nan", "O'Brien", "../up", "{x}", "北", "01", "1e5", "a\nb"]
    rows = "".join(f't{i},"{name}"\n' for i, name in enumerate(regions))
    held = "".join(f"r{i},t{i}\n" for i in range(len(regions)))
    sold = "".join(f"2025-03-0{1 + i % 9},r{i},{i + 1}\n" for i in range(len(regions)))
    plan = make_plan(
        reps="rep_id\n" + "".join(f"r{i}\n" for i in range(len(regions))),
        territories="territory_id,region\n" + rows,
        assignments="rep_id,territory_id\n" + held,
        sales="sold_on,rep_id,amount\n" + sold,
        goals=None,
    )
    prepared = prepare(plan)
    assert sorted(prepared.regions) == sorted(regions)
    for number, name in enumerate(regions):
        inputs = open_inputs(plan, prepared, name)
        assert inputs.sales["amount"].tolist() == [number + 1.0]
        assert prepared.region_folder(name).parent == prepared.folder


def test_a_sale_belongs_to_the_region_of_the_person_on_that_day(make_plan: PlanMaker):
    plan = make_plan(
        assignments=(
            "rep_id,territory_id,starts_on,ends_on\nann,t1,2024-01-01,2025-06-30\n"
            "ann,t2,2025-07-01,\nbob,t2,2024-01-01,2025-06-30\n"
        ),
        sales="sold_on,rep_id,amount\n2025-06-30,ann,1\n2025-07-01,ann,2\n2025-12-01,bob,4\n",
    )
    prepared = prepare(plan)
    north, south = (
        open_inputs(plan, prepared, r).sales["amount"].sum() for r in ("North", "South")
    )
    assert (north, south) == (1.0, 6.0)  # bob's assignment ended; the nearest one in time counts
    assert set(open_inputs(plan, prepared).sales["territory_id"].dropna()) == {"t1", "t2"}


def test_regions_add_up_to_the_company(sample: Plan):
    prepared = prepare(sample)
    whole = open_inputs(sample, prepared)
    parts = [open_inputs(sample, prepared, region) for region in prepared.regions]
    assert sum(round(p.sales["amount"].sum() * 100) for p in parts) == round(
        whole.sales["amount"].sum() * 100
    )
    assert sum(p.target for p in parts) == whole.target
    assert sum(len(p.team()) for p in parts) == len(whole.team())


def test_the_same_inputs_are_prepared_once(make_plan: PlanMaker):
    plan = make_plan()
    first = prepare(plan)
    stamp = (first.folder / "company" / "sales.parquet").stat().st_mtime_ns
    assert prepare(plan).folder == first.folder
    assert (first.folder / "company" / "sales.parquet").stat().st_mtime_ns == stamp
    assert prepare(make_plan(sales="sold_on,rep_id,amount\n")).folder != first.folder


def test_processes_that_prepare_at_once_all_find_the_same(make_plan: PlanMaker):
    plan = make_plan()
    code = (
        "import sys; from planning_kit.plan import load_plan; from planning_kit.data import *\n"
        "plan = load_plan(sys.argv[1]); prepared = prepare(plan)\n"
        "print(open_inputs(plan, prepared).sales['amount'].sum(), prepared.folder.name)"
    )
    command = [sys.executable, "-c", code, str(plan.folder)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate()[0] for process in running}
    assert len(said) == 1 and said.pop().startswith("220.5 ")
    assert len(list((plan.folder / ".prepared").iterdir())) == 1


def test_what_cannot_be_prepared_leaves_nothing_behind(make_plan: PlanMaker):
    plan = make_plan(sales="sold_on,rep_id,amount\n2025-01-01,ann,x\n")
    with pytest.raises(DataError, match="text where a number belongs"):
        prepare(plan)
    assert not list((plan.folder / ".prepared").iterdir())


@pytest.mark.parametrize("amount", ["0.01", "1000000000000", "-0.01", "1e3", ".5"])
def test_amounts_of_any_size_arrive_exactly(make_plan: PlanMaker, amount: str):
    sales = f"sold_on,rep_id,amount\n2025-01-01,ann,{amount}\n"
    assert company(make_plan(sales=sales)).sales["amount"].tolist() == [float(amount)]


@pytest.mark.parametrize("amount", ["inf", "nan", "1_000", "0x10", "١٢", "--1", "1e", "12 000"])
def test_what_is_no_plain_number_is_refused(make_plan: PlanMaker, amount: str):
    sales = f"sold_on,rep_id,amount\n2025-01-01,ann,{amount}\n"
    assert failures(make_plan(sales=sales))["value"].tolist() == [amount]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_every_text_a_spreadsheet_writes_comes_back(tmp_path_factory, rows):
    import csv

    folder = tmp_path_factory.mktemp("csv")
    source = folder / "in.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b"])
        writer.writerows(rows)
    scratch = folder / "scratch"
    scratch.mkdir()
    text = open_text_file(source, scratch)
    found = (
        duckdb.connect()
        .execute(
            "SELECT a, b FROM read_csv(?, delim=?, header=true, all_varchar=true, quote='\"', "
            "escape='\"', auto_detect=false, columns={'a': 'VARCHAR', 'b': 'VARCHAR'})",
            [str(text.path), text.delimiter],
        )
        .fetchall()
    )
    assert [[a or "", b or ""] for a, b in found] == rows


def test_a_packed_file_is_read_as_it_is(make_plan: PlanMaker):
    plan = make_plan(extra='[sources.sales]\nfile = "data/sales.csv.gz"\n')
    blob = gzip.compress("sold_on,rep_id,amount\n2025-01-01,ann,7\n".encode("cp1252"))
    (plan.folder / "data" / "sales.csv.gz").write_bytes(blob)
    assert company(plan).sales["amount"].tolist() == [7.0]


def test_a_folder_that_cannot_be_written_is_prepared_elsewhere(make_plan, monkeypatch, tmp_path):
    plan = make_plan()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    real = Path.mkdir

    def refuse(self, *args, **kwargs):
        if self.name == ".prepared":
            raise PermissionError(self)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert (tmp_path / "cache") in prepare(plan).folder.parents
