"""Names to models: what leads where, what leads nowhere, and what is said about it."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import InvalidRequest, ModelNotFound
from narthex.providers.catalog import MAX_REMEMBERED, Catalog
from narthex.providers.contract import PartialTimeouts, Timeouts
from narthex.providers.prefixes import PrefixCaching, Prefixes
from narthex.types.catalog import ModelFacts, Price
from tests.providers.listed import ListedProvider, facts, with_limits


@pytest.fixture
def catalog() -> Catalog:
    """Two providers whose models are known, one of which may have more, and one that was not asked yet."""
    one = Catalog(
        with_limits(ListedProvider("near"), ListedProvider("far"), ListedProvider("silent")),
        aliases={"fast": "near/small", "quick": "fast", "open": "silent/any", "lost": "near/gone"},
        default_model="fast",
    )
    one.learn("near", facts("near", "small", "both", "org/name"), closed=True)
    one.learn("far", facts("far", "large", "both"), closed=False)
    return one


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("near/small", "near/small"),
        ("small", "near/small"),
        ("large", "far/large"),
        ("org/name", "near/org/name"),
        ("near/org/name", "near/org/name"),
        ("far/unheard-of", "far/unheard-of"),
        ("silent/a/b:c", "silent/a/b:c"),
        ("fast", "near/small"),
        ("quick", "near/small"),
        ("open", "silent/any"),
        ("", "near/small"),
    ],
)
def test_a_name_leads_to_its_model(catalog: Catalog, name: str, target: str) -> None:
    """Full names, plain names, aliases, aliases of aliases and no name at all lead to one model at one provider."""
    found = catalog.resolve(name)
    provider, _, model = target.partition("/")
    assert (found.name, found.header) == (target, f"x-narthex-model: {target}\r\n".encode())
    assert (found.provider.name, found.model) == (provider, model)
    assert catalog.resolve(name) is found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("near/smal", "did you mean 'near/small'?"),
        ("fsat", "did you mean 'fast'?"),
        ("both", "ask for `far/both` or `near/both`"),
        ("lost", "'lost'"),
        ("near/", "'near/'"),
        ("/small", "'/small'"),
        ("nobody/small", "'nobody/small'"),
        ("far/new\r\nx: y", "there is no model"),
        ("far/\ud800", "there is no model"),
        ("far/" + "x" * 257, "…'"),
    ],
)
def test_a_name_that_leads_nowhere_is_told_with_the_nearest(catalog: Catalog, name: str, said: str) -> None:
    """What no provider has is not found, and the error names what was probably meant."""
    with pytest.raises(ModelNotFound) as caught:
        catalog.resolve(name)
    assert said in caught.value.message
    assert caught.value.param == "model"
    assert len(caught.value.message) < 300


def test_no_name_and_no_default_is_an_invalid_request() -> None:
    """Where there is no default model, one must be named."""
    with pytest.raises(InvalidRequest, match="name a model"):
        Catalog([]).resolve("")


def test_aliases_that_lead_in_a_circle_lead_nowhere() -> None:
    """A circle of aliases ends in an error, not in an endless search."""
    circle = Catalog(with_limits(ListedProvider("p")), aliases={"a": "b", "b": "c", "c": "a"})
    for name in ("a", "b", "c"):
        with pytest.raises(ModelNotFound):
            circle.resolve(name)
    assert circle.aliases_of("p/m") == []


def test_a_provider_that_has_told_all_serves_nothing_else(catalog: Catalog) -> None:
    """Whether names beyond the list are tried is told by the provider's last list."""
    assert [catalog.closed(name) for name in ("near", "far", "silent", "nobody")] == [True, False, False, False]
    catalog.learn("far", facts("far", "large"), closed=True)
    with pytest.raises(ModelNotFound):
        catalog.resolve("far/unheard-of")
    catalog.learn("far", facts("far", "large"), closed=False)
    assert catalog.resolve("far/unheard-of").facts is None


def test_what_is_learned_counts_at_once(catalog: Catalog) -> None:
    """A name resolved before leads elsewhere, or nowhere, as soon as the list has changed."""
    assert catalog.resolve("small").provider.name == "near"
    catalog.learn("near", facts("near", "both"), closed=True)
    with pytest.raises(ModelNotFound):
        catalog.resolve("small")
    catalog.learn("silent", facts("silent", "small"), closed=True)
    assert catalog.resolve("small").provider.name == "silent"


def test_what_is_said_of_a_provider_that_is_gone_is_passed_over(catalog: Catalog) -> None:
    """A list that comes after its provider was removed leads no name to it."""
    catalog.learn("gone", facts("gone", "lonely"), closed=True)
    assert all(one.provider != "gone" for one in catalog.models())
    with pytest.raises(ModelNotFound):
        catalog.resolve("lonely")


def test_models_come_in_the_order_of_the_configuration(catalog: Catalog) -> None:
    """The list follows the configuration, whoever answered first."""
    catalog.learn("silent", facts("silent", "z"), closed=False)
    names = [one.name for one in catalog.models()]
    assert names == ["near/small", "near/both", "near/org/name", "far/large", "far/both", "silent/z"]
    assert [provider.name for provider in catalog.providers] == ["near", "far", "silent"]


def test_aliases_of_a_model_are_listed(catalog: Catalog) -> None:
    """A model knows all names that lead to it, through other aliases too."""
    assert catalog.aliases_of("near/small") == ["fast", "quick"]
    assert catalog.aliases_of("far/large") == []


