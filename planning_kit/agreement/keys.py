"""The plan key: signs every line of an agreement log, and notes its end where the log is not."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from planning_kit.messages import DataError
from planning_kit.plan import folder_name, write_atomically

VARIABLE = "PLANNING_KIT_KEYS"
_NOTE_LENGTH = 256  # bytes: of one sector, so that a crash leaves the old note or the new one
_LOOKS, _PAUSE = 3, 0.001  # at a note that is just being written; seconds between
NOT_HERE = (
    f"the key of this plan is not on this machine: put its file, from whoever began the log, into "
    f"{{folder}}, or name its folder in the environment variable {VARIABLE}"
)


def key_folder() -> Path:
    """Give the folder of the keys: beside no log, and no other user's business."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(os.environ.get(VARIABLE) or Path(home) / "planning-kit" / "keys")


@dataclass(frozen=True)
class Seal:
    """The key of one plan, and the signed note of the last line of one of its logs.

    Attributes
    ----------
    key_file : Path
        One line a key: its id and the key, hexadecimal; the last one signs, the others are kept to
        check what they signed.
    note_file : Path
        Number, digest and signature of the last line that was written from this machine.
    """

    key_file: Path
    note_file: Path

    @classmethod
    def of(cls, header: Mapping[str, str], place: str) -> Seal:
        """Name the files for a plan and the place of its log."""
        text = json.dumps(dict(header), sort_keys=True)
        plan = f"{folder_name(header['plan'])[:40]}-{_short(text.encode())}"
        folder = key_folder()
        return cls(folder / f"{plan}.key", folder / f"{plan}-{_short(place.encode())}.note")

    def keys(self) -> dict[str, bytes]:
        """Give the keys by id, the one that signs last; none: there is no key on this machine."""
        try:
            facts = self.key_file.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise DataError(f"plan key {self.key_file}: cannot be read: {error}.") from None
        return _keys_in(self.key_file, facts.st_ino, facts.st_size, facts.st_mtime_ns)

    def keys_to_sign(self, begins: bool) -> dict[str, bytes]:
        """Give the keys to whoever writes; who begins a log where there is none yet gets one.

        Raises
        ------
        DataError
            The log goes on, and its key is not here.
        """
        if begins and not self.key_file.exists():
            self.renew()
        if found := self.keys():
            return found
        raise DataError(f"agreement log: {NOT_HERE.format(folder=self.key_file.parent)}.")

    def renew(self) -> None:
        """Add a new key, which signs from now on."""
        key = secrets.token_bytes(32)
        lines = [f"{name} {known.hex()}" for name, known in self.keys().items()]
        text = "\n".join([*lines, f"{_short(key)} {key.hex()}", ""])
        try:
            self.key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if lines:
                write_atomically(self.key_file, text, mode=0o600)
            else:
                _begin(self.key_file, text)
        except OSError as error:
            raise DataError(
                f"plan key: {self.key_file.parent} cannot be written ({error.strerror}); name "
                f"another folder in the environment variable {VARIABLE}."
            ) from None

    def signature(self, digest: str) -> str:
        """Sign a digest; empty where there is no key, or nothing to sign."""
        keys = self.keys()
        return sign(keys, digest) if keys and digest else ""

    def is_open(self) -> bool:
        """Say whether other users of this machine can read the key."""
        return os.name == "posix" and self.key_file.exists() and bool(self._mode() & 0o077)

    def note(self, keys: Mapping[str, bytes]) -> tuple[int, str]:
        """Give number and digest of the line noted last; 0: nothing, -1: the note was changed."""
        for _ in range(_LOOKS):
            try:
                number, digest, signature = self._noted()
            except FileNotFoundError:
                return 0, ""
            except (OSError, ValueError):
                number = -1
            if number > 0 and is_signed(keys, digest, signature):
                return number, digest
            time.sleep(_PAUSE)
        return -1, ""

    def _noted(self) -> tuple[int, str, str]:
        number, digest, signature = self.note_file.read_bytes().decode("ascii").split()
        return int(number), digest, signature

    def write_note(self, line: Mapping[str, Any], keys: Mapping[str, bytes]) -> None:
        """Note a line as the last one, unless a later one is noted: another writer was faster.

        Raises
        ------
        DataError
            The note cannot be written; the line is in the log.
        """
        words = (str(line["sequence"]), line["digest"], sign(keys, line["digest"]))
        note = " ".join(words).ljust(_NOTE_LENGTH).encode("ascii")
        try:
            try:
                # In its place, and no new file: that costs a third of the time of a line.
                with self.note_file.open("r+b", buffering=0) as file:
                    noted = file.read(_NOTE_LENGTH).partition(b" ")[0]
                    if not (noted.isdigit() and int(noted) >= line["sequence"]):
                        file.seek(0)
                        file.write(note)
            except FileNotFoundError:
                write_atomically(self.note_file, note, mode=0o600)
        except OSError as error:
            raise DataError(
                f"agreement log: line {line['sequence']} was added, and its note beside the plan key "
                f"could not be written to {self.note_file}: {error.strerror}."
            ) from None

    def _mode(self) -> int:
        return self.key_file.stat().st_mode


def sign(keys: Mapping[str, bytes], digest: str) -> str:
    """Sign a digest with the newest key.

    Examples
    --------
    >>> is_signed({"a": b"k"}, "d", sign({"a": b"k"}, "d")), is_signed({"a": b"k"}, "d", "a:0")
    (True, False)
    """
    name, key = list(keys.items())[-1]
    return f"{name}:{_signed(key, digest)}"


def is_signed(keys: Mapping[str, bytes], digest: str, signature: str) -> bool:
    """Say whether a signature is of one of the keys; without any key nobody can tell: True."""
    name, _, given = signature.partition(":")
    key = keys.get(name)
    if key is None:
        return not keys
    return hmac.compare_digest(_bytes(given), _signed(key, digest).encode("ascii"))


@lru_cache(maxsize=8)  # a file is read once for each of its states
def _keys_in(file: Path, *state: int) -> dict[str, bytes]:
    try:
        pairs = [line.split() for line in file.read_text("ascii").split("\n") if line.strip()]
        found = {name: bytes.fromhex(key) for name, key in pairs}
    except (OSError, ValueError) as error:
        raise DataError(f"plan key {file}: cannot be read: {error}.") from None
    if any(_short(key) != name for name, key in found.items()):
        raise DataError(f"plan key {file}: was changed; put the last good copy back.")
    return found


def _begin(path: Path, text: str) -> None:
    """Write the first key, unless somebody else is quicker: then theirs is the key."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _signed(key: bytes, digest: str) -> str:
    return hmac.digest(key, _bytes(digest), "sha256").hex()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
