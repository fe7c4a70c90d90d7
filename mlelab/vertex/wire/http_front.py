"""HTTP on loopback: the token endpoint, storage, BigQuery, and REST transcoding into the dispatcher."""

from __future__ import annotations

import functools
import http.server
import itertools
import json
import logging
import re
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.api import httpbody_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

from .backend import Backend
from .catalog import HttpRule, Method, catalogue, repeated
from .errors import CloudError, invalid, logged

log = logging.getLogger("mlelab.vertex")

MAX_BODY = 32 * 2**20
TOKEN_PATHS = ("/token", "/oauth2/v4/token")  # ours, and the one that TensorFlow's file system has built in
_OURS = re.compile(r"(127\.0\.0\.1|localhost|(.+\.)?googleapis\.com|(.+\.)?vertexai\.goog)(:\d+)?", re.IGNORECASE)


def _route_key(path: str) -> tuple[str, str]:
    """What a path and a template that fits it have in common: the last literal segment and the verb after `:`."""
    *_, before, last = ["", *path.split("/")]
    name, colon, verb = last.partition(":")
    return (before if "*" in name else name), colon + verb


@functools.cache
def _routes() -> dict[tuple[str, str, str], list[tuple[HttpRule, Method]]]:
    routes: dict[tuple[str, str, str], list[tuple[HttpRule, Method]]] = {}
    for method in catalogue().values():
        for rule in method.rules:
            plain = re.sub(r"{[\w.]+(?:=([^}]*))?}", lambda m: m.group(1) or "*", rule.template)
            routes.setdefault((rule.verb, *_route_key(plain)), []).append((rule, method))
    return routes


def find_route(verb: str, path: str) -> tuple[HttpRule, Method, dict[str, str]]:
    """The REST binding for a request; CloudError UNIMPLEMENTED where the installed SDK has none."""
    *_, before, last = ["", *path.split("/")]
    name, colon, action = last.partition(":")
    for key in ((verb, name, colon + action), (verb, before, colon + action)):
        for rule, method in _routes().get(key, ()):
            if match := rule.regex.match(path):
                return rule, method, {k.replace("__", "."): v for k, v in match.groupdict().items()}
    raise CloudError("UNIMPLEMENTED", f"{verb.upper()} {path[:200]} is not implemented by this local stand-in.")


def _set(target: dict[str, Any], path: str, value: Any) -> None:
    *parents, leaf = path.split(".")
    for part in parents:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise invalid(f"{path} cannot be set here.")
    target[leaf] = value


