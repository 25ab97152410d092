"""Known vendors: one row each, so that a name and a key are enough to use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from narthex.types.catalog import Capability

_CHAT: frozenset[Capability] = frozenset({"chat", "streaming", "tools", "json_schema"})


def _with(base: frozenset[Capability], *more: Capability) -> frozenset[Capability]:
    return base.union(more)


_SIGHT = _with(_CHAT, "vision")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """Who serves models, where, and in which wire."""

    name: str
    """In the configuration and in `name/model`."""
    title: str
    """The name people know it by."""
    kind: Literal["openai", "anthropic"]
    """The wire it speaks."""
    base_url: str
    """Address with path; the wire appends `/chat/completions`, `/messages`, `/models` and the like."""
    key_variable: str | None
    """Environment variable that holds its key by its own documentation; None if it needs no key."""
    other_key_variables: tuple[str, ...] = ()
    """Other names in use for that variable, looked at afterwards, in order."""
    base_url_variable: str | None = None
    """Environment variable by which its own SDK is sent to another address."""
    docs_url: str
    """The page that documents the wire."""
    capabilities: frozenset[Capability] = _CHAT
    """What its models can do in general; single models may do less."""

    @property
    def key_variables(self) -> tuple[str, ...]:
        """Every environment variable that may hold its key, the usual one first."""
        return ((self.key_variable,) if self.key_variable else ()) + self.other_key_variables


_ROWS = (
    Vendor(
        name="openai",
        title="OpenAI",
        kind="openai",
        base_url="https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        base_url_variable="OPENAI_BASE_URL",
        docs_url="https://platform.openai.com/docs/api-reference",
        capabilities=_with(_SIGHT, "embeddings", "audio", "files", "reasoning", "logprobs"),
    ),
    Vendor(
        name="anthropic",
        title="Anthropic",
        kind="anthropic",
        base_url="https://api.anthropic.com/v1",
        key_variable="ANTHROPIC_API_KEY",
        base_url_variable="ANTHROPIC_BASE_URL",
        docs_url="https://docs.anthropic.com/en/api/messages",
        capabilities=_with(_SIGHT, "files", "reasoning"),
    ),
    Vendor(
        name="gemini",
        title="Google Gemini",
        kind="openai",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_variable="GEMINI_API_KEY",
        other_key_variables=("GOOGLE_API_KEY",),
        docs_url="https://ai.google.dev/gemini-api/docs/openai",
        capabilities=_with(_SIGHT, "embeddings", "audio", "reasoning"),
    ),
    Vendor(
        name="mistral",
        title="Mistral AI",
        kind="openai",
        base_url="https://api.mistral.ai/v1",
        key_variable="MISTRAL_API_KEY",
        docs_url="https://docs.mistral.ai/api",
        capabilities=_with(_SIGHT, "embeddings"),
    ),
    Vendor(
        name="groq",
        title="Groq",
        kind="openai",
        base_url="https://api.groq.com/openai/v1",
        key_variable="GROQ_API_KEY",
        docs_url="https://console.groq.com/docs/openai",
        capabilities=_with(_SIGHT, "reasoning"),
    ),
    Vendor(
        name="deepseek",
        title="DeepSeek",
        kind="openai",
        base_url="https://api.deepseek.com/v1",
        key_variable="DEEPSEEK_API_KEY",
        docs_url="https://api-docs.deepseek.com",
        capabilities=_with(_CHAT, "reasoning", "logprobs"),
    ),
    Vendor(
        name="xai",
        title="xAI",
        kind="openai",
        base_url="https://api.x.ai/v1",
        key_variable="XAI_API_KEY",
        docs_url="https://docs.x.ai/docs/api-reference",
        capabilities=_with(_SIGHT, "reasoning", "logprobs"),
    ),
    Vendor(
        name="openrouter",
        title="OpenRouter",
        kind="openai",
        base_url="https://openrouter.ai/api/v1",
        key_variable="OPENROUTER_API_KEY",
        docs_url="https://openrouter.ai/docs/api-reference/overview",
        capabilities=_with(_SIGHT, "files", "reasoning", "logprobs"),
    ),
    Vendor(
        name="together",
        title="Together AI",
        kind="openai",
        base_url="https://api.together.xyz/v1",
        key_variable="TOGETHER_API_KEY",
        docs_url="https://docs.together.ai/docs/openai-api-compatibility",
        capabilities=_with(_SIGHT, "embeddings", "reasoning", "logprobs"),
    ),
    Vendor(
        name="fireworks",
        title="Fireworks AI",
        kind="openai",
        base_url="https://api.fireworks.ai/inference/v1",
        key_variable="FIREWORKS_API_KEY",
        docs_url="https://docs.fireworks.ai/tools-sdks/openai-compatibility",
        capabilities=_with(_SIGHT, "embeddings", "reasoning", "logprobs"),
    ),
    Vendor(
        name="cerebras",
        title="Cerebras",
        kind="openai",
        base_url="https://api.cerebras.ai/v1",
        key_variable="CEREBRAS_API_KEY",
        docs_url="https://inference-docs.cerebras.ai/resources/openai",
        capabilities=_with(_CHAT, "reasoning", "logprobs"),
    ),
    Vendor(
        name="perplexity",
        title="Perplexity",
        kind="openai",
        base_url="https://api.perplexity.ai",
        key_variable="PERPLEXITY_API_KEY",
        other_key_variables=("PPLX_API_KEY",),
        docs_url="https://docs.perplexity.ai/guides/chat-completions-guide",
        capabilities=frozenset({"chat", "streaming", "json_schema", "vision", "reasoning"}),
    ),
    Vendor(
        name="cohere",
        title="Cohere",
        kind="openai",
        base_url="https://api.cohere.ai/compatibility/v1",
        key_variable="COHERE_API_KEY",
        other_key_variables=("CO_API_KEY",),
        docs_url="https://docs.cohere.com/docs/compatibility-api",
        capabilities=_with(_CHAT, "embeddings"),
    ),
    Vendor(
        name="nvidia",
        title="NVIDIA",
        kind="openai",
        base_url="https://integrate.api.nvidia.com/v1",
        key_variable="NVIDIA_API_KEY",
        docs_url="https://docs.api.nvidia.com/nim/reference/llm-apis",
        capabilities=_with(_SIGHT, "embeddings", "reasoning"),
    ),
    Vendor(
        name="huggingface",
        title="Hugging Face",
        kind="openai",
        base_url="https://router.huggingface.co/v1",
        key_variable="HF_TOKEN",
        other_key_variables=("HUGGINGFACE_API_KEY",),
        docs_url="https://huggingface.co/docs/inference-providers",
        capabilities=_with(_SIGHT, "reasoning"),
    ),
    Vendor(
        name="ollama",
        title="Ollama",
        kind="openai",
        base_url="http://127.0.0.1:11434/v1",
        key_variable=None,
        docs_url="https://docs.ollama.com/api/openai-compatibility",
        capabilities=_with(_SIGHT, "embeddings", "reasoning"),
    ),
    Vendor(
        name="lmstudio",
        title="LM Studio",
        kind="openai",
        base_url="http://127.0.0.1:1234/v1",
        key_variable=None,
        docs_url="https://lmstudio.ai/docs/developer/openai-compat",
        capabilities=_with(_SIGHT, "embeddings"),
    ),
    Vendor(
        name="llamacpp",
        title="llama.cpp server",
        kind="openai",
        base_url="http://127.0.0.1:8080/v1",
        key_variable=None,
        docs_url="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        capabilities=_with(_SIGHT, "embeddings", "reasoning", "logprobs"),
    ),
    Vendor(
        name="vllm",
        title="vLLM",
        kind="openai",
        base_url="http://127.0.0.1:8000/v1",
        key_variable=None,
        docs_url="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        capabilities=_with(_SIGHT, "embeddings", "reasoning", "logprobs"),
    ),
)

VENDORS: Mapping[str, Vendor] = MappingProxyType({row.name: row for row in _ROWS})
"""Every known vendor by name. Adding a row makes a vendor usable; no other file needs a change."""
