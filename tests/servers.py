"""A PostgreSQL server of the tests' own: started from the installed programs, stopped after them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "Se-cr3t.Word"


def server_program(name: str) -> str | None:
    """Find a program of the PostgreSQL server; most systems keep them out of PATH."""
    places = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int("0" + p.parent.name)
    )
    return shutil.which(name) or next(
        (found for place in reversed(places) if (found := shutil.which(name, path=str(place)))),
        None,
    )


def as_postgres() -> list[str]:
    """Give what to put before a server program: it refuses to run as root."""
    if os.getuid() != 0:
        return []
    known = subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode == 0
    if known and shutil.which("runuser"):
        return ["runuser", "-u", "postgres", "--"]
    if known and shutil.which("setpriv"):
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres to run it as")


@dataclass
class Server:
    """A running server with one database; `run` writes to it as its owner."""

    url: str

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        import sqlalchemy

        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                options = {"no_parameters": True}
                result = connection.exec_driver_sql(statement, execution_options=options)
            return [tuple(row) for row in result] if result.returns_rows else []


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def initialise(folder: Path, initdb: str, user: list[str]) -> None:
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if user:
        shutil.chown(folder, "postgres")
        shutil.chown(secret, "postgres")
    subprocess.run(
        [
            *user,
            initdb,
            "-D",
            str(folder / "data"),
            "-U",
            "owner",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ],
        check=True,
        capture_output=True,
        cwd="/",
        timeout=120,
    )


def wait_until_ready(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    for _ in range(600):
        try:
            engine.connect().close()
            return
        except sqlalchemy.exc.OperationalError:
            assert server.poll() is None, log.read_text(errors="replace")
            time.sleep(0.1)
    pytest.fail("the server was not ready after a minute: " + log.read_text(errors="replace"))


@contextmanager
def started_server(durable: bool = False) -> Iterator[Server]:
    """Start a server, give it, and stop it; skip where it cannot be started.

    Tests do not wait for the disk; ``durable`` leaves the server as it is by default.
    """
    initdb, postgres = server_program("initdb"), server_program("postgres")
    if initdb is None or postgres is None:
        pytest.skip("no PostgreSQL server program (initdb, postgres) is installed")
    for driver in ("sqlalchemy", "psycopg"):
        pytest.importorskip(driver, reason="the extra [databases] is not installed")
    user = as_postgres()
    # Not pytest's folder, which only its owner may enter; short, for the name of a socket.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    log = folder / "log"
    try:
        initialise(folder, initdb, user)
        port = free_port()
        command = [*user, postgres, "-D", str(folder / "data"), "-h", "127.0.0.1", "-p", str(port)]
        options = (
            f"fsync={'on' if durable else 'off'}",
            "unix_socket_directories=",
            "timezone=UTC",
            "shared_buffers=16MB",
        )
        command += [part for option in options for part in ("-c", option)]
        url = f"postgresql+psycopg://owner:{PASSWORD}@127.0.0.1:{port}/postgres"
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, cwd="/")
        try:
            wait_until_ready(process, url, log)
            yield Server(url)
        finally:
            stop(folder / "data", process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stop(data: Path, process: subprocess.Popen[bytes]) -> None:
    """Stop the server itself: the process that was started may only be the change of user."""
    pid_file = data / "postmaster.pid"
    if pid_file.is_file():
        os.kill(int(pid_file.read_text().split()[0]), 2)  # the fast stop: it waits for nobody
    else:
        process.terminate()
    process.wait(timeout=60)