def test_a_model_may_have_limits_of_its_own() -> None:
    """What is named for it takes the place of its provider's limit, under every name that leads to it."""
    limits = {"near/small": PartialTimeouts(first_token_s=9), "fast": PartialTimeouts(idle_s=1)}
    catalog = Catalog([(ListedProvider("near"), Timeouts(idle_s=7))], aliases={"a": "near/small"}, limits=limits)
    catalog.learn("near", facts("near", "small", "other"), closed=True)
    for name in ("near/small", "small", "a"):
        assert catalog.resolve(name).timeouts == Timeouts(first_token_s=9, idle_s=7)
    assert catalog.resolve("other").timeouts == Timeouts(idle_s=7)
    assert catalog.virtual_limits == {"fast": PartialTimeouts(idle_s=1)}
    catalog.adopt(Catalog([(ListedProvider("near"), Timeouts())], limits={"near/other": PartialTimeouts(idle_s=2)}))
    assert (catalog.resolve("near/small").timeouts, catalog.virtual_limits) == (Timeouts(), {})
    assert catalog.resolve("near/other").timeouts == Timeouts(idle_s=2)


def test_another_catalog_is_taken_over_at_once(catalog: Catalog) -> None:
    """New settings count from the next call on; what was learned of a provider that stays is kept."""
    before = catalog.resolve("fast")
    far = ListedProvider("far")
    limits = Timeouts(total_s=1)
    catalog.adopt(Catalog([(far, limits)], aliases={"fast": "far/large"}, default_model="far/both"))
    after = catalog.resolve("fast")
    assert (before.name, after.name, catalog.resolve("").name) == ("near/small", "far/large", "far/both")
    assert (after.provider, after.timeouts, catalog.timeouts("far")) == (far, limits, limits)
    assert after.facts is not None
    assert [one.name for one in catalog.models()] == ["far/large", "far/both"]
    with pytest.raises(ModelNotFound):
        catalog.resolve("near/small")


def test_names_made_up_by_callers_do_not_fill_the_memory(catalog: Catalog) -> None:
    """Any number of names can be asked of an open provider: only so many are remembered."""
    for number in range(MAX_REMEMBERED + 10):
        catalog.resolve(f"silent/{number}")
    assert len(catalog._targets) <= MAX_REMEMBERED
    assert catalog.resolve("silent/0").model == "0"


@given(st.text(max_size=300))
def test_any_text_is_a_model_or_is_not_found(name: str) -> None:
    """Whatever a caller writes for a model, there is a target fit for a header, or a plain error."""
    catalog = Catalog(with_limits(ListedProvider("p")), default_model="p/m")
    for asked in (name, f"p/{name}"):
        try:
            target = catalog.resolve(asked)
        except ModelNotFound:
            continue
        assert re.fullmatch(rb"x-narthex-model: p/[\x20-\x7e]+\r\n", target.header)


def test_a_configured_price_is_known_of_any_model() -> None:
    """Of models that are listed and of those that are not; a new catalog brings its own prices."""
    price = Price(input_microusd_per_mtok=1, output_microusd_per_mtok=2)
    catalog = Catalog(with_limits(ListedProvider("near")), prices={"near/small": price, "near/unheard-of": price})
    catalog.learn("near", facts("near", "small", "both"), closed=False)
    for name in ("near/small", "near/unheard-of"):
        found = catalog.facts(name)
        assert found is not None
        assert (found.name, found.price) == (name, price)
    both = catalog.facts("near/both")
    assert both is not None
    assert both.price is None
    catalog.adopt(Catalog(with_limits(ListedProvider("near"))))
    small = catalog.facts("near/small")
    assert small is not None
    assert small.price is None


def test_a_price_that_a_provider_tells_holds_until_it_tells_another() -> None:
    """What was told before is not charged any more; nor does a model have a price that lost it."""

    def told(figure: int | None) -> list[ModelFacts]:
        known = {"input_microusd_per_mtok": figure, "output_microusd_per_mtok": figure}
        return [msgspec.structs.replace(*facts("near", "small"), **known)]

    catalog = Catalog(with_limits(ListedProvider("near")))
    assert catalog.price("near/small") is None
    for figure in (3, 4, None, 5):
        catalog.learn("near", told(figure), closed=False)
        price = catalog.price("near/small")
        assert (None if price is None else price.output_microusd_per_mtok) == figure
        assert catalog.price("near/small") is price
    configured = Price(input_microusd_per_mtok=1, output_microusd_per_mtok=2)
    catalog.adopt(Catalog(with_limits(ListedProvider("near")), prices={"near/small": configured}))
    assert catalog.price("near/small") is configured
    catalog.adopt(Catalog(with_limits(ListedProvider("far"))))
    assert catalog.price("near/small") is None
    for number in range(MAX_REMEMBERED + 1):
        assert catalog.price(f"far/{number}") is None


def test_a_models_way_of_caching_comes_before_its_providers() -> None:
    """What holds for the provider holds for its models, unless it is said of one; another catalog brings its own."""
    usual = PrefixCaching(way="markers", auto=True, ttl="5m", prefixes=Prefixes(lambda: 0.0))
    other = msgspec.structs.replace(usual, auto=False)
    made = Catalog(with_limits(ListedProvider("up")), caching={"up": usual, "up/b": other})
    assert (made.resolve("up/a").caching, made.resolve("up/b").caching) == (usual, other)
    plain = Catalog(with_limits(ListedProvider("up")))
    assert plain.resolve("up/a").caching is None
    plain.adopt(made)
    assert plain.resolve("up/a").caching is usual
