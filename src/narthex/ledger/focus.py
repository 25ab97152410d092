"""Costs in the format of FOCUS, the FinOps Open Cost and Usage Specification, version 1.2.

https://focus.finops.org/focus-specification/v1-2/ - every mandatory column is there. What Narthex does not know is left
empty where that is allowed. Costs are what the ledger has charged by its price versions, not what a provider has
invoiced: nothing is known of discounts, so all four costs are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from narthex.ledger.dimensions import dimension_of
from narthex.ledger.formats import Column, Rows
from narthex.ledger.money import usd
from narthex.ledger.periods import end_of, iso, start_of
from narthex.ledger.usage import Question, Row, Sums, usage
from narthex.stores.database.schema import organisations, workspaces

FOCUS_VERSION: Final = "1.2"
CORRECTION: Final = "correction"
"""Operation of entries that bring the ledger to what a provider has billed."""
_BY: Final = ("organisation", "workspace", "user", "key", "operation", "model", "tags")
_COUNTS: Final = frozenset(
    {
        "PricingQuantity",
        "ConsumedQuantity",
        "x_Requests",
        "x_InputTokens",
        "x_OutputTokens",
        "x_CacheReadTokens",
        "x_CacheWriteTokens",
        "x_ReasoningTokens",
        "x_Images",
        "x_AudioMilliseconds",
        "x_UnpricedTokens",
        "x_UnpricedAttempts",
    }
)
_MONEY: Final = frozenset(
    {"BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "x_EstimatedCost", "x_SavedCost"}
)


def focus_question(asked: Question) -> Question:
    """Return what is asked of the ledger for an export in this format: a row a day, or an hour if that was asked."""
    period = "hour" if asked.period == "hour" else "day"
    return msgspec.structs.replace(asked, by=tuple(dimension_of(name, param="by") for name in _BY), period=period)


def focus_columns() -> Sequence[Column]:
    """Return the columns; the ones of our own begin with `x_`."""
    plain = _cells(Row(0, ("",) * len(_BY), Sums()), "day", {})
    return [Column(name, "money" if name in _MONEY else "count" if name in _COUNTS else "text") for name in plain]


def focus_rows(connection: Connection, asked: Question) -> Rows:
    """Return a part of the export."""
    found = usage(connection, asked)
    if not found:
        return []
    names = _names(connection)
    return [tuple(_cells(row, str(asked.period), names).values()) for row in found]


def _names(connection: Connection) -> Mapping[str, str]:
    """Return the names of organisations and workspaces."""
    names: dict[str, str] = {}
    for table in (organisations, workspaces):
        names.update((row.id, row.name) for row in connection.execute(select(table.c.id, table.c.name)))
    return names


def _cells(row: Row, period: str, names: Mapping[str, str]) -> Mapping[str, object]:
    """Return a row's cells by their columns."""
    start, operation = row.start or 0, row.values[_BY.index("operation")]
    corrects = operation == CORRECTION
    return {
        **_costs(row.sums),
        **_who(row, names),
        "BillingCurrency": "USD",
        "BillingPeriodStart": iso(start_of("month", start)),
        "BillingPeriodEnd": iso(end_of("month", start)),
        "ChargeCategory": "Adjustment" if corrects else "Usage",
        "ChargeClass": "Correction" if corrects else None,
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": iso(start),
        "ChargePeriodEnd": iso(end_of(period, start)),
        **_what(row, corrects=corrects),
        **_own(row),
    }


def _costs(sums: Sums) -> Mapping[str, object]:
    cost = Decimal(usd(sums.cost_picousd))
    return {"BilledCost": cost, "ContractedCost": cost, "EffectiveCost": cost, "ListCost": cost}


def _who(row: Row, names: Mapping[str, str]) -> Mapping[str, object]:
    organisation, workspace = row.values[:2]
    return {
        "BillingAccountId": organisation,
        "BillingAccountName": names.get(organisation),
        "BillingAccountType": "Organisation",
        "SubAccountId": workspace,
        "SubAccountName": names.get(workspace),
        "SubAccountType": "Workspace",
    }


def _what(row: Row, *, corrects: bool) -> Mapping[str, object]:
    operation, model, tags = row.values[4:]
    provider = model.partition("/")[0]
    quantity, unit = (None, None) if corrects else _quantity(row.sums)
    return {
        "ChargeDescription": _description(operation, model, row.sums),
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "InvoiceIssuerName": provider,
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        "ProviderName": provider,
        "PublisherName": provider,
        "ResourceId": model,
        "ResourceName": model.partition("/")[2] or model,
        "ResourceType": "Model",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": f"{provider} {operation}",
        "ServiceSubcategory": "Generative AI",
        "Tags": _tags(tags),
    }


def _quantity(sums: Sums) -> tuple[int, str]:
    """Return what was consumed, in one unit: tokens where there are any, as providers charge these first."""
    tokens = sums.input_tokens + sums.output_tokens
    if tokens or not (sums.images or sums.audio_ms):
        return tokens, "Tokens"
    return (sums.images, "Images") if sums.images else (sums.audio_ms, "Milliseconds")


def _own(row: Row) -> Mapping[str, object]:
    user, key, operation = row.values[2:5]
    sums = row.sums
    return {
        "x_EstimatedCost": Decimal(usd(sums.estimated_picousd)),
        "x_InputTokens": sums.input_tokens,
        "x_OutputTokens": sums.output_tokens,
        "x_CacheReadTokens": sums.cache_read_tokens,
        "x_CacheWriteTokens": sums.cache_write_tokens,
        "x_ReasoningTokens": sums.reasoning_tokens,
        "x_Images": sums.images,
        "x_AudioMilliseconds": sums.audio_ms,
        "x_KeyId": key or None,
        "x_Operation": operation,
        "x_Requests": sums.requests,
        "x_SavedCost": Decimal(usd(sums.saved_picousd)),
        "x_UnpricedTokens": sums.unpriced_tokens,
        "x_UnpricedAttempts": sums.unpriced_attempts,
        "x_UserId": user or None,
    }


def _description(operation: str, model: str, sums: Sums) -> str:
    if operation == CORRECTION:
        return f"correction of {model} to what its provider has billed"
    told = [f"{sums.input_tokens} input and {sums.output_tokens} output tokens"]
    told += [f"{sums.images} images"] if sums.images else []
    told += [f"{sums.audio_ms} milliseconds of sound"] if sums.audio_ms else []
    return f"{operation} with {model}: {', '.join(told)}"


def _tags(text: str) -> str | None:
    """Return tags as the specification has them: an object in JSON; a tag without a value is `true`."""
    if not text:
        return None
    parts = (tag.partition("=") for tag in text.split(","))
    tags = {name: value if equals else True for name, equals, value in parts}
    return msgspec.json.encode(tags).decode()
