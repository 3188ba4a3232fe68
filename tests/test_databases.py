"""Tables from a database are those of a file, and reading a database changes nothing in it."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from planning_kit.data import check_plan, open_inputs, prepare
from planning_kit.data.load import load_tables
from planning_kit.data.readers import database_chunks
from planning_kit.messages import DataError
from planning_kit.plan import Plan
from tests.conftest import TABLES, PlanMaker
from tests.servers import PASSWORD, Server, started_server

sqlalchemy = pytest.importorskip("sqlalchemy", reason="the extra [databases] is not installed")

VARIABLE = "PLANNING_KIT_TEST_DATABASE"
SECTION = f'[sources.sales]\ndatabase = "{VARIABLE}"\nsql = """{{}}"""\n'
ALL_SALES = "SELECT sold_on, rep_id, amount, product_id, units FROM sales"


def plan_of(make_plan: PlanMaker, query: str = ALL_SALES, **tables: Any) -> Plan:
    """Make the small plan with its sales in the database."""
    return make_plan(extra=SECTION.format(query), sales=None, **tables)


def lines_read(plan: Plan, columns: str = "rep_id, amount") -> list[tuple[Any, ...]]:
    """Give cells of the sales lines as they were read, in the order of the source."""
    with load_tables(plan) as loaded:
        return loaded.con.execute(f"SELECT {columns} FROM plan.sales ORDER BY _row").fetchall()


def failure(query: str = "SELECT 1 AS amount") -> str:
    """Give the words of the failure that reading gives; it has to fail."""
    with pytest.raises(DataError) as caught:
        list(database_chunks("sales", {"database": VARIABLE, "sql": query}))
    message = str(caught.value)
    assert "\n" not in message and message.startswith("sources.sales")
    return message


def test_a_query_is_needed_and_it_reads(monkeypatch):
    monkeypatch.setenv(VARIABLE, "sqlite://")
    assert "needs sql" in failure("")
    for query in ("/* a */ DROP TABLE x /* b */", "EXEC all_sales", "-- a\nCOMMIT", "selection"):
        assert "it is only read" in failure(query)
    for query in (" -- why\n /* and\n how */ (select 1 AS a)", "WITH x AS (SELECT 1 AS a) TABLE x"):
        with pytest.raises(DataError) as caught:  # which SQLite does not know, but other systems do
            list(database_chunks("sales", {"database": VARIABLE, "sql": query}))
        assert "syntax error" in str(caught.value)


# --- SQLite --------------------------------------------------------------------------------------


@pytest.fixture
def sqlite_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the sales of the small plan into a file of SQLite."""
    path = tmp_path / "sales of 2025.db"
    header, *lines = TABLES["sales"].splitlines()
    kinds = {"amount": "NUMERIC", "units": "INTEGER"}
    columns = ", ".join(f"{name} {kinds.get(name, 'TEXT')}" for name in header.split(","))
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE sales ({columns})")
        rows = [line.split(",") for line in lines]
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?, ?, ?)", rows)
    connection.close()
    monkeypatch.setenv(VARIABLE, f"sqlite:///{path}")
    return path


def test_a_database_gives_the_same_tables_as_a_file(make_plan: PlanMaker, sqlite_file: Path):
    plan = make_plan()
    expected = open_inputs(plan, prepare(plan)).sales
    plan = plan_of(make_plan)
    found = open_inputs(plan, prepare(plan)).sales
    assert len(found) > 0
    pd.testing.assert_frame_equal(found, expected)


def test_null_and_empty_text_are_nothing_and_the_name_na_is_a_name(
    make_plan: PlanMaker, sqlite_file: Path
):
    plan = plan_of(
        make_plan,
        "SELECT '2025-03-01' AS sold_on, 'NA' AS rep_id, 0.1 AS amount, NULL AS product_id UNION ALL "
        "SELECT '2025-03-02', 'null', -1234567.89, '' UNION ALL SELECT '2025-03-03', 'ann', 3, 'p1'",
    )
    assert lines_read(plan, "sold_on, rep_id, amount, product_id") == [
        (date(2025, 3, 1), "NA", Decimal("0.1"), None),
        (date(2025, 3, 2), "null", Decimal("-1234567.89"), None),
        (date(2025, 3, 3), "ann", Decimal(3), "p1"),
    ]


