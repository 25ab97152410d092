"""Nobody reaches what is another's: tried on every route that the document has, with every method.

The tries are made from the document, so that a route which somebody adds is tried as well: one whose parameter nobody
knows how to fill fails here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, cast

import httpx
import pytest

from narthex.tenancy.permissions import ALL
from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root
from tests.proof.test_openapi import DOCUMENT, Json

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
EVERYTHING: Final = sorted(ALL)
OF_ALL: Final = {"name", "provider", "key"}
"""Parameters of what all organisations share, beside streams and recordings, which are somebody's."""
SHARED: Final = re.compile(r"^/(api/(breakers|provider-keys)|v1/models)/")


@dataclass
class Mine:
    """What an organisation has, by the parameter that names it."""

    ids: dict[str, str] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)
    """What of it must be seen nowhere else."""


def paths() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield every path of the document, with its parameters."""
    for path in sorted(cast("dict[str, Json]", DOCUMENT["paths"])):
        yield path, tuple(re.findall(r"\{([a-z_]+)(?::path)?\}", path))


def kind_of(path: str, name: str) -> str:
    """Return what a parameter names: the same word is a stream here and a recording there."""
    return f"{path.split('/')[2]}.{name}" if name == "name" else name


def furnished(root: Root) -> Mine:
    """Make an organisation with one of everything, and return it all."""
    organisation = root.organisation()
    workspace = root.workspace(organisation)
    user = root.made("/api/users", name="P", email=f"p@{organisation}.org", organisation_id=organisation)["id"]
    root.made(f"/api/workspaces/{workspace}/members", user_id=user, role="owner")
    role = root.made("/api/roles", name="auditor", permissions=["audit:read"], organisation_id=organisation)["id"]
    key = root.key(workspace, EVERYTHING)
    stream, recording, response = kept(root, str(key["key"]), workspace)
    limit = {"subject_kind": "workspace", "subject": workspace, "measure": "requests", "amount": 10**9, "period": "day"}
    limited = root.made("/api/limits", workspace_id=workspace, organisation_id=organisation, **limit)["id"]
    ids = {
        "organisation_id": organisation,
        "workspace_id": workspace,
        "user_id": str(user),
        "role_id": str(role),
        "key_id": str(key["id"]),
        "streams.name": stream,
        "recordings.name": recording,
        "response_id": response,
        "limit_id": str(limited),
        "invitation_id": str(root.made("/api/invitations", email="i@example.org", workspace_id=workspace)["id"]),
        "session_id": "ses_aaaaaaaaaaaaaaaa",
        "cache_key": answered_before(root, str(key["key"])),
    }
    return Mine(ids, set(ids.values()))


def kept(root: Root, key: str, workspace: str) -> tuple[str, str, str]:
    """Have a stream, a recording and a response kept for a key; return their IDs."""
    stream = f"stream-{workspace.replace('_', '-')}"
    chat = {"model": "demo/m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    with root.with_key(key) as client:
        answer = client.post("/v1/chat/completions", json=chat, headers={"x-narthex-stream-id": stream})
        assert answer.status_code == 200, answer.text
        recorded = client.post(f"/v1/streams/{stream}/record")
        assert recorded.status_code == 200, recorded.text
        response = client.post("/v1/responses", json={"model": "demo/m", "input": "x"})
    return stream, str(recorded.json()["id"]), str(response.json()["id"])


def answered_before(root: Root, key: str) -> str:
    """Have an answer lie in the cache for a key; return under which."""
    chat = {"model": "demo/m", "temperature": 0, "messages": [{"role": "user", "content": "x"}]}
    with root.with_key(key) as client:
        answer = client.post("/v1/chat/completions", json=chat)
        assert answer.headers["x-narthex-cache"] == "MISS"
        return str(client.get("/api/cache/entries").json()["data"][0]["key"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with several organisations."""
    with running(tmp_path_factory.mktemp("tenants"), **SETTINGS) as gateway, Root(gateway) as one:
        yield one


@pytest.fixture(scope="module")
def theirs(root: Root) -> Mine:
    """What somebody else has."""
    return furnished(root)


@pytest.fixture(scope="module", params=["another organisation", "another workspace", "another person's key"])
def stranger(request: pytest.FixtureRequest, root: Root, theirs: Mine) -> Iterator[httpx.Client]:
    """Somebody who may do everything where they are: in another organisation, or in another workspace of the same."""
    organisation = theirs.ids["organisation_id"] if request.param == "another workspace" else root.organisation()
    workspace = root.workspace(organisation)
    more: Json = {}
    if request.param == "another person's key":
        body = {"name": "S", "email": f"s@{organisation}.org", "organisation_id": organisation, "role": "owner"}
        more["user_id"] = root.made("/api/users", **body)["id"]
    with root.caller(workspace, EVERYTHING, **more) as client:
        yield client


def test_every_parameter_is_known(theirs: Mine) -> None:
    """Each route that names something names what this test has one of, or what all share."""
    unknown = [
        (path, name)
        for path, names in paths()
        for name in names
        if kind_of(path, name) not in theirs.ids and not (SHARED.match(path) and name in OF_ALL)
    ]
    assert unknown == [], "say in `furnished` how one of these is made"


def test_owners_reach_what_they_have(root: Root, theirs: Mine) -> None:
    """What the others do not reach is there: whoever runs the server, or owns it, gets it."""
    for path, names in paths():
        if names and "get" in cast("dict[str, Json]", DOCUMENT["paths"])[path] and path.startswith("/api/"):
            if SHARED.match(path):
                continue
            told = root.client.get(filled(path, theirs))
            assert told.status_code == 200, (path, told.text)


