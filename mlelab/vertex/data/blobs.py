"""Buckets and objects in a folder: metadata in SQLite, bytes in files that bear no name of the client's."""

from __future__ import annotations

import base64
import contextlib
import datetime
import errno
import hashlib
import json
import re
import secrets
import sqlite3
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import google_crc32c

from ..wire.errors import CloudError, invalid, precondition

Meta = dict[str, Any]  # what a bucket or an object says of itself
# What a client may say about an object
GIVEN = (
    "metadata", "cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "customTime",
    "storageClass"
)  # fmt: skip
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


class NotModified(Exception):
    """The client has this generation already."""


def check_bucket(name: str) -> None:
    """INVALID_ARGUMENT for what cannot be the name of a bucket."""
    if not BUCKET.fullmatch(name) or ".." in name:
        raise invalid(f"Invalid bucket name: {name[:200]!r}.")


def check_object(name: str) -> None:
    """INVALID_ARGUMENT for what cannot be the name of an object."""
    if not name or len(name.encode("utf-8", "surrogatepass")) > 1024 or re.search(r"[\x00\r\n]", name):
        raise invalid("Object names have 1 to 1024 bytes and no line breaks.")
    if {".", ".."} & set(name.split("/")):
        raise invalid(f"Object name {name[:200]!r} holds a '.' or '..' segment, which could leave a folder.")


def rfc_now() -> str:
    """The time as the JSON API writes it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def split_uri(uri: str) -> tuple[str, str]:
    """`gs://bucket/a/b` → (`bucket`, `a/b`). Raises CloudError INVALID_ARGUMENT for anything else."""
    match = re.fullmatch(r"gs://([^/]+)(?:/(.*))?", uri, re.DOTALL)
    if not match:
        raise invalid(f"{uri[:200]!r} is not a Cloud Storage URI (gs://bucket/path).")
    return match.group(1), match.group(2) or ""


def save(path: Path, data: bytes, uri: str) -> None:
    """Write an object's bytes to a local file. FAILED_PRECONDITION where its name cannot be a file's."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise precondition(
            f"{uri[:300]} cannot become a local file: another object's name makes a folder of its name, or a file of "
            "its folder's."
        ) from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise precondition(f"{uri[:300]} cannot become a local file: a part of its name is too long.") from None


def check_conditions(
    meta: dict[str, Any] | None, query: dict[str, str], prefix: str = "if", reading: bool = False
) -> None:
    """The preconditions of a request."""
    for word in ("Generation", "Metageneration"):
        have = meta[word.lower()] if meta else "0"
        if (want := query.get(f"{prefix}{word}Match")) is not None and want != have:
            raise precondition("At least one of the pre-conditions you specified did not hold.")
        if (want := query.get(f"{prefix}{word}NotMatch")) is not None and want == have:
            if reading:
                raise NotModified
            raise precondition("At least one of the pre-conditions you specified did not hold.")


