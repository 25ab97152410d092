"""`narthex stream`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
import msgspec

from narthex.cli.exits import Exit
from narthex.cli.parameters import asked_options, json_option
from narthex.cli.pictures import picture
from narthex.cli.tapes import ABSENT, Tape, dialect_of, path_of, server, texts, timeline_at
from narthex.cli.terminal import note, print_json, print_table, printable
from narthex.client import Client
from narthex.errors import InvalidRequest, NarthexError
from narthex.pipeline.timeline import Timeline
from narthex.streams.tempo import speed_of

_BUCKETS = 60
_FOLLOW_S = 0.5
_STREAM = ("id", "status", "model", "last_seq", "readers")
_RECORDING = ("id", "status", "model", "last_seq", "duration_ms")
_HELP = """
See, replay, pause and record streamed answers.

A running server is asked about streams, as the owner of the key. `inspect` and `replay` read an exported file as
well, without any server: whatever is a file here is taken for one.

\b
Examples:
  narthex stream list
  narthex stream inspect chat-7f3a-1 --follow
  narthex stream record chat-7f3a-1
  narthex stream export chat-7f3a-1 -o chat.jsonl
  narthex stream replay chat.jsonl --speed 10

\b
Exit codes:
  0    done
  1    no such stream, or it was cut, or it has ended and cannot be controlled
  69   there is no server
"""
_INSPECT = """
Draw how a stream went: its state, its rate over time, its longest pauses with their place, and what was tried.

STREAM is the ID of a kept stream or of a recording, or an exported file. Ends with 1 if it is not whole.

\b
Examples:
  narthex stream inspect chat-7f3a-1
  narthex stream inspect chat-7f3a-1 --follow     draw again until it has ended
  narthex stream inspect chat.jsonl --json | jq .gaps.longest
"""
_REPLAY = """
Write a stream again as it came: its text, or with --raw its events.

STREAM is the ID of a kept stream or of a recording, or an exported file. Ends with 1 if it is not whole.

\b
Examples:
  narthex stream replay chat-7f3a-1 --speed 0.5
  narthex stream replay chat.jsonl --speed max --raw
"""
_EXPORT = """
Download a recording, to a file or to standard output.

\b
Examples:
  narthex stream export chat-7f3a-1 -o chat.jsonl
  narthex stream export chat-7f3a-1 | gzip > chat.jsonl.gz
