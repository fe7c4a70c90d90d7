"""Who may talk to the server: only holders of the generated service-account key."""

from __future__ import annotations

import hmac
import json
import secrets
import time
import urllib.parse
from typing import Any

from google.auth import jwt

from .errors import CloudError
from .tls import Keys


class Identity:
    """Issues and checks tokens, so that other users of a shared machine cannot run code through the server."""

    def __init__(self, keys: Keys) -> None:
        self._public = keys.account_public
        self._secret = secrets.token_urlsafe(32)
        self._seen: dict[str, float] = {}

    def token(self, body: bytes) -> dict[str, Any]:
        """Answer an OAuth token request that is signed with the service-account key."""
        form = urllib.parse.parse_qs(body.decode("latin-1"))
        payload = self._verify(form.get("assertion", [""])[0])
        answer: dict[str, Any] = {"access_token": self._secret, "token_type": "Bearer", "expires_in": 3600}
        if "target_audience" in payload:
            answer["id_token"] = self._secret
        return answer

    def check(self, authorization: str) -> None:
        """UNAUTHENTICATED unless the header carries our token or a JWT signed with our key."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise CloudError("UNAUTHENTICATED", "Request is missing required authentication credential.")
        if hmac.compare_digest(token.encode(), self._secret.encode()) or self._seen.get(token, 0) > time.time():
            return
        expires = self._verify(token)["exp"]
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[token] = expires

    def _verify(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(token, certs=self._public)
        except (ValueError, json.JSONDecodeError):
            raise CloudError("UNAUTHENTICATED", "The credential was not issued by this local server.") from None
