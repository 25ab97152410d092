"""The settings built from everything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.config.load import Loaded, load
from narthex.errors import ConfigError

KEY = "0123456789abcdef-0123456789abcdef"


def load_text(
    directory: Path,
    text: str = "",
    /,
    *,
    name: str = "narthex.toml",
    flags: dict[str, object] | None = None,
    **environ: str,
) -> Loaded:
    """Load a file of this text in a folder, with these variables only."""
    (directory / name).write_text(text)
    return load(environ={"HOME": str(directory), **environ}, directory=directory, flags=flags)


def problems_of(directory: Path, text: str = "", /, **environ: str) -> tuple[str, ...]:
    """Return what is wrong with a file of this text."""
    with pytest.raises(ConfigError) as caught:
        load_text(directory, text, flags=None, **environ)
    return caught.value.problems


def test_nothing_configured_is_enough(tmp_path: Path) -> None:
    """Without file, variables and flags the defaults stand, the data folder in the user's home."""
    loaded = load(environ={"HOME": str(tmp_path)}, directory=tmp_path)
    assert loaded.settings.data_dir == tmp_path / ".local/share/narthex"
    assert (loaded.settings.server.port, loaded.file, loaded.origins, loaded.warnings) == (8484, None, {}, ())


def test_later_layers_win_and_are_told(tmp_path: Path) -> None:
    """A flag beats a variable, which beats the file, which beats the default."""
    loaded = load_text(
        tmp_path,
        '[server]\nport = 1\nhost = "127.0.0.2"\nmax_connections = 7\n',
        NARTHEX_SERVER__PORT="2",
        NARTHEX_SERVER__HOST="127.0.0.3",
        flags={"server.port": 3, "log.level": None},
    )
    server = loaded.settings.server
    assert (server.port, server.host, server.max_connections, server.max_body_bytes) == (3, "127.0.0.3", 7, 33_554_432)
    assert {path: str(origin) for path, origin in loaded.origins.items()} == {
        "server.port": "flag --port",
        "server.host": "env NARTHEX_SERVER__HOST",
        "server.max_connections": "narthex.toml:4",
    }
    assert str(loaded.origin_of("server.max_body_bytes")) == "default"


@pytest.mark.parametrize("name", ["narthex.toml", "narthex.yaml", "narthex.yml"])
def test_a_file_is_found_in_the_working_directory(tmp_path: Path, name: str) -> None:
    """Each of the names is looked for."""
    text = "[server]\nport = 5\n" if name.endswith("toml") else "server: {port: 5}\n"
    assert load_text(tmp_path, text, name=name).settings.server.port == 5


