"""What stands in the partition of a region: its tables, each as one query over the company's."""

from __future__ import annotations

import duckdb

from planning_kit.data.notation import literal
from planning_kit.data.schema import TABLES
from planning_kit.plan import Settings

PARTITION_TABLES = (*TABLES, "managers", "leads_elsewhere", "accounts")
_SHARED = ("products", "assumptions")
_PLAIN = "* EXCLUDE (_file, _row)"
# What people reported with a place and a day is an event like those of the table; a person's place
# is what they held on that day. Text that a spreadsheet would run was written with an apostrophe,
# see `planning_kit.data.table_files.guard`.
GUARDED = ("question", "answer", "answered_by")
_ANSWERS = (
    "SELECT * EXCLUDE (_file, _row) REPLACE ("
    + ", ".join(f"regexp_replace({c}, '^' || chr(39), '') AS {c}" for c in GUARDED)
    + ") FROM plan.answers"
)
_EVENTS = f"""
    SELECT {_PLAIN} FROM plan.events
    UNION ALL BY NAME
    SELECT 'answer.' || a.answer_id AS event_id, 'reported event' AS kind,
           coalesce(a.territory_id, h.territory_id) AS territory_id, a.starts_on,
           a.answer AS note
    FROM ({_ANSWERS}) a LEFT JOIN plan.assignments h
      ON a.territory_id IS NULL AND h.rep_id = a.rep_id
         AND a.starts_on >= coalesce(h.starts_on, a.starts_on)
         AND a.starts_on <= coalesce(h.ends_on, a.starts_on)
    WHERE a.kind = 'event' AND a.starts_on IS NOT NULL
      AND coalesce(a.territory_id, h.territory_id) IS NOT NULL
    ORDER BY ALL"""
_MANAGERS = """
    WITH RECURSIVE above AS (
        SELECT manager_id AS rep_id FROM plan.reps WHERE rep_id IN (FROM here_people)
        UNION SELECT r.manager_id FROM plan.reps r JOIN above USING (rep_id))
    SELECT rep_id, rep_name, manager_id FROM plan.reps WHERE rep_id IN (FROM above)
    ORDER BY rep_id"""


