"""The one exception that becomes a status on the wire."""

from __future__ import annotations

import errno
import logging
import re
import sqlite3

import grpc

log = logging.getLogger("mlelab.vertex")

HTTP_STATUS = {
    "OK": 200,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNKNOWN": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


class CloudError(Exception):
    """A refusal in the cloud's own terms: a canonical status code and one sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def grpc_code(self) -> grpc.StatusCode:
        """The code as gRPC writes it."""
        return grpc.StatusCode[self.code]

    @property
    def number(self) -> int:
        """The code as `google.rpc.Status` writes it."""
        return self.grpc_code.value[0]

    @property
    def http(self) -> int:
        """The code as HTTP writes it."""
        return HTTP_STATUS[self.code]


def invalid(message: str) -> CloudError:
    """INVALID_ARGUMENT."""
    return CloudError("INVALID_ARGUMENT", message)


def not_found(name: str) -> CloudError:
    """NOT_FOUND for the resource `name`."""
    return CloudError("NOT_FOUND", f"{name} is not found.")


def precondition(message: str) -> CloudError:
    """FAILED_PRECONDITION."""
    return CloudError("FAILED_PRECONDITION", message)


def from_failure(what: str, error: Exception) -> CloudError:
    """A CloudError for any exception inside `what`: one sentence where the disk is to blame, INTERNAL otherwise."""
    if isinstance(error, CloudError):
        return error
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        return precondition("The disk that keeps the local server's state is full.")  # clients repeat what is exhausted
    if isinstance(error, sqlite3.OperationalError) and "readonly" in str(error):
        return precondition("The local server's state directory is read-only.")
    if isinstance(error, sqlite3.DatabaseError) and re.search("malformed|not a database", str(error)):
        return CloudError("DATA_LOSS", f"The local server's state is damaged ({error}): use another state directory.")
    return CloudError("INTERNAL", f"{what} failed inside the local server: {error!r}")


def logged(what: str, error: Exception) -> CloudError:
    """As `from_failure`; what nobody foresaw goes to the server's log with its traceback."""
    answer = from_failure(what, error)
    if answer.code == "INTERNAL" and answer is not error:
        log.error("%s failed", what, exc_info=error)
    return answer