def test_a_file_is_found_in_the_users_folder(tmp_path: Path) -> None:
    """With none in the working directory, XDG_CONFIG_HOME is looked at, by default ~/.config."""
    for folder, port in ((tmp_path / ".config/narthex", 6), (tmp_path / "xdg/narthex", 7)):
        folder.mkdir(parents=True)
        (folder / "narthex.toml").write_text(f"[server]\nport = {port}\n")
    (tmp_path / "empty").mkdir()
    home = {"HOME": str(tmp_path)}
    assert load(environ=home, directory=tmp_path / "empty").settings.server.port == 6
    home["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert load(environ=home, directory=tmp_path / "empty").settings.server.port == 7


def test_a_named_file_is_read_alone(tmp_path: Path) -> None:
    """`--config` beats NARTHEX_CONFIG, which beats the file that lies there; a missing one is an error."""
    for port, name in enumerate(("flag.toml", "variable.toml"), start=1):
        (tmp_path / name).write_text(f"[server]\nport = {port}\n")
    loaded = load_text(tmp_path, "broken", NARTHEX_CONFIG="variable.toml")
    assert loaded.settings.server.port == 2
    named = load(file=Path("flag.toml"), environ={"NARTHEX_CONFIG": "variable.toml"}, directory=tmp_path)
    assert named.settings.server.port == 1
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read: no such file"):
        load(file=Path("gone.toml"), environ={}, directory=tmp_path)


def test_two_files_in_one_folder_are_refused(tmp_path: Path) -> None:
    """None of two candidates is silently ignored."""
    (tmp_path / "narthex.yml").write_text("")
    assert problems_of(tmp_path) == (
        "narthex.toml: narthex.yml stands beside it; keep one, or name one with `--config`",
    )


def test_all_sources_are_told_of_at_once(tmp_path: Path) -> None:
    """A broken file does not hide what is wrong with the environment."""
    assert problems_of(tmp_path, "[server\n", NARTHEX_SERVER__PORT="x", NARTHEX_LOG__LEVLE="info") == (
        "narthex.toml:1:8: not valid TOML: expected ']' at the end of a table declaration",
        "NARTHEX_LOG__LEVLE: no such option; did you mean NARTHEX_LOG__LEVEL?",
        'NARTHEX_SERVER__PORT server.port: expected a whole number, got "x"',
    )


def test_flags_that_cannot_be_used_name_the_flag(tmp_path: Path) -> None:
    """The message speaks of what was typed."""
    with pytest.raises(ConfigError) as caught:
        load(environ={"HOME": str(tmp_path)}, directory=tmp_path, flags={"server.port": 70_000, "server.prot": 1})
    assert caught.value.problems == (
        "--port server.port: must be at most 65535, got 70000",
        '--prot: sets no option; did you mean "server.port"?',
    )


def test_a_contradiction_names_the_layer_that_can_be_mended(tmp_path: Path) -> None:
    """A host given by variable is told by the variable's name."""
    (problem,) = problems_of(tmp_path, NARTHEX_SERVER__HOST="0.0.0.0")
    assert problem.startswith("NARTHEX_SERVER__HOST server.host: an address that others can reach demands API keys")


def test_a_contradiction_from_a_fault_is_not_told(tmp_path: Path) -> None:
    """What follows only from another fault is left out until that is mended."""
    text = '[server]\nhost = "0.0.0.0"\ntls_cert = "narthex.toml"\ntls_key = 5\n\n[[keys]]\nname = "a"\nkey = 7\n'
    assert [problem.split()[1] for problem in problems_of(tmp_path, text)] == ["server.tls_key:", "keys.0.key:"]


def test_keys_from_the_environment_open_the_door(tmp_path: Path) -> None:
    """NARTHEX_API_KEYS is all that another host needs."""
    loaded = load_text(tmp_path, NARTHEX_SERVER__HOST="0.0.0.0", NARTHEX_API_KEYS=f"{KEY}1,{KEY}2")
    assert [key.name for key in loaded.settings.keys] == ["key-1", "key-2"]


def test_references_are_resolved(tmp_path: Path) -> None:
    """Secrets come from variables and files; other options keep their text."""
    (tmp_path / "secret").write_text("gsk\n")
    text = """
    default_model = "local/${X}"
    [providers.groq]
    api_key = "file:secret"
    headers = { x-team = "team-${TEAM:-none}" }
    [providers.openai]
    api_key = "${OPENAI:-}"
    [providers.mine]
    kind = "openai"
    base_url = "${MINE}/v1"
    """
    providers = load_text(tmp_path, text, MINE="http://127.0.0.1:9").settings.providers
    assert providers["groq"].api_key is not None
    assert providers["groq"].api_key.get_secret_value() == "gsk"
    assert providers["groq"].headers == {"x-team": "team-none"}
    assert providers["openai"].api_key is None
    assert providers["mine"].base_url == "http://127.0.0.1:9/v1"


def test_references_are_resolved_in_each_of_several_keys(tmp_path: Path) -> None:
    """Keys in a list come from variables and files as a single one does, and a variable may hold the whole list."""
    (tmp_path / "secret").write_text("gsk\n")
    text = """
    [providers.groq]
    api_key = "first"
    api_keys = ["file:secret", "${SECOND}"]
    [providers.openai]
    """
    several = {"SECOND": "gsk-2", "NARTHEX_PROVIDERS__OPENAI__API_KEYS": "sk-1, ${THIRD}", "THIRD": "sk-3"}
    loaded = load_text(tmp_path, text, flags=None, OPENAI_API_KEY="sk-not-wanted", **several)
    providers = loaded.settings.providers
    keys = {name: [key.get_secret_value() for key in provider.all_keys] for name, provider in providers.items()}
    assert keys == {"groq": ["first", "gsk", "gsk-2"], "openai": ["sk-1", "sk-3"]}
    assert "gsk" not in repr(loaded)


def test_several_keys_in_the_clear_are_warned_of(tmp_path: Path) -> None:
    """A list of keys that travels unencrypted is told as a single key is."""
    text = '[providers.mine]\nkind = "openai"\nbase_url = "http://models.example/v1"\napi_keys = ["sk-1", "sk-2"]\n'
    (warning,) = load_text(tmp_path, text).warnings
    assert warning.startswith("providers.mine.base_url: the key travels unencrypted")


def test_paths_begin_where_they_are_written(tmp_path: Path) -> None:
    """A file's relative paths begin at its folder, a variable's at the working directory, `~` at home."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "n.toml").write_text('data_dir = "data"\n[embedded]\nmodels_dir = "~/models"\n')
    environ = {"HOME": str(tmp_path), "NARTHEX_CONFIG": "etc/n.toml"}
    loaded = load(environ=environ, directory=tmp_path)
    assert loaded.settings.data_dir == folder / "data"
    assert loaded.settings.embedded.models_dir == tmp_path / "models"
    environ["NARTHEX_DATA_DIR"] = "here"
    assert load(environ=environ, directory=tmp_path).settings.data_dir == tmp_path / "here"


def test_found_providers_are_part_of_the_settings(tmp_path: Path) -> None:
    """A key in the environment makes a provider that aliases may name, and tells where it is from."""
    loaded = load_text(tmp_path, '[aliases]\nfast = "groq/llama"\n', GROQ_API_KEY="gsk")
    assert list(loaded.settings.providers) == ["groq"]
    assert str(loaded.origins["providers.groq.api_key"]) == "discovered (GROQ_API_KEY)"


def test_what_is_probably_not_meant_is_warned_of(tmp_path: Path) -> None:
    """A key in the clear and a default model that is off are told, and stop nothing."""
    text = """
    embedded.enabled = false
    [providers.mine]
    kind = "openai"
    base_url = "http://models.example/v1"
    api_key = "sk-secret"
    """
    warnings = load_text(tmp_path, text).warnings
    assert [warning.partition(":")[0] for warning in warnings] == ["default_model", "providers.mine.base_url"]


def test_it_is_loaded_again_in_the_same_way(tmp_path: Path) -> None:
    """`again` reads the same file with the same flags."""
    loaded = load_text(tmp_path, "[log]\nkeep_files = 2\n", flags={"server.port": 3})
    (tmp_path / "narthex.toml").write_text("[log]\nkeep_files = 9\n")
    again = loaded.again().settings
    assert (again.log.keep_files, again.server.port) == (9, 3)


def test_secrets_are_masked_wherever_settings_are_printed(tmp_path: Path) -> None:
    """Neither the settings nor what was loaded show a key."""
    loaded = load_text(tmp_path, f'[[keys]]\nname = "a"\nkey = "{KEY}"\n', OPENAI_API_KEY="sk-openai")
    assert KEY not in repr(loaded)
    assert "sk-openai" not in repr(loaded)


def test_a_data_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be written is told before anything is lost in it."""
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _mode: "locked" not in str(path))
    assert "no permission" in problems_of(tmp_path, 'data_dir = "locked"\n')[0]


