"""Run the walk for many regions."""

from planning_kit.run.batch import run_plan
from planning_kit.run.manifest import RunRecord, read_manifest, status_table
from planning_kit.run.options import BatchOptions, unfinished_run
from planning_kit.run.parameters import check_parameters, notebook_parameters

__all__ = [
    "BatchOptions",
    "RunRecord",
    "check_parameters",
    "notebook_parameters",
    "read_manifest",
    "run_plan",
    "status_table",
    "unfinished_run",
]
