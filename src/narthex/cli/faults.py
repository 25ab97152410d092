"""`narthex faults`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from narthex.cli.exits import Exit
from narthex.cli.mock import PORT, open_wall
from narthex.cli.parameters import json_option
from narthex.cli.terminal import note, print_json, print_table, printable
from narthex.testing.callers import Heard
from narthex.testing.catalogue import Verdict, catalogue
from narthex.testing.gateways import GatewayDidNotStart, running_gateway
from narthex.testing.scorecard import Score, Scorecard, described, summary
from narthex.testing.trials import Gateway, Trial
from narthex.testing.wall import Wall
from narthex.testing.wall.asking import Wire
from narthex.testing.wall.setups import gateway_settings, instructions

_HELP = """
Run every fault against a gateway, and print a scorecard.

Each fault is played by a provider that misbehaves, on OpenAI's and Anthropic's wire, to a whole and to a streamed
call. Without --gateway a Narthex is started for it. Another gateway is told of that provider first: --setup prints
how. Ends with 1 if a call failed.

\b
A call is
  rescued    the caller got a whole, right answer
  partial    a part of it, then an explicit error
  safe       a clear error in time, or exactly what the provider said
  failed     it hung, a part was told as a whole, or the answer was wrong

\b
Examples:
  narthex faults
  narthex faults --fault stall --fault truncate
  narthex faults --setup                 how to configure another gateway
  narthex faults --gateway http://127.0.0.1:4000 --key sk-…
  narthex faults --json | jq '.data[] | select(.verdict == "failed")'
"""

_COLOURS: dict[Verdict, str] = {"rescued": "green", "partial": "yellow", "safe": "cyan", "failed": "red"}
_OWN_UNIT_S = 0.5
_MARGIN_S = 2.0
_REPLY = "{prompt}: Καλημέρα, façade 門 🏛, and then one two three four five six seven eight nine ten eleven twelve."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command was told."""

    url: str | None
    key: str | None
    model: str
    deadline_s: float | None
    host: str
    port: int | None
    seed: int
    unit_s: float | None
    names: tuple[str, ...]


@click.command(help=_HELP)
@click.option("--gateway", "url", metavar="URL", help="Gateway to try; by default a Narthex started for it.")
@click.option("--key", metavar="KEY", envvar="NARTHEX_API_KEY", help="Key of that gateway; also NARTHEX_API_KEY.")
@click.option(
    "--model",
    metavar="TEMPLATE",
    default="{provider}/{model}",
    show_default=True,
    help="How that gateway names a provider's model.",
)
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(min=0, min_open=True),
    help="By when a call must have ended, in seconds; by default 30, and for ours what it is configured to.",
)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where the provider listens.")
@click.option(
    "--port", type=click.IntRange(0, 65_530), help="Its port, with the four behind it; by default 8585, for ours any."
)
@click.option("--fault", "names", multiple=True, metavar="NAME", help="Only this fault; may be repeated.")
@click.option("--seed", type=int, default=0, help="Same seed, same words and chances.")
@click.option(
    "--unit",
    "unit_s",
    type=click.FloatRange(min=0.05, max=60),
    help="What waits are measured in, in seconds; by default 1, for ours 0.5.",
)
@click.option("--setup", "is_setup", is_flag=True, help="Print how another gateway is configured, and end.")
@json_option
def command(*, is_setup: bool, as_json: bool, **said: object) -> None:
    """Try a gateway."""
    asked = _Asked(**said)  # type: ignore[arg-type]  # the options above, by their names
    _check(asked)
    if is_setup:
        _show_setup(asked)
        return
    card = _try_own(asked) if asked.url is None else _try_other(asked, asked.url)
    if as_json:
        print_json(described(card))
    else:
        _print(card)
    if card.has_failed:
        raise click.exceptions.Exit(Exit.FAILURE)


def _check(asked: _Asked) -> None:
    """Refuse what cannot be done before anything is started.

    Raises:
        click.UsageError: A fault or a template that there is not.
    """
    known = {entry.name for entry in catalogue()}
    unknown = [name for name in asked.names if _plain(name) not in known]
    if unknown:
        raise click.UsageError(f"there is no fault {unknown[0]!r}; there are {', '.join(sorted(known))}")
    try:
        asked.model.format(provider="wall-openai", model="healthy")
    except (KeyError, IndexError, ValueError) as error:
        raise click.UsageError("--model takes {provider} and {model} in braces, and nothing else there") from error