def test_columns_and_values_of_a_database_are_mapped_as_those_of_a_file(
    make_plan: PlanMaker, sqlite_file: Path
):
    section = SECTION.format("SELECT '31.12.2025' AS Datum, 'A' AS Wer, '1.234,50' AS Betrag")
    section += """decimal = ","
thousands = "."
date_format = "%d.%m.%Y"
[sources.sales.columns]
sold_on = "Datum"
rep_id = "Wer"
amount = "Betrag"
[sources.sales.values.rep_id]
A = "ann"
"""
    plan = make_plan(extra=section, sales=None)
    assert lines_read(plan, "sold_on, rep_id, amount") == [
        (date(2025, 12, 31), "ann", Decimal("1234.5"))
    ]


def test_numbers_of_a_database_stay_numbers_where_texts_have_decimal_commas(
    make_plan: PlanMaker, sqlite_file: Path
):
    query = "SELECT sold_on, rep_id, amount FROM sales WHERE amount < 50 ORDER BY amount"
    plan = make_plan(extra=SECTION.format(query) + 'decimal = ","\n', sales=None)
    assert lines_read(plan) == [("bob", Decimal(-10)), ("bob", Decimal("40.5"))]


def test_a_query_without_rows_is_an_empty_table(make_plan: PlanMaker, sqlite_file: Path):
    assert lines_read(plan_of(make_plan, ALL_SALES + " WHERE amount > 1e9")) == []


def test_a_cell_that_cannot_be_read_names_the_row_of_the_query(
    make_plan: PlanMaker, sqlite_file: Path
):
    query = (
        "SELECT '2025-01-01' AS sold_on, 'ann' AS rep_id, 1 AS amount "
        "UNION ALL SELECT '2025-13-01', 'ann', 'n/a'"
    )
    problems = check_plan(plan_of(make_plan, query))
    found = problems[problems["status"] == "fail"]
    assert set(found["column"]) == {"sold_on", "amount"} and set(found["row"]) == {2}
    assert set(found["file"]) == {"sales (database)"}


def test_colons_and_percent_signs_of_a_query_are_text(make_plan: PlanMaker, sqlite_file: Path):
    query = "SELECT '2025-01-01' AS sold_on, 'a :b %s %(c)s 100%' AS rep_id, 1 AS amount"
    assert lines_read(plan_of(make_plan, query), "rep_id") == [("a :b %s %(c)s 100%",)]


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO sales (rep_id) VALUES ('eve')",
        "UPDATE sales SET amount = 0",
        "DELETE FROM sales",
        "DROP TABLE sales",
        "CREATE TABLE other (a)",
        "PRAGMA query_only = OFF",
        "VACUUM INTO 'copy.db'",
        "ATTACH 'other.db' AS other",
        "SELECT 1; DROP TABLE sales",
        "WITH x AS (SELECT 1) INSERT INTO sales (rep_id) SELECT 'eve' FROM x",
        "WITH x AS (SELECT 1) DELETE FROM sales",
        "/* SELECT */ DROP TABLE sales",
    ],
)
def test_reading_cannot_write(make_plan: PlanMaker, sqlite_file: Path, monkeypatch, query: str):
    monkeypatch.chdir(sqlite_file.parent)
    before = sqlite_file.read_bytes()
    plan = plan_of(make_plan, query)
    there = sorted(sqlite_file.parent.iterdir())
    with pytest.raises(DataError, match=r"sources\.sales"):
        prepare(plan)
    assert sqlite_file.read_bytes() == before
    assert sorted(sqlite_file.parent.iterdir()) == there


