"""What follows from the tables before they are fanned out: whose region, which goal period."""

from __future__ import annotations

from typing import Any

import duckdb

from planning_kit.data.notation import literal
from planning_kit.data.region import review_months
from planning_kit.plan import Settings

_MONTH_DAYS = 30.4375
_ENOUGH = 3  # distances between a person's own periods, from which on they say how long these are
_QUIET_MONTHS = 3  # without sales, after which somebody without an assignment may have left
METRICS = ["amount", "units", "margin"]  # of goals; the first that a plan has is its main one


def derive(con: duckdb.DuckDBPyConnection, settings: Settings) -> list[dict[str, Any]]:
    """Fill what the extracts leave open, in schema ``made``.

    - ``ends_on`` of goals and proposals: periods that start on firsts of months, mostly so many
      months apart (the person's own where there are four of them or they are years, else the
      table's), last so many months; what that leaves open before the next start is said. Other
      periods last until the day before the same person's next start, the last one as long as most
      of the table.
    - the region of every sale and goal: the assignment of the day (the sale's own territory first,
      then the larger share), the home region, the assignment nearest in time, the territory.
    - the goal period a sale falls into: the shortest one of the person that holds the day.
    - of every person where they work when the plan starts, if they stay, and if they carry a goal.

    Returns
    -------
    list of dict
        Problem rows: gaps between periods whose ends were filled, sales that no rule brings into a
        region, people who may have left unsaid.
    """
    con.execute("CREATE SCHEMA IF NOT EXISTS made")
    said = [gap for table in ("goals", "proposals") for gap in _fill_ends(con, table)]
    _assignment_shares(con, settings)
    _person_regions(con)
    _sales_keys(con)
    _goal_periods(con)
    _sales(con)
    _goals(con)
    _people(con, settings)
    return [*said, *_without_region(con, settings), *_quiet_people(con, settings)]


def _fill_ends(con: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, Any]]:
    """Set the end of periods that are given by their starts only; say which leave a gap."""
    metric = "coalesce(metric, 'amount')" if table == "goals" else "NULL"
    con.execute(f"""
        CREATE OR REPLACE TABLE made.{table}_ends AS
        WITH starts AS (SELECT DISTINCT rep_id, {metric} AS metric, starts_on FROM plan.{table}),
        nexts AS (SELECT *, lead(starts_on) OVER (PARTITION BY rep_id, metric ORDER BY starts_on)
                  AS next_start FROM starts),
        lengths AS (
            SELECT rep_id, metric, greatest(1, round(days / {_MONTH_DAYS}))::INTEGER AS months
            FROM (SELECT rep_id, metric, next_start - starts_on AS days FROM nexts
                  WHERE next_start IS NOT NULL
                  UNION ALL SELECT rep_id, {metric}, ends_on - starts_on + 1 FROM plan.{table}
                  WHERE ends_on IS NOT NULL)),
        own AS ({_usual("rep_id, metric")}),
        shared AS ({_usual("1")}),
        usual AS (
            SELECT n.*, coalesce(s.months, 12) AS most,
                   CASE WHEN o.steady AND (o.of >= {_ENOUGH} OR o.months >= 12) THEN o.months
                        WHEN s.steady THEN s.months END AS months
            FROM nexts n LEFT JOIN own o ON o.rep_id = n.rep_id AND o.metric IS NOT DISTINCT FROM n.metric
            LEFT JOIN shared s ON true)
        SELECT rep_id, metric, starts_on, next_start, CAST(CASE
            WHEN day(starts_on) = 1 AND months IS NOT NULL
            THEN least(coalesce(next_start, DATE '9999-12-31'), starts_on + to_months(months))
            ELSE coalesce(next_start, starts_on + to_months(most)) END AS DATE) - 1 AS ends_on
        FROM usual""")
    columns = "t.* REPLACE (coalesce(t.ends_on, e.ends_on) AS ends_on"
    columns += ", coalesce(t.metric, 'amount') AS metric)" if table == "goals" else ")"
    same = "AND e.metric = coalesce(t.metric, 'amount')" if table == "goals" else ""
    joined = f"""FROM plan.{table} t LEFT JOIN made.{table}_ends e
          ON e.rep_id = t.rep_id AND e.starts_on = t.starts_on {same}"""
    con.execute(f"CREATE OR REPLACE TABLE made.{table} AS SELECT {columns} {joined}")
    return _gaps(con, table, f"{joined} WHERE t.ends_on IS NULL AND e.ends_on + 1 < e.next_start")


