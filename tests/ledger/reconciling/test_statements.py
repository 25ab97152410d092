"""The forms in which providers tell what they have billed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from narthex.errors import InvalidRequest
from narthex.ledger.periods import DAY_MS
from narthex.ledger.reconciling.lines import Line
from narthex.ledger.reconciling.statements import read_statement

DAY = 1_793_491_200_000
"""The first of November 2026."""
USD = 10**12
OPENAI_COSTS = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": DAY // 1_000,
            "end_time": DAY // 1_000 + 86_400,
            "results": [
                {
                    "object": "organization.costs.result",
                    "amount": {"value": 0.06, "currency": "usd"},
                    "line_item": "gpt-5-mini-2025-08-07, input",
                    "project_id": None,
                },
                {
                    "object": "organization.costs.result",
                    "amount": {"value": "0.5", "currency": "usd"},
                    "line_item": None,
                },
            ],
        },
        {"object": "bucket", "start_time": DAY // 1_000 + 86_400, "end_time": 0, "results": []},
    ],
    "has_more": False,
    "next_page": None,
}
OPENAI_USAGE = {
    "data": [
        {
            "start_time": DAY // 1_000,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 1_000,
                    "output_tokens": 500,
                    "input_cached_tokens": 800,
                    "num_model_requests": 5,
                    "model": "gpt-4o",
                }
            ],
        }
    ]
}
ANTHROPIC_COSTS = {
    "data": [
        {
            "starting_at": "2026-11-01T00:00:00Z",
            "ending_at": "2026-11-02T00:00:00Z",
            "results": [
                {"currency": "USD", "amount": "123.78912", "model": "claude-sonnet-4-20250514", "cost_type": "tokens"},
                {"currency": "USD", "amount": "1", "model": None, "cost_type": "web_search"},
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}
ANTHROPIC_USAGE = {
    "data": [
        {
            "starting_at": "2026-11-01T00:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": 1_500,
                    "cache_creation": {"ephemeral_1h_input_tokens": 1_000, "ephemeral_5m_input_tokens": 500},
                    "cache_read_input_tokens": 200,
                    "output_tokens": 50,
                    "model": "claude-sonnet-4-20250514",
                }
            ],
        }
    ]
}


def test_openai_costs() -> None:
    """By line items, which begin with the model; a day without any is a day on which nothing was billed."""
    read = read_statement(json.dumps(OPENAI_COSTS).encode())
    assert read.lines == (
        Line("openai", DAY, "gpt-5-mini-2025-08-07", {"cost_picousd": 60_000_000_000}),
        Line("openai", DAY, "", {"cost_picousd": USD // 2}),
    )
    assert read.days == {DAY, DAY + DAY_MS}


def test_openai_usage() -> None:
    """In tokens alone."""
    (line,) = read_statement(json.dumps([OPENAI_USAGE]).encode()).lines
    assert line.amounts == {"input_tokens": 1_000, "output_tokens": 500, "cache_read_tokens": 800}


def test_anthropic_costs() -> None:
    """In cents."""
    page = json.dumps(ANTHROPIC_COSTS)
    read = read_statement(f"{page}\n{page}\n".encode())
    assert read.lines[:2] == (
        Line("anthropic", DAY, "claude-sonnet-4-20250514", {"cost_picousd": 1_237_891_200_000}),
        Line("anthropic", DAY, "", {"cost_picousd": USD // 100}),
    )
    assert len(read.lines) == 4


def test_anthropic_usage() -> None:
    """Where what is read from and written to the cache stands beside the rest of the input."""
    (line,) = read_statement(json.dumps(ANTHROPIC_USAGE).encode()).lines
    assert line.amounts == {
        "input_tokens": 3_200,
        "output_tokens": 50,
        "cache_read_tokens": 200,
        "cache_write_tokens": 1_500,
    }


def test_tables() -> None:
    """Of OpenAI's export, in any order, with tabs or semicolons; every day between is one without use."""
    text = "start_time;start_time_iso;amount_value;amount_currency;line_item\n1;2026-11-01;0.5;usd;gpt-4o, output\n"
    read = read_statement(f"\ufeff{text}1;2026-11-03;;;\n".encode())
    assert read.lines == (
        Line("", DAY, "gpt-4o", {"cost_picousd": USD // 2}),
        Line("", DAY + 2 * DAY_MS, "", {"cost_picousd": 0}),
    )
    assert len(read.days) == 3
    claude = "usage_date_utc,model_version,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
    claude += "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens\n"
    (line,) = read_statement(f"{claude}2026-11-01,claude-x,10,2,3,4,5\n".encode()).lines
    told = {"input_tokens": 19, "cache_write_tokens": 5, "cache_read_tokens": 4, "output_tokens": 5}
    assert line == Line("", DAY, "claude-x", told)


def test_focus() -> None:
    """With its own names, and without what is billed for no use."""
    head = "ChargePeriodStart,BilledCost,BillingCurrency,ProviderName,ResourceName,ChargeCategory\n"
    rows = "2026-11-01T00:00:00Z,1.5,USD,OpenAI,gpt-4o,Usage\n2026-11-01T00:00:00Z,9,USD,OpenAI,gpt-4o,Tax\n"
    read = read_statement((head + rows).encode())
    assert read.form == "focus"
    assert read.lines == (Line("openai", DAY, "gpt-4o", {"cost_picousd": 3 * USD // 2}),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "without a day"),
        ("a,b\n1,2\n", "it has a, b"),
        ("date,cost_usd\n", "no rows"),
        ("date,cost_usd\nnever,1\n", "no moment"),
        ("date,cost_usd,currency\n2026-11-01,1,EUR\n", "EUR"),
        ('{"data": []}', "no day"),
        ('{"data": [{"start_time": 1793491200, "results": [{"object": "other"}]}]}', "neither"),
        ('{"data": 3}', "no report"),
        ("{", "no JSON"),
        ("[1]", "no report"),
    ],
)
def test_what_is_no_statement_is_refused(text: str, says: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(InvalidRequest, match=says):
        read_statement(text.encode())


@given(some.binary(max_size=200) | some.text(max_size=200).map(str.encode))
def test_anything_else_is_refused_too(data: bytes) -> None:
    """Never with another error."""
    try:
        read_statement(data)
    except InvalidRequest:
        pass