class Blobs:
    """Buckets and objects under `folder`."""

    def __init__(self, folder: Path, project_number: int) -> None:
        self.folder = folder / "blobs"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._project_number = project_number
        self._lock = threading.RLock()
        self._db = sqlite3.connect(folder / "storage.db", check_same_thread=False, isolation_level=None)
        self._db.executescript("""
            PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
            CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, data TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS objects (
                bucket TEXT NOT NULL, name TEXT NOT NULL, blob TEXT NOT NULL, data TEXT NOT NULL,
                PRIMARY KEY (bucket, name));
        """)
        known = {blob for (blob,) in self._db.execute("SELECT blob FROM objects")}
        for leftover in [path for path in self.folder.iterdir() if path.name not in known]:
            leftover.unlink()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    # By URI: what the rest of the server uses

    def read(self, uri: str) -> bytes:
        """The bytes of one object."""
        return self.read_object(*split_uri(uri))[1]

    def write(self, uri: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Create or replace one object."""
        bucket, name = split_uri(uri)
        self.insert(bucket, {"name": name, "contentType": content_type}, data, {})

    def delete(self, uri: str) -> None:
        """Delete one object."""
        bucket, name = split_uri(uri)
        self.delete_object(bucket, name, {})

    def ensure_bucket(self, name: str) -> None:
        """Create a bucket where there is none of that name."""
        try:
            self.create_bucket({"name": name})
        except CloudError as error:
            if error.code != "ALREADY_EXISTS":
                raise

    def names(self, uri: str) -> list[str]:
        """Object names beneath a URI (or the object itself), sorted."""
        bucket, prefix = split_uri(uri)
        self.bucket(bucket)
        with self._lock:
            rows = self._db.execute("SELECT name FROM objects WHERE bucket = ? ORDER BY name", (bucket,)).fetchall()
        prefix = prefix.rstrip("/")
        return [name for (name,) in rows if not prefix or name == prefix or name.startswith(prefix + "/")]

    def download(self, uri: str, folder: Path) -> None:
        """Copy the objects beneath `uri` into `folder`. NOT_FOUND where there are none."""
        bucket, prefix = split_uri(uri)
        names = self.names(uri)
        if not names:
            raise CloudError("NOT_FOUND", f"{uri} holds no objects.")
        prefix = prefix.rstrip("/")
        for name in names:
            check_object(name)
            relative = name[len(prefix) :].lstrip("/") or PurePosixPath(name).name
            if name.endswith("/"):
                continue
            target = folder.joinpath(*relative.split("/")).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise invalid(f"Object name {name!r} leaves the folder.")
            save(target, self.read_object(bucket, name)[1], f"gs://{bucket}/{name}")

    def upload(self, folder: Path, uri: str) -> None:
        """Copy every file beneath `folder` to `uri`."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                self.write(f"{uri.rstrip('/')}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    # Buckets and objects

    def buckets(self) -> list[Meta]:
        """All buckets, by name."""
        with self._lock:
            return [json.loads(data) for (data,) in self._db.execute("SELECT data FROM buckets ORDER BY name")]

    def create_bucket(self, wanted: Meta, project_number: int | None = None) -> Meta:
        """Create a bucket. ALREADY_EXISTS where there is one of its name.

        project_number: of the project that owns it, by default the server's own.
        """
        name = wanted.get("name") if isinstance(wanted.get("name"), str) else ""
        check_bucket(name)
        bucket = {"location": "US", "storageClass": "STANDARD", "locationType": "multi-region", **wanted}
        bucket |= {
            "kind": "storage#bucket",
            "id": name,
            "name": name,
            "projectNumber": str(project_number or self._project_number),
            "location": str(bucket["location"]).upper(),
            "metageneration": "1",
            "timeCreated": rfc_now(),
            "updated": rfc_now(),
            "etag": secrets.token_hex(4),
            "selfLink": f"https://storage.googleapis.com/storage/v1/b/{name}",
        }
        with self.transaction():
            if self._db.execute("SELECT 1 FROM buckets WHERE name = ?", (name,)).fetchone():
                raise CloudError(
                    "ALREADY_EXISTS",
                    "Your previous request to create the named bucket succeeded and you already own it.",
                )
            self._db.execute("INSERT INTO buckets VALUES (?, ?)", (name, json.dumps(bucket)))
        return bucket

    def change_bucket(self, name: str, query: dict[str, str], change: Callable[[Meta], Meta]) -> Meta:
        """Replace what a bucket says of itself by `change` of it."""
        with self.transaction():
            bucket = self.bucket(name)
            check_conditions(bucket | {"generation": "1"}, query)
            bucket = change(bucket)
            self._db.execute("UPDATE buckets SET data = ? WHERE name = ?", (json.dumps(bucket), name))
        return bucket

    def delete_bucket(self, name: str, query: dict[str, str]) -> None:
        """Delete an empty bucket."""
        with self.transaction():
            check_conditions(self.bucket(name) | {"generation": "1"}, query)
            if self._db.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (name,)).fetchone():
                raise precondition(f"The bucket you tried to delete is not empty: {name}.")
            self._db.execute("DELETE FROM buckets WHERE name = ?", (name,))

    def objects(self, bucket: str, start: str = "") -> list[tuple[str, str]]:
        """Names and metadata (JSON) of the objects of a bucket from the name `start` on, by name."""
        self.bucket(bucket)
        with self._lock:
            return self._db.execute(
                "SELECT name, data FROM objects WHERE bucket = ? AND name >= ? ORDER BY name", (bucket, start)
            ).fetchall()

    def change_object(self, bucket: str, name: str, query: dict[str, str], change: Callable[[Meta], Meta]) -> Meta:
        """Replace what an object says of itself by `change` of it."""
        with self.transaction():
            meta, _ = self.object(bucket, name, query)
            check_conditions(meta, query)
            meta = change(meta)
            self._db.execute(
                "UPDATE objects SET data = ? WHERE bucket = ? AND name = ?", (json.dumps(meta), bucket, name)
            )
        return meta

    def delete_object(self, bucket: str, name: str, query: dict[str, str]) -> None:
        """Delete an object under the preconditions of `query`."""
        with self.transaction():
            meta, blob = self.object(bucket, name, query)
            check_conditions(meta, query)
            self._db.execute("DELETE FROM objects WHERE bucket = ? AND name = ?", (bucket, name))
        (self.folder / blob).unlink(missing_ok=True)

    def bucket(self, name: str) -> Meta:
        """What a bucket says of itself. NOT_FOUND where there is none."""
        with self._lock:
            row = self._db.execute("SELECT data FROM buckets WHERE name = ?", (name,)).fetchone()
        if not row:
            raise CloudError("NOT_FOUND", "The specified bucket does not exist.")
        return json.loads(row[0])

    def find(self, bucket: str, name: str) -> tuple[Meta, str] | None:
        """What an object says of itself and the file of its bytes, or None."""
        row = self._db.execute(
            "SELECT data, blob FROM objects WHERE bucket = ? AND name = ?", (bucket, name)
        ).fetchone()
        return (json.loads(row[0]), row[1]) if row else None

    def object(self, bucket: str, name: str, query: dict[str, str] | None = None) -> tuple[Meta, str]:
        """As `find`. NOT_FOUND where there is no bucket, no object or another generation of it."""
        self.bucket(bucket)
        with self._lock:
            found = self.find(bucket, name)
        wanted = (query or {}).get("generation")
        if not found or (wanted and wanted != found[0]["generation"]):
            raise CloudError("NOT_FOUND", f"No such object: {bucket}/{name}")
        return found

    def read_object(self, bucket: str, name: str, query: dict[str, str] | None = None) -> tuple[Meta, bytes]:
        """What an object says of itself, and its bytes, under the preconditions of `query`."""
        for _ in range(10):  # another client may replace the object between the two reads
            meta, blob = self.object(bucket, name, query)
            check_conditions(meta, query or {})
            with contextlib.suppress(FileNotFoundError):
                return meta, (self.folder / blob).read_bytes()
        raise CloudError("UNAVAILABLE", f"{bucket}/{name} is being replaced all the time.")

    def insert(self, bucket: str, wanted: Meta, data: bytes, query: dict[str, str]) -> Meta:
        """Create or replace an object under the preconditions of `query`. Returns what it says of itself."""
        self.bucket(bucket)
        name = wanted.get("name") or query.get("name", "")
        if not isinstance(name, str):
            raise invalid("The name of an object is a string.")
        check_object(name)
        md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        crc = base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
        for key, have in (("md5Hash", md5), ("crc32c", crc)):
            if wanted.get(key) not in (None, have):
                raise invalid(f"Provided {key} {wanted[key]!r} doesn't match calculated {have!r}.")
        blob = secrets.token_hex(16)
        try:
            (self.folder / blob).write_bytes(data)
            with self.transaction():
                old = self.find(bucket, name)
                check_conditions(old[0] if old else None, query)
                generation = str(max(time.time_ns() // 1000, int(old[0]["generation"]) + 1 if old else 0))
                meta = {
                    **{key: wanted[key] for key in GIVEN if key in wanted},
                    "kind": "storage#object",
                    "bucket": bucket,
                    "name": name,
                    "id": f"{bucket}/{name}/{generation}",
                    "generation": generation,
                    "metageneration": "1",
                    "size": str(len(data)),
                    "md5Hash": md5,
                    "crc32c": crc,
                    "contentType": wanted.get("contentType") or "application/octet-stream",
                    "timeCreated": rfc_now(),
                    "updated": rfc_now(),
                    "etag": secrets.token_hex(8),
                }
                meta.setdefault("storageClass", "STANDARD")
                host, path = (
                    "https://storage.googleapis.com",
                    f"storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe='')}",
                )
                meta["selfLink"] = f"{host}/{path}"
                meta["mediaLink"] = f"{host}/download/{path}?generation={generation}&alt=media"
                self._db.execute(
                    "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (bucket, name, blob, json.dumps(meta))
                )
        except BaseException:
            (self.folder / blob).unlink(missing_ok=True)
            raise
        if old:
            (self.folder / old[1]).unlink(missing_ok=True)
        return meta

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is done to the database inside."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
