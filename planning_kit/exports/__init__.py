"""Goals for other tools: the company's workbook, a star schema."""

from planning_kit.exports.star import write_star
from planning_kit.exports.workbook import write_workbook

__all__ = ["write_star", "write_workbook"]
