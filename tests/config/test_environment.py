"""Settings from the environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.config.environment import EnvironmentReading, known_names, path_of, read_environment


def read(**environ: str) -> EnvironmentReading:
    """Read variables without a file below them."""
    return read_environment(environ, known={})


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("NARTHEX_SERVER__PORT", "9000", ("server", "port"), 9000),
        ("NARTHEX_SERVER__PORT", " 9000 ", ("server", "port"), 9000),
        ("NARTHEX_SERVER__PORT", "nine", ("server", "port"), "nine"),
        ("NARTHEX_TIMEOUTS__TOTAL_S", "1e2", ("timeouts", "total_s"), 100.0),
        ("NARTHEX_SERVER__OPEN_BROWSER", "Yes", ("server", "open_browser"), True),
        ("NARTHEX_LOG__REQUESTS", "off", ("log", "requests"), False),
        ("NARTHEX_LOG__REQUESTS", "maybe", ("log", "requests"), "maybe"),
        ("NARTHEX_DATA_DIR", "/data", ("data_dir",), "/data"),
        (
            "NARTHEX_SERVER__CORS_ORIGINS",
            "https://a, https://b",
            ("server", "cors_origins"),
            ["https://a", "https://b"],
        ),
        ("NARTHEX_SERVER__CORS_ORIGINS", '["https://a"]', ("server", "cors_origins"), ["https://a"]),
        ("NARTHEX_PROVIDERS__GROQ__API_KEY", "123", ("providers", "groq", "api_key"), "123"),
        ("NARTHEX_PROVIDERS", '{"groq": {}}', ("providers",), {"groq": {}}),
        ("NARTHEX_ALIASES__FAST", "a/b", ("aliases", "fast"), "a/b"),
        ("NARTHEX_PROVIDERS__X__SCRIPT__SEED", "7", ("providers", "x", "script", "seed"), 7),
        ("NARTHEX_PROVIDERS__X__SCRIPT__SAY", "hello", ("providers", "x", "script", "say"), "hello"),
        ("NARTHEX_KEYS", '[{"name": "a"}]', ("keys",), [{"name": "a"}]),
        (
            "NARTHEX_API_KEYS",
            "one, two,",
            ("keys",),
            [{"name": "key-1", "key": "one"}, {"name": "key-2", "key": "two"}],
        ),
    ],
)
def test_a_variable_sets_an_option(name: str, text: str, path: tuple[str, ...], value: object) -> None:
    """Text becomes a value by the option's type; what does not fit is left for validation to refuse."""
    reading = read(**{name: text})
    assert [(found.path, found.value) for found in reading.assignments] == [(path, value)]
    assert (reading.problems, reading.warnings) == ((), ())


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("NARTHEX_SERVER__PROT", "1", "NARTHEX_SERVER__PROT: no such option; did you mean NARTHEX_SERVER__PORT?"),
        ("NARTHEX_KEYS__0__KEY", "x", "NARTHEX_KEYS__0__KEY: a list is set whole, as JSON in NARTHEX_KEYS"),
        ("NARTHEX_SERVER__PORT__X", "1", "NARTHEX_SERVER__PORT__X: no such option; did you mean NARTHEX_SERVER__PORT?"),
        ("NARTHEX_KEYS", "a,b", "NARTHEX_KEYS keys: expected a list as JSON, such as `[…]`"),
        ("NARTHEX_SERVER", "[1]", 'NARTHEX_SERVER server: expected a table as JSON, such as `{"name": …}`'),
        ("NARTHEX_ALIASES", "{", 'NARTHEX_ALIASES aliases: expected a table as JSON, such as `{"name": …}`'),
        ("NARTHEX_KEYS", '["\\ud800"]', "NARTHEX_KEYS keys: expected a list as JSON, such as `[…]`"),
        ("NARTHEX_DATA_DIR", "\udce9", "NARTHEX_DATA_DIR: not UTF-8 text"),
    ],
)
def test_a_variable_that_cannot_be_used_is_a_problem(name: str, text: str, problem: str) -> None:
    """The message names the variable and the remedy."""
    assert [str(found) for found in read(**{name: text}).problems] == [problem]


def test_what_may_belong_to_others_is_a_warning() -> None:
    """An unknown short name warns; what Kubernetes sets for a service of our name does not."""
    reading = read(
        NARTHEX_PORT="8484", NARTHEX_SERVICE_HOST="10.0.0.1", NARTHEX_PORT_8484_TCP_ADDR="10.0.0.1", NARTHEX_ZZZ="1"
    )
    assert reading.warnings == (
        "NARTHEX_PORT: means nothing here; did you mean NARTHEX_SERVER__PORT?",
        "NARTHEX_ZZZ: means nothing here; `narthex config schema --markdown` lists what does",
    )
    assert read(NARTHEX_PORT="tcp://10.0.0.1:8484").warnings == ()


def test_empty_variables_and_other_names_set_nothing() -> None:
    """An empty variable counts as not set, and the client's own are not options."""
    reading = read(NARTHEX_SERVER__PORT="", NARTHEX_URL="http://x", NARTHEX_API_KEY="k", NARTHEX_DEBUG="1", HOME="/")
    assert reading == EnvironmentReading(assignments=(), problems=(), warnings=())


def test_two_ways_to_give_keys_contradict() -> None:
    """NARTHEX_API_KEYS beside NARTHEX_KEYS is refused, without showing either."""
    (problem,) = read(NARTHEX_API_KEYS="secret-secret", NARTHEX_KEYS="[]").problems
    assert "NARTHEX_KEYS" in str(problem)
    assert "secret-secret" not in str(problem)


def test_a_variable_finds_names_it_cannot_spell() -> None:
    """`MY_LLM_1` means the provider `My-LLM.1` of the file, since variables know no dots, dashes or case."""
    known: dict[str, object] = {"providers": {"My-LLM.1": {}}}
    assert path_of("NARTHEX_PROVIDERS__MY_LLM_1__ENABLED", known) == ("providers", "My-LLM.1", "enabled")


@given(st.dictionaries(st.sampled_from([name.replace("NAME", "X") for name in known_names()]), st.text()))
def test_any_text_is_read(environ: dict[str, str]) -> None:
    """No content of our variables breaks the reading."""
    read_environment(environ, known={})
