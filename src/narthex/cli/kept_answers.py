"""The commands of `narthex cache` that ask a running server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import click
import msgspec

from narthex.cache.reports import CacheReport, EntryReport
from narthex.cli import cache_stats
from narthex.cli.exits import Exit
from narthex.cli.parameters import asked_options, json_option
from narthex.cli.tapes import server
from narthex.cli.terminal import note, print_json, print_table, printable
from narthex.client import Client
from narthex.pipeline.warming import MAX_PARALLEL, USUAL_PARALLEL, Warmed

_AT_ONCE: Final = 50
"""Requests of one call: that many are answered before the next are sent."""
_COLUMNS: Final = ("KEY", "MODEL", "STATE", "USES", "SIZE", "AGE", "TAGS")
_FIGURES: Final = frozenset({3, 4, 5})
_everything = click.option("--everything", is_flag=True, help="Of all workspaces; only for whoever runs the server.")
_encode = msgspec.json.Encoder().encode


class _Entries(msgspec.Struct):
    data: list[EntryReport]
    has_more: bool
    next: str | None


class _Change(msgspec.Struct):
    removed: int


class _Warming(msgspec.Struct):
    data: list[Warmed]


@click.command(short_help="Tell how the cache does.")
@json_option
@asked_options
def stats(*, as_json: bool, url: str | None, file: Path | None) -> None:
    """Tell how the cache does: hits by kind, misses by reason, what was saved, each tier, and what is used most.

    Each bar stands for the hit rate of three minutes of the last hour.
    """
    with server(url, file) as client:
        body = client.call("GET", "/api/cache/stats")
    if as_json:
        print_json(msgspec.json.decode(body))
        return
    told = msgspec.json.decode(body, type=CacheReport)
    for line in cache_stats.lines(told):
        click.echo(line)
    if (wrong := cache_stats.warning(told)) is not None:
        note(wrong)
    click.echo()
    print_table(cache_stats.HEAD, cache_stats.rows(told.tiers), figures=cache_stats.FIGURES)
    if told.semantic is not None:
        click.echo(f"\n{cache_stats.of_meaning(told.semantic)}")
        print_table(
            cache_stats.CATEGORY_HEAD, cache_stats.categories(told.semantic), figures=frozenset(range(1, 8)) - {3}
        )
    if told.top:
        click.echo()
        _print_entries(told.top)


@click.command(short_help="List what lies in memory.")
@click.option("--model", help="Only answers of this `provider/model`.")
@click.option("--tag", help="Only those with this tag.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many.")
@json_option
@asked_options
def entries(
    *, model: str | None, tag: str | None, limit: int, as_json: bool, url: str | None, file: Path | None
) -> None:
    """List what lies in memory, the latest first, without what it says."""
    asked = {"limit": limit, "model": model, "tag": tag}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    with server(url, file) as client:
        body = client.call("GET", f"/api/cache/entries?{query}")
    if as_json:
        print_json(msgspec.json.decode(body))
        return
    part = msgspec.json.decode(body, type=_Entries)
    _print_entries(part.data)
    if part.has_more:
        note("there are more: see --limit")


def _print_entries(found: Sequence[EntryReport]) -> None:
    rows = [
        (
            *(one.key[:16], printable(one.model), one.state, f"{one.uses:,}", cache_stats.size(one.bytes)),
            *(f"{one.age_s:,} s", printable(" ".join(one.tags))),
        )
        for one in found
    ]
    print_table(_COLUMNS, rows, figures=_FIGURES)


@click.command(short_help="Let go of everything.")
@_everything
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
@asked_options
def clear(*, everything: bool, yes: bool, as_json: bool, url: str | None, file: Path | None) -> None:
    """Let go of all answers that are kept for one's workspace."""
    if not yes:
        click.confirm("Let go of all answers that are kept?", abort=True, err=True)
    with server(url, file) as client:
        _change(client, "clear", {"everything": everything}, as_json=as_json)