"""


class _Speed(click.ParamType[float]):
    """A speed, or `max`."""

    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        try:
            return speed_of(str(value))
        except InvalidRequest as error:
            self.fail(error.message, param, ctx)


@click.group(help=_HELP)
def command() -> None:
    """Hold the commands about streams."""


@command.command("list", short_help="List your streams.")
@click.option("--recordings", is_flag=True, help="List recordings instead.")
@json_option
@asked_options
def list_(*, recordings: bool, as_json: bool, url: str | None, file: Path | None) -> None:
    """List your streams, the newest first, or your recordings."""
    with server(url, file) as client:
        told = json.loads(client.call("GET", "/v1/recordings" if recordings else "/v1/streams"))
    if as_json:
        print_json(told)
    else:
        columns = _RECORDING if recordings else _STREAM
        rows = [tuple(printable(str(one[column])) for column in columns) for one in told["data"]]
        print_table(tuple(column.upper() for column in columns), rows)


@command.command(help=_INSPECT, short_help="Draw how a stream went.")
@click.argument("stream")
@click.option("-f", "--follow", is_flag=True, help="Draw again until it has ended.")
@click.option("--buckets", type=click.IntRange(1, 200), default=_BUCKETS, show_default=True, help="Bars of the rate.")
@json_option
@asked_options
def inspect(*, stream: str, follow: bool, buckets: int, as_json: bool, url: str | None, file: Path | None) -> None:
    """Inspect a stream."""
    if Path(stream).is_file():
        tape = Tape.from_file(Path(stream))
        told, fault = tape.timeline(buckets), tape.fault
        _show(told, fault, as_json=as_json)
    else:
        with server(url, file) as client:
            told, fault = timeline_at(client, stream, buckets)
            _show(told, fault, as_json=as_json)
            while follow and told.silent_ms is not None:
                time.sleep(_FOLLOW_S)
                told, fault = timeline_at(client, stream, buckets)
                click.clear()
                _show(told, fault, as_json=as_json)
    if fault:
        raise click.exceptions.Exit(Exit.FAILURE)


def _show(told: Timeline, fault: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json({**cast("dict[str, object]", msgspec.to_builtins(told)), "fault": fault})
    else:
        click.echo(picture(told, fault=fault))


@command.command(help=_REPLAY, short_help="Write a stream again as it came.")
@click.argument("stream")
@click.option(
    "--speed", type=_Speed(), default="1", show_default=True, help="How many times faster; `max` for at once."
)
@click.option("--raw", is_flag=True, help="Write the events as they were sent.")
@asked_options
def replay(*, stream: str, speed: float, raw: bool, url: str | None, file: Path | None) -> None:
    """Replay a stream."""
    if Path(stream).is_file():
        _play_tape(Tape.from_file(Path(stream)), speed, raw=raw)
        return
    with server(url, file) as client:
        try:
            report = json.loads(client.call("GET", path_of("streams", stream)))
        except NarthexError as error:
            if error.code not in ABSENT:
                raise
            _play_tape(Tape.from_server(client, stream), speed, raw=raw)
            return
        pieces = client.pieces(path_of("streams", stream, f"?after={report['first_seq'] - 1}&speed={speed}"))
        _write(pieces, report["dialect"], raw=raw)


def _play_tape(tape: Tape, speed: float, *, raw: bool) -> None:
    try:
        _write(tape.played(speed), tape.head.dialect, raw=raw)
    except click.ClickException:
        if not tape.fault:
            raise
    if tape.fault:
        note(f"this recording is not whole: {tape.fault}")
        raise click.exceptions.Exit(Exit.FAILURE)


def _write(events: Iterator[bytes], dialect: str, *, raw: bool) -> None:
    if raw:
        for event in events:
            click.echo(event, nl=False)
        return
    try:
        for text in texts(events, dialect_of(dialect)):
            click.echo(printable(text), nl=False)
    finally:
        click.echo()


def _control(name: str, text: str) -> None:
    @command.command(name, help=text, short_help=text.partition(".")[0] + ".")
    @click.argument("stream")
    @json_option
    @asked_options
    def control(*, stream: str, as_json: bool, url: str | None, file: Path | None) -> None:
        _ask(path_of("streams", stream, f"/{name}"), as_json=as_json, url=url, file=file)

    assert control is not None


def _ask(path: str, *, as_json: bool, url: str | None, file: Path | None) -> None:
    with server(url, file) as client:
        report = json.loads(client.call("POST", path))
    if as_json:
        print_json(report)
    else:
        click.echo(printable(f"{report['id']}: {report['status']}"))


_control("pause", "Stop delivery to all readers. The call is ended if it is not resumed in time.")
_control("resume", "Go on with delivery.")
_control("cancel", "End the call. What was written stays.")
_control("record", "Record a kept stream. It is written from its oldest event on, to its end.")


@command.command(help=_EXPORT, short_help="Download a recording.")
@click.argument("stream")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File; by default standard output."
)
@asked_options
def export(*, stream: str, output: Path | None, url: str | None, file: Path | None) -> None:
    """Export a recording."""
    with server(url, file) as client:
        _save(client, path_of("recordings", stream), output)


def _save(client: Client, path: str, output: Path | None) -> None:
    with click.open_file("-" if output is None else str(output), "wb", atomic=output is not None) as opened:
        for piece in client.pieces(path):
            opened.write(piece)
