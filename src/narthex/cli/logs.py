"""The server's log on standard error."""

from __future__ import annotations

import json
import logging
import sys
import time

from narthex.config.settings import LogSettings

_CHATTY = ("uvicorn", "uvicorn.error", "asyncio", "watchfiles")


def start_logging(settings: LogSettings) -> None:
    """Send every log line of the process to standard error, in the configured form, from the configured level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(root.level if settings.level == "debug" else max(root.level, logging.WARNING))


class TextLines(logging.Formatter):
    """`2026-11-20 14:03:07 warning narthex.app: …`; what follows on further lines is indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        text = f"{at} {record.levelname.lower()} {record.name}: {_message(record, self)}"
        return text.replace("\n", "\n  ")


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        fields = {"time": at, "level": record.levelname.lower(), "logger": record.name}
        return json.dumps(fields | {"message": _message(record, self)}, ensure_ascii=False)


def _message(record: logging.LogRecord, formatter: logging.Formatter) -> str:
    message = record.getMessage()
    return f"{message}\n{formatter.formatException(record.exc_info)}" if record.exc_info else message
