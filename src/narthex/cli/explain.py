"""`narthex explain`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import click
import msgspec

from narthex.cli.door import open_door
from narthex.cli.exits import Exit
from narthex.cli.parameters import config_option, json_option
from narthex.cli.terminal import note, print_json, printable
from narthex.client.routes import RouteOptions
from narthex.routing.conditions import MODALITIES
from narthex.types.dialects import Operation

_HELP = """
Tell where a call would go, and why. Nothing is sent to any model.

Say what the call is like, or give its whole body with --request; what is said beside it wins. A running server is
asked, which knows how its models are at the moment; if there is none, or with --offline, the decision is made from the
configuration file. Every rule is listed with the first condition that keeps it from counting. Ends with 1 if nobody
would serve the call.

\b
Examples:
  narthex explain openai/gpt-4o
  narthex explain fast --tag batch --tokens 60000 --at 2026-03-04T23:30
  narthex explain --request call.json --caller shop-frontend
  narthex explain fast --offline -c next.toml --json | jq -r '.candidates[].model'
"""

Function = TypeVar("Function", bound=Callable[..., object])


class _Time(click.ParamType[datetime]):
    """A time with its offset, or one of this machine's clock."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read a time."""
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"{value!r} is no time; write 2026-03-04T23:30, or with an offset 2026-03-04T23:30+01:00", param, ctx
            )
        return moment if moment.tzinfo is not None else moment.astimezone()


_CALL_OPTIONS = (
    click.option("-t", "--tag", "tags", multiple=True, metavar="TEXT", help="A tag of the call; may be repeated."),
    click.option("--tokens", "input_tokens", type=click.IntRange(min=0), help="Tokens of its prompt."),
    click.option("--at", metavar="TIME", type=_Time(), help="When it comes, such as 2026-03-04T23:30; by default now."),
    click.option("--caller", metavar="NAME", help="Name of the key that calls; by default the one that asks."),
    click.option("--tenant", metavar="NAME", help="To whom that key belongs; by default as configured."),
    click.option("--conversation", metavar="TEXT", help="By what its conversation is known."),
    click.option("--stream/--no-stream", "streaming", default=None, help="Whether its answer is streamed."),
    click.option("--tools/--no-tools", "tools", default=None, help="Whether it offers tools."),
    click.option(
        "--modality",
        "modalities",
        multiple=True,
        type=click.Choice(MODALITIES),
        help="What it carries beside text; may be repeated.",
    ),
    click.option(
        "--operation",
        type=click.Choice([one.value for one in Operation]),
        default="chat",
        help="What is asked; by default chat.",
    ),
    click.option(
        "--request",
        "body",
        metavar="FILE",
        type=click.File("rb"),
        help="The body of the call, JSON; - for standard input.",
    ),
    click.option(
        "--surface",
        type=click.Choice(["openai.chat", "openai.responses", "anthropic.messages"]),
        help="The shape of that body; by default openai.chat.",
    ),
)


def _call_options(function: Function) -> Function:
    """Add what can be said of a call."""
    for option in reversed(_CALL_OPTIONS):
        function = option(function)
    return function


@click.command(help=_HELP)
@click.argument("model", required=False)
@_call_options
@json_option
@click.option("--url", metavar="URL", help="Server to ask; by default NARTHEX_URL, else the one configured.")
@click.option("--local", "--offline", "is_local", is_flag=True, help="Ask no server: go by the configuration alone.")
@config_option
def command(
    *, model: str | None, as_json: bool, url: str | None, is_local: bool, file: Path | None, **said: object
) -> None:
    """Explain a decision."""
    options = _options(said)
    with open_door(url=url, is_local=is_local, remark=note, file=file) as door:
        route = door.explain(model, options)
    if as_json:
        print_json(msgspec.to_builtins(route))
    else:
        click.echo(printable(route.text))
    if route.model is None:
        raise click.exceptions.Exit(Exit.FAILURE)


def _options(said: dict[str, object]) -> RouteOptions:
    """Gather what is said of the call.

    Raises:
        click.UsageError: The file holds no call.
    """
    body = cast("BinaryIO | None", said.pop("body"))
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
    options = cast("RouteOptions", {name: value for name, value in given.items() if value not in (None, [])})
    if body is not None:
        options["request"] = _request(body)
    elif "surface" in options:
        raise click.UsageError("--surface goes with --request only.")
    return options


def _request(file: BinaryIO) -> dict[str, object]:
    try:
        request = json.loads(file.read())
    except ValueError as error:
        raise click.UsageError(f"{file.name}: not JSON: {error}") from error
    if not isinstance(request, dict):
        raise click.UsageError(f"{file.name}: the body of a call is an object in {{braces}}")
    return request
