"""Cloud Storage's JSON API over a folder: metadata in SQLite, bytes in files that bear no name of the client's."""

from __future__ import annotations

import base64
import contextlib
import datetime
import email.parser
import email.policy
import errno
import hashlib
import json
import re
import secrets
import sqlite3
import threading
import time
import urllib.parse
from pathlib import Path, PurePosixPath
from typing import Any

import google_crc32c

from .errors import CloudError, invalid, precondition

MAX_UPLOAD = 2**30
MAX_SESSIONS = 1000
# What a client may say about an object, and what it may not change
GIVEN = (
    "metadata", "cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "customTime",
    "storageClass"
)  # fmt: skip
FIXED = (
    "kind", "id", "name", "bucket", "generation", "metageneration", "size", "md5Hash", "crc32c", "timeCreated",
    "projectNumber", "location", "selfLink", "mediaLink", "etag", "updated"
)  # fmt: skip
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


class _NotModified(Exception):
    pass


def _check_bucket(name: str) -> None:
    if not _BUCKET.fullmatch(name) or ".." in name:
        raise invalid(f"Invalid bucket name: {name[:200]!r}.")


def _check_object(name: str) -> None:
    if not name or len(name.encode("utf-8", "surrogatepass")) > 1024 or re.search(r"[\x00\r\n]", name):
        raise invalid("Object names have 1 to 1024 bytes and no line breaks.")
    if {".", ".."} & set(name.split("/")):
        raise invalid(f"Object name {name[:200]!r} holds a '.' or '..' segment, which could leave a folder.")


def _now() -> str:
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


