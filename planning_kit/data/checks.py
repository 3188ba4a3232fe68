"""Every check of what users hand in; all problems at once, each with its cell and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import duckdb
import pandas as pd

from planning_kit.data.checker import MOST_ROWS, Checker, CheckLimits
from planning_kit.data.schema import TABLES, Table
from planning_kit.messages import PROBLEM_COLUMNS, nearest
from planning_kit.plan import REGION_TALK

# Tables whose rows are facts of the past: a label nobody knows costs part of the amount, and the
# limit of the plan decides whether it stops. In every other table it is an error at once.
FACTS = ("sales", "opportunities", "activities")
_NOT_NEGATIVE = {
    "territories": ("potential",),
    "products": ("list_price", "unit_cost"),
    "goals": ("goal",),
    "proposals": ("proposed",),
    "activities": ("count",),
    "opportunities": ("amount",),
    "evidence": ("amount",),
    "manager_time": ("planned_hours", "actual_hours"),
    "calendar": ("hours",),
}
_SHARES = {"assignments": "share", "sales": "credit_share", "evidence": "probability"}
_ORDERED = (
    ("reps", "hired_on", "left_on", "leaves before being hired"),
    ("assignments", "starts_on", "ends_on", "ends before it starts"),
    ("goals", "starts_on", "ends_on", "ends before it starts"),
    ("proposals", "starts_on", "ends_on", "ends before it starts"),
    ("events", "starts_on", "ends_on", "ends before it starts"),
    ("opportunities", "created_on", "closed_on", "is closed before it is created"),
)


def check_tables(con: duckdb.DuckDBPyConnection, limits: CheckLimits) -> list[dict[str, Any]]:
    """Check all canonical tables of a connection.

    Parameters
    ----------
    con
        Connection with ``plan.<table>`` for every canonical table, ``_file`` and ``_row`` first.
    limits
        What the plan allows.

    Returns
    -------
    list of dict
        One row a problem (`planning_kit.messages.PROBLEM_COLUMNS`); status ``fail`` stops the plan,
        ``review`` is odd but possible.
    """
    checker = Checker(con, limits)
    for table in TABLES.values():
        _check_rows(checker, table)
        _check_cells(checker, table)
        _check_key(checker, table)
        _check_references(checker, table)
    for table_name, first, last, what in _ORDERED:
        checker.where(
            table_name,
            last,
            f"{last} < {first}",
            "order",
            f"{{value}}: {what}",
            f"correct {first} or {last}",
        )
    _check_dates(checker)
    _check_people(checker)
    _check_assignments(checker)
    _check_open_seats(checker)
    _check_regions(checker)
    _check_goals(checker)
    _check_sales(checker)
    _check_losses(checker)
    return checker.rows


def _check_rows(checker: Checker, table: Table) -> None:
    if table.required and not checker.one(f"SELECT count(*) FROM plan.{table.name}")[0]:
        start = table.name in ("reps", "territories")
        checker.add(
            table.name,
            "",
            "no rows",
            "the table has no rows",
            "nothing can be planned without it" if start else "sections that need it stay empty",
            status="fail" if start else "review",
        )


def _check_cells(checker: Checker, table: Table) -> None:
    for column in table.columns:
        if column.needed == "cell":
            checker.where(
                table.name,
                column.name,
                f"{column.name} IS NULL",
                "missing",
                f"{column.name} is empty ({column.meaning})",
                "fill the cell",
            )
        if column.choices:
            known = ", ".join(f"'{c}'" for c in column.choices)
            checker.where(
                table.name,
                column.name,
                f"{column.name} NOT IN ({known})",
                "choice",
                f"{{value}} is not one of {', '.join(column.choices)}",
                f'map it: [sources.{table.name}.values.{column.name}] "..." = "{column.choices[0]}"',
            )
    for name in _NOT_NEGATIVE.get(table.name, ()):
        checker.where(
            table.name,
            name,
            f"{name} < 0",
            "negative",
            f"{name} is {{value}}",
            "a negative number is not possible here; correct the cell",
        )
    if name := _SHARES.get(table.name, ""):
        checker.where(
            table.name,
            name,
            f"{name} < 0 OR {name} > 1",
            "share",
            f"{name} is {{value}}; it must be between 0 and 1",
            "write 0.5 for 50 %",
        )


def _check_key(checker: Checker, table: Table) -> None:
    if not table.key:
        return
    key = ", ".join(table.key)
    column = "rep_id" if "rep_id" in table.key else table.key[0]
    order = f"OVER (PARTITION BY {key} ORDER BY _file, _row)"
    source = (
        f"(SELECT _file, _row, row_number() {order} AS _copy, "
        f"concat_ws(' / ', {key}) || ' stands in row ' || first_value(_row) {order} || ' already' "
        f"AS {column} FROM plan.{table.name} WHERE {table.key[0]} IS NOT NULL)"
    )
    checker.where(
        table.name,
        column,
        "_copy > 1",
        "duplicate",
        "{value}",
        f"keep one row for each {' x '.join(table.key)}",
        source=source,
    )


def _check_references(checker: Checker, table: Table) -> None:
    for column in table.columns:
        if not column.refers_to:
            continue
        places = [place.split(".") for place in column.refers_to.split()]
        target = " or ".join(name for name, _ in places)
        labels = " UNION ".join(
            f"SELECT {name} FROM plan.{source} WHERE {name} IS NOT NULL" for source, name in places
        )
        known = [row[0] for row in checker.con.execute(f"{labels} ORDER BY 1").fetchall()]
        if not known and target != "reps" and target != "territories":
            continue  # no product table, for example: nothing to compare with
        unknown = checker.con.execute(
            f"SELECT {column.name}, arg_min(_file, _row), min(_row), count(*) FROM plan.{table.name} "
            f"WHERE {column.name} IS NOT NULL AND {column.name} NOT IN ({labels}) "
            f"GROUP BY 1 ORDER BY 4 DESC, 1 LIMIT {MOST_ROWS}"
        ).fetchall()
        # A customer that nobody sold to yet may stand behind a proposal.
        is_open = table.name in FACTS or column.name == "account_id"
        status = "review" if is_open else "fail"
        for value, file, row, count in unknown:
            near = nearest(value, known)
            advice = f"did you mean {near!r}? " if near else ""
            advice += (
                f'map it: [sources.{table.name}.values.{column.name}] "{value}" = '
                f'"{near or "..."}", or add it to {target}'
            )
            rows = f" in {count:,} rows, first here" if count > 1 else ""
            checker.add(
                table.name,
                column.name,
                "unknown",
                f"{value!r} is not in {target}{rows}",
                advice,
                status=status,
                cell=(file, row, value),
            )


def _check_dates(checker: Checker) -> None:
    first, last = checker.limits.first_day, checker.limits.last_day
    for table, column in (
        ("sales", "sold_on"),
        ("activities", "done_on"),
        ("opportunities", "created_on"),
        ("opportunities", "closed_on"),
        ("goals", "starts_on"),
        ("proposals", "starts_on"),
        ("evidence", "starts_on"),
    ):
        checker.where(
            table,
            column,
            f"{column} < DATE '{first}' OR {column} > DATE '{last}'",
            "date",
            f"{{value}} lies outside {first} to {last}",
            "correct the day, or set history_years in [checks] of plan.toml",
        )
    for table, column in (("reps", "hired_on"), ("assignments", "starts_on")):
        checker.where(
            table,
            column,
            f"{column} < DATE '1930-01-01' OR {column} > DATE '{last}' + 3660",
            "date",
            "{value} cannot be right",
            "correct the day",
        )


def _check_people(checker: Checker) -> None:
    reps = checker.con.execute(
        "SELECT rep_id, manager_id, _file, _row FROM plan.reps WHERE rep_id IS NOT NULL"
    ).fetchall()
    checker.where(
        "reps",
        "rep_id",
        f"starts_with(rep_id, '{REGION_TALK}')",
        "reserved",
        f"{{value}} begins with '{REGION_TALK}', as the talks about regions' totals do",
        "give the person another id",
    )
    manager = {rep: boss for rep, boss, _, _ in reps}
    place = {rep: (file, row) for rep, _, file, row in reps}
    for loop in _loops(manager):
        file, row = place[loop[0]]
        text = " -> ".join([*loop, loop[0]])
        message = "is the own manager" if len(loop) == 1 else f"the manager chain is a loop: {text}"
        checker.add(
            "reps",
            "manager_id",
            "loop",
            message,
            "correct who reports to whom",
            cell=(file, row, manager[loop[0]]),
        )


def _loops(manager: dict[str, str | None]) -> Iterable[list[str]]:
    done: set[str] = set()
    for start in sorted(manager):
        chain: list[str] = []
        person: str | None = start
        while person is not None and person in manager and person not in done:
            if person in chain:
                yield chain[chain.index(person) :]
                break
            chain.append(person)
            person = manager[person]
        done.update(chain)


def _check_assignments(checker: Checker) -> None:
    overlap = """(SELECT a._file, a._row, a.rep_id || ' in ' || a.territory_id || ' from '
               || coalesce(a.starts_on::VARCHAR, 'the beginning') || ' overlaps row ' || b._row
               AS starts_on
        FROM plan.assignments a JOIN plan.assignments b
          ON a.rep_id = b.rep_id AND a.territory_id = b.territory_id
         AND (b._file, b._row) < (a._file, a._row)
         AND coalesce(a.starts_on, DATE '1900-01-01') <= coalesce(b.ends_on, DATE '9999-12-31')
         AND coalesce(b.starts_on, DATE '1900-01-01') <= coalesce(a.ends_on, DATE '9999-12-31')
         AND a.starts_on IS DISTINCT FROM b.starts_on)"""
    checker.where(
        "assignments",
        "starts_on",
        "true",
        "overlap",
        "{value}",
        "end the earlier assignment the day before the later one starts",
        source=overlap,
    )
    for file, row, territory, day, total in _over_assigned(checker.con):
        checker.add(
            "assignments",
            "share",
            "share",
            f"the shares of territory {territory!r} add up to {total:g} on {day}",
            "the shares of a territory may add up to at most 1 on any day",
            cell=(file, row, f"{total:g}"),
        )


def _check_open_seats(checker: Checker) -> None:
    """Say which territories are only partly held when the plan starts: their rest has no owner."""
    day = checker.limits.starts_on
    rows = checker.con.execute(
        "SELECT territory_id, sum(share)::DOUBLE, min(_file), max(_row) FROM plan.assignments "
        "WHERE share IS NOT NULL AND coalesce(starts_on, ?) <= ? AND coalesce(ends_on, ?) >= ? "
        "AND territory_id NOT IN (SELECT territory_id FROM plan.assignments WHERE share IS NULL "
        "AND territory_id IS NOT NULL) GROUP BY 1 HAVING sum(share) < 0.999999 ORDER BY 1",
        [day, day, day, day],
    ).fetchall()
    for territory, total, file, row in rows:
        checker.add(
            "assignments",
            "share",
            "share",
            f"the shares of territory {territory!r} add up to {total:g} when the plan starts: "
            f"{1 - total:.0%} of it has no owner",
            "assign the rest, or leave it: it is planned as vacant",
            status="review",
            cell=(file, row, f"{total:g}"),
        )


def _over_assigned(con: duckdb.DuckDBPyConnection) -> list[tuple[str, int, str, date, float]]:
    """Find, by territory, the fullest day above 1 and the row whose start filled it."""
    return con.execute("""
        WITH spans AS (
            SELECT *, coalesce(starts_on, DATE '1900-01-01') AS first_day,
                   coalesce(ends_on, DATE '9999-12-31') AS last_day
            FROM plan.assignments WHERE share IS NOT NULL),
        sums AS (
            SELECT a._file, a._row, a.territory_id, a.first_day, sum(b.share) AS total
            FROM spans a JOIN spans b ON a.territory_id = b.territory_id
                 AND a.first_day BETWEEN b.first_day AND b.last_day
            GROUP BY ALL)
        SELECT _file, _row, territory_id, first_day, total::DOUBLE FROM sums
        WHERE total > 1.000001
        QUALIFY row_number() OVER (
            PARTITION BY territory_id ORDER BY total DESC, first_day, _row DESC) = 1
        ORDER BY territory_id""").fetchall()


def _check_regions(checker: Checker) -> None:
    found = [
        row[0]
        for row in checker.con.execute(
            "SELECT DISTINCT region FROM plan.territories WHERE region IS NOT NULL ORDER BY 1"
        ).fetchall()
    ]
    known = sorted({*found, *checker.limits.regions})
    listed = checker.limits.regions
    for table in ("territories", "reps"):
        names = listed if listed else (tuple(known) if table == "reps" else ())
        if not names:
            continue
        rows = checker.con.execute(
            f"SELECT region, min(_file), min(_row) FROM plan.{table} "
            "WHERE region IS NOT NULL GROUP BY 1 ORDER BY 3"
        ).fetchall()
        for region, file, row in rows:
            if region not in names:
                near = nearest(region, list(names))
                hint = f"did you mean {near!r}? " if near else ""
                checker.add(
                    table,
                    "region",
                    "unknown",
                    f"no region {region!r} in the plan",
                    f"{hint}correct the name, or add it to regions in plan.toml",
                    cell=(file, row, region),
                )
    folded: dict[str, str] = {}
    for region in known:
        other = folded.setdefault(" ".join(region.casefold().split()), region)
        if other != region:
            checker.add(
                "territories",
                "region",
                "alike",
                f"{other!r} and {region!r} differ only in blanks or capitals",
                "write the region in one way",
                cell=("", None, region),
            )


def _check_goals(checker: Checker) -> None:
    empty, zero = checker.one(
        "SELECT count(*) FILTER (goal IS NULL), count(*) FILTER (goal = 0) FROM plan.goals"
    )
    if empty:
        checker.where(
            "goals",
            "goal",
            "goal IS NULL",
            "empty",
            "the goal is empty: read as 'nobody planned it', not as 0",
            "write 0 where no sales were expected",
            status="review",
        )
    if zero:
        checker.where(
            "goals",
            "goal",
            "goal = 0",
            "zero",
            "the goal is 0: read as 'no sales expected'",
            "leave the cell empty where nobody planned it",
            status="review",
        )


def _check_sales(checker: Checker) -> None:
    with_people = (
        "(SELECT s._file, s._row, s.sold_on, r.hired_on, r.left_on "
        "FROM plan.sales s JOIN plan.reps r USING (rep_id))"
    )
    checker.where(
        "sales",
        "sold_on",
        "sold_on < hired_on",
        "order",
        "sold on {value}, before the person was hired",
        "correct the day or hired_on, or give the sale to the predecessor",
        status="review",
        source=with_people,
    )
    checker.where(
        "sales",
        "sold_on",
        "sold_on > left_on + 92",
        "order",
        "sold on {value}, more than three months after the person left",
        "give the sale to the successor",
        status="review",
        source=with_people,
    )
    deals = """(SELECT _file, _row, credit_share, sum(credit_share) OVER (
                PARTITION BY sold_on, territory_id, product_id, account_id, amount, units) AS total
                FROM plan.sales WHERE credit_share IS NOT NULL AND credit_share < 1)"""
    checker.where(
        "sales",
        "credit_share",
        "abs(total - 1) > 0.001",
        "share",
        "the credit shares of this deal do not add up to 1 (this row has {value})",
        "correct the shares: what nobody is credited with is in nobody's result",
        status="review",
        source=deals,
    )
    names = ", ".join(c.name for c in TABLES["sales"].columns)
    again = (
        f"(SELECT _file, _row, account_id FROM plan.sales WHERE account_id IS NOT NULL "
        f"QUALIFY row_number() OVER (PARTITION BY {names} ORDER BY _file, _row) > 1)"
    )
    checker.where(
        "sales",
        "account_id",
        "true",
        "duplicate",
        "the line repeats another one in every column",
        "check that no file was loaded twice",
        status="review",
        source=again,
    )


def _check_losses(checker: Checker) -> None:
    """Say how much of the sales amount has a label nobody knows, and stop past the limit."""
    for table, column in (
        ("reps", "rep_id"),
        ("products", "product_id"),
        ("territories", "territory_id"),
    ):
        if not checker.one(f"SELECT count(*) FROM plan.{table}")[0]:
            continue
        lines, lost, total = checker.one(
            f"SELECT count(*) FILTER (u), sum(abs(amount)) FILTER (u)::DOUBLE, "
            f"sum(abs(amount))::DOUBLE FROM (SELECT amount, {column} IS NOT NULL AND {column} "
            f"NOT IN (SELECT {column} FROM plan.{table} WHERE {column} IS NOT NULL) AS u "
            f"FROM plan.sales)"
        )
        if not lines:
            continue
        share = (lost or 0.0) / total if total else 0.0
        limit = checker.limits.max_lost_share
        checker.add(
            "sales",
            column,
            "lost",
            f"{lines:,} lines with {lost or 0:,.2f} ({share:.1%} of the amount) have a {column} "
            f"that is not in {table}; the plan allows {limit:.1%}",
            "map or add the unknown names above, or raise max_lost_share in [checks]",
            status="fail" if share > limit else "review",
            cell=("", None, f"{share:.4f}"),
        )


def problems_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Collect problems in one table: what stops the plan first, then by table and row."""
    problems = pd.DataFrame(rows, columns=list(PROBLEM_COLUMNS))
    problems["row"] = problems["row"].astype("Int64")
    order = {name: number for number, name in enumerate(TABLES)}
    problems["_status"] = problems["status"].map({"fail": 0, "review": 1, "pass": 2})
    problems["_table"] = problems["table"].map(order).fillna(len(order))
    problems = problems.sort_values(["_status", "_table", "file", "row"], kind="stable")
    return problems.drop(columns=["_status", "_table"]).reset_index(drop=True)
