"""Run the notebooks for many regions. The only importer of papermill."""

from planning_kit.batch.manifest import RunRecord, latest_run, read_manifest, status_table
from planning_kit.batch.options import BatchOptions, unfinished_run
from planning_kit.batch.parameters import check_parameters, notebook_parameters
from planning_kit.batch.run import run_plan

__all__ = [
    "BatchOptions",
    "RunRecord",
    "check_parameters",
    "latest_run",
    "notebook_parameters",
    "read_manifest",
    "run_plan",
    "status_table",
    "unfinished_run",
]
