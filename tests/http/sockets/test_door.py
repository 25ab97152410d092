"""The door of the sockets, against a real server: who is let in, what is refused and how, and the server's books."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from narthex.tenancy.keys import Gone
from narthex.tenancy.virtual_keys import new_key
from narthex.testing.acts import whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_answer
from tests.gateways import KEY, RawClient, RunningGateway, post, running, settings_for
from tests.http.browsers import first
from tests.http.sockets.talking import Refused, SocketClient, masked, offer

PATH = "/v1/realtime?model=s/scripted"
OTHER = "sk-other-0123456789abcdef"


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    for _ in range(3_000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never held")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A server with two keys and one model."""
    with running(
        tmp_path_factory.mktemp("data"),
        keys=[{"name": "test", "key": KEY}, {"name": "other", "key": OTHER}],
        providers={"s": {"kind": "scripted", "script": {"reply": "Hello"}}},
        server={"max_header_bytes": 4_096},
        sockets={"per_key": 4, "max_message_bytes": 4_096, "messages_per_s": 50},
    ) as one:
        yield one


def refusal(gateway: RunningGateway, path: str = PATH, **how: object) -> Refused:
    """Return how a handshake is refused."""
    with pytest.raises(Refused) as refused:
        SocketClient(gateway.port, path, **how)  # type: ignore[arg-type]  # by name
    return refused.value


def test_a_socket_opens_with_a_key_in_a_header_or_a_subprotocol(gateway: RunningGateway) -> None:
    """A program sends its key in a header; a page in a browser as a subprotocol, and is answered with the other."""
    with SocketClient(gateway.port, PATH) as one:
        assert one.receive()["type"] == "session.created"
        assert "sec-websocket-protocol" not in one.headers
        assert "sec-websocket-extensions" not in one.headers
    protocols = ["realtime", f"openai-insecure-api-key.{KEY}"]
    with SocketClient(gateway.port, PATH, key=None, protocols=protocols) as two:
        assert two.receive()["type"] == "session.created"
        assert two.headers["sec-websocket-protocol"] == "realtime"


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"key": None}, 401, "invalid_api_key"),
        ({"key": "sk-wrong"}, 401, "invalid_api_key"),
        ({"key": "ek_0123456789"}, 401, "invalid_api_key"),
        ({"protocols": ["chat"]}, 400, "invalid_request"),
        ({"path": "/v1/realtime?call_id=1"}, 400, "invalid_request"),
        ({"path": "/v1/realtime?intent=transcription"}, 400, "invalid_request"),
        ({"more": "content-length: 5\r\n"}, 400, "invalid_request"),
        ({"more": "x-long: " + "x" * 5_000 + "\r\n"}, 400, "invalid_request"),
        ({"path": "/v1/nothing"}, 404, "route_not_found"),
    ],
)
def test_a_refusal_is_an_ordinary_answer(
    gateway: RunningGateway, how: dict[str, object], status: int, code: str
) -> None:
    """Whoever is not let in reads why, as on every route."""
    refused = refusal(gateway, **how)  # type: ignore[arg-type]  # by name
    assert (refused.status, refused.code) == (status, code)


def test_without_an_upgrade_the_remedy_is_told(gateway: RunningGateway) -> None:
    """A plain GET is answered 426."""
    with RawClient(gateway.port) as client:
        client.send(f"GET /v1/realtime HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n".encode())
        status, _, body = client.response()
        assert status == 426
        assert b"Upgrade: websocket" in body


def test_a_page_of_another_origin_is_refused_where_there_are_no_keys(tmp_path: Path) -> None:
    """An open server on this machine lets no page of the web open a socket."""
    with running(tmp_path) as one:
        refused = refusal(one, key=None, more="origin: http://evil.example\r\n")
        assert (refused.status, refused.code) == (403, "permission_denied")
        with SocketClient(one.port, PATH, key=None) as client:
            assert client.receive()["type"] == "session.created"