def _message(
    rule: HttpRule,
    method: Method,
    variables: dict[str, str],
    query: list[tuple[str, str]],
    body: bytes,
    content_type: str,
) -> Message:
    """The request message that path, query and body make together."""
    descriptor = method.request.DESCRIPTOR
    fields: dict[str, Any] = {}
    raw = descriptor.fields_by_name.get("http_body")
    raw_body = rule.body and raw is not None and raw.message_type is httpbody_pb2.HttpBody.DESCRIPTOR
    if rule.body and body and not raw_body:
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            raise invalid("The body is not JSON.") from None
        if rule.body == "*":
            if not isinstance(parsed, dict):
                raise invalid("The body is not a JSON object.")
            fields = parsed
        else:
            fields[rule.body] = parsed
    for name, value in query:
        if name.startswith("$") or name in ("alt", "key", "prettyPrint"):
            continue
        field = descriptor.fields_by_name.get(name) or descriptor.fields_by_camelcase_name.get(name)
        if field is not None and repeated(field):
            fields.setdefault(name, []).append(value)
        elif field is not None and field.type == field.TYPE_BOOL:
            fields[name] = value.lower() == "true"
        else:
            _set(fields, name, value)
    for name, value in variables.items():
        head, _, tail = name.partition(".")
        camel = descriptor.fields_by_name[head].camelcase_name
        if head != camel and camel in fields:  # the body may spell the field either way
            fields[head] = fields.pop(camel)
        _set(fields, name, value)
    try:
        message = json_format.ParseDict(fields, method.request(), max_recursion_depth=100)
    except (json_format.ParseError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise invalid(f"The request is not a {descriptor.full_name}: {str(error)[:500]}") from None
    if raw_body:
        message.http_body.data, message.http_body.content_type = body, content_type
    return message


def _written(error: CloudError) -> dict[str, Any]:
    """An error as Google's JSON APIs write it."""
    reasons = [{"message": error.message, "reason": error.code.lower()}]
    return {"error": {"code": error.http, "message": error.message, "status": error.code, "errors": reasons}}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "mlelab-vertex"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 65536
    timeout = 300
    backend: Backend

    def log_message(self, *args: Any) -> None:
        log.debug("http %s", args)

    def send(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "application/json; charset=UTF-8",
        headers: dict[str, str] | None = None,
    ) -> None:
        """One whole response."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if body or status not in (204, 304):
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def fail(self, error: CloudError) -> None:
        """Answer with an error."""
        if self._unread:  # what is left of this request must not be read as the next one
            self.close_connection = True
        self.send(error.http, json.dumps(_written(error)).encode())

    def body(self, limit: int) -> bytes:
        """The request's body, whole."""
        self._unread = False
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return self._chunks(limit)
        length = self.headers.get("Content-Length") or "0"
        if not re.fullmatch("[0-9]{1,18}", length):
            self.close_connection = True
            raise invalid("Content-Length is not a number.")
        if int(length) > limit:
            raise self._too_large(limit)
        return self.rfile.read(int(length))

    def _chunks(self, limit: int) -> bytes:
        data = bytearray()
        while True:
            match = re.fullmatch(rb"([0-9A-Fa-f]{1,15})[ \t]*(;.*)?\r?\n", self.rfile.readline(100))
            if not match:
                self.close_connection = True
                raise invalid("The size of a chunk cannot be read.")
            size = int(match.group(1), 16)
            if size == 0:
                break
            if len(data) + size > limit:
                raise self._too_large(limit)
            data += self.rfile.read(size)
            self.rfile.readline(10)
        while self.rfile.readline(1000).strip():
            pass
        return bytes(data)

    def _too_large(self, limit: int) -> CloudError:
        self.close_connection = True
        return invalid(f"The body is larger than {limit >> 20} MiB.")

    def handle_any(self) -> None:
        """Answer one request of any verb."""
        self._unread = self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers
        try:
            url = urllib.parse.urlsplit(self.path)
            host = self.headers.get("Host", "")
            if not _OURS.fullmatch(host) or self.headers.get("Origin"):
                self.close_connection = True
                raise CloudError("PERMISSION_DENIED", "This server answers SDK clients on this machine only.")
            if url.path in TOKEN_PATHS:
                self.send(200, json.dumps(self.backend.identity.token(self.body(65536))).encode())
                return
            self.backend.identity.check(self.headers.get("Authorization", ""))
            (self.backend.other_api(host, url.path) or _Handler._rest)(self, url)
        except CloudError as error:
            self.fail(error)
        except (ConnectionError, TimeoutError, ssl.SSLError):
            self.close_connection = True
        except Exception as error:
            self.close_connection = True
            self.fail(logged(f"{self.command} {self.path[:200]}", error))

    def _rest(self, url: urllib.parse.SplitResult) -> None:
        body = self.body(MAX_BODY)
        rule, method, variables = find_route(self.command.lower(), urllib.parse.unquote(url.path))
        query = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
        request = _message(rule, method, variables, query, body, self.headers.get("Content-Type", ""))
        headers: dict[str, str] = {}
        answer = self.backend.dispatch(method, request, headers)
        if isinstance(answer, httpbody_pb2.HttpBody):
            self.send(200, answer.data, answer.content_type or "application/octet-stream", headers)
            return
        ints = ("$alt", "json;enum-encoding=int") in query

        def text(message: Message) -> str:
            outer = method.response.FromString(message.SerializeToString())
            return json_format.MessageToJson(outer, use_integers_for_enums=ints, indent=None)

        if isinstance(answer, Message):
            self.send(200, text(answer).encode())
        elif method.response is httpbody_pb2.HttpBody:
            parts = list(answer)
            self.send(200, b"".join(p.data for p in parts), parts[0].content_type if parts else "text/plain")
        elif ("alt", "sse") in query:
            self._events(method, (text(message) for message in answer))
        else:
            self.send(200, f"[{','.join(text(message) for message in answer)}]".encode())

    def _events(self, method: Method, texts: Iterator[str]) -> None:
        """Server-sent events, each sent when it is there. What fails before the first is an answer of its own."""
        texts = iter(texts)
        first = next(texts, None)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for text in itertools.chain([first] if first else [], texts):
                self._chunk(f"data: {text}\r\n\r\n".encode())
        except (ConnectionError, TimeoutError, ssl.SSLError):
            raise
        except Exception as error:  # the status has been sent
            self._chunk(f"data: {json.dumps(_written(logged(method.name, error)))}\r\n\r\n".encode())
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        """One chunk of the answer at once; an empty one ends it."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any  # noqa: N815 - names of the library


class HttpServer(http.server.ThreadingHTTPServer):
    """A server on 127.0.0.1, with TLS where a certificate is given. It answers at once."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, backend: Backend, certificate: Path | None = None, key: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), type("Handler", (_Handler,), {"backend": backend}))
        self.port: int = self.server_address[1]
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate, key)
            self._context.set_alpn_protocols(["http/1.1"])
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True, name="http").start()

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()

    def finish_request(self, request: socket.socket, client_address: Any) -> None:
        """One connection to its end."""
        if self._context:
            request.settimeout(30)
            try:
                request = self._context.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError):
                return
        try:
            super().finish_request(request, client_address)
        finally:
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A lost connection is no error of ours."""
        log.debug("connection lost", exc_info=True)