@click.command(short_help="Have some answers not be given again.")
@click.option("--key", "keys", multiple=True, help="Of an entry, whole; may be repeated.")
@click.option("--tag", "tags", multiple=True, help="A tag, in which `*` stands for anything; may be repeated.")
@click.option("--model", "models", multiple=True, help="A model, in which `*` stands for anything; may be repeated.")
@click.option("--prompt", "prompts", multiple=True, help="A prompt, as `reply`, or a version of it, as `reply@3`.")
@_everything
@json_option
@asked_options
def invalidate(
    *,
    keys: tuple[str, ...],
    tags: tuple[str, ...],
    models: tuple[str, ...],
    prompts: tuple[str, ...],
    everything: bool,
    as_json: bool,
    url: str | None,
    file: Path | None,
) -> None:
    """Have nothing with these keys, tags, models or prompts be given again, nor what is just being answered."""
    if not (keys or tags or models or prompts):
        raise click.UsageError(
            "say what: --key, --tag, --model or --prompt; `narthex cache clear` lets go of everything"
        )
    wish = {"keys": keys, "tags": tags, "models": models, "prompts": prompts, "everything": everything}
    with server(url, file) as client:
        _change(client, "invalidate", wish, as_json=as_json)


def _change(client: Client, what: str, wish: Mapping[str, object], *, as_json: bool) -> None:
    body = client.call("POST", f"/api/cache/{what}", _encode(wish))
    if as_json:
        print_json(msgspec.json.decode(body))
    else:
        click.echo(f"{msgspec.json.decode(body, type=_Change).removed} answers were in memory, and are given no more")


@click.command(short_help="Have questions answered before they are asked.")
@click.argument("requests", type=click.File("rb"))
@click.option("--tag", "tags", multiple=True, help="A tag for the answers; may be repeated.")
@click.option("--ttl", "ttl_s", type=click.FloatRange(0, 3_456_000), help="How long they are fresh, in seconds.")
@click.option(
    "--parallel",
    type=click.IntRange(1, MAX_PARALLEL),
    default=USUAL_PARALLEL,
    show_default=True,
    help="How many go out at once.",
)
@json_option
@asked_options
def warm(
    *,
    requests: Iterator[bytes],
    tags: tuple[str, ...],
    ttl_s: float | None,
    parallel: int,
    as_json: bool,
    url: str | None,
    file: Path | None,
) -> None:
    """Have questions answered before they are asked, at the price of the calls.

    REQUESTS is a file with a request as for `POST /v1/chat/completions` in each line, or - for standard input. Ends
    with 1 if one of them failed.
    """
    bodies = [_line(number, line) for number, line in enumerate(requests, 1) if line.strip()]
    done: list[Warmed] = []
    with server(url, file) as client:
        for begin in range(0, len(bodies), _AT_ONCE):
            wish = {"requests": bodies[begin : begin + _AT_ONCE], "tags": tags, "ttl_s": ttl_s, "parallel": parallel}
            part = msgspec.json.decode(client.call("POST", "/api/cache/warm", _encode(wish)), type=_Warming).data
            done += [msgspec.structs.replace(one, index=one.index + begin) for one in part]
    _told(done, as_json=as_json)


def _line(number: int, line: bytes) -> msgspec.Raw:
    try:
        msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise click.ClickException(f"line {number} is no request: {error}") from error
    return msgspec.Raw(line.strip())


def _told(done: Sequence[Warmed], *, as_json: bool) -> None:
    failed = [one for one in done if one.status == "failed"]
    if as_json:
        print_json({"object": "list", "data": msgspec.to_builtins(done)})
    else:
        kept = sum(one.status == "kept" for one in done)
        click.echo(f"{kept} of {len(done)} answers are kept")
        for one in failed:
            note(f"request {one.index + 1}: {one.code}: {printable(one.message or '')}")
    if failed:
        raise click.exceptions.Exit(Exit.FAILURE)


CONTROLS: Final[Sequence[click.Command]] = (stats, entries, clear, invalidate, warm)
"""As they stand in the help."""