def partition_queries(
    con: duckdb.DuckDBPyConnection, settings: Settings, region: str | None
) -> dict[str, str]:
    """Write one query for each table of a region's partition; None is the whole company.

    Who is in it: everybody who is or was at home here, held a territory here, or sold or carried
    a goal here, and their managers. `planning_kit.data.derive` must have run. The queries hold
    until the next call.
    """
    facts = "true" if region is None else f"region = {literal(region)}"
    place = "region IS NOT NULL" if region is None else facts
    now = place.replace("region", "current_region", 1)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE here_people AS
        SELECT rep_id FROM made.people WHERE {now} OR {place}
        UNION SELECT rep_id FROM made.held WHERE {place}
        UNION SELECT rep_id FROM made.sales WHERE {facts}
        UNION SELECT rep_id FROM made.goals WHERE {facts}""")
    con.execute("""
        CREATE OR REPLACE TEMP TABLE here_both AS
        FROM here_people UNION
        SELECT manager_id FROM plan.reps WHERE rep_id IN (FROM here_people)""")
    both, people = "IN (FROM here_both)", "IN (FROM here_people)"
    flags = (
        "*"
        if region is None
        else (
            f"* REPLACE (is_active AND coalesce({now}, false) AS is_active, "
            f"carries_goal AND coalesce({now}, false) AS carries_goal)"
        )
    )
    sold = f"territory_id IN (SELECT territory_id FROM made.sales WHERE {facts})"
    queries = {
        "reps": f"SELECT {flags} FROM made.people WHERE rep_id {both} ORDER BY rep_id",
        "territories": f"SELECT {_PLAIN} FROM plan.territories WHERE {place} OR {sold} "
        "ORDER BY territory_id",
        "assignments": f"SELECT * FROM made.assignments WHERE rep_id {people} "
        "ORDER BY rep_id, territory_id, starts_on",
        "sales": f"SELECT * FROM made.sales WHERE {facts} AND region IS NOT NULL ORDER BY ALL",
        "goals": f"SELECT {_PLAIN} FROM made.goals WHERE {facts} ORDER BY ALL",
        "proposals": f"SELECT {_PLAIN} FROM made.proposals WHERE rep_id {people} ORDER BY ALL",
        "opportunities": f"SELECT {_PLAIN} FROM plan.opportunities "
        f"WHERE {'true' if region is None else f'rep_id {people}'} ORDER BY opportunity_id",
        "activities": f"SELECT {_PLAIN} FROM plan.activities WHERE rep_id {people} ORDER BY ALL",
        "manager_time": f"SELECT {_PLAIN} FROM plan.manager_time WHERE manager_id {both} "
        "ORDER BY ALL",
        "calendar": f"SELECT {_PLAIN} FROM plan.calendar WHERE coalesce(rep_id, manager_id) IS NULL "
        f"OR rep_id {both} OR manager_id {both} ORDER BY ALL",
        "evidence": f"SELECT {_PLAIN} FROM plan.evidence WHERE rep_id {people} ORDER BY ALL",
        "events": _EVENTS,
        "answers": f"FROM ({_ANSWERS}) WHERE {_answered_here(place, both, region)} ORDER BY ALL",
        "accounts": _accounts(settings, people),
        "managers": _MANAGERS,
        "leads_elsewhere": _leads_elsewhere(settings, region),
    }
    return queries | {name: f"SELECT {_PLAIN} FROM plan.{name} ORDER BY ALL" for name in _SHARED}


def _answered_here(place: str, both: str, region: str | None) -> str:
    """Say which answers are of a region: by their own word, else by person or territory."""
    if region is None:
        return "true"
    here = f"territory_id IN (SELECT territory_id FROM plan.territories WHERE {place})"
    nowhere = "rep_id IS NULL AND territory_id IS NULL"
    return f"coalesce({place}, rep_id {both} OR {here} OR ({nowhere}))"


def _accounts(settings: Settings, people: str) -> str:
    """Sum what accounts bought of a person by year, counted back from the reviewed period's end."""
    back = f"date_diff('month', s.sold_on, DATE '{settings.review_ends_on}')"
    return f"""
        SELECT s.rep_id, s.account_id, 1 + {back} // 12 AS years_back,
               sum(s.amount * coalesce(s.credit_share, 1))::DOUBLE AS amount,
               count(DISTINCT date_trunc('month', s.sold_on)) AS months,
               CASE WHEN count(DISTINCT p.product_line) = 1 THEN min(p.product_line) END
                   AS product_line
        FROM plan.sales s LEFT JOIN plan.products p USING (product_id)
        WHERE s.account_id IS NOT NULL AND s.rep_id {people} AND {back} >= 0
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""


def _leads_elsewhere(settings: Settings, region: str | None) -> str:
    """Count whom the managers of a region lead in others, by month; the company is everywhere."""
    there = "false" if region is None else f"current_region IS DISTINCT FROM {literal(region)}"
    return f"""
        WITH months AS (SELECT CAST(range AS DATE) AS month FROM range(
            DATE '{settings.starts_on}', DATE '{settings.ends_on}', INTERVAL 1 MONTH)),
        led AS (
            SELECT manager_id, current_region AS region, hired_on, left_on, 1 AS people,
                   false AS sells FROM made.people
            WHERE is_active AND manager_id IN (FROM here_both) AND {there}
            UNION ALL
            SELECT rep_id, current_region, hired_on, left_on, 0, true FROM made.people
            WHERE carries_goal AND rep_id IN (FROM here_both) AND {there}
              AND rep_id IN (SELECT manager_id FROM plan.reps))
        SELECT manager_id, region, month, sum(people)::BIGINT AS people, bool_or(sells) AS sells
        FROM led JOIN months ON coalesce(hired_on, month) <= last_day(month)
             AND coalesce(left_on, month) >= month
        GROUP BY manager_id, region, month ORDER BY manager_id, region, month"""
