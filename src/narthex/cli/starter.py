"""The first configuration file: every option with its meaning, all commented out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from narthex.config.options import ANY_ITEM, ANY_NAME, Option, is_list, is_number, is_table, options

_HEAD = """\
# Configuration of Narthex. Everything here is optional: what is commented out is the default or an example.
#
#   narthex config check            tells what is wrong, with line and remedy
#   narthex config show --origin    shows every value and where it came from
#
# In key, api_key, api_keys, base_url, url and headers, "${NAME}" and "${NAME:-default}" stand for environment variables
# and "file:/path" for the content of a file. Every option can also be set by NARTHEX_SECTION__KEY in the environment.
"""

_EXAMPLES: dict[str, tuple[str, ...]] = {
    "keys": ("[[keys]]", 'name = "my-app"', 'key = "${MY_APP_KEY}"'),
    "providers": (
        "# A vendor that is known needs no more than its key, and not even this if the key is in its usual variable.",
        "[providers.groq]",
        'api_key = "${GROQ_API_KEY}"',
        "",
        "# Any server that speaks the OpenAI or the Anthropic wire.",
        "[providers.my-vllm]",
        'kind = "openai"',
        'base_url = "http://127.0.0.1:8000/v1"',
        'models = ["qwen3-32b"]',
        "timeouts = { headers_s = 300 }",
        "",
        "# Answers made up here, for tests and demonstrations.",
        "[providers.demo]",
        'kind = "scripted"',
    ),
    "models": ('[models."my-vllm/qwen3-32b"]', "timeouts = { first_token_s = 550 }", "streams = true"),
    "fallbacks": ("[fallbacks]", '"groq/llama-3.3-70b-versatile" = ["my-vllm/qwen3-32b", "local/smollm2"]'),
    "virtual": (
        "[virtual.balanced]",
        'strategy = "latency"',
        'members = ["groq/llama-3.3-70b-versatile", { model = "my-vllm/qwen3-32b", weight = 2 }]',
    ),
    "merges": ("[merges.first]", 'models = ["groq/llama-3.3-70b-versatile", "my-vllm/qwen3-32b"]', 'mode = "race"'),
    "prices": ("[prices]", '"my-vllm/qwen3-32b" = { input_usd_per_mtok = 0.1, output_usd_per_mtok = 0.3 }'),
    "answers": (
        "[[answers]]",
        'models = ["*"]',
        'text = "I cannot answer at the moment. Please try again in a few minutes."',
    ),
    "rules": (
        "[[rules]]",
        'name = "long-prompts"',
        "when = { min_input_tokens = 50000 }",
        'use = "my-vllm/qwen3-32b"',
        "",
        "# A tenth of the conversations tries another model, and a third one gets a copy of every call.",
        "[[rules]]",
        'name = "rollout"',
        'split = [{ model = "my-vllm/qwen3-32b", percentage = 10 }]',
        'shadow = "demo/scripted"',
    ),
    "cache.rules": ("[[cache.rules]]", 'model = "openai/gpt-4o*"', 'mode = "all"', "ttl_s = 600"),
    "caps": (
        "[[caps]]",
        'name = "my-app-budget"',
        'key = "my-app"',
        'measure = "cost_microusd"',
        "amount = 25000000",
        'period = "month"',
        "alert_percents = [80, 100]",
    ),
    "sign_in.oidc.scopes": ('scopes = ["openid", "email", "profile"]',),
    "sign_in.oidc.groups": (
        'groups = [{ group = "platform", role = "admin" }, { group = "research", role = "member", workspace = "lab" }]',
    ),
    "http_cache": ("[[http_cache.rules]]", 'path = "/api/models*"', 'cache_control = "private, max-age=60"'),
    "aliases": ("[aliases]", 'fast = "groq/llama-3.3-70b-versatile"', 'offline = "local/smollm2"'),
}


_SAMPLES: dict[str, object] = {
    "redis.url": "redis://127.0.0.1:6379/0",
    "sign_in.oidc.issuer": "https://login.example.com",
    "sign_in.oidc.client_id": "narthex",
    "sign_in.oidc.client_secret": "${OIDC_CLIENT_SECRET}",
    "sign_in.oidc.redirect_url": "https://gateway.example.com/api/auth/oidc/callback",
    "database.url": "postgresql://narthex@127.0.0.1/narthex",
    "secrets.master_key": "${MASTER_KEY}",
    "retention.ledger_days": 400,
}
"""What stands for the values of options without a default for which neither a number nor a path will do."""


def starter_text() -> str:
    """Return the text of the file."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD
    top = [option for option in options() if len(option.path) == 1]
    for option in top:
        if option.section is None and not is_table(option.annotation):
            yield from _described(option)
    yield ""
    for option in top:
        if option.name in _EXAMPLES:
            yield from ("", f"# {option.description}")
            yield from map(_commented, _EXAMPLES[option.name])
        elif option.section is not None:
            yield from ("", f"# {option.description}", f"[{option.name}]")
            for inner in options():
                if inner.path[0] == option.name and len(inner.path) == 2:
                    yield from _inside(inner)
    yield ""


def _inside(option: Option) -> Iterator[str]:
    """Yield an option of a section; where it opens another one, that with all that is in it."""
    if option.section is None:
        yield from _described(option)
        return
    if option.name in _EXAMPLES:
        yield from ("", f"# {option.description}", *map(_commented, _EXAMPLES[option.name]))
        return
    yield from ("", f"# {option.description}", f"# [{option.name}]")
    for inner in options():
        if inner.path[:-1] != option.path:
            continue
        if inner.name in _EXAMPLES:
            yield from (f"# {inner.description}", *map(_commented, _EXAMPLES[inner.name]))
        else:
            yield from _described(inner)


def _described(option: Option) -> Iterator[str]:
    assert not {ANY_ITEM, ANY_NAME} & set(option.path)
    yield f"# {option.description}"
    yield f"# {option.path[-1]} = {_toml(option)}"


def _toml(option: Option) -> str:
    value = option.default
    if value is None and option.name in _SAMPLES:
        return json.dumps(_SAMPLES[option.name])
    if value is None:
        return "4" if is_number(option.annotation) else '"…"'
    if is_list(option.annotation):
        return json.dumps(list(value)) if isinstance(value, tuple) else "[]"
    return json.dumps(str(value) if isinstance(value, Path) else value)


def _commented(line: str) -> str:
    return line if line.startswith("#") or not line else f"# {line}"
