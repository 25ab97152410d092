"""Facts about models."""

from __future__ import annotations

from narthex.types.catalog import ModelFacts


def test_a_model_is_named_after_its_provider() -> None:
    """The name on our wire is `provider/model`, whatever slashes the model's own name has."""
    assert ModelFacts(id="meta/llama-3", provider="groq").name == "groq/meta/llama-3"
