"""`narthex price`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from narthex.cli.opened import opened_services
from narthex.cli.parameters import config_option, json_option
from narthex.cli.terminal import print_json, print_table
from narthex.errors import InvalidRequest
from narthex.ledger.money import PICO_PER_MICRO, usd
from narthex.ledger.periods import iso, moment_of
from narthex.ledger.price_book import NewPrice, Rates, add_price, all_versions, versions
from narthex.ledger.prices import PriceVersion

_HELP = """
See and add versions of prices, in US dollars for a million tokens.

A version holds from its moment on until the next one; what was charged before keeps its price. Versions come before
what `[prices]` says. A running server takes a new one within a second.

\b
Examples:
  narthex price add openai/gpt-5 --input 1.25 --output 10 --cache-read 0.125
  narthex price add openai/gpt-5 --input 1 --output 8 --from 2027-01-01
  narthex price list --model openai/gpt-5
"""


@click.group(help=_HELP)
def command() -> None:
    """See and add prices."""


@command.command("list", short_help="List the versions.")
@click.option("--model", help="Only of this model.")
@click.option("--organisation", help="The common ones and those of this organisation: ID or slug.")
@json_option
@config_option
def list_(*, model: str | None, organisation: str | None, as_json: bool, file: Path | None) -> None:
    """List the versions, the newest first."""
    with opened_services(file) as opened:
        if organisation is None:
            found = list(reversed(opened.read(all_versions)))
        else:
            owner = opened.organisation_id(organisation)
            found = list(opened.read(lambda connection: versions(connection, organisation_id=owner)))
    told = [_told(one) for one in found if model is None or one.model == model]
    if as_json:
        print_json(told)
        return
    names = ("id", "model", "organisation_id", "valid_from", "input_usd_per_mtok", "output_usd_per_mtok")
    print_table([name.upper() for name in names], ([str(one[name] or "-") for name in names] for one in told))


@command.command(short_help="Let a model cost something else.")
@click.argument("model")
@click.option("--input", "input_", required=True, metavar="USD", help="Of a million input tokens.")
@click.option("--output", required=True, metavar="USD", help="Of a million output tokens.")
@click.option("--cache-read", metavar="USD", help="Of those read from the provider's cache.")
@click.option("--cache-write", metavar="USD", help="Of those written to it.")
@click.option("--cache-write-1h", metavar="USD", help="Of those written that are kept for an hour.")
@click.option("--reasoning", metavar="USD", help="Of those of reasoning.")
@click.option("--request", default="0", metavar="USD", help="Of every call that is answered.")
@click.option("--image", default="0", metavar="USD", help="Of every picture that is made.")
@click.option("--audio-second", default="0", metavar="USD", help="Of every second of sound, heard or spoken.")
@click.option("--batch-discount", default="0", metavar="PERCENT", help="How much less a line of a batch costs.")
@click.option("--currency", default="USD", show_default=True)
@click.option("--from", "since", metavar="TIME", help="From when on; by default from now on.")
@click.option("--organisation", help="For whom: ID or slug; by default for all.")
@json_option
@config_option
def add(*, model: str, as_json: bool, file: Path | None, **said: str | None) -> None:
    """Let a model cost something else from a moment on."""
    since, organisation = said["since"], said["organisation"]
    with opened_services(file) as opened:
        new = NewPrice(
            model=model,
            rates=_rates(said),
            valid_from=None if since is None else moment_of(since, param="from"),
            organisation_id=None if organisation is None else opened.organisation_id(organisation),
            currency=said["currency"] or "USD",
            source="cli",
        )
        version = opened.write(lambda connection, who: add_price(connection, who, new))
    if as_json:
        print_json(_told(version))
        return
    click.echo(f"{version.id}: {version.model} from {iso(version.valid_from)} on")


def _rates(said: Mapping[str, str | None]) -> Rates:
    return Rates(
        input_usd_per_mtok=_decimal(said["input_"] or ""),
        output_usd_per_mtok=_decimal(said["output"] or ""),
        cache_read_usd_per_mtok=_maybe(said["cache_read"]),
        cache_write_usd_per_mtok=_maybe(said["cache_write"]),
        cache_write_1h_usd_per_mtok=_maybe(said["cache_write_1h"]),
        reasoning_usd_per_mtok=_maybe(said["reasoning"]),
        request_usd=_decimal(said["request"] or "0"),
        image_usd=_decimal(said["image"] or "0"),
        audio_second_usd=_decimal(said["audio_second"] or "0"),
        batch_discount_percent=_percent(said["batch_discount"] or "0"),
    )


def _told(version: PriceVersion) -> dict[str, object]:
    price = version.price
    rates: dict[str, object] = {
        name.replace("_microusd", "_usd"): _usd(getattr(price, name))
        for name in price.__struct_fields__
        if "_microusd" in name
    }
    rates["batch_discount_percent"] = price.batch_discount_percent
    plain = {"id": version.id, "model": version.model, "organisation_id": version.organisation_id}
    return {**plain, "valid_from": iso(version.valid_from), **rates}


def _usd(micro: int | None) -> str | None:
    return None if micro is None else usd(micro * PICO_PER_MICRO)


def _maybe(text: str | None) -> Decimal | None:
    return None if text is None else _decimal(text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise InvalidRequest(f"{text[:50]!r} is no amount in US dollars") from error


def _percent(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InvalidRequest(f"{text[:50]!r} is no percentage: give a whole number from 0 to 100") from error
