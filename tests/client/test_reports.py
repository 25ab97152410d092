"""How streams are asked about."""

from __future__ import annotations

import pytest

from narthex.client import reports
from narthex.client.http1 import Head
from narthex.errors import BrokenAnswer

BODY = (
    b'{"id": "stream-1", "object": "stream", "status": "running", "last_seq": 3, "later": 1, "progress": {"bytes": 9}}'
)


def test_requests_name_the_stream() -> None:
    """Each question has its method and path."""
    assert reports.follow_request("s", 3).path == "/v1/streams/s?after=3"
    assert reports.control_request("s", "pause").path == "/v1/streams/s/pause"
    assert (reports.delete_request("s").method, reports.report_request("s").path) == ("DELETE", "/v1/streams/s")
    assert reports.report_request("a/../b?c\r\nx: 1").path == "/v1/streams/a%2F..%2Fb%3Fc%0D%0Ax%3A%201"
    assert reports.list_request(None, None).path == "/v1/streams"
    assert reports.list_request("done", 5).path == "/v1/streams?status=done&limit=5"


def test_reports_are_read() -> None:
    """What a newer gateway tells beside it is passed over."""
    report = reports.read_report(Head(200), BODY)
    assert (report.id, report.last_seq, report.progress.bytes, report.ended) == ("stream-1", 3, 9, False)
    assert reports.read_reports(Head(200), b'{"data": [' + BODY + b"]}") == (report,)


@pytest.mark.parametrize("read", [reports.read_report, reports.read_reports])
def test_what_is_no_report_is_broken(read: object) -> None:
    """An answer that cannot be read says so."""
    assert callable(read)
    with pytest.raises(BrokenAnswer, match="cannot be read"):
        read(Head(200), b"{")