class Storage:
    """Buckets and objects under `folder`."""

    def __init__(self, folder: Path, project_number: int) -> None:
        self._blobs = folder / "blobs"
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._project_number = str(project_number)
        self._lock = threading.RLock()
        self._sessions: dict[str, dict[str, Any]] = {}
        self._db = sqlite3.connect(folder / "storage.db", check_same_thread=False, isolation_level=None)
        self._db.executescript("""
            PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
            CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, data TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS objects (
                bucket TEXT NOT NULL, name TEXT NOT NULL, blob TEXT NOT NULL, data TEXT NOT NULL,
                PRIMARY KEY (bucket, name));
        """)
        known = {blob for (blob,) in self._db.execute("SELECT blob FROM objects")}
        for leftover in [path for path in self._blobs.iterdir() if path.name not in known]:
            leftover.unlink()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    # What the rest of the server uses

    def read(self, uri: str) -> bytes:
        """The bytes of one object."""
        return self._read(*split_uri(uri))[1]

    def write(self, uri: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Create or replace one object."""
        bucket, name = split_uri(uri)
        self._insert(bucket, {"name": name, "contentType": content_type}, data, {})

    def delete(self, uri: str) -> None:
        """Delete one object."""
        bucket, name = split_uri(uri)
        self._objects("DELETE", bucket, urllib.parse.quote(name, safe=""), {}, {})

    def ensure_bucket(self, name: str) -> None:
        """Create a bucket where there is none of that name."""
        try:
            self._buckets("POST", None, {}, {"name": name})
        except CloudError as error:
            if error.code != "ALREADY_EXISTS":
                raise

    def names(self, uri: str) -> list[str]:
        """Object names beneath a URI (or the object itself), sorted."""
        bucket, prefix = split_uri(uri)
        self._bucket(bucket)
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
            _check_object(name)
            relative = name[len(prefix) :].lstrip("/") or PurePosixPath(name).name
            if name.endswith("/"):
                continue
            target = folder.joinpath(*relative.split("/")).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise invalid(f"Object name {name!r} leaves the folder.")
            save(target, self._read(bucket, name)[1], f"gs://{bucket}/{name}")

    def upload(self, folder: Path, uri: str) -> None:
        """Copy every file beneath `folder` to `uri`."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                self.write(f"{uri.rstrip('/')}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    # Buckets and objects

    def _bucket(self, name: str) -> dict[str, Any]:
        with self._lock:
            row = self._db.execute("SELECT data FROM buckets WHERE name = ?", (name,)).fetchone()
        if not row:
            raise CloudError("NOT_FOUND", "The specified bucket does not exist.")
        return json.loads(row[0])

    def _find(self, bucket: str, name: str) -> tuple[dict[str, Any], str] | None:
        row = self._db.execute(
            "SELECT data, blob FROM objects WHERE bucket = ? AND name = ?", (bucket, name)
        ).fetchone()
        return (json.loads(row[0]), row[1]) if row else None

    def _object(self, bucket: str, name: str, query: dict[str, str] | None = None) -> tuple[dict[str, Any], str]:
        self._bucket(bucket)
        with self._lock:
            found = self._find(bucket, name)
        wanted = (query or {}).get("generation")
        if not found or (wanted and wanted != found[0]["generation"]):
            raise CloudError("NOT_FOUND", f"No such object: {bucket}/{name}")
        return found

    def _read(self, bucket: str, name: str, query: dict[str, str] | None = None) -> tuple[dict[str, Any], bytes]:
        for _ in range(10):  # another client may replace the object between the two reads
            meta, blob = self._object(bucket, name, query)
            self._check(meta, query or {})
            with contextlib.suppress(FileNotFoundError):
                return meta, (self._blobs / blob).read_bytes()
        raise CloudError("UNAVAILABLE", f"{bucket}/{name} is being replaced all the time.")

    @staticmethod
    def _check(meta: dict[str, Any] | None, query: dict[str, str], prefix: str = "if", reading: bool = False) -> None:
        """The preconditions of a request."""
        for word in ("Generation", "Metageneration"):
            have = meta[word.lower()] if meta else "0"
            if (want := query.get(f"{prefix}{word}Match")) is not None and want != have:
                raise CloudError(
                    "FAILED_PRECONDITION", "At least one of the pre-conditions you specified did not hold."
                )
            if (want := query.get(f"{prefix}{word}NotMatch")) is not None and want == have:
                if reading:
                    raise _NotModified
                raise CloudError(
                    "FAILED_PRECONDITION", "At least one of the pre-conditions you specified did not hold."
                )

    def _insert(self, bucket: str, wanted: dict[str, Any], data: bytes, query: dict[str, str]) -> dict[str, Any]:
        self._bucket(bucket)
        name = wanted.get("name") or query.get("name", "")
        if not isinstance(name, str):
            raise invalid("The name of an object is a string.")
        _check_object(name)
        md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        crc = base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
        for key, have in (("md5Hash", md5), ("crc32c", crc)):
            if wanted.get(key) not in (None, have):
                raise invalid(f"Provided {key} {wanted[key]!r} doesn't match calculated {have!r}.")
        blob = secrets.token_hex(16)
        try:
            (self._blobs / blob).write_bytes(data)
            with self._transaction():
                old = self._find(bucket, name)
                self._check(old[0] if old else None, query)
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
                    "timeCreated": _now(),
                    "updated": _now(),
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
            (self._blobs / blob).unlink(missing_ok=True)
            raise
        if old:
            (self._blobs / old[1]).unlink(missing_ok=True)
        return meta

    @contextlib.contextmanager
    def _transaction(self):
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # The wire

    def handle(self, http: Any, url: urllib.parse.SplitResult) -> None:
        """Answer one request of the JSON API; `http` is the front end's handler."""
        try:
            status, answer = self._route(http, http.command, url.path, dict(urllib.parse.parse_qsl(url.query, True)))
        except _NotModified:
            http.send(304)
            return
        except CloudError as error:
            status = 412 if error.code == "FAILED_PRECONDITION" and "pre-conditions" in error.message else error.http
            status = 409 if "not empty" in error.message else status
            body = {
                "error": {
                    "code": status,
                    "message": error.message,
                    "errors": [{"message": error.message, "domain": "global", "reason": error.code}],
                }
            }
            if http._unread:
                http.close_connection = True
            http.send(status, json.dumps(body).encode())
            return
        if status is not None:
            http.send(status, b"" if answer is None else json.dumps(answer).encode())

    def _route(self, http: Any, verb: str, path: str, query: dict[str, str]) -> tuple[int | None, Any]:
        if path.startswith("/batch/"):
            return self._batch(http)
        if iam := re.fullmatch(r"/storage/v1/b/([^/]+)/iam", path):
            return self._iam(verb, urllib.parse.unquote(iam.group(1)), self._json(http))
        path = re.sub(r"^/resumable(?=/upload/)", "", path)
        match = re.fullmatch(r"/(?:(upload|download)/)?storage/v1(?:/b(?:/([^/]+)(?:/o(?:/(.+))?)?)?)?(/?)", path)
        if match is None:
            if (
                not path.startswith("/storage/")
                and verb == "GET"
                and (media := re.fullmatch(r"/([^/]+)/(.+)", path))
                and _BUCKET.fullmatch(media.group(1))
            ):
                return self._media(http, media.group(1), urllib.parse.unquote(media.group(2)), query)
            raise CloudError("UNIMPLEMENTED", f"storage {verb} {path[:200]} is not implemented by this local stand-in.")
        mode, bucket, name, _ = match.groups()
        bucket = urllib.parse.unquote(bucket) if bucket else None
        is_objects = bool(bucket) and (path.rstrip("/").endswith("/o") or name is not None)
        if mode == "upload":
            return self._upload(http, verb, bucket or "", query)
        if not is_objects:
            return self._buckets(verb, bucket, query, self._json(http))
        if name is None:
            if verb != "GET":
                raise CloudError("UNIMPLEMENTED", f"storage {verb} {path[:200]} is not implemented.")
            return 200, self._list(bucket, query)
        if verb == "GET" and (mode == "download" or query.get("alt") == "media"):
            return self._media(http, bucket, urllib.parse.unquote(name), query)
        return self._objects(verb, bucket, name, query, self._json(http))

    @staticmethod
    def _json(http: Any) -> dict[str, Any]:
        body = http.body(2**20)
        try:
            parsed = json.loads(body) if body else {}
        except (ValueError, RecursionError):
            raise invalid("The body is not JSON.") from None
        if not isinstance(parsed, dict):
            raise invalid("The body is not a JSON object.")
        return parsed

    def _buckets(self, verb: str, name: str | None, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        if name is None and verb == "GET":
            with self._lock:
                rows = self._db.execute("SELECT data FROM buckets ORDER BY name").fetchall()
            items = [json.loads(data) for (data,) in rows]
            return 200, {
                "kind": "storage#buckets",
                "items": [b for b in items if b["name"].startswith(query.get("prefix", ""))],
            }
        if name is None and verb == "POST":
            name = body.get("name") if isinstance(body.get("name"), str) else ""
            _check_bucket(name)
            bucket = {"location": "US", "storageClass": "STANDARD", "locationType": "multi-region", **body}
            bucket |= {
                "kind": "storage#bucket",
                "id": name,
                "name": name,
                "projectNumber": self._project_number,
                "location": str(bucket["location"]).upper(),
                "metageneration": "1",
                "timeCreated": _now(),
                "updated": _now(),
                "etag": secrets.token_hex(4),
                "selfLink": f"https://storage.googleapis.com/storage/v1/b/{name}",
            }
            with self._transaction():
                if self._db.execute("SELECT 1 FROM buckets WHERE name = ?", (name,)).fetchone():
                    raise CloudError(
                        "ALREADY_EXISTS",
                        "Your previous request to create the named bucket succeeded and you already own it.",
                    )
                self._db.execute("INSERT INTO buckets VALUES (?, ?)", (name, json.dumps(bucket)))
            return 200, bucket
        if name is None:
            raise CloudError("UNIMPLEMENTED", f"storage {verb} on buckets is not implemented.")
        with self._transaction():
            bucket = self._bucket(name)
            self._check(bucket | {"generation": "1"}, query)
            if verb in ("PATCH", "PUT"):
                bucket = _patched(bucket, body)
                self._db.execute("UPDATE buckets SET data = ? WHERE name = ?", (json.dumps(bucket), name))
            elif verb == "DELETE":
                if self._db.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (name,)).fetchone():
                    raise precondition_not_empty(name)
                self._db.execute("DELETE FROM buckets WHERE name = ?", (name,))
                return 204, None
            elif verb != "GET":
                raise CloudError("UNIMPLEMENTED", f"storage {verb} on a bucket is not implemented.")
        return 200, bucket

    def _iam(self, verb: str, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        """A bucket's access policy: kept, not enforced, for there is one user only."""
        with self._transaction():
            bucket = self._bucket(name)
            policy = bucket.get("_iam", {"version": 1, "bindings": []})
            if verb == "PUT":
                policy = {**body, "etag": secrets.token_hex(4)}
                self._db.execute(
                    "UPDATE buckets SET data = ? WHERE name = ?", (json.dumps({**bucket, "_iam": policy}), name)
                )
        return 200, {"kind": "storage#policy", "etag": "0", **policy}

    def _list(self, bucket: str, query: dict[str, str]) -> dict[str, Any]:
        self._bucket(bucket)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = query.get("maxResults", "1000")
        if not limit.isdigit() or int(limit) < 1:
            raise invalid("maxResults must be a positive number.")
        with self._lock:
            rows = self._db.execute(
                "SELECT name, data FROM objects WHERE bucket = ? AND name >= ? ORDER BY name",
                (bucket, max(prefix, query.get("startOffset", ""), key=str.encode)),
            ).fetchall()
        end, token = query.get("endOffset"), query.get("pageToken", "")
        try:
            after = base64.urlsafe_b64decode(token.encode()).decode()
        except ValueError:
            raise invalid("Invalid page token.") from None
        items: list[Any] = []
        prefixes: list[str] = []
        for name, data in rows:
            if not name.startswith(prefix) or (end and name >= end):
                continue
            if "matchGlob" in query and not _glob(query["matchGlob"], name):
                continue
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            entry = name if cut < 0 else name[: cut + len(delimiter)]
            if token and (entry <= after):
                continue
            if cut >= 0 and prefixes and prefixes[-1] == entry:
                continue
            if len(items) + len(prefixes) >= min(int(limit), 1000):
                last = max([*(i["name"] for i in items[-1:]), *prefixes[-1:]])
                return {
                    "kind": "storage#objects",
                    "items": items,
                    "prefixes": prefixes,
                    "nextPageToken": base64.urlsafe_b64encode(last.encode()).decode(),
                }
            if cut >= 0:
                prefixes.append(entry)
                if entry == name and query.get("includeTrailingDelimiter") == "true":
                    items.append(json.loads(data))
            else:
                items.append(json.loads(data))
        return {"kind": "storage#objects", "items": items, "prefixes": prefixes}

    def _objects(
        self, verb: str, bucket: str, name: str, query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, Any]:
        copy = re.fullmatch(r"(.+)/(rewriteTo|copyTo)/b/([^/]+)/o/(.+)", name)
        if copy and verb == "POST":
            source, kind, to_bucket, target = copy.groups()
            source_query = {"if" + k.removeprefix("ifSource"): v for k, v in query.items() if k.startswith("ifSource")}
            if "sourceGeneration" in query:
                source_query["generation"] = query["sourceGeneration"]
            meta, data = self._read(bucket, urllib.parse.unquote(source), source_query)
            wanted = {**meta, **body, "name": urllib.parse.unquote(target)}
            wanted.pop("md5Hash"), wanted.pop("crc32c")
            made = self._insert(urllib.parse.unquote(to_bucket), wanted, data, query)
            return 200, made if kind == "copyTo" else {
                "kind": "storage#rewriteResponse",
                "done": True,
                "resource": made,
                "totalBytesRewritten": made["size"],
                "objectSize": made["size"],
            }
        if verb == "POST" and name.endswith("/compose"):
            target = urllib.parse.unquote(name.removesuffix("/compose"))
            sources = body.get("sourceObjects")
            if (
                not isinstance(sources, list)
                or not 1 <= len(sources) <= 32
                or not all(isinstance(s, dict) and isinstance(s.get("name"), str) for s in sources)
            ):
                raise invalid("compose takes 1 to 32 sourceObjects, each with a name.")
            data = b"".join(
                self._read(bucket, s["name"], {"generation": str(s["generation"])} if s.get("generation") else {})[1]
                for s in sources
            )
            wanted = body.get("destination") if isinstance(body.get("destination"), dict) else {}
            return 200, self._insert(bucket, {**wanted, "name": target}, data, query)
        name = urllib.parse.unquote(name)
        if verb == "GET":
            meta, _ = self._object(bucket, name, query)
            self._check(meta, query, reading=True)
            return 200, meta
        with self._transaction():
            meta, blob = self._object(bucket, name, query)
            self._check(meta, query)
            if verb in ("PATCH", "PUT"):
                meta = _patched(meta, body)
                self._db.execute(
                    "UPDATE objects SET data = ? WHERE bucket = ? AND name = ?", (json.dumps(meta), bucket, name)
                )
            elif verb == "DELETE":
                self._db.execute("DELETE FROM objects WHERE bucket = ? AND name = ?", (bucket, name))
            else:
                raise CloudError("UNIMPLEMENTED", f"storage {verb} on an object is not implemented.")
        if verb == "DELETE":
            (self._blobs / blob).unlink(missing_ok=True)
            return 204, None
        return 200, meta

    def _media(self, http: Any, bucket: str, name: str, query: dict[str, str]) -> tuple[None, None]:
        meta, _ = self._object(bucket, name, query)
        self._check(meta, query, reading=True)
        meta, data = self._read(bucket, name, query)
        headers = {
            "ETag": meta["etag"],
            "X-Goog-Generation": meta["generation"],
            "Accept-Ranges": "bytes",
            "X-Goog-Metageneration": meta["metageneration"],
            "X-Goog-Storage-Class": meta["storageClass"],
            "X-Goog-Hash": f"crc32c={meta['crc32c']},md5={meta['md5Hash']}",
            "X-Goog-Stored-Content-Length": meta["size"],
            "X-Goog-Stored-Content-Encoding": meta.get("contentEncoding", "identity"),
        }
        if meta.get("contentEncoding"):
            headers["Content-Encoding"] = meta["contentEncoding"]
        spec = http.headers.get("Range", "")
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", spec)
        if not match or match.groups() == ("", ""):
            http.send(200, data, meta["contentType"], headers)
            return None, None
        first, last = match.groups()
        start = int(first) if first else max(len(data) - int(last), 0)
        stop = min(int(last) + 1, len(data)) if first and last else len(data)
        if start >= len(data) or stop <= start:
            http.send(416, b"", meta["contentType"], {"Content-Range": f"bytes */{len(data)}"})
        else:
            http.send(
                206,
                data[start:stop],
                meta["contentType"],
                headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"},
            )
        return None, None

    # Uploads

    def _upload(self, http: Any, verb: str, bucket: str, query: dict[str, str]) -> tuple[int | None, Any]:
        if "upload_id" in query:
            return self._resume(http, verb, query["upload_id"])
        self._bucket(bucket)
        body = http.body(MAX_UPLOAD)
        content_type = http.headers.get("Content-Type", "")
        kind = query.get("uploadType")
        if kind == "media":
            return 200, self._insert(bucket, {"contentType": content_type}, body, query)
        if kind == "multipart":
            first, data, data_type = multipart(content_type, body)
            wanted = _parse_json(first)
            return 200, self._insert(bucket, {"contentType": data_type, **wanted}, data, query)
        if kind == "resumable":
            wanted = _parse_json(body)
            wanted.setdefault("contentType", http.headers.get("X-Upload-Content-Type"))
            name = wanted.get("name") or query.get("name", "")
            _check_object(name if isinstance(name, str) else "")
            with self._lock:
                old = self._find(bucket, name)
                self._check(old[0] if old else None, query)
                upload_id = secrets.token_urlsafe(24)
                while len(self._sessions) >= MAX_SESSIONS:
                    self._drop(next(iter(self._sessions)))
                self._sessions[upload_id] = {
                    "bucket": bucket,
                    "wanted": wanted,
                    "query": query,
                    "size": 0,
                    "path": self._blobs / f"session-{secrets.token_hex(8)}",
                    "lock": threading.Lock(),
                }
            there = (
                f"{'https' if http.headers.get('Host', '').endswith('googleapis.com') else 'http'}://"
                f"{http.headers['Host']}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={upload_id}"
            )
            http.send(200, b"", headers={"Location": there, "X-GUploader-UploadID": upload_id})
            return None, None
        raise invalid(f"uploadType {kind!r} is not media, multipart or resumable.")

    def _drop(self, upload_id: str) -> None:
        session = self._sessions.pop(upload_id, None)
        if session:
            session["path"].unlink(missing_ok=True)

    def _resume(self, http: Any, verb: str, upload_id: str) -> tuple[int | None, Any]:
        session = self._sessions.get(upload_id)
        if session is None:
            raise CloudError("NOT_FOUND", "No such upload session.")
        data = http.body(MAX_UPLOAD)
        if verb == "DELETE":
            self._drop(upload_id)
            http.send(499)
            return None, None
        span = http.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (?:\*|(\d+)-(\d+))/(\*|\d+)", span)
        if span and not match:
            raise invalid(f"Content-Range {span[:100]!r} cannot be read.")
        start, _, total = match.groups() if match else ("0", None, str(len(data)))
        with session["lock"]:
            if data:
                if int(start or 0) > session["size"] or session["size"] + len(data) > MAX_UPLOAD * 4:
                    raise invalid("Content-Range leaves a gap, or the object is too large.")
                try:
                    with open(session["path"], "r+b" if session["path"].exists() else "w+b") as file:
                        file.seek(int(start or 0))
                        file.write(data)
                        file.truncate()
                        session["size"] = file.tell()
                except OSError:  # a full disk: give back what this upload holds of it
                    self._drop(upload_id)
                    raise
            if total == "*" or session["size"] < int(total):
                headers = {"Range": f"bytes=0-{session['size'] - 1}"} if session["size"] else {}
                http.send(308, headers=headers)
                return None, None
            whole = session["path"].read_bytes() if session["path"].exists() else b""
            made = self._insert(session["bucket"], session["wanted"], whole, session["query"])
        self._drop(upload_id)
        return 200, made

    def _batch(self, http: Any) -> tuple[None, None]:
        """Several metadata calls in one request."""
        body = http.body(2**20 * 10)
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
            b"Content-Type: " + http.headers.get("Content-Type", "").encode() + b"\r\n\r\n" + body
        )
        boundary = "batch_" + secrets.token_hex(8)
        out = []
        for part in list(message.iter_parts())[:100] if message.is_multipart() else []:
            head, _, payload = part.get_payload(decode=True).replace(b"\r\n", b"\n").partition(b"\n\n")
            verb, target = head.split(b"\n")[0].decode().split(" ")[:2]
            url = urllib.parse.urlsplit(target)
            inner = _Inner(verb, payload)
            self.handle(inner, url._replace(path="/" + url.path.lstrip("/")))
            reply = (
                f"HTTP/1.1 {inner.status} X\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".encode()
                + inner.out
            )
            reply_id = "response-" + part.get("Content-ID", "").strip("<>")
            out.append(
                f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <{reply_id}>\r\n\r\n".encode()
                + reply
                + b"\r\n"
            )
        http.send(200, b"".join(out) + f"--{boundary}--\r\n".encode(), f"multipart/mixed; boundary={boundary}")
        return None, None


class _Inner:
    """One call inside a batch, with the face of the front end's handler."""

    def __init__(self, command: str, payload: bytes) -> None:
        self.command, self._payload = command, payload
        self.headers: dict[str, str] = {}
        self.status, self.out, self._unread = 500, b"", False

    def body(self, limit: int) -> bytes:
        return self._payload

    def send(self, status: int, body: bytes = b"", *_: Any, **__: Any) -> None:
        self.status, self.out = status, body


def precondition_not_empty(name: str) -> CloudError:
    """What the cloud says when a bucket with objects is to be deleted."""
    return CloudError("FAILED_PRECONDITION", f"The bucket you tried to delete is not empty: {name}.")


def _patched(old: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    new = dict(old)
    for key, value in body.items():
        if key in FIXED:
            continue
        if value is None:
            new.pop(key, None)
        elif isinstance(value, dict) and isinstance(new.get(key), dict):
            merged = {**new[key], **value}
            new[key] = {k: v for k, v in merged.items() if v is not None}
        else:
            new[key] = value
    return new | {"metageneration": str(int(old["metageneration"]) + 1), "updated": _now()}


def _glob(pattern: str, name: str) -> bool:
    """`**` crosses slashes, `*` does not."""
    regex = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.fullmatch(regex.replace(r"\?", "[^/]"), name) is not None


def _parse_json(data: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(data) if data.strip() else {}
    except (ValueError, RecursionError):
        raise invalid("The object's metadata is not JSON.") from None
    if not isinstance(parsed, dict):
        raise invalid("The object's metadata is not a JSON object.")
    return parsed


def multipart(content_type: str, body: bytes) -> tuple[bytes, bytes, str]:
    """The two parts of a multipart upload, bytes untouched, and the type of the second."""
    match = re.search(r'boundary="?([^";]+)', content_type)
    if not match:
        raise invalid("A multipart upload names its boundary.")
    mark = b"--" + match.group(1).encode()
    parts = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(parts) < 4 or not parts[-1].startswith(b"--"):
        raise invalid("A multipart upload has two parts.")
    head, _, meta = parts[1].partition(b"\r\n\r\n")
    head, _, data = (b"\r\n" + mark).join(parts[2:-1]).partition(b"\r\n\r\n")
    found = re.search(rb"content-type:\s*([^\r\n]+)", head, re.IGNORECASE)
    return meta, data, found.group(1).decode("latin-1") if found else "application/octet-stream"
