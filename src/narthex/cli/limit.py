"""`narthex limit`."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

import click

from narthex.cli.opened import Opened, list_accounts, opened_services
from narthex.cli.parameters import config_option, json_option
from narthex.cli.rows import show_one
from narthex.cli.terminal import note
from narthex.stores.database.schema import limits
from narthex.tenancy import limits as service
from narthex.tenancy.limit_records import StoredLimit
from narthex.types.limits import EACH, Measure, Period, SubjectKind, WindowKind

_HELP = """
Limit what organisations, workspaces, members, keys, models, tags and end users may use.

A running server holds to a new limit within a second. Those of the configuration stand in `[[caps]]`.

\b
Examples:
  narthex limit create key "*" --measure cost_microusd --usd 25 --period month --alert 80 --alert 100
  narthex limit create end_user "*" --measure requests --amount 60 --period minute --window rolling
  narthex limit edit lim_mfrggzdfmztwq2lk --amount 100
  narthex limit delete lim_mfrggzdfmztwq2lk
"""
_MICRO = 1_000_000
"""Microdollars in a dollar."""
_COLUMNS = ("id", "subject_kind", "subject", "measure", "amount", "period", "window", "hard", "enabled")


@click.group(help=_HELP)
def command() -> None:
    """Hold the commands about limits."""


@command.command("list", short_help="List the limits of the database.")
@click.option("--workspace", help="Only those of this workspace: ID or slug.")
@json_option
@config_option
def list_(*, workspace: str | None, as_json: bool, file: Path | None) -> None:
    """List the limits of the database, the newest first."""
    list_accounts(file, limits, StoredLimit, _COLUMNS, as_json=as_json, workspace=workspace)


@command.command(short_help="Make a limit.")
@click.argument("kind", type=click.Choice([kind.value for kind in SubjectKind]))
@click.argument("subject")
@click.option(
    "--measure", required=True, type=click.Choice([measure.value for measure in Measure]), help="What is counted."
)
@click.option("--amount", type=int, help="How much passes; money in microdollars.")
@click.option("--usd", type=click.FloatRange(min=0), help="The same in dollars, in place of the amount.")
@click.option(
    "--period",
    type=click.Choice([period.value for period in Period]),
    default=Period.TOTAL.value,
    show_default=True,
    help="For how long.",
)
@click.option(
    "--window",
    type=click.Choice(["calendar", "rolling"]),
    default="calendar",
    show_default=True,
    help="When it begins.",
)
@click.option("--burst", type=int, help="Of a rolling second or minute: so much of it can be saved.")
@click.option("--soft", is_flag=True, help="Refuse nothing, only tell.")
@click.option("--alert", "alerts", multiple=True, type=int, help="A percentage at which somebody is told.")
@click.option("--workspace", help="Concerns calls of this workspace alone: ID or slug.")
@click.option("--organisation", help="Its organisation: ID or slug; by default the default one.")
@json_option
@config_option
def create(**said: object) -> None:
    """Make a limit for a SUBJECT: an ID, a name or a pattern, `*` for each separately."""
    file = said.pop("file")
    assert file is None or isinstance(file, Path)
    with opened_services(file) as opened:
        wish = _wish(opened, said)
        show_one(opened.write(lambda one, who: service.create_limit(one, who, wish)), bool(said["as_json"]))


@command.command(short_help="Change a limit.")
@click.argument("limit_id")
@click.option("--amount", type=int, help="How much passes; money in microdollars.")
@click.option("--usd", type=click.FloatRange(min=0), help="The same in dollars, in place of the amount.")
@click.option("--hard/--soft", "hard", default=None, help="Whether it refuses, or only tells.")
@click.option("--enable/--disable", "enabled", default=None, help="Whether it is in force.")
@json_option
@config_option
def edit(**said: object) -> None:
    """Change a limit; what was counted stays."""
    file, limit_id = said["file"], str(said["limit_id"])
    assert file is None or isinstance(file, Path)
    values = {name: said[name] for name in ("hard", "enabled") if said[name] is not None}
    with opened_services(file) as opened:
        if said["amount"] is not None or said["usd"] is not None:
            before = opened.read(lambda connection: service.limit(connection, limit_id))
            values["amount"] = _amount({**said, "measure": before.measure})
        changed = opened.write(lambda one, who: service.update_limit(one, who, limit_id, values))
        show_one(changed, bool(said["as_json"]))


@command.command(short_help="Take a limit away.")
@click.argument("limit_id")
@config_option
def delete(*, limit_id: str, file: Path | None) -> None:
    """Take a limit away."""
    with opened_services(file) as opened:
        opened.write(lambda one, who: service.delete_limit(one, who, limit_id))
    note(f"{limit_id}: is no more")


def _wish(opened: Opened, said: dict[str, object]) -> service.NewLimit:
    kind, subject, workspace = SubjectKind(str(said["kind"])), str(said["subject"]), said["workspace"]
    if subject != EACH and kind is SubjectKind.WORKSPACE:
        subject = opened.workspace_id(subject)
    elif subject != EACH and kind is SubjectKind.MEMBER:
        subject = opened.user_id(subject)
    elif subject != EACH and kind is SubjectKind.ORGANISATION:
        subject = opened.organisation_id(subject)
    window: WindowKind = "rolling" if said["window"] == "rolling" else "calendar"
    return service.NewLimit(
        organisation_id=opened.organisation_id(None if said["organisation"] is None else str(said["organisation"])),
        workspace_id=None if workspace is None else opened.workspace_id(str(workspace)),
        subject_kind=kind,
        subject=subject,
        measure=Measure(str(said["measure"])),
        amount=_amount(said),
        period=Period(str(said["period"])),
        window=window,
        burst=said["burst"],  # type: ignore[arg-type]  # click lets no others in
        hard=not said["soft"],
        alert_percents=said["alerts"],  # type: ignore[arg-type]  # as above
    )


def _amount(said: dict[str, object]) -> int:
    amount, usd = said["amount"], said["usd"]
    if (amount is None) == (usd is None):
        raise click.UsageError("say how much: either --amount or, of money, --usd")
    if isinstance(usd, float):
        if said["measure"] != Measure.COST:
            raise click.UsageError(f"--usd is of money: say --amount for {said['measure']}")
        if not isfinite(usd):
            raise click.UsageError("--usd is an amount of dollars, such as 12.50")
        return round(usd * _MICRO)
    assert isinstance(amount, int)
    return amount
