"""Where a plan stands on disk."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planning_kit.messages import DataError, UsageError, Written
from planning_kit.plan.scenario import Scenario, load_scenario
from planning_kit.plan.settings import Settings, read_settings

COMPANY = "company"  # its folder in a run and among prepared inputs; no region's has this name
ALL = "*"  # every region, for a user of the app
ANSWERS = "data/answers.csv"  # what people answered, a table like the others
COPY_FOLDER = "plan"  # of a run: its copy of what people write; no region's has this name either
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d|company|plan|prepared|latest)$", re.I)
_SECTIONS = (
    "plan",
    "targets",
    "checks",
    "people",
    "agreement",
    "app",
    "metrics",
    "regions",
    "files",
    "sources",
)


@dataclass(frozen=True)
class Plan:
    """A plan folder that was opened: its settings and its sources, as written.

    Attributes
    ----------
    folder : Path
        The plan folder, absolute.
    settings : Settings
        Checked settings.
    sources : mapping
        ``[sources.<table>]`` sections as written; `planning_kit.data` reads them. What people
        answered is there without a section, once somebody has.
    files : mapping
        ``[files.<name>]`` sections: files that SQL of the sources may read.
    regions : tuple of str
        Regions in the order the plan lists them; empty: those of the data.
    users : mapping of str to tuple of str, or None
        Who may see which regions in the app, ``"*"`` all; None: the plan does not say.
    copy : Path or None
        A run's copy of what people write, read instead of the folder's own; see `copied`.
    """

    folder: Path
    settings: Settings
    sources: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, Mapping[str, Any]]
    regions: tuple[str, ...] = ()
    users: Mapping[str, tuple[str, ...]] | None = None
    copy: Path | None = None

    @property
    def papers(self) -> Path:
        """Where `plan.toml`, scenarios and own notebooks are read."""
        return self.copy or self.folder

    def copied(self, run: Path) -> Plan:
        """Copy what people write into a run's folder, and open the plan as it is there.

        What is changed in the plan folder while the run goes on is then not of this run.
        """
        for pattern in ("plan.toml", "scenarios/*.toml", "notebooks/*.ipynb"):
            for path in sorted(self.folder.glob(pattern)):
                place = run / COPY_FOLDER / path.relative_to(self.folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
        return load_plan(self.folder, run)

    @property
    def runs_folder(self) -> Path:
        """Where batches leave their runs."""
        return self.folder / "runs"

    @property
    def agreement_file(self) -> Path:
        """Where the agreement log is, unless a database keeps it."""
        return self.folder / "agreement.db"

    @property
    def agreement_place(self) -> Path | str:
        """Where the agreement log is: its file, or the address of the database that keeps it.

        Raises
        ------
        DataError
            ``plan.toml`` names an environment variable for the address, and it is not set.
        """
        variable = self.settings.agreement_database
        if not variable:
            return self.agreement_file
        if address := os.environ.get(variable, ""):
            return address
        raise DataError(
            f"plan.toml, agreement: the environment variable {variable!r} is not set; it holds the "
            "address of the database that keeps the log, for example "
            "postgresql://user:password@host/goals."
        )

    @property
    def published_folder(self) -> Path:
        """Where published goals are frozen."""
        return self.folder / "published"

    def scenario(self, name: str) -> Scenario:
        """Open a scenario by name; ``base`` may be missing and is then empty."""
        path = self.scenario_path(name)
        if name == "base" and not path.exists():
            return Scenario("base")
        return load_scenario(path)

    def scenario_path(self, name: str) -> Path:
        """Say where a scenario is read."""
        if not re.fullmatch(r"[\w -]+", name):
            raise UsageError(f"scenario {name!r}: a name has letters, digits, '-', '_' and blanks.")
        return self.papers / "scenarios" / f"{name}.toml"

    def scenario_names(self) -> list[str]:
        """List the scenarios of the plan by name."""
        return sorted(path.stem for path in (self.papers / "scenarios").glob("*.toml"))

    def regions_of(self, user: str, regions: Iterable[str]) -> list[str]:
        """Give those of some regions that a user may see: all of them where the plan says nothing."""
        may = (ALL,) if self.users is None else self.users.get(user, ())
        return [name for name in regions if name in may or ALL in may]

    def user_faults(self, regions: Iterable[str]) -> list[str]:
        """Name the regions in ``[app.users]`` that nobody knows, with the nearest one."""
        found, known = Written({}), {*regions, ALL}
        for user, given in (self.users or {}).items():
            found.known(given, known, f"[app.users] {user!r}")
        return found.faults

    def notebooks(self) -> list[Path]:
        """List the notebooks in their order: the plan's own where there are any."""
        own = self.papers / "notebooks"
        folder = own if any(own.glob("*.ipynb")) else bundled("notebooks")
        return sorted(folder.glob("[0-9][0-9]_*.ipynb"))