def test_a_key_opens_so_many_sockets_and_no_more(gateway: RunningGateway) -> None:
    """A flood with one key is refused, and harms no other key; sockets that are closed make room."""
    sockets = gateway.gateway.sockets if gateway.gateway else None
    assert sockets is not None
    wait_for(lambda: len(sockets) == 0)
    open_ones = [SocketClient(gateway.port, PATH) for _ in range(4)]
    refused = refusal(gateway)
    assert (refused.status, refused.code) == (429, "rate_limited")
    with SocketClient(gateway.port, PATH, key=OTHER) as other:
        assert other.receive()["type"] == "session.created"
    for one in open_ones:
        one.close()
    wait_for(lambda: len(sockets) == 0)
    with SocketClient(gateway.port, PATH) as one:
        assert one.receive()["type"] == "session.created"


def test_a_socket_follows_a_request_on_one_connection(gateway: RunningGateway) -> None:
    """A connection that was used for a call may become a socket, with what is sent along with the handshake."""
    with RawClient(gateway.port) as client:
        client.send(post("/v1/chat/completions", b'{"model":"s/scripted","messages":[{"role":"user","content":"x"}]}'))
        assert client.response()[0] == 200
        client.send(offer(PATH) + masked(9, b"early"))
        assert b"101 Switching" in client.read_until(b"\x8a\x05early")


def test_an_offer_behind_another_request_is_passed_over(tmp_path: Path) -> None:
    """A handshake that is pipelined behind a call is an ordinary request, answered in its turn."""
    with ScriptedUpstream() as upstream:
        upstream.play(whole(openai_answer("Hi")))
        providers = {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]}}
        with running(tmp_path, keys=[{"name": "test", "key": KEY}], providers=providers) as one:
            chat = post("/v1/chat/completions", b'{"model":"up/m","messages":[{"role":"user","content":"x"}]}')
            with RawClient(one.port) as client:
                client.send(chat + offer(PATH))
                assert client.response()[0] == 200
                assert client.response()[0] == 426


def test_faulty_frames_end_their_socket_alone(gateway: RunningGateway) -> None:
    """Garbage closes the socket it came on, with its reason; another goes on."""
    with SocketClient(gateway.port, PATH, key=OTHER) as good:
        good.receive()
        for sent, code in [
            (masked(2, b"x"), 1003),
            (masked(1, b"\xff"), 1007),
            (masked(1, b"x" * 4_097), 1009),
            (b"\xff\xff\xff\xff", 1002),
            (masked(9, b"") * 200, 4429),
        ]:
            with SocketClient(gateway.port, PATH) as bad:
                bad.send_raw(sent)
                closed = bad.closing()
                assert (closed.code, bool(closed.reason)) == (code, True)
        good.send({"type": "session.update", "session": {"type": "realtime"}})
        assert good.receive()["type"] == "session.updated"


def test_a_stop_closes_sockets_with_1012(tmp_path: Path) -> None:
    """Idle sockets do not hold up a stop, and are told that the server comes back."""
    with running(tmp_path) as one:
        client = SocketClient(one.port, PATH, key=None)
        client.receive()
        one.stop()
        assert client.closing().code == 1012
        client.close()


def test_a_client_that_is_gone_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    """One that answers the close with nothing is cut off long before the time for the stop is over."""
    with running(tmp_path, server={"graceful_timeout_s": 300}) as one:
        client = SocketClient(one.port, PATH, key=None)
        client.receive()
        one.stop()
        one.wait(20)
        client.close()


def test_a_page_opens_a_socket_with_its_session(tmp_path: Path) -> None:
    """Of our own origin, and of no other; it calls models as the user, and is closed when they sign out."""
    with (
        running(tmp_path, providers={"s": {"kind": "scripted", "script": {"reply": "Hello"}}}) as one,
        first(one) as ada,
    ):
        cookie = f"cookie: narthex_session={ada.cookies['narthex_session']}\r\n"
        for more, code in (
            ("", "cross_site_request"),
            ("origin: http://evil.example\r\n", "cross_site_request"),
            ("origin: http://127.0.0.1\r\nsec-fetch-site: cross-site\r\n", "cross_site_request"),
        ):
            refused = refusal(one, key=None, more=cookie + more)
            assert (refused.status, refused.code) == (403, code)
        assert refusal(one, key=None, more="cookie: narthex_session=x\r\n").status == 401
        own = "origin: http://127.0.0.1\r\n"
        with SocketClient(one.port, PATH, key=None, more=cookie + own) as socket:
            socket.send({"type": "response.create", "response": {"input": [], "instructions": "x"}})
            assert socket.until("response.done")[-1]["response"]["status"] == "completed"  # type: ignore[index]
            key = ada.post("/v1/realtime/client_secrets", json={}).json()["value"]
            with SocketClient(one.port, PATH, key=key) as short:
                short.receive()
                ada.post("/api/auth/sign-out")
                assert socket.closing().code == short.closing().code == 4401
        assert refusal(one, key=key).status == 401