def _plain(name: str) -> str:
    return name.removeprefix("fault-").replace("-", "_")


def _try_own(asked: _Asked) -> Scorecard:
    unit_s = asked.unit_s or _OWN_UNIT_S
    wall = Wall(unit_s=unit_s, seed=asked.seed, reply=_REPLY, host=asked.host, port=asked.port or 0)
    with _open(wall):
        settings = gateway_settings(wall, unit_s=unit_s, rescue="continue")
        note("starting a Narthex with the wall as its provider")
        try:
            with running_gateway(settings) as gateway:
                deadline_s = asked.deadline_s or 10 * unit_s + _MARGIN_S
                return _run(asked, wall, Gateway(url=gateway.url, deadline_s=deadline_s))
        except GatewayDidNotStart as error:
            click.echo(f"narthex: {error}", err=True)
            raise click.exceptions.Exit(Exit.INTERNAL) from error


def _try_other(asked: _Asked, url: str) -> Scorecard:
    wall = _fixed_wall(asked)
    with _open(wall):
        gateway = Gateway(
            url=url.rstrip("/").removesuffix("/v1"),
            key=asked.key,
            model=asked.model,
            deadline_s=asked.deadline_s or 30.0,
        )
        return _run(asked, wall, gateway)


def _show_setup(asked: _Asked) -> None:
    wall = _fixed_wall(asked)
    with _open(wall):
        click.echo("\n".join(instructions(wall, asked.model)))


def _fixed_wall(asked: _Asked) -> Wall:
    """Return a wall at an address that a gateway can be configured with."""
    port = PORT if asked.port is None else asked.port
    return Wall(unit_s=asked.unit_s or 1.0, seed=asked.seed, reply=_REPLY, host=asked.host, port=port)


@contextmanager
def _open(wall: Wall) -> Iterator[None]:
    open_wall(wall)
    try:
        yield
    finally:
        wall.stop()


def _run(asked: _Asked, wall: Wall, gateway: Gateway) -> Scorecard:
    progress = _Progress()
    trial = Trial(gateway, wall, on_score=progress.add)
    wrong = asyncio.run(trial.greet())
    if wrong:
        _explain(wrong, gateway, wall)
        raise click.exceptions.Exit(Exit.UNAVAILABLE)
    card = asyncio.run(trial.run(map(_plain, asked.names)))
    progress.end()
    return card


class _Progress:
    """Counts calls on standard error, where that is a terminal."""

    def __init__(self) -> None:
        self._count = 0
        self._is_shown = sys.stderr.isatty()

    def add(self, score: Score) -> None:
        """Count a call."""
        self._count += 1
        if self._is_shown:
            click.echo(f"\r\033[K{self._count} calls, {score.name}", err=True, nl=False)

    def end(self) -> None:
        """Clear the line."""
        if self._is_shown:
            click.echo("\r\033[K", err=True, nl=False)


def _explain(wrong: list[tuple[Wire, Heard]], gateway: Gateway, wall: Wall) -> None:
    for wire, heard in wrong:
        said = f"status {heard.status}, {heard.error or heard.ended}"
        model = gateway.named(wire, None)
        click.echo(f"narthex: {gateway.url} does not answer well for {model}: {printable(said)}", err=True)
    click.echo("\n".join(["", *instructions(wall, gateway.model)]), err=True)


def _print(card: Scorecard) -> None:
    head = ("FAULT", "WIRE", "CALL", "VERDICT", "STATUS", "ENDED", "SECONDS", "TRIES", "LEFT", "WHY")
    print_table(head, map(_row, card.scores))
    click.echo()
    for verdict, count in card.totals.items():
        click.secho(f"{verdict:<8} {count:>4}", fg=_COLOURS[verdict], bold=verdict == "failed" and count > 0)
    click.echo(summary(card))


def _row(score: Score) -> tuple[str, ...]:
    heard, provider = score.heard, score.provider
    tries = "–" if provider.attempts is None else str(provider.attempts)
    return (
        score.name,
        score.wire,
        score.form,
        score.verdict,
        "–" if heard.status is None else str(heard.status),
        heard.ended,
        f"{heard.seconds:.2f}",
        f"{tries}+{provider.rescues}" if provider.rescues else tries,
        str(provider.abandoned),
        _short(printable(score.judgement.reason)),
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 72 else f"{line[:71]}…"
