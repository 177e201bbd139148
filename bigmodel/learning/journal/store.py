"""The event log on disk, one SQLite file: labels as they came, versions as they were made.

A commit is on the disk when it returns (write-ahead log, synchronous=FULL). An event's sequence
number says when it came; a version says which events made it, and of which version.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bigmodel.errors import UserError

NAME, LOCK = "events.sqlite", "learner.lock"  # who has the lock learns
LEARNT, VETOED, ROLLED_BACK, FIRST = "learnt", "vetoed", "rollback", "first"  # what made a version

_TABLES = """
create table if not exists events(
    seq integer primary key, id text unique not null, time real not null, memo blob not null,
    label real not null, source text, audited integer not null);
create table if not exists names(seq integer primary key, name text not null);
create table if not exists versions(
    version integer primary key, parent integer, first integer not null, last integer not null,
    made text not null, sha256 text not null, time real not null, libraries text not null,
    report text not null);
create index if not exists versions_last on versions(last);
create table if not exists about(name text primary key, value text not null);
"""


class Event(NamedTuple):
    """A label: the `id` of its prediction, its `memo` (see `memo.py`), a class code or a value.

    `source` is who gave it; `audited` says that somebody has checked it. A class that the model
    was not trained on has the code -1, and its `name`.
    """

    id: str
    memo: bytes
    label: float
    source: str = ""
    audited: bool = False
    name: str = ""


class Version(NamedTuple):
    """A version: its parent, the sequence numbers of its events (`first` to `last`), its hash.

    `made` is how it came about; without events `last` is below `first`. `libraries` and `report`
    are JSON: what it was made with, and what the learner said.
    """

    version: int
    parent: int | None
    first: int
    last: int
    made: str
    sha256: str
    time: float
    libraries: str
    report: str = "{}"


class Journal:
    """The log in the directory `place`, of the model version `model`.

    Used by one thread; other processes may read it meanwhile. Raises UserError when the log is
    another model's: a label can only be learnt by who has answered.
    """

    def __init__(self, place: Path, model: str) -> None:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = place / NAME
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self.place = place
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(_TABLES)
        self._db.execute("insert or ignore into about values ('model', ?)", (model,))
        (known,) = self._db.execute("select value from about where name = 'model'").fetchone()
        if known != model:
            raise UserError(
                f"{place}: the log of model version {known[:12]}, not of {model[:12]}; "
                "use the bundle that it belongs to, or another directory"
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def append(self, events: Iterable[Event]) -> list[bool]:
        """Keep these events, all in one commit; False for those whose id is known already."""
        self._db.execute("begin immediate")
        try:
            new = [self._insert(event, time.time()) for event in events]
            self._db.execute("commit")
        except BaseException:
            self._db.execute("rollback")
            raise
        return new

    def _insert(self, event: Event, now: float) -> bool:
        """Whether it is new."""
        values = (event.id, now, event.memo, event.label, event.source, event.audited)
        insert = "insert or ignore into events values (null, ?, ?, ?, ?, ?, ?)"
        done = self._db.execute(insert, values)
        if done.rowcount and event.name:
            self._db.execute("insert into names values (?, ?)", (done.lastrowid, event.name))
        return done.rowcount == 1

    def after(self, seq: int, most: int) -> tuple[list[int], list[Event]]:
        """The next `most` events after a sequence number, with their own."""
        return self._events("seq > ? order by seq limit ?", (seq, most))

    def between(self, first: int, last: int) -> list[Event]:
        """The events of a version."""
        return self._events("seq between ? and ? order by seq", (first, last))[1]

    def _events(self, which: str, values: Sequence[int]) -> tuple[list[int], list[Event]]:
        columns = "seq, id, memo, label, source, audited, coalesce(name, '')"
        tables = "events left join names using (seq)"
        rows = self._db.execute(f"select {columns} from {tables} where {which}", values).fetchall()
        return [row[0] for row in rows], [_event(*row[1:]) for row in rows]

    def add(self, version: Version) -> None:
        """Keep a version. Raises sqlite3.IntegrityError when there is one of this number."""
        self._db.execute("insert into versions values (?, ?, ?, ?, ?, ?, ?, ?, ?)", version)

    def version(self, number: int) -> Version | None:
        """One version, None where there is none."""
        found = self._db.execute("select * from versions where version = ?", (number,)).fetchone()
        return None if found is None else Version(*found)

    def versions(self) -> list[Version]:
        """All of them, the oldest first."""
        return [
            Version(*row) for row in self._db.execute("select * from versions order by version")
        ]

    def newest(self) -> Version | None:
        """The version that is served."""
        found = self._db.execute("select * from versions order by version desc limit 1").fetchone()
        return None if found is None else Version(*found)

    def learnt(self) -> int:
        """The sequence number up to which events have been learnt, by whatever version."""
        (last,) = self._db.execute("select max(last) from versions").fetchone()
        return int(last or 0)

    def waiting(self) -> int:
        """How many events have not been learnt yet."""
        return waiting(self._db)


def waiting(db: sqlite3.Connection) -> int:
    """How many events of a log have not been learnt yet."""
    learnt = "select coalesce(max(last), 0) from versions"
    (count,) = db.execute(f"select count(*) from events where seq > ({learnt})").fetchone()
    return int(count)


def _event(key: str, memo: bytes, label: float, source: str, audited: int, name: str) -> Event:
    return Event(key, memo, label, source, bool(audited), name)
