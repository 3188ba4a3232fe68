"""What would be read wrongly is named with its file, row and column, or read rightly."""

from __future__ import annotations

import zipfile

import pandas as pd
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from planning_kit.data import check_plan, open_inputs, prepare
from planning_kit.data.text_files import open_text_file
from planning_kit.messages import DataError
from planning_kit.plan import Plan
from tests.conftest import PlanMaker

ERRORS = ["#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"]
SALES = '[sources.sales]\nfile = "data/{}"\n'
PRODUCTS = '[sources.products]\nfile = "data/{}"\n'


def sales_of(plan: Plan) -> pd.DataFrame:
    return open_inputs(plan, prepare(plan)).sales


def failures(plan: Plan) -> pd.DataFrame:
    problems = check_plan(plan)
    return problems[problems["status"] == "fail"].reset_index(drop=True)


# --- line ends -----------------------------------------------------------------------------------


def test_a_header_cell_with_a_line_break_loses_no_row_where_rows_end_in_crlf(make_plan: PlanMaker):
    goals = b'starts_on,ends_on,rep_id,"goal\nEUR"\r\n2025-01-01,2025-12-31,ann,120\r\n'
    extra = """
[sources.goals]
file = "data/goals.csv"
[sources.goals.columns]
goal = "goal\\nEUR"
"""
    plan = make_plan(extra=extra, goals=goals)
    assert check_plan(plan).empty
    assert open_inputs(plan, prepare(plan)).goals["goal"].tolist() == [120.0]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("inside", [b"\n", b"\r\n", b"\r"])
def test_rows_arrive_whatever_line_ends_cells_and_rows_have(make_plan: PlanMaker, end, inside):
    reps = b'rep_id,"rep' + inside + b'name"' + end + b'ann,"Ann' + inside + b'A"' + end
    reps += b"bob,Bob" + end
    inside_toml = inside.decode("unicode_escape").encode("unicode_escape").decode()
    extra = f"""
[sources.reps]
file = "data/reps.csv"
[sources.reps.columns]
rep_name = "rep{inside_toml}name"
"""
    found = open_inputs(plan := make_plan(extra=extra, reps=reps), prepare(plan)).reps
    assert found["rep_id"].tolist() == ["ann", "bob"]
    assert found["rep_name"].tolist() == [f"Ann{inside.decode()}A", "Bob"]


def test_a_file_with_two_kinds_of_line_ends_is_read_whole(make_plan: PlanMaker):
    sales = b"sold_on,rep_id,amount\r\n2025-01-01,ann,1\n2025-01-02,ann,2\r\n2025-01-03,bob,4\n"
    assert sales_of(make_plan(sales=sales))["amount"].sum() == 7.0


# --- quotes --------------------------------------------------------------------------------------


def with_stray_pair(first: int, last: int, rows: int = 30) -> str:
    lines = ["sold_on,rep_id,account_id,amount"]
    for number in range(2, rows + 2):
        before = '"' if number == first else ""
        after = '"' if number == last else ""
        lines.append(f"2025-01-{number % 28 + 1:02d},ann,{before}p1{after},{number}")
    return "\n".join(lines) + "\n"


def test_a_stray_pair_of_quotes_is_named_with_the_rows_it_swallows(make_plan: PlanMaker):
    found = failures(make_plan(sales=with_stray_pair(5, 24)))
    assert found["rule"].tolist() == ["quotes"]
    assert found[["file", "row", "column"]].values.tolist() == [["sales.csv", 5, "account_id"]]
    assert "19 more lines" in found["message"][0] and found["value"][0].startswith("p1,5")


def test_a_stray_pair_is_found_in_a_file_that_is_copied_too(make_plan: PlanMaker):
    blob = ("a title\n" + with_stray_pair(5, 24)).encode("utf-16")
    extra = SALES.format("sales.csv") + "skip_rows = 1\n"
    found = failures(make_plan(extra=extra, sales=blob))
    assert found["row"].tolist() == [6] and found["rule"].tolist() == ["quotes"]


def test_a_single_stray_quote_is_named_too(make_plan: PlanMaker):
    found = failures(make_plan(sales=with_stray_pair(5, 0)))
    assert 5 in found["row"].tolist()


def test_a_quote_that_never_ends_is_refused_however_much_it_swallows(make_plan: PlanMaker):
    with pytest.raises(DataError, match=r"sales\.csv, row 5: a cell .* goes on for more than"):
        prepare(make_plan(sales=with_stray_pair(5, 0, rows=10_000)))