def filled(path: str, theirs: Mine) -> str:
    """Return a path that leads to what they have."""
    return re.sub(r"\{([a-z_]+)(?::path)?\}", lambda m: theirs.ids.get(kind_of(path, m[1]), "demo"), path)


def test_nothing_of_others_is_reached(theirs: Mine, stranger: httpx.Client) -> None:
    """Every method on every route that names something of others is refused, as if it were not there."""
    tried = reached = 0
    shared_home = stranger.get("/api/me").json()["organisation_id"] == theirs.ids["organisation_id"]
    for path, names in paths():
        if not names or SHARED.match(path):
            continue
        # Whose organisation it is as well may read its name and its roles.
        own = shared_home and names[0] in {"organisation_id", "role_id"}
        for method in METHODS[1:] if own else METHODS:
            answer = stranger.request(method, filled(path, theirs), json={})
            tried += 1
            assert answer.status_code in {400, 403, 404, 405}, (method, path, answer.status_code, answer.text)
            if method.lower() in cast("dict[str, Json]", DOCUMENT["paths"])[path]:
                reached += 1
                assert answer.status_code in {403, 404}, (method, path, answer.status_code, answer.text)
    assert reached > 25, (tried, reached)


def test_what_all_share_is_not_for_them(stranger: httpx.Client) -> None:
    """Who runs neither the server nor the default organisation changes nothing that others use."""
    for path, names in paths():
        if names and SHARED.match(path) and path.startswith("/api/"):
            filled_in = re.sub(r"\{[^}]+\}", "demo", path)
            assert stranger.put(filled_in, json={"state": None}).status_code == 403, path


def test_no_listing_shows_what_is_others(theirs: Mine, stranger: httpx.Client) -> None:
    """Not a word of it, whatever the list is narrowed to."""
    organisation, workspace = theirs.ids["organisation_id"], theirs.ids["workspace_id"]
    own = {
        str(stranger.get("/api/me").json()[name]) for name in ("organisation_id", "workspace_id", "user_id", "key_id")
    }
    secret = theirs.words - own
    if organisation in own:
        # Roles are those of the organisation, which both are in.
        secret -= {theirs.ids["role_id"]}
    filters: tuple[dict[str, str | int], ...] = (
        {},
        {"organisation_id": organisation},
        {"workspace_id": workspace},
        {"user_id": theirs.ids["user_id"]},
    )
    listings = [path for path, names in paths() if not names and path.startswith(("/api/", "/v1/")) and _lists(path)]
    assert len(listings) >= 8
    for path in listings:
        for query in filters:
            told = stranger.get(path, params={"limit": 100, **query})
            if path in {"/v1/realtime", "/v1/streams/ws"}:
                continue
            # Some are about whoever is signed in, and a key is not.
            assert told.status_code in {200, 400, 403, 404} or path.startswith("/api/auth/"), (path, told.text)
            assert not [word for word in secret if word in _told(path, told)], (path, query)


def _lists(path: str) -> bool:
    return "get" in cast("dict[str, Json]", DOCUMENT["paths"])[path]


def test_bodies_lead_nowhere_either(theirs: Mine, stranger: httpx.Client, root: Root) -> None:
    """What a body names of others is not there: neither is anything made in it, nor anything of it used."""
    before = json.dumps([root.client.get(path, params={"limit": 100}).json() for path in ("/api/keys", "/api/users")])
    ids = theirs.ids
    tries: tuple[tuple[str, str, Json], ...] = (
        ("POST", "/api/keys", {"name": "x", "workspace_id": ids["workspace_id"]}),
        ("POST", "/api/keys", {"name": "x", "user_id": ids["user_id"]}),
        ("POST", "/api/workspaces", {"slug": "x", "organisation_id": ids["organisation_id"]}),
        ("POST", "/api/users", {"name": "x", "email": "x@x", "organisation_id": ids["organisation_id"]}),
        ("POST", "/api/roles", {"name": "x", "permissions": [], "organisation_id": ids["organisation_id"]}),
        ("POST", "/api/invitations", {"email": "x@x", "workspace_id": ids["workspace_id"]}),
        ("POST", "/api/invitations", {"email": "x@x", "organisation_id": ids["organisation_id"]}),
        ("PUT", "/api/me/workspace", {"workspace_id": ids["workspace_id"]}),
        ("POST", "/api/cache/clear", {"everything": True}),
        ("POST", "/api/cache/invalidate", {"models": ["*"], "everything": True}),
        ("POST", "/v1/responses", {"model": "demo/m", "input": "x", "previous_response_id": ids["response_id"]}),
    )
    mine = stranger.get("/api/me").json()["organisation_id"] == ids["organisation_id"]
    for method, path, body in tries:
        if mine and "user_id" in body:
            # A user of the same organisation may be given a key here: they are still none of this workspace.
            continue
        answer = stranger.request(method, path, json=body)
        assert answer.status_code in {403, 404}, (method, path, body, answer.text)
    after = json.dumps([root.client.get(path, params={"limit": 100}).json() for path in ("/api/keys", "/api/users")])
    assert before == after


def _told(path: str, answer: httpx.Response) -> str:
    """Return what an answer tells, but for the words of what was refused to the one who asks: these are their own."""
    if not path.startswith("/api/audit") or answer.status_code != 200:
        return answer.text
    rows = answer.json()["data"] if path == "/api/audit" else [json.loads(line) for line in answer.text.splitlines()]
    return json.dumps([row for row in rows if row["action"] != "permission.denied"])