def bundled(name: str) -> Path:
    """Find a folder that is shipped with the package (notebooks, templates, data_samples).

    An installed wheel carries them inside the package; a checkout has them beside it.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_bundled" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise UsageError(f"the folder {name!r} is not part of this installation; install it again.")


def load_plan(folder: str | Path, run: Path | None = None) -> Plan:
    """Open a plan folder.

    Parameters
    ----------
    folder
        The folder with `plan.toml`; ``""`` finds it above the working directory, and takes the
        sample plan that comes with the package where there is none.
    run
        Folder of a run: where it has a copy of the plan, that is read (see `Plan.copied`).

    Raises
    ------
    UsageError
        There is no `plan.toml`.
    DataError
        `plan.toml` cannot be read; every fault is named.
    """
    copy = run / COPY_FOLDER if run and (run / COPY_FOLDER / "plan.toml").is_file() else None
    path = Path(folder).expanduser().resolve() if copy and str(folder) else _find_plan(folder)
    try:
        content = tomllib.loads(((copy or path) / "plan.toml").read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"plan.toml: not a TOML file: {error}.") from None
    written = Written(content)
    written.keys(_SECTIONS)
    sources = dict(_named_sections(written, "sources"))
    if "answers" not in sources and (path / ANSWERS).is_file():
        sources["answers"] = {"file": ANSWERS}
    plan = Plan(
        folder=path,
        settings=read_settings(written),
        sources=sources,
        files=_named_sections(written, "files"),
        regions=written.texts("regions", '["North", "01"]'),
        users=_read_users(written),
        copy=copy,
    )
    written.stop("plan.toml")
    return plan


def _find_plan(folder: str | Path) -> Path:
    if str(folder):
        path = Path(folder).expanduser().resolve()
        if not (path / "plan.toml").is_file():
            raise UsageError(
                f"no plan.toml in {str(folder)!r}; write one with: planning-kit init FOLDER"
            )
        return path
    here = Path.cwd().resolve()
    for path in (here, *here.parents):
        if (path / "plan.toml").is_file():
            return path
    return bundled("data_samples")


def _read_users(written: Written) -> Mapping[str, tuple[str, ...]] | None:
    app = written.section("app", ("users",))
    users = app.section("users")
    read = {name: users.texts(name, '["North"]') for name in users.values}
    return read if "users" in app else None


def _named_sections(written: Written, name: str) -> Mapping[str, Mapping[str, Any]]:
    sections = written.section(name)
    return {key: sections.section(key).values for key in sections.values}


def folder_name(label: str) -> str:
    r"""Make a folder name out of any label, one to one and safe on every system.

    A label of plain letters, digits, ``-`` and ``_`` is kept; anything else gets a short digest
    of the label, so that two labels never meet.

    Examples
    --------
    >>> folder_name("North"), folder_name("../up"), folder_name("O'Brien")
    ('North', 'up-8c722b', 'O-Brien-e6e624')
    """
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-")[:60]
    if plain == label and not _RESERVED.match(label):
        return label
    digest = hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain}-{digest}".lstrip("-")


def write_atomically(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file under a temporary name and rename it: it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blob = content.encode("utf-8") if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(blob)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
