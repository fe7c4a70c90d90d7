"""One table of resources for every service: SQLite under the state directory."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from google.protobuf.message import Message

from ..wire.errors import CloudError, not_found

M = TypeVar("M", bound=Message)


def new_id() -> str:
    """A fresh 19-digit id such as the cloud gives its resources."""
    return str(random.SystemRandom().randrange(10**18, 9 * 10**18))


class Store:
    """Resources by name. Every method is safe from any thread; `with store:` makes several of them one transaction.

    A resource is a protobuf message with a `name`; its collection is the name without the last segment
    (`projects/p/locations/l/models`), unless the message is kept elsewhere by an explicit `name=`.
    """

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._etag = 0
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript("""
            PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=5000;
            CREATE TABLE IF NOT EXISTS resources (
                seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL, collection TEXT NOT NULL,
                data BLOB NOT NULL);
            CREATE INDEX IF NOT EXISTS by_collection ON resources (collection, seq);
        """)

    def __enter__(self) -> Store:
        self._lock.acquire()
        if self._depth == 0:
            self._db.execute("BEGIN IMMEDIATE")
        self._depth += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("ROLLBACK" if kind else "COMMIT")
        finally:
            self._lock.release()

    def close(self) -> None:
        """Write everything out and close the file."""
        with self._lock:
            self._db.close()

    def find(self, cls: type[M], name: str) -> M | None:
        """The resource called `name`, or None."""
        with self._lock:
            row = self._db.execute("SELECT data FROM resources WHERE name = ?", (name,)).fetchone()
        return cls.FromString(row[0]) if row else None

    def get(self, cls: type[M], name: str) -> M:
        """The resource called `name`; CloudError NOT_FOUND where there is none."""
        found = self.find(cls, name)
        if found is None:
            raise not_found(name)
        return found

    def put(self, message: Message, name: str | None = None, new_etag: bool = True) -> None:
        """Insert or replace, with a new etag where the message has one and `new_etag` is true."""
        name = name or message.name
        with self._lock:
            if new_etag and "etag" in message.DESCRIPTOR.fields_by_name:  # digits that grow, which the SDK compares
                self._etag = max(time.time_ns() // 1000, self._etag + 1)
                message.etag = str(self._etag)
            self._db.execute(
                "INSERT INTO resources (name, collection, data) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET data = excluded.data",
                (name, name.rpartition("/")[0], message.SerializeToString()),
            )

    def insert(self, message: Message, name: str | None = None) -> None:
        """Insert a new resource; CloudError ALREADY_EXISTS where the name is taken."""
        with self:
            if self.exists(name or message.name):
                raise CloudError("ALREADY_EXISTS", f"{name or message.name} already exists.")
            self.put(message, name)

    def exists(self, name: str) -> bool:
        """True where a resource is called `name`."""
        with self._lock:
            return self._db.execute("SELECT 1 FROM resources WHERE name = ?", (name,)).fetchone() is not None

    @contextlib.contextmanager
    def edit(self, cls: type[M], name: str) -> Iterator[M]:
        """Read, change and write one resource as one transaction."""
        with self:
            message = self.get(cls, name)
            yield message
            self.put(message, name)

    def delete(self, name: str, tree: bool = True) -> bool:
        """Remove `name` and, with `tree`, everything beneath it. True where it was there."""
        with self:
            gone = self._db.execute("DELETE FROM resources WHERE name = ?", (name,)).rowcount
            if tree:  # '0' is the character after '/': a range, so that no wildcard in a name can match
                self._db.execute("DELETE FROM resources WHERE name > ? AND name < ?", (name + "/", name + "0"))
            return gone > 0

    def list(self, cls: type[M], collection: str) -> list[M]:
        """Resources of `collection` in the order of their creation; a `-` segment stands for any."""
        with self._lock:
            if "/-/" in collection:
                pattern = collection.replace("*", "[*]").replace("?", "[?]").replace("/-/", "/*/")
                rows = self._db.execute(
                    "SELECT data, collection FROM resources WHERE collection GLOB ? ORDER BY seq", (pattern,)
                ).fetchall()
                depth = collection.count("/")
                return [cls.FromString(data) for data, where in rows if where.count("/") == depth]
            rows = self._db.execute("SELECT data FROM resources WHERE collection = ? ORDER BY seq", (collection,))
            return [cls.FromString(data) for (data,) in rows.fetchall()]

    def beneath(self, name: str) -> list[str]:
        """Names of the resources that lie beneath `name`, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT name FROM resources WHERE name > ? AND name < ? ORDER BY seq", (name + "/", name + "0")
            )
            return [found for (found,) in rows.fetchall()]

    def names(self, pattern: str) -> list[str]:
        """Names that match a GLOB pattern (`*` also matches `/`), oldest first."""
        with self._lock:
            rows = self._db.execute("SELECT name FROM resources WHERE name GLOB ? ORDER BY seq", (pattern,))
            return [name for (name,) in rows.fetchall()]