def test_a_large_file_is_read_in_good_time(tmp_path: Path) -> None:
    """Two thousand lines of providers and aliases are read whole."""
    providers = "".join(f'[providers.p{n}]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n' for n in range(500))
    aliases = "[aliases]\n" + "".join(f'a{n} = "p{n}/m"\n' for n in range(500))
    assert len(load_text(tmp_path, providers + aliases).settings.aliases) == 500


WORDS = st.sampled_from(
    [
        "server",
        "port",
        "keys",
        "name",
        "key",
        "providers",
        "x",
        "kind",
        "aliases",
        "log",
        "timeouts",
        "total_s",
        "\u00e9",
        "[key]",
    ]
)
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["a", "openai", "${", "file:x", "x/y", "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=100)
@given(st.dictionaries(WORDS, TREES, max_size=5))
def test_any_values_are_loaded_or_refused_in_lines(tree: dict[str, object]) -> None:
    """Whatever a variable holds, the outcome is settings or problems of one line each."""
    import json  # noqa: PLC0415 - beside its one use
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "n.yaml"
        file.write_text(json.dumps(tree).replace("Infinity", ".inf").replace("NaN", ".nan"))
        try:
            load(file=file, environ={"HOME": folder}, directory=Path(folder))
        except ConfigError as error:
            assert error.problems  # noqa: PT017 - either outcome will do
            assert all(problem and "\n" not in problem for problem in error.problems)  # noqa: PT017
