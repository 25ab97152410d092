"""TLS files."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from narthex.cli.health.certificates import UnreadableCertificate, certificates, expiry_of
from narthex.config.settings import ServerSettings

EXPIRY = datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC)
AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("localhost", not_after=EXPIRY)


def served(folder: Path, *, expiry: datetime = EXPIRY) -> ServerSettings:
    """Write a certificate with its key, and the settings that name them."""
    certificate = AUTHORITY.issue_cert("localhost", not_after=expiry)
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    (folder / "key.pem").write_bytes(certificate.private_key_pem.bytes())
    return ServerSettings(tls_cert=folder / "cert.pem", tls_key=folder / "key.pem")


@pytest.mark.parametrize("expiry", [EXPIRY, datetime(2055, 1, 2, 3, 4, 5, tzinfo=UTC)])
def test_the_expiry_is_read(tmp_path: Path, expiry: datetime) -> None:
    """Both forms of time that certificates use are read to the second."""
    server = served(tmp_path, expiry=expiry)
    assert server.tls_cert is not None
    assert expiry_of(server.tls_cert) == expiry.timestamp()


@pytest.mark.parametrize(("days", "status"), [(100, "ok"), (10, "warn"), (-1, "fail")])
def test_a_certificate_is_judged_by_its_expiry(tmp_path: Path, days: int, status: str) -> None:
    """Soon is a remark, past is a failure."""
    now = (EXPIRY - timedelta(days=days)).timestamp()
    (finding,) = certificates(served(tmp_path), now=now)
    assert (finding.status, "2031-05-04" in finding.detail) == (status, True)


def test_files_that_do_not_fit_together(tmp_path: Path) -> None:
    """A key of another certificate, and a file that holds none, cannot be used."""
    server = served(tmp_path)
    (tmp_path / "key.pem").write_bytes(AUTHORITY.issue_cert("localhost").private_key_pem.bytes())
    (finding,) = certificates(server)
    assert finding.status == "fail"
    (tmp_path / "cert.pem").write_text("nothing")
    assert next(certificates(server)).status == "fail"


def test_without_tls_there_is_nothing_to_say() -> None:
    """Plain HTTP is no finding."""
    assert list(certificates(ServerSettings())) == []


@given(st.data())
def test_a_damaged_certificate_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever is cut or changed, the outcome is a time or the one error."""
    der = bytearray(ssl.PEM_cert_to_DER_cert(CERTIFICATE.cert_chain_pems[0].bytes().decode()))
    position = data.draw(st.integers(0, len(der) - 1))
    der[position] = data.draw(st.integers(0, 255))
    der = der[: data.draw(st.integers(1, len(der)))]
    file = tmp_path_factory.mktemp("der") / "cert.pem"
    file.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)))
    try:
        expiry_of(file)
    except UnreadableCertificate:
        pass
