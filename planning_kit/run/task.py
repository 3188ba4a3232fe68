"""What a worker needs to run one region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from planning_kit.run.reuse import Basis


@dataclass(frozen=True)
class RegionTask:
    """What a worker needs to run one region; plain values, so that it can travel.

    Attributes
    ----------
    region, folder : str
        Name; absolute folder of the region in the run.
    notebooks : tuple of str
        Absolute paths, in order.
    parameters : dict
        Parameters of every notebook (each takes those it has).
    basis : Basis
        What all notebooks of the run rest on.
    inputs, key : str
        Digest of the region's inputs; of the region's tables, see `planning_kit.data.Prepared.table_key`.
    prepared : str
        Name of the folder of the prepared inputs.
    storage : str
        URL of the plan where this is the task of another machine; the paths are that machine's.
    seconds : int
        Time limit of a notebook.
    html, fork, force : bool
        Write reports; fork kernels where that works; take nothing over.
    """

    region: str
    folder: str
    notebooks: tuple[str, ...]
    parameters: dict[str, Any]
    basis: Basis
    inputs: str
    key: str
    prepared: str = ""
    storage: str = ""
    seconds: int = 600
    html: bool = True
    fork: bool = True
    force: bool = False
