"""A provider behind TLS, from the front door to its socket: who is trusted, and what others get to see."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import trustme

from narthex.testing.acts import Close, cut_after, streamed, then, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_answer, openai_frames
from tests.gateways import RawClient, post, running

CHAT: Final = "/v1/chat/completions"
PROVIDER_KEY: Final = "sk-provider-key-never-shown"
LONG_AGO: Final = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def chat(*, stream: bool = False) -> bytes:
    """Return a chat request's body."""
    return json.dumps(
        {"model": "up/gpt-test", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    ).encode()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of our own."""
    return trustme.CA()


@pytest.fixture(scope="module")
def stranger() -> trustme.CA:
    """Another one, which the server is not told of."""
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's certificate, in a file."""
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Return the server side of TLS with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@contextmanager
def client_of(data_dir: Path, base_url: str, ca_file: Path | None, *, kind: str = "openai") -> Iterator[RawClient]:
    """Run a server before the provider at this address, and connect to it."""
    provider: dict[str, object] = {"kind": kind, "base_url": base_url, "api_key": PROVIDER_KEY, "models": ["gpt-test"]}
    if ca_file is not None:
        provider["ca_file"] = ca_file
    with running(data_dir, providers={"up": provider}) as gateway, RawClient(gateway.port) as client:
        yield client


def refused(client: RawClient, *, stream: bool = False) -> str:
    """Make a call that must fail for want of a connection, and return what is said about it."""
    client.send(post(CHAT, chat(stream=stream), key=None))
    status, _, body = client.response()
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (502, "provider_unreachable")
    assert PROVIDER_KEY.encode() not in body
    return str(error["message"])


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_an_authority_in_ca_file_is_trusted(authority: trustme.CA, ca_file: Path, tmp_path: Path, name: str) -> None:
    """A provider certified by the configured authority answers whole and streamed, over one kept connection."""
    frames = openai_frames("Hello there, you", usage=False)
    with ScriptedUpstream(tls=serving(authority.issue_cert(name))) as upstream:
        upstream.play(whole(openai_answer("Hello")), whole(openai_answer("Again")), streamed(frames))
        with client_of(tmp_path, f"https://{name}:{upstream.port}/v1", ca_file) as client:
            bodies = []
            for stream in (False, False, True):
                client.send(post(CHAT, chat(stream=stream), key=None))
                status, _, body = client.response()
                assert status == 200
                bodies.append(body)
        assert bodies == [openai_answer("Hello"), openai_answer("Again"), b"".join(frames)]
        assert upstream.opened == 1
        assert upstream.requests[0].headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        assert upstream.requests[0].headers["host"] == f"{name}:{upstream.port}"


def test_a_stream_cut_inside_tls_is_no_whole_answer(authority: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    """What is cut under TLS is told as cut, like anything else."""
    with ScriptedUpstream(tls=serving(authority.issue_cert("localhost"))) as upstream:
        upstream.play(cut_after(streamed(openai_frames("Hello there, you")), sends=3))
        with client_of(tmp_path, f"{upstream.url}/v1", ca_file) as client:
            client.send(post(CHAT, chat(stream=True), key=None))
            _, _, body = client.response()
    assert b"[DONE]" not in body
    assert json.loads(body.rstrip().rpartition(b"data: ")[2])["error"]["code"] == "provider_truncated_answer"


def test_a_kept_connection_closed_in_good_order_is_opened_anew(
    authority: trustme.CA, ca_file: Path, tmp_path: Path
) -> None:
    """A provider that closes TLS between two calls costs no call."""
    with ScriptedUpstream(tls=serving(authority.issue_cert("localhost"))) as upstream:
        upstream.always(then(whole(openai_answer("Hello")), Close()))
        with client_of(tmp_path, f"{upstream.url}/v1", ca_file) as client:
            for _ in range(3):
                client.send(post(CHAT, chat(), key=None))
                assert client.response()[0] == 200
        assert upstream.opened == 3


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("trusted", ["the system", "another authority"])
def test_an_unknown_authority_is_refused(
    authority: trustme.CA, stranger: trustme.CA, tmp_path: Path, trusted: str, stream: bool
) -> None:
    """A certificate of an authority that is not trusted ends the call before the key is sent."""
    other = tmp_path / "other.pem"
    stranger.cert_pem.write_to_path(str(other))
    with ScriptedUpstream(tls=serving(authority.issue_cert("localhost"))) as upstream:
        with client_of(tmp_path, f"{upstream.url}/v1", other if trusted == "another authority" else None) as client:
            assert "certificate verify failed" in refused(client, stream=stream)
        assert upstream.requests == []


@pytest.mark.parametrize("names", [["other.example"], ["*.localhost"], ["127.0.0.2"]])
def test_a_certificate_for_another_name_is_refused(
    authority: trustme.CA, ca_file: Path, tmp_path: Path, names: list[str]
) -> None:
    """A certificate that is good, but for somebody else, ends the call before the key is sent."""
    with ScriptedUpstream(tls=serving(authority.issue_cert(*names))) as upstream:
        with client_of(tmp_path, f"{upstream.url}/v1", ca_file) as client:
            assert "localhost" in refused(client)
        assert upstream.requests == []


def test_a_name_is_no_certificate_for_an_address(authority: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    """A provider reached by its address must be certified for that address."""
    with ScriptedUpstream(tls=serving(authority.issue_cert("localhost"))) as upstream:
        with client_of(tmp_path, f"https://127.0.0.1:{upstream.port}/v1", ca_file) as client:
            assert "127.0.0.1" in refused(client)
        assert upstream.requests == []


def test_an_expired_certificate_is_refused(authority: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    """A certificate whose time is over ends the call before the key is sent, and the error says so."""
    expired = authority.issue_cert("localhost", not_before=LONG_AGO, not_after=LONG_AGO + dt.timedelta(days=90))
    with ScriptedUpstream(tls=serving(expired)) as upstream:
        with client_of(tmp_path, f"{upstream.url}/v1", ca_file) as client:
            assert "expired" in refused(client)
        assert upstream.requests == []


@pytest.mark.parametrize("text", [None, "", "not a certificate"], ids=["missing", "empty", "nonsense"])
def test_a_ca_file_that_holds_none_trusts_nobody(authority: trustme.CA, tmp_path: Path, text: str | None) -> None:
    """Without a readable authority there is an error in place of a call, and the key stays here."""
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with ScriptedUpstream(tls=serving(authority.issue_cert("localhost"))) as upstream:
        with client_of(tmp_path, f"{upstream.url}/v1", file) as client:
            assert "`ca_file`" in refused(client)
        assert upstream.requests == []


def test_a_provider_without_tls_never_sees_the_key(ca_file: Path, tmp_path: Path) -> None:
    """What answers an `https` address in plain HTTP has been shown no byte of a request."""
    seen = bytearray()

    def answer_plainly(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            seen.extend(connection.recv(65_536))
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            while piece := connection.recv(65_536):
                seen.extend(piece)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        provider = threading.Thread(target=answer_plainly, args=(listener,), daemon=True)
        provider.start()
        with client_of(tmp_path, f"https://localhost:{listener.getsockname()[1]}/v1", ca_file) as client:
            assert refused(client)
        provider.join(10)
    assert seen
    assert b"HTTP/1.1" not in seen
    assert PROVIDER_KEY.encode() not in seen
