"""Feature values with their times: the latest for online reads, the latest before a moment for training."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = tuple[str, str, str, int, bytes]  # owner, entity, feature, time in ns, FeatureValue


class FeatureValues:
    """Values by owner (an entity type or a feature view), entity, feature and time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript("""
            PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
            CREATE TABLE IF NOT EXISTS feature_values (
                owner TEXT, entity TEXT, feature TEXT, time INTEGER, value BLOB,
                PRIMARY KEY (owner, entity, feature, time)) WITHOUT ROWID;
        """)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def write(self, rows: Iterable[Row]) -> None:
        """Insert or replace, all or nothing."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT OR REPLACE INTO feature_values VALUES (?, ?, ?, ?, ?)", rows)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def delete(self, owner: str, entity: str | None = None) -> None:
        """Forget an owner's values (and those of owners beneath it), or those of one entity."""
        with self._lock:
            if entity is not None:
                self._db.execute("DELETE FROM feature_values WHERE owner = ? AND entity = ?", (owner, entity))
            else:
                self._db.execute(
                    "DELETE FROM feature_values WHERE owner = ? OR (owner > ? AND owner < ?)",
                    (owner, owner + "/", owner + "0"),
                )

    def latest(self, owner: str, entity: str) -> dict[str, tuple[int, bytes]]:
        """Feature → (time, value): the newest."""
        with self._lock:
            rows = self._db.execute(
                "SELECT feature, time, value FROM feature_values WHERE owner = ? AND entity = ? ORDER BY time",
                (owner, entity),
            ).fetchall()
        return {feature: (time, value) for feature, time, value in rows}

    def history(self, owner: str, feature: str, after: int = 0) -> list[tuple[str, int, bytes]]:
        """(entity, time, value) of one feature, not older than `after` (ns)."""
        with self._lock:
            return self._db.execute(
                "SELECT entity, time, value FROM feature_values WHERE owner = ? AND feature = ? AND time >= ?",
                (owner, feature, after),
            ).fetchall()

    def count(self, owner: str) -> int:
        """Number of values of an owner."""
        with self._lock:
            return self._db.execute("SELECT count(*) FROM feature_values WHERE owner = ?", (owner,)).fetchone()[0]


def python_value(message: Any) -> Any:
    """A FeatureValue as a plain value, or None."""
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(message, kind)
    return list(value.values) if kind.endswith("_array_value") else value
