"""Lines of an agreement log in a PostgreSQL database."""

from __future__ import annotations

import json
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from planning_kit.agreement.chain import Draft, Line, chained
from planning_kit.agreement.store import (
    LOCK_SECONDS,
    NAMES,
    SOMEBODY_ELSE,
    Kept,
    Lines,
    Overtaken,
    columns,
    held_connection,
    kept_of,
    lines_of,
    release_connection,
    some_lines,
)
from planning_kit.messages import DataError

_PAUSE = 0.25  # seconds between two tries to reach a server
_TABLES = ("agreement_head", "agreement_events")  # the database may hold other tables too
_LOCK = f"pg_advisory_xact_lock({0x506C616E})"  # what writers wait for
_HEAD = "SELECT item, value FROM agreement_head"
# One statement, so that head and lines are of one moment.
_LOOK = f"""
    SELECT head, line.* FROM (SELECT json_object_agg(item, value)::text FROM agreement_head) h (head)
    LEFT JOIN ({some_lines("agreement_events", "%s", "= ANY(%s)")}) line ON true"""
_ADD = "CALL agreement_add(%s, %s, %s, NULL, NULL)"
_CREATE = (
    "CREATE TABLE agreement_head (item TEXT PRIMARY KEY, value TEXT)",
    f"CREATE TABLE agreement_events ({columns('BIGINT')})",
    "CREATE UNIQUE INDEX agreement_events_about ON agreement_events (rep_id, turn)",
    "CREATE FUNCTION agreement_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the agreement log only grows'; END $$",
    "CREATE TRIGGER agreement_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON agreement_events "
    "FOR EACH STATEMENT EXECUTE FUNCTION agreement_only_grows()",
    # Gives number and digest of the line before, and chains as `chain.chained` does.
    f"""
    CREATE PROCEDURE agreement_add(
        header jsonb, seen_at bigint, drafts jsonb, INOUT number bigint, INOUT before text
    ) LANGUAGE plpgsql AS $$
    DECLARE
        draft jsonb; line agreement_events; seen text := drafts -> 0 ->> 'seen';
        place bigint; link text;
    BEGIN
        PERFORM set_config('synchronous_commit', 'off', true);
        PERFORM {_LOCK};
        SELECT sequence, digest INTO number, before
        FROM agreement_events ORDER BY sequence DESC LIMIT 1;
        IF number IS NULL AND header <> '{{}}' THEN
            number := 0; before := seen;
            INSERT INTO agreement_head
            SELECT * FROM jsonb_each_text(header) UNION VALUES ('last', '');
        ELSIF number IS NULL OR header <> '{{}}'
            OR seen IS DISTINCT FROM (SELECT digest FROM agreement_events WHERE sequence = seen_at)
            OR concat_ws(' ', number, before) IS DISTINCT FROM
                (SELECT value FROM agreement_head WHERE item = 'last')
        THEN
            RAISE unique_violation;
        END IF;
        place := number; link := before;
        FOR draft IN SELECT * FROM jsonb_array_elements(drafts) LOOP
            line := jsonb_populate_record(NULL::agreement_events, draft);
            place := place + 1; line.sequence := place; line.previous := link;
            link := encode(sha256(convert_to(
                concat_ws(' ', link, place, draft ->> 'content'), 'UTF8')), 'hex');
            line.digest := link;
            INSERT INTO agreement_events SELECT line.*;
        END LOOP;
        UPDATE agreement_head SET value = concat_ws(' ', place, link)
        WHERE item = 'last';
        -- The next writer goes on from here; this one waits until all up to here is on the disk,
        -- as a commit of the server's own kind makes sure.
        COMMIT;
        PERFORM pg_logical_emit_message(true, 'agreement', '');
    END $$""",
)


