"""The three kinds of upload: media, multipart and resumable."""

from __future__ import annotations

import json
import re
import secrets
import threading
from typing import Any

from ..wire.errors import CloudError, invalid
from .blobs import Blobs, check_conditions, check_object

MAX_UPLOAD = 2**30
MAX_SESSIONS = 1000


class Uploads:
    """The uploads to one store of blobs, with the sessions that are under way."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._lock = threading.RLock()
        self._sessions: dict[str, dict[str, Any]] = {}

    def handle(self, http: Any, verb: str, bucket: str, query: dict[str, str]) -> tuple[int | None, Any]:
        """Answer one request. None for the status where the answer is sent already."""
        if "upload_id" in query:
            return self._resume(http, verb, query["upload_id"])
        self._blobs.bucket(bucket)
        body = http.body(MAX_UPLOAD)
        content_type = http.headers.get("Content-Type", "")
        kind = query.get("uploadType")
        if kind == "media":
            return 200, self._blobs.insert(bucket, {"contentType": content_type}, body, query)
        if kind == "multipart":
            first, data, data_type = multipart(content_type, body)
            wanted = parse_json(first)
            return 200, self._blobs.insert(bucket, {"contentType": data_type, **wanted}, data, query)
        if kind == "resumable":
            wanted = parse_json(body)
            wanted.setdefault("contentType", http.headers.get("X-Upload-Content-Type"))
            name = wanted.get("name") or query.get("name", "")
            check_object(name if isinstance(name, str) else "")
            with self._lock:
                old = self._blobs.find(bucket, name)
                check_conditions(old[0] if old else None, query)
                upload_id = secrets.token_urlsafe(24)
                while len(self._sessions) >= MAX_SESSIONS:
                    self._drop(next(iter(self._sessions)))
                self._sessions[upload_id] = {
                    "bucket": bucket,
                    "wanted": wanted,
                    "query": query,
                    "size": 0,
                    "path": self._blobs.folder / f"session-{secrets.token_hex(8)}",
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
            made = self._blobs.insert(session["bucket"], session["wanted"], whole, session["query"])
        self._drop(upload_id)
        return 200, made


def parse_json(data: bytes) -> dict[str, Any]:
    """What a client says about an object or a bucket."""
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