def _usual(by: str) -> str:
    """Write the SQL that finds how long most periods are, and whether at least half are so long."""
    return f"""
            SELECT * EXCLUDE (n), 2 * n >= of AS steady FROM (
                SELECT {by}, months, count(*) AS n, sum(count(*)) OVER (PARTITION BY {by}) AS of
                FROM lengths GROUP BY {by}, months)
            QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY n DESC, months) = 1"""


def _gaps(con: duckdb.DuckDBPyConnection, table: str, source: str) -> list[dict[str, Any]]:
    """Say in one line that periods without an end leave a gap, and what was assumed."""
    found = con.execute(f"""
        SELECT count(*), count(DISTINCT t.rep_id), arg_min(t._file, t._row), min(t._row),
               arg_min((t.rep_id, t.starts_on, e.ends_on, e.next_start), t._row) {source}""")
    count, people, file, row, first = found.fetchone() or (0, 0, "", None, ())
    if not count:
        return []
    rep, starts, ends, follows = first
    return [
        {
            "status": "review",
            "table": table,
            "file": file,
            "row": row,
            "column": "ends_on",
            "value": "",
            "rule": "gap",
            "message": f"{count:,} {table} of {people:,} people have no ends_on and the next starts "
            f"later than usual: taken to be as long as most, so that the one of {rep!r} from {starts} "
            f"ends on {ends} and nothing is planned until {follows}",
            "advice": "fill ends_on where one lasts longer",
        }
    ]


def _assignment_shares(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Fill empty shares: what the given shares leave, in equal parts, on the day that counts.

    That day is the first of the plan where the assignment holds it, else its own first day.
    """
    con.execute(f"""
        CREATE OR REPLACE TABLE made.assignments AS
        WITH spans AS (
            SELECT *, coalesce(starts_on, DATE '1900-01-01') AS first_day,
                   coalesce(ends_on, DATE '9999-12-31') AS last_day FROM plan.assignments),
        seen AS (
            SELECT *, CASE WHEN DATE '{settings.starts_on}' BETWEEN first_day AND last_day
                      THEN DATE '{settings.starts_on}' ELSE first_day END AS day FROM spans),
        level AS (
            SELECT a._file, a._row, coalesce(sum(b.share), 0) AS given,
                   count(*) FILTER (b.share IS NULL) AS open
            FROM seen a JOIN spans b ON a.territory_id = b.territory_id
                 AND a.day BETWEEN b.first_day AND b.last_day
            WHERE a.share IS NULL GROUP BY 1, 2)
        SELECT a.rep_id, a.territory_id, a.starts_on, a.ends_on,
               coalesce(a.share, greatest(0, 1 - l.given) / l.open)::DOUBLE AS share
        FROM seen a LEFT JOIN level l USING (_file, _row)""")


def _person_regions(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""
        CREATE OR REPLACE TABLE made.held AS
        SELECT a.rep_id, a.territory_id, t.region, a.share,
               coalesce(a.starts_on, DATE '1900-01-01') AS starts_on,
               coalesce(a.ends_on, DATE '9999-12-31') AS ends_on
        FROM made.assignments a LEFT JOIN plan.territories t USING (territory_id)""")


def region_of(keys: str) -> str:
    """Write the SQL that finds region and territory for (rep_id, territory_id, day) rows."""
    return f"""
        WITH keys AS ({keys}),
        ranked AS (
            SELECT k.rep_id, k.territory_id, k.day, h.region, h.territory_id AS held_id,
                   k.day BETWEEN h.starts_on AND h.ends_on AS that_day,
                   row_number() OVER (
                       PARTITION BY k.rep_id, k.territory_id, k.day
                       ORDER BY k.day BETWEEN h.starts_on AND h.ends_on DESC,
                                coalesce(h.territory_id = k.territory_id, false) DESC,
                                coalesce(h.region = t.region, false) DESC,
                                least(abs(k.day - h.starts_on), abs(k.day - h.ends_on)),
                                h.share DESC, h.territory_id, h.starts_on) AS place
            FROM keys k JOIN made.held h ON h.rep_id = k.rep_id
            LEFT JOIN plan.territories t ON t.territory_id = k.territory_id)
        SELECT k.rep_id, k.territory_id, k.day,
               CASE WHEN r.that_day THEN r.region ELSE coalesce(p.region, r.region, t.region) END
                   AS region,
               coalesce(k.territory_id, CASE WHEN r.that_day THEN r.held_id END) AS held_id
        FROM keys k
        LEFT JOIN ranked r ON r.place = 1 AND r.rep_id = k.rep_id AND r.day = k.day
             AND r.territory_id IS NOT DISTINCT FROM k.territory_id
        LEFT JOIN plan.reps p ON p.rep_id = k.rep_id
        LEFT JOIN plan.territories t ON t.territory_id = k.territory_id"""


