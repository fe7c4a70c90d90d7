"""Cloud Storage's JSON API."""

from __future__ import annotations

import base64
import email.parser
import email.policy
import json
import re
import secrets
import urllib.parse
from typing import Any

from ..resources.names import project_number
from ..wire.errors import CloudError, invalid
from .blobs import BUCKET, Blobs, NotModified, check_conditions, rfc_now
from .uploads import Uploads

# What a client may not change
FIXED = (
    "kind", "id", "name", "bucket", "generation", "metageneration", "size", "md5Hash", "crc32c", "timeCreated",
    "projectNumber", "location", "selfLink", "mediaLink", "etag", "updated"
)  # fmt: skip

PATHS = re.compile(r"/((upload|download)/|resumable/upload/|batch/)?storage/v1")


class ObjectsApi:
    """The JSON API to one store of blobs."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs, self._uploads = blobs, Uploads(blobs)

    def handle(self, http: Any, url: urllib.parse.SplitResult) -> None:
        """Answer one request of the JSON API; `http` is the front end's handler."""
        try:
            status, answer = self._route(http, http.command, url.path, dict(urllib.parse.parse_qsl(url.query, True)))
        except NotModified:
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
                and BUCKET.fullmatch(media.group(1))
            ):
                return self._media(http, media.group(1), urllib.parse.unquote(media.group(2)), query)
            raise CloudError("UNIMPLEMENTED", f"storage {verb} {path[:200]} is not implemented by this local stand-in.")
        mode, bucket, name, _ = match.groups()
        bucket = urllib.parse.unquote(bucket) if bucket else None
        is_objects = bool(bucket) and (path.rstrip("/").endswith("/o") or name is not None)
        if mode == "upload":
            return self._uploads.handle(http, verb, bucket or "", query)
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
            items = [b for b in self._blobs.buckets() if b["name"].startswith(query.get("prefix", ""))]
            return 200, {"kind": "storage#buckets", "items": items}
        if name is None and verb == "POST":
            owner = project_number(query["project"]) if "project" in query else None
            return 200, self._blobs.create_bucket(body, owner)
        if name is None:
            raise CloudError("UNIMPLEMENTED", f"storage {verb} on buckets is not implemented.")
        if verb == "GET":
            bucket = self._blobs.bucket(name)
            check_conditions(bucket | {"generation": "1"}, query)
            return 200, bucket
        if verb in ("PATCH", "PUT"):
            return 200, self._blobs.change_bucket(name, query, lambda old: _patched(old, body))
        if verb == "DELETE":
            self._blobs.delete_bucket(name, query)
            return 204, None
        raise CloudError("UNIMPLEMENTED", f"storage {verb} on a bucket is not implemented.")

    def _iam(self, verb: str, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        """A bucket's access policy: kept, not enforced, for there is one user only."""
        if verb == "PUT":
            policy = {**body, "etag": secrets.token_hex(4)}
            self._blobs.change_bucket(name, {}, lambda old: {**old, "_iam": policy})
        else:
            policy = self._blobs.bucket(name).get("_iam", {"version": 1, "bindings": []})
        return 200, {"kind": "storage#policy", "etag": "0", **policy}

    def _list(self, bucket: str, query: dict[str, str]) -> dict[str, Any]:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = query.get("maxResults", "1000")
        if not limit.isdigit() or int(limit) < 1:
            raise invalid("maxResults must be a positive number.")
        rows = self._blobs.objects(bucket, max(prefix, query.get("startOffset", ""), key=str.encode))
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
            meta, data = self._blobs.read_object(bucket, urllib.parse.unquote(source), source_query)
            wanted = {**meta, **body, "name": urllib.parse.unquote(target)}
            wanted.pop("md5Hash"), wanted.pop("crc32c")
            made = self._blobs.insert(urllib.parse.unquote(to_bucket), wanted, data, query)
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
                self._blobs.read_object(
                    bucket, s["name"], {"generation": str(s["generation"])} if s.get("generation") else {}
                )[1]
                for s in sources
            )
            wanted = body.get("destination") if isinstance(body.get("destination"), dict) else {}
            return 200, self._blobs.insert(bucket, {**wanted, "name": target}, data, query)
        name = urllib.parse.unquote(name)
        if verb == "GET":
            meta, _ = self._blobs.object(bucket, name, query)
            check_conditions(meta, query, reading=True)
            return 200, meta
        if verb in ("PATCH", "PUT"):
            return 200, self._blobs.change_object(bucket, name, query, lambda old: _patched(old, body))
        if verb == "DELETE":
            self._blobs.delete_object(bucket, name, query)
            return 204, None
        raise CloudError("UNIMPLEMENTED", f"storage {verb} on an object is not implemented.")

    def _media(self, http: Any, bucket: str, name: str, query: dict[str, str]) -> tuple[None, None]:
        meta, _ = self._blobs.object(bucket, name, query)
        check_conditions(meta, query, reading=True)
        meta, data = self._blobs.read_object(bucket, name, query)
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
    return new | {"metageneration": str(int(old["metageneration"]) + 1), "updated": rfc_now()}


def _glob(pattern: str, name: str) -> bool:
    """`**` crosses slashes, `*` does not."""
    regex = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.fullmatch(regex.replace(r"\?", "[^/]"), name) is not None
