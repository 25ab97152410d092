"""`narthex mock`."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Iterator
from typing import cast

import click

from narthex.cli.exits import Exit
from narthex.cli.parameters import json_option
from narthex.cli.terminal import print_json
from narthex.testing.catalogue import HEALTHY, catalogue
from narthex.testing.scenarios import Scenario
from narthex.testing.wall import UnknownFault, Wall
from narthex.testing.wall.choice import read_fault
from narthex.testing.wall.plays import Pace

_HELP = """
Serve a provider that misbehaves on demand, to test an application or a gateway with.

It speaks OpenAI's chat completions and Anthropic's messages, whole and streamed, needs no key and no network, and
answers the same request with the same bytes. A model named fault-NAME misbehaves in that way, and so does any request
with the header x-narthex-fault: NAME; every other model answers well. `narthex mock --list` names the faults. What
was asked and sent is told at /wall/visits.

\b
Examples:
  narthex mock
  narthex mock --tokens-per-second 40 --first-token-ms 300
  narthex mock --fault "fail 503 every=5" --fault "stall probability=0.1"
  curl -s http://127.0.0.1:8585/v1/chat/completions -d '{"model": "fault-stall", "stream": true, "messages": []}'
"""

PORT = 8_585
"""Where it listens unless told otherwise."""

Faults = tuple[Scenario, ...]


def _read_faults(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Faults:
    named = {entry.name: entry.scenario for entry in catalogue()}
    try:
        return tuple(read_fault(value, named, with_occasion=True) for value in values)
    except UnknownFault as error:
        raise click.BadParameter(str(error)) from error


@click.command(help=_HELP)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_530),
    default=PORT,
    show_default=True,
    help="Port to bind, with the four behind it for faults of connections; 0 takes free ones.",
)
@click.option("--reply", metavar="TEXT", help="What it answers, with {prompt} for the prompt; by default odd words.")
@click.option("--tokens-per-second", type=click.FloatRange(min=0, min_open=True), help="Pace of writing.")
@click.option("--first-token-ms", type=click.FloatRange(min=0), default=0.0, help="Time to the first token.")
@click.option("--jitter", type=click.FloatRange(0, 1), default=0.0, help="Share by which each wait varies.")
@click.option("--seed", type=int, default=0, help="Same seed, same words and chances.")
@click.option(
    "--fault",
    "faults",
    metavar="FAULT",
    multiple=True,
    callback=_read_faults,
    help='Fault of all requests, such as "fail 503 every=5"; may be repeated.',
)
@click.option("--list", "is_list", is_flag=True, help="List the faults and end.")
@json_option
def command(*, is_list: bool, as_json: bool, faults: Faults, **said: object) -> None:
    """Serve the wall, or list its faults."""
    if is_list:
        _list(as_json=as_json)
        return
    pace = Pace(
        first_token_s=cast("float", said["first_token_ms"]) / 1_000,
        tokens_per_second=cast("float | None", said["tokens_per_second"]),
        jitter=cast("float", said["jitter"]),
    )
    wall = Wall(
        seed=cast("int", said["seed"]),
        reply=cast("str | None", said["reply"]),
        script=faults,
        pace=pace,
        host=cast("str", said["host"]),
        port=cast("int", said["port"]),
    )
    _serve(wall, as_json=as_json)


def _list(*, as_json: bool) -> None:
    entries = catalogue()
    if as_json:
        data = [{"fault": entry.name, "model": entry.model, "does": entry.about} for entry in entries]
        print_json({"object": "list", "data": data})
        return
    width = max(len(entry.model) for entry in entries)
    for entry in entries:
        click.echo(f"{entry.model.ljust(width)}  {entry.about}")


def _serve(wall: Wall, *, as_json: bool) -> None:
    open_wall(wall)
    try:
        if as_json:
            print_json({"url": wall.url, "doors": _doors(wall)})
        else:
            click.echo("\n".join(_greeting(wall)))
        # Ctrl-C ends the wait, and so does being told to stop. A shell starts what runs in its background deaf to
        # Ctrl-C; asked for by name, it is heard all the same.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo(err=True)  # the terminal shows ^C on a line of its own
    finally:
        wall.stop()


def open_wall(wall: Wall) -> None:
    """Start a wall; where its address cannot be had, say so and end."""
    try:
        wall.start()
    except OSError as error:
        taken = f"one of the ports {wall.port} to {wall.port + 4} is in use"
        reason = taken if error.errno == errno.EADDRINUSE else (error.strerror or str(error)).lower()
        click.echo(f"narthex: {wall.host}: {reason}; choose another with `--port`", err=True)
        raise click.exceptions.Exit(Exit.UNAVAILABLE) from error


def _greeting(wall: Wall) -> Iterator[str]:
    """Yield the lines that say where it is, and how a gateway is pointed at it."""
    yield from ("", click.style("  A provider that misbehaves on demand", bold=True), "")
    yield f"  OpenAI     {wall.url}/v1"
    yield f"  Anthropic  {wall.url}"
    yield f"  Models     {HEALTHY}, fault-… (`narthex mock --list` names them)"
    yield f"  Visits     {wall.url}/wall/visits"
    yield from ("", "  Addresses that fail before any request", "")
    yield from (f"  {model:<22} {address}" for model, address in _doors(wall).items())
    yield from ("", "  In narthex.toml", "", "    [providers.wall]", '    kind = "openai"')
    yield from (f'    base_url = "{wall.url}/v1"', '    api_key = "none"', "", "  Ctrl-C stops.", "")


def _doors(wall: Wall) -> dict[str, str]:
    """Return the address of each fault that fails before any request, by its model."""
    return {entry.model: wall.doors.address(entry.door) for entry in wall.entries if entry.door is not None}