def _sales_keys(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE OR REPLACE TABLE made.sales_keys AS "
        + region_of("SELECT DISTINCT rep_id, territory_id, sold_on AS day FROM plan.sales")
    )
    con.execute(
        "CREATE OR REPLACE TABLE made.goal_keys AS "
        + region_of("SELECT DISTINCT rep_id, territory_id, starts_on AS day FROM plan.goals")
    )


def _goal_periods(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"""
        CREATE OR REPLACE TABLE made.periods AS
        SELECT DISTINCT rep_id, starts_on, ends_on FROM made.goals
        WHERE metric = (SELECT coalesce(first(metric ORDER BY list_position({METRICS}, metric)), 'amount')
                        FROM made.goals WHERE goal IS NOT NULL AND metric IN {tuple(METRICS)})""")
    con.execute("""
        CREATE OR REPLACE TABLE made.sale_periods AS
        SELECT k.rep_id, k.day, arg_min(p.starts_on, (p.ends_on - p.starts_on, p.starts_on))
               AS goal_period
        FROM (SELECT DISTINCT rep_id, day FROM made.sales_keys) k
        JOIN made.periods p ON p.rep_id = k.rep_id AND k.day BETWEEN p.starts_on AND p.ends_on
        GROUP BY 1, 2""")


def _sales(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""
        CREATE OR REPLACE TABLE made.sales_lines AS
        SELECT s._file, s._row, k.region, s.sold_on, s.rep_id,
               k.held_id AS territory_id, s.product_id, s.account_id, p.product_line,
               CAST(s.amount * CAST(coalesce(s.credit_share, 1) AS DECIMAL(9,6)) AS DECIMAL(38,6))
                   AS amount,
               CAST(s.units * CAST(coalesce(s.credit_share, 1) AS DECIMAL(9,6)) AS DECIMAL(38,6))
                   AS units,
               CAST(s.cost * CAST(coalesce(s.credit_share, 1) AS DECIMAL(9,6)) AS DECIMAL(38,6))
                   AS cost,
               g.goal_period
        FROM plan.sales s
        JOIN made.sales_keys k ON k.rep_id = s.rep_id AND k.day = s.sold_on
             AND k.territory_id IS NOT DISTINCT FROM s.territory_id
        LEFT JOIN made.sale_periods g ON g.rep_id = s.rep_id AND g.day = s.sold_on
        LEFT JOIN plan.products p ON p.product_id = s.product_id""")
    con.execute("""
        CREATE OR REPLACE TABLE made.sales AS
        SELECT region, CAST(date_trunc('month', sold_on) AS DATE) AS month, goal_period, rep_id,
               territory_id, product_id, any_value(product_line) AS product_line,
               sum(amount) AS amount, sum(units) AS units, sum(cost) AS cost, count(*) AS lines
        FROM made.sales_lines GROUP BY region, month, goal_period, rep_id, territory_id, product_id
        ORDER BY region, month, goal_period, rep_id, territory_id, product_id""")


def _goals(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""
        CREATE OR REPLACE TABLE made.goals AS
        SELECT k.region, g.* FROM made.goals g JOIN made.goal_keys k
          ON k.rep_id = g.rep_id AND k.day = g.starts_on
         AND k.territory_id IS NOT DISTINCT FROM g.territory_id""")