def test_a_variable_that_is_not_set_says_what_belongs_in_it(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    message = failure()
    assert f"environment variable '{VARIABLE}' is not set" in message and "postgresql" in message
    monkeypatch.setenv(VARIABLE, "")
    assert "is not set" in failure()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"{PASSWORD}", "URL cannot be used"),
        (f"planets://user:{PASSWORD}@host/sales", "no such kind of database"),
        (f"postgresql+psycopg://user:{PASSWORD}@host:port/sales", "URL cannot be used"),
        (f"postgresql+psycopg://user:x@{PASSWORD}@host/sales", "%40 for an @"),
        (f"sqlite:///{PASSWORD}/no/such/file.db", "a/file/that/exists"),
        (f"mysql+missing_driver://user:{PASSWORD}@host/sales", "no such kind of database"),
        (f"postgresql+psycopg://user:{PASSWORD}@127.0.0.1:1/sales", "refused"),
    ],
)
def test_a_database_that_cannot_be_reached_says_why_and_never_the_password(
    monkeypatch, url: str, words: str
):
    if "psycopg" in url:
        pytest.importorskip("psycopg", reason="the extra [databases] is not installed")
    monkeypatch.setenv(VARIABLE, url)
    message = failure()
    assert words in message
    assert PASSWORD not in message and url not in message and VARIABLE in message


def test_a_missing_driver_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv(VARIABLE, f"postgresql+psycopg://user:{PASSWORD}@host/sales")
    message = failure()
    assert "driver" in message and "psycopg" in message and PASSWORD not in message


def test_without_sqlalchemy_the_extra_to_install_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.setenv(VARIABLE, f"sqlite:///{PASSWORD}")
    assert 'pip install "planning-kit[databases]"' in failure()


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path}/typo.db")
    failure()
    assert not list(tmp_path.iterdir())


def test_a_failing_query_says_what_the_database_says(sqlite_file: Path):
    assert failure("SELECT * FROM slaes") == f"sources.sales ({VARIABLE}): no such table: slaes"
    assert "no such column: x" in failure("SELECT x FROM sales")
    assert str(sqlite_file) not in failure("SELECT x FROM sales")


def test_a_database_is_read_again_when_it_is_asked_for(make_plan: PlanMaker, sqlite_file: Path):
    plan = plan_of(make_plan)

    def total(*, fresh: bool = False) -> float:
        return float(open_inputs(plan, prepare(plan, fresh=fresh)).sales["amount"].sum())

    assert total() == 220.5
    with sqlite3.connect(sqlite_file) as connection:
        connection.execute("INSERT INTO sales VALUES ('2025-12-01', 'ann', 1000, 'p1', 1)")
    connection.close()
    assert total() == 220.5
    assert total(fresh=True) == 1220.5
    assert total() == 1220.5


def test_a_refused_read_keeps_what_was_read_before(make_plan: PlanMaker, sqlite_file: Path):
    plan = plan_of(make_plan)
    prepare(plan)
    sqlite_file.rename(sqlite_file.with_suffix(".gone"))
    with pytest.raises(DataError):
        prepare(plan, fresh=True)
    assert open_inputs(plan, prepare(plan)).sales["amount"].sum() == 220.5


# --- PostgreSQL ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Start a PostgreSQL server, and stop it after the last test."""
    with started_server() as started:
        yield started


