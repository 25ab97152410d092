"""Every option: type, default, unit, help. Flags, environment names, schema and reference page follow from here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from narthex.config.audit_settings import AuditSettings, RetentionSettings, SecretsSettings
from narthex.config.cache_settings import CacheSettings
from narthex.config.cap_settings import CapSettings, MeteringSettings
from narthex.config.compression_settings import CompressionSettings
from narthex.config.context_cache_settings import CONTEXT_CACHE_HELP, ContextCacheMode, ContextCacheSettings
from narthex.config.database_settings import DatabaseSettings
from narthex.config.http_cache_settings import HttpCacheSettings
from narthex.config.merge_settings import MergeSettings
from narthex.config.response_settings import ResponseSettings
from narthex.config.routing_settings import PriceSettings, RuleSettings, VirtualSettings
from narthex.config.sections import Name, Seconds, Section
from narthex.config.sign_in_settings import SignInSettings
from narthex.config.socket_settings import SocketSettings
from narthex.config.stores import RedisSettings
from narthex.config.stream_settings import BytesPerS, StreamSettings, TokensPerS
from narthex.types.priorities import PriorityWord


class ServerSettings(Section):
    """Where and how the server listens."""

    host: str = Field(default="127.0.0.1", description="Address to bind. Any other than loopback demands `keys`.")
    port: int = Field(default=8484, ge=0, le=65_535, description="Port to bind; 0 takes a free one.")
    tls_cert: Path | None = Field(default=None, description="Certificate chain, PEM. Needs `tls_key`.")
    tls_key: Path | None = Field(default=None, description="Private key of `tls_cert`, PEM.")
    cors_origins: tuple[str, ...] = Field(default=(), description='Origins that browsers may call from, or `"*"`.')
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="Host names accepted beside loopback while there are no keys."
    )
    max_body_bytes: int = Field(default=33_554_432, ge=1_024, description="Largest request body, in bytes.")
    max_header_bytes: int = Field(default=65_536, ge=1_024, description="Largest request head, in bytes.")
    max_connections: int = Field(default=10_000, ge=1, description="Connections at once; more are answered 503.")
    max_active_calls: int = Field(default=5_000, ge=1, description="Model calls at once; more are answered 503.")
    header_timeout_s: Seconds = Field(default=15.0, description="Time to send the request head, in seconds.")
    body_timeout_s: Seconds = Field(default=60.0, description="Longest pause while a request body is sent, in seconds.")
    write_timeout_s: Seconds = Field(
        default=60.0, description="How long a client may read nothing of its answer, in seconds."
    )
    keep_alive_s: Seconds = Field(default=75.0, description="How long an idle connection is kept, in seconds.")
    graceful_timeout_s: Seconds = Field(
        default=30.0, description="How long running answers may go on at stop, in seconds."
    )
    open_browser: bool = Field(default=False, description="Open the dashboard in a browser at start.")


class KeySettings(Section):
    """An API key that clients present."""

    name: Name = Field(description="Shown in logs and metrics in place of the key.")
    key: SecretStr = Field(description="The key itself, at least 16 characters; better `${NAME}` or `file:/path`.")
    tenant: Name | None = Field(default=None, description="To whom it belongs, for `rules`; several may share one.")
    priority: PriorityWord = Field(
        default="normal", description="How urgent its calls are, and the most that they may say they are."
    )
    max_tokens_per_s: TokensPerS | None = Field(
        default=None, description="Tokens per second, estimated, that none of its streams exceeds, whatever is asked."
    )
    max_bytes_per_s: BytesPerS | None = Field(
        default=None, description="Bytes per second that none of its streams exceeds, whatever is asked."
    )


class TimeoutSettings(Section):
    """Limits of a call to a provider; whichever is reached first ends the attempt, the last the whole call."""

    connect_s: Seconds = Field(default=5.0, description="To have a connection, in seconds.")
    headers_s: Seconds = Field(
        default=120.0, description="From the request sent to the head of a streamed answer, in seconds."
    )
    first_token_s: Seconds = Field(
        default=300.0,
        description="From the request sent to the first content of a stream, or to the end of a whole answer, in "
        "seconds; also between two pieces of content while signs of life come.",
    )
    idle_s: Seconds = Field(default=60.0, description="Without a byte in the middle of a stream, in seconds.")
    total_s: Seconds = Field(default=600.0, description="For the whole call with all its attempts, in seconds.")


class TimeoutOverrides(Section):
    """Limits of some calls; what is not named stays as it is for the others."""

    connect_s: Seconds | None = Field(default=None, description="Instead of the general `connect_s`.")
    headers_s: Seconds | None = Field(default=None, description="Instead of the general `headers_s`.")
    first_token_s: Seconds | None = Field(default=None, description="Instead of the general `first_token_s`.")
    idle_s: Seconds | None = Field(default=None, description="Instead of the general `idle_s`.")
    total_s: Seconds | None = Field(default=None, description="Instead of the general `total_s`.")


class RetrySettings(Section):
    """What is done when an attempt fails, before the caller hears of it."""

    retries: int = Field(default=2, ge=0, le=10, description="How often the same model is asked again.")
    base_s: Seconds = Field(
        default=0.25, description="Longest pause before the first retry, in seconds; it doubles with each further one."
    )
    cap_s: Seconds = Field(default=8.0, description="Longest pause that is chosen here, in seconds.")
    patience_s: float = Field(
        default=5.0,
        ge=0,
        le=600,
        description="Longest pause that a provider may ask for, in seconds; who asks for more is left.",
    )
    budget_percent: float = Field(
        default=10.0, ge=0, le=100, description="Retries that successes allow, of all calls: the most load they add."
    )
    filtered_elsewhere: bool = Field(
        default=False, description="Whether an answer that a content filter withheld is asked for elsewhere."
    )


class AnswerSettings(Section):
    """An answer that is given in place of an error, where every attempt has failed; marked as such."""

    operation: Literal["chat", "embed", "count_tokens"] = Field(default="chat", description="What it answers.")
    models: tuple[str, ...] = Field(
        default=("*",), description='Models that were asked for, by name, alias or virtual model; `"*"` for every one.'
    )
    text: str | None = Field(default=None, min_length=1, description="The answer to a chat.")
    compute: str | None = Field(
        default=None, description="A function that makes the answer, as `package.module:function`; instead of `text`."
    )
    timeout_s: Seconds = Field(default=2.0, description="How long the function may take, in seconds.")


class ShadowTrafficSettings(Section):
    """What copies of calls may take."""

    max_active: int = Field(default=16, ge=0, le=10_000, description="Copies under way at once; more are not sent.")
    timeout_s: Seconds = Field(default=120.0, description="For a whole copy, in seconds.")


class BreakerSettings(Section):
    """When a model or a provider that fails is left alone, and for how long."""

    provider_wide: bool = Field(
        default=True, description="Whether a provider that fails as a whole is left alone with all of its models."
    )
    consecutive_failures: int = Field(default=5, ge=1, description="Failures in a row that open the breaker at once.")
    failure_percent: float = Field(
        default=50.0, gt=0, le=100, description="Part of the calls within the window that may fail."
    )
    slow_percent: float = Field(
        default=80.0, gt=0, le=100, description="Part of the calls within the window that may be slow."
    )
    slow_call_s: Seconds = Field(
        default=60.0, description="From when on a call is slow, in seconds; of a stream the time to its first frame."
    )
    minimum_calls: int = Field(default=10, ge=1, description="Calls within the window before parts of them count.")
    window_s: Seconds = Field(default=30.0, description="Length of the window, in seconds.")
    open_s: Seconds = Field(default=5.0, description="Longest first time alone, in seconds; it doubles each time.")
    open_cap_s: Seconds = Field(default=60.0, description="Longest time alone, in seconds.")


class HedgingSettings(Section):
    """When a second model is asked beside one that is unusually late. It costs: both may bill the prompt."""

    enabled: bool = Field(default=False, description="Whether calls are hedged; `x-narthex-hedge: off` spares one.")
    asked_only: bool = Field(default=False, description="Whether only calls with `x-narthex-hedge: on` are hedged.")
    percent: float = Field(
        default=5.0, gt=0, le=100, description="Second attempts, of all calls: the most load they add."
    )
    quantile: float = Field(
        default=95.0, gt=0, lt=100, description="Part of a model's answers that are not late, in percent."
    )
    least_s: Seconds = Field(default=0.1, description="No call is late before this time, in seconds.")
    minimum_calls: int = Field(
        default=20, ge=1, description="Answers of a model within the last minutes before it is known what is late."
    )


class LimitSettings(Section):
    """How many calls a model takes at once, and who waits."""

    adaptive: bool = Field(
        default=True, description="Whether a limit is learned for a model that says that there are too many calls."
    )
    follow_headers: bool = Field(
        default=True,
        description="Whether calls are held back, or go elsewhere, by what providers tell of their rate limits in the "
        "headers of answers, before they must refuse.",
    )
    maximum: int | None = Field(default=None, ge=1, description="Most calls at once to each model; by default any.")
    queue: int = Field(default=1_000, ge=0, description="Calls that may wait for a place at a model; more are refused.")
    queue_timeout_s: Seconds = Field(default=30.0, description="Longest time that a call waits there, in seconds.")


class SheddingSettings(Section):
    """When calls are refused because this server cannot keep up."""

    enabled: bool = Field(default=True, description="Whether calls are refused before the server is overwhelmed.")
    lag_s: Seconds = Field(
        default=0.25,
        description="How late the event loop may be for calls of low priority to be taken, in seconds; "
        "for normal ones twice that, for high ones four times.",
    )


class IdempotencySettings(Section):
    """What is remembered of calls with an `Idempotency-Key`, in this process."""

    enabled: bool = Field(default=True, description="Whether the header is heeded.")
    kept_s: Seconds = Field(default=86_400.0, description="How long an answer is kept, in seconds.")
    entries: int = Field(default=10_000, ge=1, description="Most keys, calls under way included.")
    bytes: int = Field(default=67_108_864, ge=0, description="Most that all answers weigh together, in bytes.")
    answer_bytes: int = Field(default=8_388_608, ge=0, description="Most of one answer; a larger is given only once.")


class ProviderSettings(Section):
    """A provider: an address, its key and what it serves."""

    kind: Literal["openai", "anthropic", "scripted"] | None = Field(
        default=None, description="The wire it speaks; known vendors (`openai`, `groq`, `ollama`, …) need none."
    )
    base_url: str | None = Field(default=None, description="Address with path, such as `http://127.0.0.1:8000/v1`.")
    api_key: SecretStr | None = Field(default=None, description="Its key; better `${NAME}` or `file:/path`.")
    api_keys: tuple[SecretStr, ...] = Field(
        default=(), description="Several keys, used in turn; one that is refused makes way for the next."
    )
    headers: dict[str, str] = Field(default={}, description="Headers sent with every call.")
    models: tuple[str, ...] = Field(default=(), description="Models it serves; empty asks the provider.")
    enabled: bool = Field(default=True, description="Whether it is used.")
    timeouts: TimeoutOverrides = Field(
        default=TimeoutOverrides(), description="What differs from the general `timeouts` in calls to it."
    )
    pass_deadline: bool = Field(
        default=False, description="Tell it in `x-narthex-timeout` how long the call may take: it is a Narthex itself."
    )
    streams: bool = Field(
        default=True,
        description="Whether it can stream; if not, streams are made here from its whole answers, and marked.",
    )
    context_cache: ContextCacheMode | None = Field(default=None, description=CONTEXT_CACHE_HELP)
    prompt_cache_key: bool | None = Field(
        default=None,
        description="Whether it takes the field `prompt_cache_key`, which many refuse; by default OpenAI itself does.",
    )
    max_connections: int = Field(default=1_024, ge=1, description="Connections to it at once.")
    max_concurrency: int | None = Field(
        default=None, ge=1, description="Most calls at once to each of its models, instead of `limits.maximum`."
    )
    ca_file: Path | None = Field(default=None, description="Authorities to trust for it, PEM, instead of the system's.")
    script: dict[str, object] = Field(default={}, description="Options of a `scripted` provider.")

    @property
    def all_keys(self) -> tuple[SecretStr, ...]:
        """Every key, `api_key` before `api_keys`."""
        return tuple(key for key in (self.api_key, *self.api_keys) if key)


class ModelSettings(Section):
    """What holds for one model, or for calls of one virtual model."""

    timeouts: TimeoutOverrides = Field(
        default=TimeoutOverrides(), description="What differs from the `timeouts` of its provider."
    )
    streams: bool | None = Field(
        default=None, description="Whether it can stream, in place of what its provider's `streams` says."
    )
    context_cache: ContextCacheMode | None = Field(default=None, description=CONTEXT_CACHE_HELP)


class EmbeddedSettings(Section):
    """The model inside."""

    enabled: bool = Field(default=True, description="Whether `local/…` models are offered.")
    chat_model: Path | None = Field(
        default=None, description="A GGUF file to serve in place of the packaged chat model."
    )
    models_dir: Path | None = Field(
        default=None, description="Where weights are kept; by default `models` in the data folder."
    )
    threads: int | None = Field(default=None, ge=1, le=256, description="Threads; by default all cores but one.")
    context_tokens: int = Field(default=4_096, ge=256, description="Window of each conversation, in tokens.")
    parallel: int = Field(default=4, ge=1, le=64, description="Answers generated at once; more wait.")
    max_waiting: int = Field(
        default=64, ge=0, description="Requests that may wait for a free place; more are answered 503."
    )
    idle_unload_s: float = Field(
        default=300.0, ge=0, description="Unload after so long without use, in seconds; 0 never."
    )


class LogSettings(Section):
    """What is written down."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level of the server's log."
    )
    format: Literal["text", "json"] = Field(default="text", description="Form of the server's log on standard error.")
    requests: bool = Field(default=True, description="Whether each model call leaves a line in `logs/requests.jsonl`.")
    max_file_bytes: int = Field(
        default=67_108_864, ge=65_536, description="Size at which the request log is rotated, in bytes."
    )
    keep_files: int = Field(default=5, ge=1, description="Rotated request logs kept.")