def _people(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Say of every person where they work when the plan starts, and whether they carry a goal.

    Whoever has no assignment in the plan and has sold nothing for a quarter may have left without
    a word: ``quiet_months`` counts the months without sales up to the last one known.
    """
    start, (review, _) = settings.starts_on, review_months(settings)
    here = region_of(
        f"SELECT rep_id, CAST(NULL AS VARCHAR) AS territory_id, greatest(DATE '{start}', "
        f"coalesce(hired_on, DATE '{start}')) AS day FROM plan.reps"
    )
    con.execute(f"""
        CREATE OR REPLACE TABLE made.people AS
        WITH here AS ({here}),
        busy AS (SELECT DISTINCT rep_id FROM made.sales WHERE month >= DATE '{review}'
                 UNION SELECT DISTINCT rep_id FROM made.goals WHERE ends_on >= DATE '{review}'),
        bosses AS (SELECT DISTINCT manager_id AS rep_id FROM plan.reps),
        staying AS (SELECT r.*, h.region AS place,
               coalesce(r.left_on, DATE '9999-12-31') >= DATE '{start}'
               AND coalesce(r.hired_on, DATE '{start}') <= DATE '{settings.ends_on}' AS stays
               FROM plan.reps r JOIN here h USING (rep_id)),
        known AS (SELECT min(month) AS first, max(month) AS last FROM made.sales),
        sold AS (SELECT rep_id, max(month) AS month FROM (
               SELECT rep_id, month FROM made.sales GROUP BY ALL HAVING sum(amount) > 0)
               GROUP BY 1),
        seen AS (SELECT r.rep_id, date_diff('month', coalesce(s.month, greatest(
               coalesce(r.hired_on, k.first), k.first - INTERVAL 1 MONTH)), k.last) AS quiet
               FROM plan.reps r CROSS JOIN known k LEFT JOIN sold s USING (rep_id)),
        placed AS (SELECT rep_id FROM made.held
               WHERE starts_on <= DATE '{settings.ends_on}' AND ends_on >= DATE '{start}')
        SELECT s.* EXCLUDE (_file, _row, place, stays),
               CASE WHEN stays THEN place END AS current_region, stays AS is_active,
               CASE WHEN quiet >= {_QUIET_MONTHS} AND s.rep_id NOT IN (FROM placed)
                    THEN quiet::DOUBLE END AS quiet_months,
               stays AND (s.rep_id IN (SELECT rep_id FROM busy)
                          OR (s.rep_id NOT IN (SELECT rep_id FROM bosses WHERE rep_id IS NOT NULL)
                              AND lower(coalesce(role, '')) NOT IN ('manager', 'head of sales')))
                   AS carries_goal
        FROM staying s LEFT JOIN seen USING (rep_id)""")


def _without_region(con: duckdb.DuckDBPyConnection, settings: Settings) -> list[dict[str, Any]]:
    lines, lost, total, people = con.execute("""
        SELECT count(*) FILTER (region IS NULL), sum(abs(amount)) FILTER (region IS NULL)::DOUBLE,
               sum(abs(amount))::DOUBLE, string_agg(DISTINCT rep_id, ', ' ORDER BY rep_id)
               FILTER (region IS NULL) FROM made.sales_lines""").fetchone() or (0, 0, 0, "")
    if not lines:
        return []
    share, limit = (lost / total if total else 0.0), settings.max_lost_share
    return [
        {
            "status": "fail" if share > limit else "review",
            "table": "sales",
            "file": "",
            "row": None,
            "column": "region",
            "value": f"{share:.4f}",
            "rule": "lost",
            "message": f"{lines:,} lines with {lost:,.2f} ({share:.1%} of the amount) belong to no "
            f"region and are left out: {literal(people[:80])} has no assignment, no home region and no "
            f"known territory; the plan allows {limit:.1%}",
            "advice": "give these people an assignment or a region in reps",
        }
    ]


def _quiet_people(con: duckdb.DuckDBPyConnection, settings: Settings) -> list[dict[str, Any]]:
    """Name who would get a goal without an assignment and without sales of late, by their money."""
    year = review_months(settings)
    rows = con.execute(
        """
        SELECT r._file, r._row, r.rep_id, coalesce(r.rep_name, r.rep_id), p.quiet_months::INTEGER,
               coalesce(sum(s.amount) FILTER (s.month BETWEEN ? AND ?), 0)::DOUBLE AS reviewed
        FROM made.people p JOIN plan.reps r USING (rep_id) LEFT JOIN made.sales s USING (rep_id)
        WHERE p.carries_goal AND p.quiet_months IS NOT NULL
        GROUP BY ALL ORDER BY reviewed DESC, 3""",
        list(year),
    ).fetchall()
    return [
        {
            "status": "review",
            "table": "reps",
            "file": file,
            "row": row,
            "column": "left_on",
            "value": "",
            "rule": "quiet",
            "message": f"{name} ({rep}) sold nothing in the last {months} months and has no assignment "
            f"in the plan, yet gets a goal; {sold:,.0f} {settings.currency} were sold in the reviewed "
            "period",
            "advice": "fill left_on if they left, else assign a territory",
        }
        for file, row, rep, name, months, sold in rows
    ]