@pytest.fixture
def postgres(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Give the server with an empty table of sales and of nothing else."""
    server.run(
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        "CREATE TABLE sales (sold_on date, rep_id text, amount numeric(18,4), product_id text, "
        "units integer, sold_at timestamptz, returned boolean)",
    )
    monkeypatch.setenv(VARIABLE, server.url)
    return server


@pytest.mark.postgres
def test_postgres_gives_the_same_tables_as_a_file(make_plan: PlanMaker, postgres: Server):
    plan = make_plan()
    expected = open_inputs(plan, prepare(plan)).sales
    values = ", ".join(
        "('{}', '{}', {}, '{}', {})".format(*line.split(","))
        for line in TABLES["sales"].splitlines()[1:]
    )
    postgres.run(f"INSERT INTO sales (sold_on, rep_id, amount, product_id, units) VALUES {values}")
    plan = plan_of(make_plan)
    pd.testing.assert_frame_equal(open_inputs(plan, prepare(plan)).sales, expected)


@pytest.mark.postgres
def test_postgres_types_arrive_exactly(make_plan: PlanMaker, postgres: Server):
    postgres.run(
        "INSERT INTO sales (sold_on, rep_id, amount, product_id, units) VALUES "
        "('2024-02-29', 'NA', 12345678901234.5678, NULL, NULL), "
        "('2025-12-31', 'Žofie 北 🙂', -0.0001, '', 0), "
        "('0001-01-01', 'O''Brien, \"x\"; --', 0, E'a\\nb', -7)"
    )
    read = lines_read(plan_of(make_plan), "sold_on, rep_id, amount, product_id, units")
    assert read == [
        (date(2024, 2, 29), "NA", Decimal("12345678901234.5678"), None, None),
        (date(2025, 12, 31), "Žofie 北 🙂", Decimal("-0.0001"), None, Decimal(0)),
        (date(1, 1, 1), 'O\'Brien, "x"; --', Decimal(0), "a\nb", Decimal(-7)),
    ]


@pytest.mark.postgres
def test_a_moment_falls_on_the_day_the_database_shows(
    make_plan: PlanMaker, postgres: Server, monkeypatch
):
    postgres.run(
        "INSERT INTO sales (sold_at, rep_id, amount) VALUES "
        "('2025-03-31 23:30:00+00', 'ann', 1), ('2025-04-01 00:30:00+02', 'bob', 2)"
    )
    monkeypatch.setenv("TZ", "Asia/Tokyo")  # of the analyst's machine: says nothing about a sale
    query = "SELECT {} AS sold_on, rep_id, amount FROM sales"
    days = {
        "sold_at": [date(2025, 3, 31), date(2025, 3, 31)],
        "sold_at AT TIME ZONE 'Europe/Prague'": [date(2025, 4, 1), date(2025, 4, 1)],
    }
    for written, expected in days.items():
        plan = plan_of(make_plan, query.format(written))
        assert [row[0] for row in lines_read(plan, "sold_on")] == expected


@pytest.mark.postgres
def test_true_and_false_are_texts_that_can_be_mapped(make_plan: PlanMaker, postgres: Server):
    postgres.run(
        "INSERT INTO sales (sold_on, rep_id, amount, returned) VALUES "
        "('2025-01-01', 'a', 1, true), ('2025-01-01', 'b', 2, false), ('2025-01-01', 'c', 3, NULL)"
    )
    section = SECTION.format("SELECT sold_on, rep_id, amount, returned FROM sales")
    section += '[sources.sales.columns]\nproduct_id = "returned"\n'
    section += '[sources.sales.values.product_id]\nTRUE = "p1"\n'
    plan = make_plan(extra=section, sales=None)
    assert lines_read(plan, "product_id") == [("p1",), ("FALSE",), (None,)]


@pytest.mark.postgres
def test_a_large_table_arrives_whole_in_parts(make_plan: PlanMaker, postgres: Server):
    rows = 120_000
    postgres.run(
        "INSERT INTO sales (sold_on, rep_id, amount, product_id) SELECT date '2025-01-01' + i % 365, "
        f"'r' || i, i / 100.0, CASE WHEN i > 100000 THEN 'late' END FROM generate_series(1, {rows}) i"
    )
    plan = plan_of(make_plan, ALL_SALES + " ORDER BY amount")
    section = plan.sources["sales"]
    parts = [len(part) for part in database_chunks("sales", section)]
    assert sum(parts) == rows and max(parts) < rows
    total = rows * (rows + 1) // 2
    with load_tables(plan) as loaded:
        found = loaded.con.execute(
            "SELECT count(*), sum(amount), count(DISTINCT rep_id), count(product_id), "
            "min(_row), max(_row), count(DISTINCT _row), "
            "count(*) FILTER ('r' || _row <> rep_id) FROM plan.sales"
        ).fetchone()
    assert found == (rows, Decimal(total) / 100, rows, 20_000, 1, rows, rows, 0)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO sales (rep_id) VALUES ('eve')",
        "WITH x AS (INSERT INTO sales (rep_id) VALUES ('eve') RETURNING rep_id) SELECT * FROM x",
        "SELECT add_sale() AS amount",
        "SELECT nextval('tickets') AS amount",
        "SELECT 1 AS amount; COMMIT; INSERT INTO sales (rep_id) VALUES ('eve')",
        "SELECT 1 AS amount; SET TRANSACTION READ WRITE; INSERT INTO sales (rep_id) VALUES ('eve')",
        "SELECT set_config('transaction_read_only', 'off', false), add_sale()",
        "SELECT rep_id INTO stolen FROM sales",
        "TABLE sales; DROP TABLE sales",
    ],
)
def test_reading_postgres_cannot_write(postgres: Server, query: str):
    postgres.run(
        "CREATE FUNCTION add_sale() RETURNS integer LANGUAGE plpgsql VOLATILE AS "
        "$$ BEGIN INSERT INTO sales (rep_id) VALUES ('eve'); RETURN 1; END $$",
        "CREATE SEQUENCE tickets",
    )
    message = failure(query)
    assert PASSWORD not in message
    assert postgres.run("SELECT count(*) FROM sales") == [(0,)]
    assert postgres.run("SELECT is_called FROM tickets") == [(False,)]
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert postgres.run(tables) == [("sales",)]


@pytest.mark.postgres
def test_what_postgres_refuses_is_said_in_one_line(postgres: Server, monkeypatch):
    assert 'relation "slaes" does not exist' in failure("SELECT * FROM slaes")
    assert "division by zero" in failure("SELECT 1 / 0 AS amount")
    late = "SELECT 1 / (60000 - i) AS amount FROM generate_series(1, 70000) i"
    assert "division by zero" in failure(late)  # in the second part of the rows
    monkeypatch.setenv(VARIABLE, postgres.url.replace(PASSWORD, "another-" + PASSWORD))
    message = failure()
    assert "password authentication failed" in message and PASSWORD not in message


@pytest.mark.postgres
def test_postgres_takes_the_query_as_it_is_written(make_plan: PlanMaker, postgres: Server):
    query = (
        "SELECT date '2025-01-01' AS sold_on, 'a :b %s 100%' AS rep_id, "
        "'7'::text::int % 4 AS amount -- %(c)s :d"
    )
    assert lines_read(plan_of(make_plan, query)) == [("a :b %s 100%", Decimal(3))]


@pytest.mark.postgres
def test_nothing_stays_connected_once_the_rows_are_here(make_plan: PlanMaker, postgres: Server):
    prepare(plan_of(make_plan))
    others = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    for _ in range(50):
        if (count := postgres.run(others)) == [(0,)]:
            break
        time.sleep(0.1)  # the server takes a moment to see that somebody has gone
    assert count == [(0,)]


@pytest.mark.postgres
def test_postgres_is_read_again_only_when_it_is_asked_for(make_plan: PlanMaker, postgres: Server):
    add = "INSERT INTO sales (sold_on, rep_id, amount) VALUES ('2025-05-05', 'ann', {})"
    postgres.run(add.format(1))
    plan = plan_of(make_plan)
    first = prepare(plan)
    postgres.run(add.format(10))
    assert open_inputs(plan, prepare(plan)).sales["amount"].sum() == 1
    assert open_inputs(plan, prepare(plan, fresh=True)).sales["amount"].sum() == 11
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*", first.facts["read_at"])
