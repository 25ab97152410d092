"""A little OpenID provider on loopback, which can be told to misbehave.

It does what the code flow asks of one: it publishes itself and its keys, takes a browser in, gives a code that is good
once, looks at client, redirect address and code verifier (PKCE), and signs an ID token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

Claims = dict[str, object]
SECRET = "a secret of the client"
CLIENT = "narthex"


@dataclass(slots=True)
class Asked:
    """What a browser brought."""

    redirect_uri: str
    nonce: str
    challenge: str


@dataclass
class OpenId:
    """The provider; every field may be changed by a test."""

    issuer: str = ""
    named_issuer: str = ""
    """What it calls itself, where that differs."""
    algorithm: str = "RS256"
    claims: Claims = field(
        default_factory=lambda: {
            "sub": "subject-1",
            "email": "ada@example.org",
            "email_verified": True,
            "name": "Ada",
            "groups": [],
        }
    )
    alter: Callable[[Claims], Claims] = lambda claims: claims
    """Changes the claims of the token."""
    forge: Callable[[str], str] = lambda token: token
    """Changes the token itself."""
    keep_codes: bool = False
    """Whether codes are good more than once."""
    userinfo: Claims | None = None
    is_down: bool = False

    def __post_init__(self) -> None:
        self.keys: dict[str, RSAKey | ECKey | OKPKey] = {}
        self.codes: dict[str, Asked] = {}
        self.seen: list[str] = []
        self.ended: list[dict[str, str]] = []
        self.rotate()

    def rotate(self) -> None:
        """Sign with new keys, and publish these alone."""
        name = secrets.token_hex(4)
        self.keys = {
            "RS256": RSAKey.generate_key(2048, {"kid": f"rsa-{name}", "use": "sig"}),
            "ES256": ECKey.generate_key("P-256", {"kid": f"ec-{name}", "use": "sig"}),
            "EdDSA": OKPKey.generate_key("Ed25519", {"kid": f"ed-{name}", "use": "sig"}),
        }

    def metadata(self) -> Claims:
        """Return what it says of itself."""
        return {
            "issuer": self.named_issuer or self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end",
            "id_token_signing_alg_values_supported": list(self.keys),
        }

    def token(self, nonce: str) -> str:
        """Return a signed ID token."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce, **self.claims}
        key = self.keys[self.algorithm]
        header = {"alg": self.algorithm, "kid": key.kid}
        return self.forge(jwt.encode(header, self.alter(claims), key, algorithms=[self.algorithm]))

    def authorize(self, query: Mapping[str, str]) -> str:
        """Take a browser in, and return where it is sent."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = Asked(query["redirect_uri"], query["nonce"], query["code_challenge"])
        back = {"code": code, "state": query["state"], "iss": self.issuer}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def exchange(self, form: Mapping[str, str], authorization: str) -> tuple[int, Claims]:
        """Give tokens for a code, once."""
        told = base64.b64encode(f"{CLIENT}:{urlencode({'': SECRET})[1:]}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.codes.get(form.get("code", "")) if self.keep_codes else self.codes.pop(form.get("code", ""), None)
        if authorization not in {f"Basic {told}", f"Basic {plain}"}:
            return 401, {"error": "invalid_client"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        fits = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or asked.redirect_uri != form.get("redirect_uri") or asked.challenge != fits:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": self.token(asked.nonce)}


class _Handler(BaseHTTPRequestHandler):
    openid: ClassVar[OpenId]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        openid, parts = self.openid, urlsplit(self.path)
        openid.seen.append(parts.path)
        if openid.is_down:
            self._json(503, {})
        elif parts.path == "/.well-known/openid-configuration":
            self._json(200, openid.metadata())
        elif parts.path == "/keys":
            keys = KeySet(list(openid.keys.values()))
            self._json(200, cast("Claims", keys.as_dict(private=False)))
        elif parts.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self._answer(303, b"", location=openid.authorize(query))
        elif parts.path == "/end":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            openid.ended.append(query)
            self._answer(303, b"", location=query["post_logout_redirect_uri"])
        elif parts.path == "/userinfo" and self.headers.get("authorization") == "Bearer access":
            self._json(200, openid.userinfo or {})
        else:
            self._json(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.openid.seen.append(urlsplit(self.path).path)
        self._json(*self.openid.exchange(form, self.headers.get("authorization", "")))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""

    def _json(self, status: int, value: Claims) -> None:
        self._answer(status, json.dumps(value).encode())

    def _answer(self, status: int, body: bytes, location: str = "") -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if location:
            self.send_header("location", location)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def openid_provider() -> Iterator[OpenId]:
    """Run a provider while the block lasts."""
    openid = OpenId()
    handler = type("Handler", (_Handler,), {"openid": openid})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    openid.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield openid
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
