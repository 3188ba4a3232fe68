"""The canonical tables: columns, types, units, keys, and every check of what users hand in."""

from planning_kit.tables.checker import CheckLimits
from planning_kit.tables.checks import check_tables, problems_table
from planning_kit.tables.labels import nearest, require_labels, shorten
from planning_kit.tables.money import from_units, to_units
from planning_kit.tables.schema import (
    FINDING_COLUMNS,
    PROBLEM_COLUMNS,
    TABLES,
    Column,
    Table,
    column_types,
    empty_table,
    finding,
    findings_table,
)

__all__ = [
    "FINDING_COLUMNS",
    "PROBLEM_COLUMNS",
    "TABLES",
    "CheckLimits",
    "Column",
    "Table",
    "check_tables",
    "column_types",
    "empty_table",
    "finding",
    "findings_table",
    "from_units",
    "nearest",
    "problems_table",
    "require_labels",
    "shorten",
    "to_units",
]
