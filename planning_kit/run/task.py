"""What a worker needs to run one region."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planning_kit.run.parameters import notebook_parameters


@dataclass(frozen=True)
class Basis:
    """What all notebooks of a run rest on, as digests.

    Attributes
    ----------
    inputs : str
        Fingerprint of the prepared inputs.
    package : str
        Of the kit's source files, of Python and of the packages that make numbers.
    scenario : dict
        Of each section of the run's scenario.
    scenarios : str
        Of all scenario files.
    agreement : str
        Of the whole agreement log.
    totals : str
        Of the totals that heads of regions agreed.
    runs : tuple of str
        Folders of earlier runs, newest first.
    """

    inputs: str
    package: str
    scenario: dict[str, str]
    scenarios: str
    agreement: str
    totals: str = ""
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegionTask:
    """What a worker needs to run one region or the company; plain values, so that it can travel.

    Attributes
    ----------
    name, folder : str
        As the manifest calls it; absolute folder in the run.
    of_company : bool
        It is the company's roll-up, which knows no region.
    notebooks : tuple of str
        Absolute paths, in order.
    parameters : dict
        Parameters of every notebook (each takes those it has).
    basis : Basis
        What all notebooks of the run rest on.
    inputs, agreement : str
        Digests of the region's inputs, and of what was said about its people; empty: all of the
        plan's.
    prepared : str
        Name of the folder of the prepared inputs.
    storage : str
        URL of the plan where this is the task of another machine; the paths are that machine's.
    seconds : int
        Time limit of a notebook.
    html, fork, force : bool
        Write reports; fork kernels where that works; take nothing over.
    """

    name: str
    folder: str
    of_company: bool
    notebooks: tuple[str, ...]
    parameters: dict[str, Any]
    basis: Basis
    inputs: str = ""
    agreement: str = ""
    prepared: str = ""
    storage: str = ""
    seconds: int = 600
    html: bool = True
    fork: bool = True
    force: bool = False

    def parameters_of(self, notebook: Path) -> dict[str, Any]:
        """Give the parameters that a notebook takes."""
        known = notebook_parameters(notebook)
        return {name: value for name, value in self.parameters.items() if name in known}
