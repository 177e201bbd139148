"""What the service keeps, in one SQLite file: predictions, labels, notes, what each key has used.

A commit is on the disk when it returns (write-ahead log, synchronous=FULL), and survives
`kill -9` and power cuts. Several processes may have the file open.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

NAME = "records.sqlite"  # in the service's directory of state

Outcome = Literal["new", "known", "conflict", "foreign"]

_TABLES = """
create table if not exists predictions(
    id text primary key, time real not null, model text not null, version text not null,
    key text, row_count integer not null, rows blob not null, answers blob not null);
create table if not exists labels(
    request text, row integer, time real not null, model text not null, key text,
    label blob not null, primary key (request, row));
create table if not exists versions(
    model text, version text, schema blob not null, primary key (model, version));
create table if not exists memories(
    id text primary key, time real not null, expires real not null, model text not null,
    version text not null, row_count integer not null, memos blob not null);
create table if not exists notes(
    key text primary key, time real not null, content blob not null);
create table if not exists usage(
    day integer, key text, requests integer not null, primary key (day, key));
"""
_PIECE = 200  # records that are removed at a time
_ROOM = 0.9  # of the size limit: above, the oldest predictions without a label go
_BUSY = 5.0  # seconds to wait for another process's commit
_AT_ONCE = 64  # records of one statement: each step hands the interpreter's lock over and back


class Predictions(NamedTuple):
    """The answers to one request: `row_count` rows and answers, as `records` keeps them.

    Its `id` with "-0", "-1", ... are the ids of its predictions; `key` is that of the asker.
    """

    id: str
    time: float
    model: str
    version: str
    key: str
    row_count: int
    rows: bytes
    answers: bytes


class Memory(NamedTuple):
    """What a model that keeps learning has to know of a request, until its labels have come.

    `memos` are those of `row_count` rows, of equal size; labels are learnt until `expires`.
    """

    id: str
    time: float
    expires: float
    model: str
    version: str
    row_count: int
    memos: bytes


class Label(NamedTuple):
    """What a row (from 0) of a request turned out to be; `label` is JSON."""

    request: str
    row: int
    time: float
    model: str
    key: str
    label: bytes


class Store:
    """The file, opened by the one thread that writes it.

    Its limits: `max_bytes` is the size that it does not grow beyond, `days` the age at which
    predictions and labels are removed. Methods raise `sqlite3.Error` when the disk refuses.
    """

    def __init__(self, path: Path, max_bytes: int, days: float) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # the log beside it inherits this
        self._max_bytes, self._days = max_bytes, days
        self._db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.execute("pragma journal_size_limit = 67108864")
        self._page = int(self._db.execute("pragma page_size").fetchone()[0])
        self._db.execute(f"pragma max_page_count = {max_bytes // self._page}")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the file; what was committed is in it."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of the block, on the disk when it ends."""
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite has rolled back by itself when the disk is full
                self._db.execute("rollback")
            raise

    def add_predictions(self, *predictions: Predictions) -> None:
        """Keep the predictions of these requests, unless their ids are known."""
        for start in range(0, len(predictions), _AT_ONCE):
            part = predictions[start : start + _AT_ONCE]
            self._db.execute(_insertion(len(part)), tuple(chain.from_iterable(part)))

    def add_memories(self, memories: Iterable[Memory]) -> None:
        """Keep these, unless their ids are known."""
        self._db.executemany(
            "insert or ignore into memories values (?, ?, ?, ?, ?, ?, ?)", memories
        )

    def memories(self, requests: Iterable[str]) -> dict[str, Memory]:
        """What is kept of these requests, by their ids."""
        find = "select * from memories where id = ?"
        found = [self._db.execute(find, (request,)).fetchone() for request in requests]
        return {row[0]: Memory(*row) for row in found if row is not None}

    def add_labels(self, labels: Iterable[Label]) -> list[tuple[Outcome, bool]]:
        """Keep labels, all or, where one is refused, none of them.

        For each: `new`, `known` (the same was there), `conflict` (another was there) or
        `foreign` (the request was to another model, or had fewer rows); and whether its
        prediction is stored.
        """
        self._db.execute("savepoint request")
        outcomes = [self._add_label(label) for label in labels]
        if any(outcome in ("conflict", "foreign") for outcome, _ in outcomes):
            self._db.execute("rollback to request")
        self._db.execute("release request")
        return outcomes

    def _add_label(self, label: Label) -> tuple[Outcome, bool]:
        find = "select model = ? and row_count > ? from predictions where id = ?"
        fits = self._db.execute(find, (label.model, label.row, label.request)).fetchone()
        joined = fits is not None
        if joined and not fits[0]:
            return "foreign", joined
        insert = "insert or ignore into labels values (?, ?, ?, ?, ?, ?)"
        if self._db.execute(insert, label).rowcount:
            return "new", joined
        find = "select model, label from labels where request = ? and row = ?"
        held = self._db.execute(find, (label.request, label.row)).fetchone()
        return "known" if held == (label.model, label.label) else "conflict", joined

    def add_version(self, model: str, version: str, schema: bytes) -> None:
        """Keep the schema (JSON) of a version that answers."""
        self._db.execute(
            "insert or ignore into versions values (?, ?, ?)", (model, version, schema)
        )

    def add_usage(self, requests: Mapping[tuple[int, str], int]) -> dict[tuple[int, str], int]:
        """Add requests by day and key id; returns today's totals of all keys."""
        today = int(time.time() // 86_400)
        self._db.execute("delete from usage where day < ?", (today - 1,))
        self._db.executemany(
            "insert into usage values (?, ?, ?) "
            "on conflict do update set requests = requests + excluded.requests",
            [(day, key, count) for (day, key), count in requests.items()],
        )
        rows = self._db.execute("select day, key, requests from usage where day >= ?", (today,))
        return {(day, key): count for day, key, count in rows}

    def note(self, key: str) -> bytes | None:
        """What was noted last under this key; None where there is nothing."""
        row = self._db.execute("select content from notes where key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def set_note(self, key: str, content: bytes) -> None:
        """Note it; it goes by its age, like a record."""
        note = (key, time.time(), content)
        self._db.execute("insert or replace into notes values (?, ?, ?)", note)

    def prune(self) -> int:
        """Remove what is too old, then, when little room is left, old predictions without a label.

        A label that was acknowledged goes only by its age. Returns how many records went.
        """
        oldest = time.time() - self._days * 86_400
        removed = 0
        for table in ("predictions", "labels", "notes"):
            removed += self._remove(table, "time < ?", f"select rowid from {table}", oldest)
        # twice as long as they are of use: to say so of a label that comes late
        late = "select rowid from memories"
        removed += self._remove("memories", "2 * expires - time < ?", late, time.time())
        while self._used() > _ROOM * self._max_bytes:
            free = "select rowid from predictions where id not in (select request from labels)"
            gone = self._remove("predictions", "true", free)
            gone += self._remove("memories", "true", "select rowid from memories")
            removed += gone
            if not gone:
                break
        return removed

    def _remove(self, table: str, which: str, among: str, *values: float) -> int:
        """Remove records in pieces, the oldest first, as long as whole pieces go."""
        total = 0
        while True:
            with self.transaction():
                gone = self._db.execute(
                    f"delete from {table} where {which} "
                    f"and rowid in ({among} order by rowid limit {_PIECE})",
                    values,
                ).rowcount
            total += gone
            if gone < _PIECE or which == "true":
                return total

    def _used(self) -> int:
        pages, free = (
            int(self._db.execute(f"pragma {name}").fetchone()[0])
            for name in ("page_count", "freelist_count")
        )
        return (pages - free) * self._page


@cache
def _insertion(count: int) -> str:
    """The statement for so many predictions."""
    places = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * count)
    return f"insert or ignore into predictions values {places}"
