"""The variables that point the SDK at a local server, and what they were before: set, and undone.

What was there before stands in a variable of its own, so that a process started from a notebook can undo it too.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

MARK = "MLELAB_VERTEX"  # says which state, as long as the others are ours
BEFORE = "MLELAB_VERTEX_BEFORE"  # JSON: name → [our value, the value before or null]
ACCOUNT = "GOOGLE_APPLICATION_CREDENTIALS"
NAMES = (
    "GOOGLE_CLOUD_PROJECT", ACCOUNT, "HTTPS_PROXY", "https_proxy", "grpc_proxy", "NO_PROXY", "no_proxy",
    "no_grpc_proxy", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE",
    "NO_GCE_CHECK", "GOOGLE_API_USE_CLIENT_CERTIFICATE", "FSSPEC_GCS", "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", MARK
)  # fmt: skip


def apply(variables: Mapping[str, str]) -> None:
    """Set variables, and remember what they were; those that an earlier call set are undone first."""
    undo()
    before = {name: [value, os.environ.get(name)] for name, value in variables.items()}
    os.environ.update(variables)
    os.environ[BEFORE] = json.dumps(before)
    tell_fsspec()


def undo() -> None:
    """Take back what `apply`, here or in the process that started this one, has set.

    A variable that has been changed since is left alone: it is not ours any more. Where a shell has set them, nobody
    knows what they were, and they are removed.
    """
    if BEFORE in os.environ:
        before = json.loads(os.environ.pop(BEFORE))
    else:
        before = {name: [os.environ.get(name), None] for name in NAMES} if MARK in os.environ else {}
    for name, (ours, old) in before.items():
        if os.environ.get(name) == ours:
            os.environ.pop(name, None) if old is None else os.environ.__setitem__(name, old)
    if before:
        tell_fsspec()


def is_ours(account: str | None) -> bool:
    """True for the path of a key that a local server has made."""
    try:
        key = json.loads(Path(account or "").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(key, dict) and str(key.get("token_uri", "")).startswith("http://127.0.0.1:")


def tell_fsspec() -> None:
    """fsspec, where it is loaded already, must read its variables again."""
    if config := sys.modules.get("fsspec.config"):
        if "FSSPEC_GCS" not in os.environ:
            config.conf.get("gcs", {}).pop("endpoint_url", None)
        config.set_conf_env(config.conf)