@dataclass(unsafe_hash=True)
class PostgresStore:
    """Lines in a PostgreSQL database, one log a schema: for a team, from several machines.

    A procedure of the database chains the lines, so that a writer holds up the others for no longer
    than it runs: lines about other goals may come in between, lines about the same may not.

    Attributes
    ----------
    url : str
        Address with user and password, never shown.
    """

    url: str = field(repr=False)

    @property
    def place(self) -> str:
        """Name server, database and options, without who enters."""
        parts = urlsplit(self.url)
        return f"postgresql://{parts.hostname}:{parts.port or 5432}{parts.path}?{parts.query}"

    def state(self) -> Hashable:
        """Let the server digest all rows: any change of any cell gives another number."""
        sums = (
            f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {name} t" for name in _TABLES
        )
        with self._connected() as database:
            if not _is_begun(database):
                return 0
            return tuple(database.execute(" UNION ALL ".join(sums)).fetchall())

    def head(self) -> Mapping[str, str]:
        """Give the head alone; looking creates no table."""
        with self._connected() as database:
            return dict(database.execute(_HEAD).fetchall()) if _is_begun(database) else {}

    def read(self) -> Lines:
        """Give the head and the lines; reading creates no table."""
        query = f"SELECT {NAMES} FROM agreement_events ORDER BY sequence"
        with self._connected() as database, database.transaction():
            database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if not _is_begun(database):
                return {}, []
            head = dict(database.execute(_HEAD).fetchall())
            return head, lines_of(database.execute(query).fetchall())

    def look(self, number: int, people: Sequence[str]) -> Kept:
        """Give the last line, the one of a number and all about some people; creates no table."""
        with self._connected() as database:
            if not _is_begun(database):
                return Kept({}, {})
            rows = database.execute(_LOOK, (number, list(people))).fetchall()
        lines = lines_of(row[1:] for row in rows if row[1] is not None)
        return kept_of(json.loads(rows[0][0] or "{}"), lines)

    def add(self, header: Mapping[str, str], seen_at: int, drafts: Sequence[Draft]) -> list[Line]:
        """Let the database add the lines in one transaction."""
        told = json.dumps([{**line, "content": content} for content, line in drafts])
        with self._connected() as database:
            if header:
                _begin(database)
            values = (json.dumps(dict(header)), seen_at, told)
            before = database.execute(_ADD, values, prepare=True).fetchone()
        return chained(drafts, before)

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """Give the connection; what one statement does is done, or all of it is not."""
        import psycopg

        try:
            yield held_connection(self.url, 0, self._connect)
        except psycopg.errors.UniqueViolation:
            raise Overtaken from None
        except psycopg.errors.LockNotAvailable:
            raise DataError(f"agreement log: {SOMEBODY_ELSE}") from None
        except psycopg.Error as error:
            release_connection()
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise DataError(f"agreement log in the database: {lines[0]}.") from None

    def _connect(self) -> Any:
        """Open a connection, waiting for a server that starts anew."""
        import psycopg

        url = self.url.replace("postgresql+psycopg://", "postgresql://", 1)
        begun = time.monotonic()
        while True:
            try:
                opened = psycopg.connect(url, autocommit=True, connect_timeout=int(LOCK_SECONDS))
                opened.execute(f"SET lock_timeout = {int(LOCK_SECONDS * 1000)}")
                return opened
            except psycopg.OperationalError as error:
                starts = "starting up" in str(error) or "too many clients" in str(error)
                if not starts or time.monotonic() - begun > LOCK_SECONDS:
                    raise
                time.sleep(_PAUSE)


def _is_begun(database: Any) -> bool:
    """Say whether the tables are there."""
    found = database.execute("SELECT to_regclass('agreement_events')").fetchone()
    return found[0] is not None


def _begin(database: Any) -> None:
    """Create what a log needs, unless it is there."""
    with database.transaction():
        database.execute(f"SELECT {_LOCK}")
        if not _is_begun(database):
            for statement in _CREATE:
                database.execute(statement)