class DiscoverySettings(Section):
    """What is found without being configured."""

    environment: bool = Field(default=True, description="Use provider keys in the environment (`OPENAI_API_KEY`, …).")
    ollama: bool = Field(default=True, description="Use an Ollama that listens on this machine.")


class Settings(Section):
    """The whole configuration."""

    data_dir: Path = Field(
        default=Path("~/.local/share/narthex"), description="Folder for logs, models and state; made if missing."
    )
    server: ServerSettings = Field(default=ServerSettings(), description="Where and how the server listens.")
    keys: tuple[KeySettings, ...] = Field(default=(), description="API keys; with none, only the local user gets in.")
    timeouts: TimeoutSettings = Field(default=TimeoutSettings(), description="Limits of calls to providers.")
    providers: dict[Name, ProviderSettings] = Field(default={}, description="Providers by name.")
    models: dict[str, ModelSettings] = Field(
        default={}, description='What holds for single models: `[models."openai/gpt-4o"]`, or a virtual model\'s name.'
    )
    aliases: dict[Name, str] = Field(default={}, description='Plain names for models: `fast = "groq/llama-3.3-70b"`.')
    default_model: str = Field(
        default="local/smollm2", description="Model, alias or merge used where a call names none."
    )
    fallbacks: dict[str, tuple[str, ...]] = Field(
        default={}, description='Who serves when a model could not: `"openai/gpt-4o" = ["groq/llama"]`; `"*"` for any.'
    )
    virtual: dict[Name, VirtualSettings] = Field(
        default={}, description="Plain names that stand for several models, and how these share the calls."
    )
    merges: dict[Name, MergeSettings] = Field(
        default={}, description="Plain names that stand for several models whose answers are made one."
    )
    prices: dict[str, PriceSettings] = Field(
        default={}, description="What models cost, by `provider/model`; nothing else knows it."
    )
    answers: tuple[AnswerSettings, ...] = Field(
        default=(), description="Answers that are given in place of an error, where every attempt has failed."
    )
    rules: tuple[RuleSettings, ...] = Field(
        default=(), description="Which calls go elsewhere, in which parts, and who gets a copy; the first that fits."
    )
    shadows: ShadowTrafficSettings = Field(
        default=ShadowTrafficSettings(), description="What copies of calls may take."
    )
    retries: RetrySettings = Field(default=RetrySettings(), description="What is done when an attempt fails.")
    breakers: BreakerSettings = Field(
        default=BreakerSettings(), description="When a model or provider that fails is left alone."
    )
    hedging: HedgingSettings = Field(
        default=HedgingSettings(), description="When a second model is asked beside one that is unusually late."
    )
    limits: LimitSettings = Field(default=LimitSettings(), description="How many calls a model takes at once.")
    caps: tuple[CapSettings, ...] = Field(
        default=(), description="How much keys, models, tags or end users may use in a period."
    )
    metering: MeteringSettings = Field(
        default=MeteringSettings(), description="What holds for limits that several processes share."
    )
    shedding: SheddingSettings = Field(
        default=SheddingSettings(), description="When calls are refused because this server cannot keep up."
    )
    idempotency: IdempotencySettings = Field(
        default=IdempotencySettings(), description="What is remembered of calls with an `Idempotency-Key`."
    )
    responses: ResponseSettings = Field(
        default=ResponseSettings(), description="Which answers of `POST /v1/responses` are kept, and for how long."
    )
    rescue: Literal["continue", "restart", "off"] = Field(
        default="continue",
        description="What is done about a stream that breaks: a model goes on where it was cut, or begins again.",
    )
    cache: CacheSettings = Field(default=CacheSettings(), description="Which answers are kept and given again.")
    context_cache: ContextCacheSettings = Field(
        default=ContextCacheSettings(), description="What providers are told to keep of prompts."
    )
    streams: StreamSettings = Field(default=StreamSettings(), description="How answers are streamed, and kept.")
    sockets: SocketSettings = Field(
        default=SocketSettings(), description="WebSockets: how many there may be, and what each may do."
    )
    embedded: EmbeddedSettings = Field(default=EmbeddedSettings(), description="The model inside.")
    database: DatabaseSettings = Field(
        default=DatabaseSettings(), description="Where workspaces, keys, the ledger and the audit log are kept."
    )
    compression: CompressionSettings = Field(
        default=CompressionSettings(), description="How what is kept is made smaller."
    )
    http_cache: HttpCacheSettings = Field(
        default=HttpCacheSettings(), description="What clients may keep of what they are told."
    )
    secrets: SecretsSettings = Field(
        default=SecretsSettings(), description="The master key, under which secrets are sealed in the database."
    )
    audit: AuditSettings = Field(
        default=AuditSettings(), description="What is written in the audit log, and where its checkpoints go."
    )
    retention: RetentionSettings = Field(
        default=RetentionSettings(), description="How long what is kept is kept; without a number, for ever."
    )
    sign_in: SignInSettings = Field(
        default=SignInSettings(), description="How people sign in at the dashboard, and for how long."
    )
    redis: RedisSettings = Field(default=RedisSettings(), description="What several processes share.")
    log: LogSettings = Field(default=LogSettings(), description="What is written down.")
    discovery: DiscoverySettings = Field(
        default=DiscoverySettings(), description="What is found without being configured."
    )
