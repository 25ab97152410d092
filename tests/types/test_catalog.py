"""Facts about models."""

from __future__ import annotations

from narthex.types.catalog import ModelFacts, Price
from narthex.types.usage import Usage


def test_a_model_is_named_after_its_provider() -> None:
    """The name on our wire is `provider/model`, whatever slashes the model's own name has."""
    assert ModelFacts(id="meta/llama-3", provider="groq").name == "groq/meta/llama-3"


def test_what_is_consumed_costs_to_the_last_picodollar() -> None:
    """A price in microdollars for a million tokens, times tokens, is exact; half a price is none."""
    facts = ModelFacts(id="m", provider="up", input_microusd_per_mtok=37_500, output_microusd_per_mtok=150_000)
    price = Price(input_microusd_per_mtok=37_500, output_microusd_per_mtok=150_000)
    assert facts.price == price
    assert price.picousd(Usage(input_tokens=3, output_tokens=7)) == 3 * 37_500 + 7 * 150_000
    assert ModelFacts(id="m", provider="up", input_microusd_per_mtok=1).price is None
    assert ModelFacts(id="m", provider="up", output_microusd_per_mtok=1).price is None


def test_pictures_and_sound_cost_beside_tokens_and_lines_of_batches_less() -> None:
    """By the millisecond; half a picodollar that a discount would leave is paid."""
    price = Price(
        input_microusd_per_mtok=1_001,
        output_microusd_per_mtok=0,
        request_microusd=7,
        image_microusd=40_000,
        audio_second_microusd=100,
        batch_discount_percent=50,
    )
    used = Usage(input_tokens=1, images=2, audio_ms=1_500)
    whole = 1_001 + 7_000_000 + 2 * 40_000_000_000 + 150_000_000
    assert (price.picousd(used), price.picousd(used, batch=True)) == (whole, whole // 2 + 1)
    assert price.picousd(Usage(), batch=True) == 3_500_000
