"""A plan behind a URL: its copy on this machine, and what goes back and forth."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planning_kit.messages import DataError, UsageError
from planning_kit.plan import COMPANY, COPY_FOLDER, bundled, write_atomically
from planning_kit.run.reuse import digest

if TYPE_CHECKING:
    from planning_kit.run.task import RegionTask


_NOTED = 3  # names of a path that share a note: a region of a run has its own
# What tells one state of a stored file from the next; each kind of storage has some of them.
_MARKS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "generation",
    "size",
    "mtime",
    "created",
    "LastModified",
    "last_modified",
    "updated",
)


class Storage:
    """A plan folder at an address that fsspec reads, and its copy on this machine.

    Only what is new or changed is carried over, in either direction; what is gone at one end
    goes at the other. A file arrives whole or not at all.

    Parameters
    ----------
    url
        Of the plan folder, for example ``s3://planning/2027``.

    Attributes
    ----------
    shown : str
        The URL without a user's name and password, for messages.
    copy : Path
        The plan folder on this machine, in a folder that is this user's alone.

    Raises
    ------
    UsageError
        Nothing installed speaks the address's protocol, or the copy has no safe place.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.shown = re.sub(r"(?<=://)[^/@]*@", "", self.url)
        try:
            from fsspec.core import url_to_fs

            self.files, root = url_to_fs(self.url)
        except ImportError as error:
            words = f"{error}; a plan behind a URL needs: pip install 'planning-kit[cluster]'"
            raise UsageError(f"{self.shown}: {words} and the package of its protocol.") from None
        except ValueError as error:
            raise UsageError(f"{self.shown}: {error}.") from None
        self.root = str(root).rstrip("/")
        place = _private_place() / digest(self.url)
        self.copy = place / (Path(self.root).name or "plan")
        self.notes = place / "carried"

    def fetch_plan(self) -> None:
        """Bring the plan, without what the kit has written."""
        self.files.invalidate_cache()
        try:
            names = [self._relative(str(name)) for name in self.files.ls(self.root, detail=False)]
        except FileNotFoundError:
            raise UsageError(f"there is nothing at {self.shown}.") from None
        self.copy.mkdir(parents=True, exist_ok=True)
        brought = {path.name for path in self.copy.iterdir()}
        for name in sorted({*names, *brought} - {"runs"}):  # runs come part by part
            if not name.startswith("."):  # what the kit prepared; what other programs keep there
                self.fetch(name)

    def fetch(self, part: str, endings: tuple[str, ...] = ("",)) -> None:
        """Bring a file, or the files below a folder that end so."""
        known, now = self._known(part, endings), {}
        there = self._there(part, endings)
        for name, mark in there.items():
            path = self.copy / name
            if known.get(name) != [mark, *_state(path)]:
                self._download(name, path)
            now[name] = [mark, *_state(path)]
        for name in known.keys() - there.keys():
            (self.copy / name).unlink(missing_ok=True)
        self._remember(part, now, endings)

    def send(self, part: str) -> None:
        """Send a file, or the files below a folder."""
        known, start = self._known(part), self.copy / part
        paths = [start] if start.is_file() else [p for p in start.rglob("[!.]*") if p.is_file()]
        here = {path.relative_to(self.copy).as_posix(): path for path in sorted(paths)}
        for name, path in here.items():
            if known.get(name, [None])[1:] != [*_state(path)]:
                self._upload(path, name)
        for name in known.keys() - here.keys():
            if self.files.exists(f"{self.root}/{name}"):
                self.files.rm_file(f"{self.root}/{name}")
        there = self._there(part)
        self._remember(part, {n: [there[n], *_state(p)] for n, p in here.items() if n in there})

    def _there(self, part: str, endings: tuple[str, ...] = ("",)) -> dict[str, str]:
        self.files.invalidate_cache()
        found = self.files.find(f"{self.root}/{part}", detail=True)
        return {
            self._relative(str(name)): digest({mark: info.get(mark) for mark in _MARKS})
            for name, info in found.items()
            if str(name).endswith(endings)
        }

    def _relative(self, name: str) -> str:
        """Give the place inside the plan folder; nothing that is stored gets a place outside."""
        relative = name.removeprefix(f"{self.root}/")
        parts = relative.split("/")
        if relative == name or "\\" in relative or any(p in ("", ".", "..") for p in parts):
            raise DataError(f"{self.shown}: a file is called {name!r}; the plan cannot be copied.")
        return relative

    def _download(self, name: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, half = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        os.close(handle)
        try:
            self.files.get_file(f"{self.root}/{name}", half)
            os.replace(half, path)
        finally:
            Path(half).unlink(missing_ok=True)

    def _upload(self, path: Path, name: str) -> None:
        target = f"{self.root}/{name}"
        self.files.makedirs(target.rpartition("/")[0], exist_ok=True)
        with path.open("rb") as source, self.files.transaction, self.files.open(target, "wb") as to:
            shutil.copyfileobj(source, to)

    def _known(self, part: str, endings: tuple[str, ...] = ("",)) -> dict[str, list[Any]]:
        """Tell what was carried before of a part, in which state: mark there, size and time here."""
        if part.count("/") >= _NOTED - 1:
            notes = [self._note(part)]
        else:
            notes = [self._note(part), *sorted((self.notes / part).rglob("*.json"))]
        known = {name: state for note in notes for name, state in _read_note(note).items()}
        return {n: state for n, state in known.items() if _is_of(n, part) and n.endswith(endings)}

    def _remember(
        self, part: str, now: Mapping[str, Any], endings: tuple[str, ...] = ("",)
    ) -> None:
        before = self._known(part, endings)
        for note in {self._note(name) for name in {*before, *now}}:
            others = {n: state for n, state in _read_note(note).items() if n not in before}
            own = {n: state for n, state in now.items() if self._note(n) == note}
            write_atomically(note, json.dumps({**others, **own}))

    def _note(self, name: str) -> Path:
        group = "/".join(name.split("/")[:_NOTED])
        return self.notes / f"{group}.json"


def _is_of(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}/")


def _read_note(path: Path) -> dict[str, list[Any]]:
    try:
        found: dict[str, list[Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (-1, -1)
    return found.st_size, found.st_mtime_ns


def _private_place() -> Path:
    """Give a folder that nobody else of this machine can read or put links into."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    place = Path(tempfile.gettempdir()).resolve() / f"planning-kit-{user}"
    place.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and (place.is_symlink() or place.stat().st_uid != os.getuid()):
        raise UsageError(f"{place} is not yours; set TMPDIR to a folder of your own.")
    return place


# --- a worker of another machine -----------------------------------------------------------------


@contextmanager
def borrowed(task: RegionTask) -> Iterator[RegionTask]:
    """Bring what a region needs to this machine; afterwards send what was made."""
    storage, there = Storage(task.storage), Path(task.parameters["plan_folder"])
    run, prepared = Path(task.folder).parent.relative_to(there), Path(".prepared", task.prepared)
    storage.fetch_plan()
    for name in ("prepared.json", "manifest.json", COPY_FOLDER):
        storage.fetch((run / name).as_posix())
    name = Path(task.folder).name
    if task.of_company:
        storage.fetch(prepared.as_posix())
        storage.fetch(run.as_posix(), (".csv", ".json"))
    else:
        for part in ("prepared.json", COMPANY, name):
            storage.fetch((prepared / part).as_posix())
        storage.fetch((run / name).as_posix())
        for before in task.basis.runs[:1]:  # more may be here from then
            storage.fetch((Path(before).relative_to(there) / name).as_posix())
    here: RegionTask = _moved(task, str(there), str(storage.copy))
    notebooks = [
        Path(n) if Path(n).is_file() else bundled("notebooks") / Path(n).name
        for n in here.notebooks
    ]
    try:
        yield replace(here, notebooks=tuple(map(str, notebooks)), storage="")
    finally:
        storage.send((run / name).as_posix())


def _moved(value: Any, old: str, new: str) -> Any:
    """Put one folder for another in every path of a plain value.

    Examples
    --------
    >>> _moved({"/a/plan/x": ["/a/plan", "/a/planning"]}, "/a/plan", "/b")
    {'/b/x': ['/b', '/a/planning']}
    """
    if isinstance(value, str):
        inside = value == old or value.startswith(old + os.sep)
        return new + value[len(old) :] if inside else value
    if isinstance(value, Mapping):
        return {_moved(k, old, new): _moved(v, old, new) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(v, old, new) for v in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _moved(getattr(value, f.name), old, new) for f in fields(value)}
        return replace(value, **parts)
    return value