def test_text_of_several_lines_is_no_stray_quote(make_plan: PlanMaker):
    events = (
        "event_id,kind,starts_on,note\n"
        'e1,price change,2025-01-01,"Dear all,\nprices rise, by 2 %, everywhere\nthe board"\n'
        'e2,"entry, new",2025-02-01,"5"" disks"\ne3,x,2025-02-01,5" disk\n'
    )
    plan = make_plan(
        extra='[sources.events]\nfile = "data/events.csv"\n', events=events, sales=None
    )
    plan = make_plan(extra='[sources.events]\nfile = "data/events.csv"\n', events=events)
    assert check_plan(plan).empty
    notes = open_inputs(plan, prepare(plan)).events["note"].tolist()
    assert notes[1:] == ['5" disks', '5" disk'] and notes[0].count("\n") == 2


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=6),
    st.sampled_from(["\r\n", "\n"]),
)
def test_what_a_spreadsheet_writes_is_counted_as_it_arrives(tmp_path_factory, rows, end):
    import csv

    import duckdb

    from planning_kit.data.readers import _csv_query

    folder = tmp_path_factory.mktemp("csv")
    with (folder / "in.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows([("a", "b", "c"), *rows])
    text = open_text_file(folder / "in.csv", folder)
    found = duckdb.connect().execute(_csv_query(text)).fetchall()
    assert [[cell or "" for cell in row] for row in found] == [list(row) for row in rows]
    assert text.rows in (None, len(rows))


# --- errors of a spreadsheet ---------------------------------------------------------------------


def workbook(plan: Plan, name: str = "products.xlsx") -> None:
    """Write a table of products whose ids and costs are failed formulas, one of each kind."""
    book = xlsxwriter.Workbook(plan.folder / "data" / name)
    sheet = book.add_worksheet("Products")
    sheet.write_row(0, 0, ["product_id", "product_line", "unit_cost"])
    sheet.write_row(1, 0, ["p1", "Line A", 2.5])
    sheet.write_row(2, 0, ["p2", "Line B"])  # a cost nobody knows
    for number, error in enumerate(ERRORS):
        sheet.write_formula(3 + number, 0, "=1/0", None, error)
        sheet.write(3 + number, 1, "Line C")
        sheet.write_formula(3 + number, 2, "=1/0", None, error)
    book.close()


def test_error_cells_of_a_workbook_are_named_with_their_cell(make_plan: PlanMaker):
    plan = make_plan(extra=PRODUCTS.format("products.xlsx"), products=None)
    workbook(plan)
    found = failures(plan)
    errors = found[found["rule"] == "error"].sort_values(["column", "row"])
    assert errors["value"].tolist() == ERRORS * 2
    assert errors["row"].tolist() == list(range(4, 11)) * 2
    assert errors["file"].unique().tolist() == ["products.xlsx"]
    assert errors["column"].tolist() == ["product_id"] * 7 + ["unit_cost"] * 7
    assert 'empty = ["#REF!"]' in errors["advice"].str.cat()


def test_an_error_that_means_nobody_knows_can_be_said_to_be_empty(make_plan: PlanMaker):
    said = PRODUCTS.format("products.xlsx") + f"empty = {ERRORS}\n"
    plan = make_plan(extra=said, products=None)
    workbook(plan)
    assert failures(plan)["message"].tolist() == ["product_id is empty (id of the product)"] * 7


def test_error_cells_of_an_opendocument_sheet_are_named(make_plan: PlanMaker):
    plan = make_plan(extra=PRODUCTS.format("products.ods"), products=None)
    names = "".join(
        f' xmlns:{short}="urn:{long}"'
        for short, long in {
            "office": "oasis:names:tc:opendocument:xmlns:office:1.0",
            "table": "oasis:names:tc:opendocument:xmlns:table:1.0",
            "text": "oasis:names:tc:opendocument:xmlns:text:1.0",
            "calcext": "org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0",
        }.items()
    )

    def cell(text: str, more: str = "") -> str:
        kind = f'office:value-type="string"{more}'
        return f"<table:table-cell {kind}><text:p>{text}</text:p></table:table-cell>"

    failed = cell("#DIV/0!", ' office:string-value="" calcext:value-type="error"')
    rows = [cell("product_id") + cell("product_line"), cell("p1") + cell("A"), failed + cell("B")]
    table = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    long = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    manifest = (
        f'<m:manifest xmlns:m="{long}"><m:file-entry m:full-path="/" m:media-type="{kind}"/>'
        "</m:manifest>"
    )
    content = (
        f'<?xml version="1.0"?><office:document-content{names}><office:body><office:spreadsheet>'
        f'<table:table table:name="S">{table}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    with zipfile.ZipFile(plan.folder / "data" / "products.ods", "w") as book:
        book.writestr("mimetype", kind)
        book.writestr("META-INF/manifest.xml", manifest)
        book.writestr("content.xml", content)
    found = failures(plan)
    assert found.loc[found["rule"] == "error", ["row", "column", "value"]].values.tolist() == [
        [3, "product_id", "#DIV/0!"]
    ]


@pytest.mark.parametrize("error", [*ERRORS, "#NV", "#BEZUG!", "#WERT!", "#SPILL!"])
def test_errors_written_into_a_csv_are_named_in_columns_of_text_and_of_numbers(
    make_plan: PlanMaker, error: str
):
    sales = f"sold_on,rep_id,amount,account_id\n2025-01-01,ann,1,{error}\n2025-01-02,ann,{error},\n"
    found = failures(make_plan(sales=sales))
    assert found["rule"].tolist() == ["error", "error"]
    assert found[["row", "column"]].values.tolist() == [[2, "account_id"], [3, "amount"]]


# --- marks of numbers ----------------------------------------------------------------------------


def sold(plan_maker: PlanMaker, amount: object, options: str) -> Plan:
    sales = f'sold_on,rep_id,amount\n2025-01-01,ann,"{amount}"\n'
    return plan_maker(extra=SALES.format("sales.csv") + options, sales=sales)


@pytest.mark.parametrize(
    ("amount", "options", "meant"),
    [
        ("1.234.567", 'thousands = "."', 1234567.0),
        ("1.234,5", 'thousands = "."', 1234.5),  # the comma follows from the point
        ("12,50", 'thousands = "."', 12.5),
        ("1,234.50", 'thousands = ","', 1234.5),
        ("1.234,50", 'decimal = ","\nthousands = "."', 1234.5),
        ("12,34,567", 'thousands = ","', 1234567.0),  # as written in India
        ("1'234'567.5", 'thousands = "\'"', 1234567.5),
        ("1 234\u00a0567,5", 'decimal = ","\nthousands = [" ", "\\u00a0"]', 1234567.5),
        ("-1.234", 'thousands = "."', -1234.0),
        ("12000", 'thousands = "."', 12000.0),
        ("1e3", 'thousands = ","', 1000.0),
    ],
)
def test_marks_of_numbers_are_read_as_declared(make_plan: PlanMaker, amount, options, meant):
    assert sales_of(sold(make_plan, amount, options))["amount"].tolist() == [meant]


@pytest.mark.parametrize(
    ("amount", "options", "advice"),
    [
        ("380,574.80", 'thousands = "."', 'decimal = "." and thousands = ","'),
        ("380574.80", 'thousands = "."', 'decimal = "."'),
        ("1.5", 'thousands = "."', 'decimal = "."'),
        ("1,5", 'thousands = ","', 'decimal = ","'),
        ("1.234.5", 'decimal = ","\nthousands = "."', "thousands"),
        ("12.3456", 'decimal = ","\nthousands = "."', 'decimal = "."'),
        ("1,234,56", 'thousands = ","', "thousands"),
    ],
)
def test_a_mark_in_the_wrong_place_is_named_never_taken_out(
    make_plan: PlanMaker, amount, options, advice
):
    found = failures(sold(make_plan, amount, options))
    assert found["value"].tolist() == [amount] and found["rule"].tolist() == ["number"]
    assert advice in found["advice"][0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ('decimal = "."\nthousands = "."', r"decimal and thousands are both '\.'"),
        ('decimal = ","\nthousands = ["\'", ","]', "decimal and thousands are both ','"),
        ('decimal = ""', "it must be one mark"),
        ('decimal = "comma"', "it must be one mark"),
    ],
)
def test_marks_that_contradict_each_other_are_refused(make_plan: PlanMaker, options, words):
    with pytest.raises(DataError, match=words):
        prepare(sold(make_plan, "1", options))


def test_numbers_of_a_workbook_keep_their_value_whatever_marks_are_declared(make_plan: PlanMaker):
    plan = make_plan(extra=SALES.format("sales.xlsx") + 'thousands = "."\n', sales=None)
    rows = {"sold_on": ["2025-01-01"] * 2, "rep_id": ["ann"] * 2, "amount": [380574.8, 1234.0]}
    pd.DataFrame(rows).to_excel(plan.folder / "data" / "sales.xlsx", index=False)
    assert sales_of(plan)["amount"].sum() == 381808.8


# --- files that are there twice ------------------------------------------------------------------


@pytest.mark.parametrize("second", ["sales_2.csv", "sales_2.xlsx", "sales_2.csv turned"])
def test_the_same_rows_in_two_files_are_refused(make_plan: PlanMaker, second: str):
    plan = make_plan(extra=SALES.format("sales_*"), sales=None)
    data = plan.folder / "data"
    table = pd.DataFrame({"sold_on": ["2025-01-01"], "rep_id": ["ann"], "amount": ["7"]})
    table.to_csv(data / "sales_1.csv", index=False)
    if second.endswith("xlsx"):
        table.to_excel(data / second, index=False)
    else:
        turned = table[table.columns[::-1]] if second.endswith("turned") else table
        turned.to_csv(data / "sales_2.csv", index=False, lineterminator="\r\n")
    with pytest.raises(DataError, match=r"sales_1\.csv and sales_2\..* \(1 rows\)"):
        prepare(plan)


def test_a_file_that_two_names_mean_is_refused(make_plan: PlanMaker):
    extra = '[sources.sales]\nfile = ["data/sales.csv", "data/s*.csv"]\n'
    with pytest.raises(DataError, match=r"'data/sales\.csv' twice"):
        prepare(make_plan(extra=extra))


def test_files_without_rows_and_files_of_one_name_are_no_copies(make_plan: PlanMaker):
    plan = make_plan(extra='[sources.sales]\nfile = "data/*/sales.csv"\n', sales=None)
    for year, rows in {"2022": "", "2023": "", "2024": "2024-01-01,ann,1\n"}.items():
        (plan.folder / "data" / year).mkdir()
        path = plan.folder / "data" / year / "sales.csv"
        path.write_text("sold_on,rep_id,amount\n" + rows)
    assert sales_of(plan)["amount"].sum() == 1.0
    path.write_text("sold_on,rep_id,amount\n2024-01-01,ann,x\n")
    assert failures(plan)["file"].tolist() == ["data/2024/sales.csv"]


# --- names of columns ----------------------------------------------------------------------------

INNER = ["_file", "_row", "_FILE", "_value", "_period", "file", "row", "table", "sheet"]


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_a_column_may_have_any_name(make_plan: PlanMaker, name: str, kind: str):
    extra = SALES.format(f"sales.{kind}") + f'[sources.sales.columns]\namount = "{name}"\n'
    plan = make_plan(extra=extra, sales=None)
    table = pd.DataFrame({"sold_on": ["2025-01-01"], "rep_id": ["ann"], name: ["7"]})
    path = plan.folder / "data" / f"sales.{kind}"
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "xlsx":
        table.to_excel(path, index=False)
    else:
        import duckdb

        duckdb.from_df(table).write_parquet(str(path))
    assert sales_of(plan)["amount"].tolist() == [7.0]


def test_sql_over_files_sees_the_columns_of_the_file_and_no_others(make_plan: PlanMaker):
    extra = '[files.lines]\nfile = "data/lines.csv"\n[sources.sales]\nsql = "SELECT * FROM lines"\n'
    extra += '[sources.sales.columns]\namount = "_row"\n'
    plan = make_plan(extra=extra, sales=None)
    (plan.folder / "data" / "lines.csv").write_text(
        "sold_on,rep_id,_row,_file\n2025-01-01,ann,7,x\n"
    )
    assert sales_of(plan)["amount"].tolist() == [7.0]
    assert prepare(plan).facts["unused"]["sales"] == ["_file"]


def test_months_side_by_side_may_have_inner_names(make_plan: PlanMaker):
    extra = """
[sources.goals]
file = "data/goals.csv"
[sources.goals.columns]
rep_id = "_value"
[sources.goals.unpivot]
columns = ["2025-*"]
name_to = "starts_on"
value_to = "goal"
format = "%Y-%m"
"""
    goals = "_value,_period,2025-01\nann,x,5\n"
    plan = make_plan(extra=extra, goals=goals)
    assert open_inputs(plan, prepare(plan)).goals["goal"].tolist() == [5.0]


def test_columns_that_differ_in_capitals_only_are_named(make_plan: PlanMaker):
    sales = "sold_on,rep_id,amount,Amount\n2025-01-01,ann,1,2\n"
    with pytest.raises(DataError, match="has the column 'Amount' twice, once as 'amount'"):
        prepare(make_plan(sales=sales))


# --- sources cannot reach the program ------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM plan",  # a variable of the program
        "SELECT * FROM table",
        "SELECT getenv('PATH') AS sold_on",
        "SELECT * FROM python_map_function()",
        "LOAD httpfs",
        "LOAD '/somewhere/own.duckdb_extension'",
        "SELECT * FROM glob('*')",
        "SET python_enable_replacements = true",
    ],
)
def test_sql_reaches_neither_the_program_nor_its_surroundings(make_plan: PlanMaker, query: str):
    plan = make_plan(extra=f'[sources.sales]\nsql = """{query}"""\n', sales=None)
    with pytest.raises(DataError, match=r"sources\.sales\.sql"):
        prepare(plan)


def test_nothing_in_the_folder_of_the_data_is_imported(make_plan: PlanMaker, monkeypatch):
    plan = make_plan()
    for name in ("python_calamine", "openpyxl", "sqlalchemy", "pyarrow", "pandas", "papermill"):
        (plan.folder / "data" / f"{name}.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.chdir(plan.folder / "data")
    workbook(plan, "other.xlsx")
    assert check_plan(plan).empty