def test_who_may_call_no_models_opens_no_socket(tmp_path: Path) -> None:
    """A viewer reads nothing of the streams of a workspace there either; who loses the right loses the socket."""
    with running(tmp_path, sockets={"ping_s": 0.2}) as one, first(one) as ada:
        me = ada.get("/api/me").json()["user_id"]
        cookie = f"cookie: narthex_session={ada.cookies['narthex_session']}\r\norigin: http://127.0.0.1\r\n"
        other = ada.post("/api/users", json={"name": "B", "email": "b@example.org", "role": "owner"}).json()["id"]
        with SocketClient(one.port, PATH, key=None, more=cookie) as socket:
            socket.receive()
            assert ada.patch(f"/api/users/{me}", json={"role": "viewer"}).status_code == 200, other
            assert socket.closing().code == 4401
        refused = refusal(one, key=None, more=cookie)
        assert (refused.status, refused.code) == (403, "permission_denied")


def test_a_key_made_elsewhere_opens_a_socket_at_once(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for as it is where there is no socket; one that nobody has made is refused."""
    assert gateway.gateway is not None
    keyring, looks = gateway.gateway.keyring, list[bytes]()
    plain = new_key("key_mfrggzdfmztwq2lk")
    mark, caller = keyring.mark_of(plain.encode()), keyring.identify(KEY.encode())

    async def look(presented: bytes | None) -> None:
        looks.append(presented or b"")
        await asyncio.sleep(0.01)
        if plain.encode() in (presented or b""):
            keyring.learn([(mark, caller)])

    monkeypatch.setattr(keyring, "look", look)
    try:
        with SocketClient(gateway.port, PATH, key=plain) as opened:
            assert opened.receive()["type"] == "session.created"
        other = new_key("key_nfrggzdfmztwq2lk")
        assert refusal(gateway, key=other).status == 401
        assert [one.rpartition(b" ")[2] for one in looks] == [plain.encode(), other.encode()]
    finally:
        keyring.forget([(mark, Gone("revoked"))])


def test_a_key_that_is_taken_away_closes_its_sockets(tmp_path: Path) -> None:
    """After a reload without the key its sockets are closed with 4401 at the next heartbeat."""
    keys = [{"name": "test", "key": KEY}, {"name": "other", "key": OTHER}]
    sockets = {"ping_s": 0.2}
    with running(tmp_path, keys=keys, sockets=sockets) as one:
        with SocketClient(one.port, PATH) as gone:
            assert one.gateway is not None
            one.run(one.gateway.reload(settings_for(tmp_path, keys=keys[1:], sockets=sockets)))
            assert gone.closing().code == 4401
        assert refusal(one).status == 401


def test_a_key_whose_scopes_are_narrowed_loses_its_sockets(tmp_path: Path) -> None:
    """At the next heartbeat: what was opened while more was allowed does not go on for ever."""
    with running(tmp_path, sockets={"ping_s": 0.2}) as one, first(one) as ada:
        place = ada.get("/api/me").json()["workspace_id"]
        made = ada.post("/api/keys", json={"workspace_id": place, "name": "one"}).json()
        with SocketClient(one.port, PATH, key=made["key"]) as socket:
            socket.receive()
            narrowed = {"scopes": {"models": ["small/*"], "routes": ["realtime"]}}
            assert ada.patch(f"/api/keys/{made['id']}", json=narrowed).status_code == 200
            assert socket.closing().code == 4401
        with SocketClient(one.port, PATH, key=made["key"]) as again:
            assert again.receive()["type"] == "session.created"
