"""Scenario files in somebody's hands: opened, kept as a draft on every act, saved, never overwritten."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from planning_kit.agreement.log import app_user, login
from planning_kit.data import check_scenario
from planning_kit.messages import DataError, PlanningError, UsageError
from planning_kit.plan import Scenario, folder_name, write_atomically
from planning_kit.walk.company import resolver
from planning_kit.walk.logged import totals_agreed
from planning_kit.walk.step import Step

_BEGUN = "# unsaved work on this scenario, begun from "


class ChangedOnDiskError(UsageError):
    """Somebody changed a scenario file since it was read.

    Attributes
    ----------
    theirs : ScenarioFile or None
        The file as it is now, to go on from; None: it is gone, or cannot be read.
    """

    def __init__(self, message: str, theirs: ScenarioFile | None) -> None:
        super().__init__(message)
        self.theirs = theirs


@dataclass(frozen=True)
class ScenarioFile:
    """A scenario file as it was when it was read, and what lies beside it.

    Attributes
    ----------
    step : Step
        Whose plan it is of.
    scenario : Scenario
        What the file says.
    text : str or None
        The file itself; None: there was none.
    draft : Scenario or None
        Unsaved work on it that an earlier session left.
    notice : str
        What to know of the draft: that it cannot be read, or was begun from another file.

    """

    step: Step
    scenario: Scenario
    text: str | None
    draft: Scenario | None = None
    notice: str = ""

    @classmethod
    def open(cls, step: Step, name: str) -> ScenarioFile:
        """Open a scenario of the plan with its draft; a draft that cannot be read is only named.

        Raises
        ------
        PlanningError
            The scenario is not there, or has faults: all of them named.
        """
        scenario = step.plan.scenario(name)
        file = cls(step, scenario, _read(step.plan.scenario_path(name)))
        try:
            text = _read(file.draft_path)
            draft = None if text is None else Scenario.parse(name, tomllib.loads(text))
        except (PlanningError, tomllib.TOMLDecodeError) as error:
            notice = f"the draft {file.draft_path.name} cannot be read and is left alone: {error}"
            return replace(file, notice=notice)
        if text is None:
            return file
        is_old = not text.startswith(_BEGUN + _digest(file.text))
        notice = "the file was changed after this draft was begun; compare before saving."
        return replace(file, draft=draft, notice=notice if is_old else "")

    @property
    def name(self) -> str:
        """Name of the file without ending."""
        return self.scenario.name

    @property
    def path(self) -> Path:
        """Where it is saved; a run reads a copy of it."""
        return _place(self.step, self.name)

    @property
    def draft_path(self) -> Path:
        """Where unsaved work of whoever is logged in is kept; no scenario has such a name."""
        who = folder_name(app_user() or login() or "planner")
        return self.path.with_name(f".{self.name}.{who}.draft")

    def keep(self, scenario: Scenario) -> None:
        """Keep unsaved work beside the file; where it says what the file says, none is kept."""
        if scenario == self.scenario:
            self.forget()
        else:
            text = f"{_BEGUN}{_digest(self.text)}\n{scenario.to_toml()}"
            write_atomically(self.draft_path, text)

    def forget(self) -> None:
        """Delete the draft."""
        self.draft_path.unlink(missing_ok=True)

    @property
    def is_overtaken(self) -> bool:
        """Whether somebody else wrote or deleted it since it was read."""
        try:
            return _read(self.path) != self.text
        except DataError:
            return True

    def reread(self) -> ScenarioFile:
        """Give the file as it is on disk now, without the unsaved work on it."""
        return replace(ScenarioFile.open(self.step, self.name), draft=None, notice="")

    def save(self, scenario: Scenario, over: bool = False) -> ScenarioFile:
        """Write the file anew, with the comments at its head, and give it as it is then.

        Parameters
        ----------
        over
            Write over what somebody else wrote since it was read.

        Raises
        ------
        ChangedOnDiskError
            It is not as it was read; nothing is written.
        DataError
            A run could not take the scenario (see `planning_kit.data.check_scenario`).
        """
        if not over:
            self._stop_if_changed()
        written = scenario.with_(name=self.name, title=self.scenario.title)
        _check(self.step, written)
        text = _head(self.text or "") + written.to_toml()
        write_atomically(self.path, text)
        self.forget()
        return ScenarioFile(self.step, replace(written, path=self.path), text)

    def _stop_if_changed(self) -> None:
        now = _read(self.path)
        if now == self.text:
            return
        theirs = None
        try:
            if now is not None:
                read = Scenario.parse(self.name, tomllib.loads(now), self.path)
                theirs = ScenarioFile(self.step, read, now)
        except (PlanningError, tomllib.TOMLDecodeError):
            pass  # what cannot be read cannot be offered
        what = "is gone" if now is None else "was changed by somebody else"
        raise ChangedOnDiskError(
            f"scenarios/{self.path.name} {what} since it was opened; nothing was written. Go on "
            "from the file as it is now, or save under another name.",
            theirs,
        )

    def save_as(self, name: str, scenario: Scenario) -> ScenarioFile:
        """Write a new file, see `write_scenario`; the work on this one is saved with it."""
        path = write_scenario(self.step, name, scenario)
        self.forget()
        return ScenarioFile(
            self.step, Scenario.parse(name, tomllib.loads(_text(path)), path), _text(path)
        )

    def duplicate(self, name: str) -> Path:
        """Copy the file as it is on disk under another name.

        Raises
        ------
        UsageError
            The name is empty or taken, or there is no file yet.
        """
        path, text = _free(self.step, name), _read(self.path)
        if text is None:
            raise UsageError(f"scenario {self.name!r} has no file yet; save it first.")
        write_atomically(path, text)
        return path


def write_scenario(step: Step, name: str, scenario: Scenario) -> Path:
    """Write ``scenarios/<name>.toml``; nothing that exists is overwritten.

    Raises
    ------
    UsageError
        The name is empty or taken.
    DataError
        A run could not take the scenario (see `planning_kit.data.check_scenario`).
    """
    path, written = _free(step, name), scenario.with_(name=name, title=name)
    _check(step, written)
    write_atomically(path, written.to_toml())
    return path


def _place(step: Step, name: str) -> Path:
    return step.plan.folder / "scenarios" / f"{name}.toml"


def _free(step: Step, name: str) -> Path:
    if not re.fullmatch(r"[\w -]{1,60}", name):
        raise UsageError("give the scenario a name of letters, digits, '-' and '_'.")
    path = _place(step, name)
    if path.exists():
        raise UsageError(f"there is a scenario {name!r} already; choose another name.")
    return path


def _check(step: Step, scenario: Scenario) -> None:
    agreed = totals_agreed(step.plan, step.folder.parent)
    check_scenario(step.plan, step.prepared, scenario, resolver(agreed))


def _read(path: Path) -> str | None:
    return _text(path) if path.is_file() else None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: not a text in UTF-8: {error}.") from None


def _head(text: str) -> str:
    """Give the comments that a file begins with."""
    found = re.match(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*", text)
    head = found[0] if found else ""
    return head if head.strip() else ""


def _digest(text: str | None) -> str:
    return hashlib.sha256((text or "").encode("utf-8", "surrogatepass")).hexdigest()[:16]
