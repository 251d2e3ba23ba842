"""Settings come from layers, and every refusal names its place."""

from dataclasses import fields
from pathlib import Path

import pytest

from strongroom.engine.limits import EngineLimits
from strongroom.errors import Misconfigured
from strongroom.guest.limits import GuestLimits
from strongroom.settings.layers import Loaded, load
from strongroom.settings.limits import runners
from strongroom.settings.model import DEFAULT_OWNER, Settings
from strongroom.settings.schema import environment_name, keys


@pytest.fixture
def home(tmp_path):
    for name in ("etc/conf.d", "home/.config/strongroom", "project"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def read(home: Path, mode="dev", flags=None, **environ: str) -> Loaded:
    base = {"CONFIGURATION_DIRECTORY": str(home / "etc"), "HOME": str(home / "home")}
    return load(mode, flags or {}, home / "project", {**base, **environ})


LAYERS = ["flags", "environment", "project", "user", "fragment", "system", "built-in"]


@pytest.mark.parametrize("top", range(len(LAYERS)), ids=LAYERS)
def test_a_higher_layer_wins(home, top):
    text = "limits:\n  runners_max: {}\n"
    files = {
        "project": home / "project/strongroom.yaml",
        "user": home / "home/.config/strongroom/strongroom.yaml",
        "fragment": home / "etc/conf.d/50-more.yaml",
        "system": home / "etc/strongroom.yaml",
    }
    flags, environ = {}, {}
    for number, name in enumerate(LAYERS):
        if number < top:
            continue
        if name == "flags":
            flags = {"limits.runners_max": str(number + 10)}
        elif name == "environment":
            environ = {"STRONGROOM_LIMITS__RUNNERS_MAX": str(number + 10)}
        elif name in files:
            files[name].write_text(text.format(number + 10))
    loaded = read(home, flags=flags, **environ)
    expected = runners() if LAYERS[top] == "built-in" else top + 10
    assert loaded.settings.limits.runners_max == expected
    layer = {"fragment": "system"}.get(LAYERS[top], LAYERS[top])
    assert loaded.origins["limits.runners_max"].layer == layer
    if LAYERS[top] in files:
        assert loaded.origins["limits.runners_max"].where == f"{files[LAYERS[top]]}:2"


def test_a_section_is_merged_key_by_key(home):
    (home / "etc/strongroom.yaml").write_text("log: {level: error, format: json}\n")
    (home / "project/strongroom.yaml").write_text("log: {level: debug}\n")
    log = read(home).settings.log
    assert (log.level, log.format) == ("debug", "json")


def test_of_two_fragments_the_last_name_wins(home):
    (home / "etc/conf.d/10.yaml").write_text("log: {level: error}\n")
    (home / "etc/conf.d/20.yaml").write_text("log: {level: debug}\n")
    (home / "etc/conf.d/30.txt").write_text("not read\n")
    assert read(home).settings.log.level == "debug"


def test_every_key_has_an_origin(home):
    assert read(home).origins.keys() == keys().keys()


def test_a_service_ignores_project_and_user_files_and_reports_them(home):
    (home / "project/strongroom.yaml").write_text("nonsense: [\n")
    (home / "home/.config/strongroom/strongroom.yaml").write_text("log: {level: debug}\n")
    loaded = read(home, "serve")
    assert loaded.settings.log.level == "info"
    assert len(loaded.warnings) == 2
    assert all("is ignored" in warning for warning in loaded.warnings)


def test_a_service_reads_system_files_and_the_environment(home):
    (home / "etc/strongroom.yaml").write_text("log: {level: debug}\n")
    loaded = read(home, "serve", STRONGROOM_LOG__FORMAT="json")
    assert (loaded.settings.log.level, loaded.settings.log.format) == ("debug", "json")


def test_a_service_takes_its_directories_from_the_service_manager(home):
    (home / "etc/plugins.yaml").write_text("version: 1\nplugins: []\n")
    settings = read(
        home,
        "serve",
        STATE_DIRECTORY="/s/one:/s/two",
        CACHE_DIRECTORY="/c",
        RUNTIME_DIRECTORY="/r",
        CREDENTIALS_DIRECTORY="/creds",
    ).settings
    assert settings.state_dir == Path("/s/one")
    assert settings.cache_dir == Path("/c")
    assert settings.socket == Path("/r/strongroom.sock")
    assert settings.keyring_file == Path("/creds/keyring")
    assert settings.plugins_file == home / "etc/plugins.yaml"


def test_a_service_warns_about_keys_below_the_state(home):
    loaded = read(home, "serve", {"state_dir": "/s", "keyring_file": "/s/keyring"})
    assert "copy of the keys" in loaded.warnings[0]


def test_a_development_host_keeps_everything_below_its_state(home):
    settings = read(home, flags={"state_dir": "state"}).settings
    state = home / "project/state"
    assert settings.state_dir == state
    assert settings.socket == state / "strongroom.sock"
    assert settings.database == state / "strongroom.db"
    assert settings.keyring_file == state / "keyring"


def test_relative_paths_count_from_where_they_were_written(home, monkeypatch):
    monkeypatch.setenv("HOME", "/h")
    (home / "etc/strongroom.yaml").write_text("socket: a.sock\nkeys_dir: ~/keys\n")
    settings = read(home, STRONGROOM_CACHE_DIR="cache").settings
    assert settings.socket == home / "etc/a.sock"
    assert settings.cache_dir == home / "project/cache"
    assert settings.keys_dir == Path("/h/keys")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("reflection", "yes", True),
        ("reflection", "0", False),
        ("limits.runners_max", "1_0", 10),
        ("owner", "0x" + "AB" * 20, "ab" * 20),
        ("owners_allowed", "0x" + "11" * 20 + ", " + "22" * 20, ("11" * 20, "22" * 20)),
        ("owners_allowed", '["' + "11" * 20 + '"]', ("11" * 20,)),
        ("log.level", "debug", "debug"),
    ],
)
def test_text_of_the_environment_becomes_the_kind_of_the_key(home, name, text, expected):
    value = read(home, **{environment_name(name): text}).settings
    for part in name.split("."):
        value = getattr(value, part)
    assert value == expected


def test_an_empty_variable_is_none(home):
    assert read(home, STRONGROOM_OWNER="").settings.owner == DEFAULT_OWNER


REFUSED = {
    "unknown": ("nonsense: 1", "nonsense", "SR-CONF-001"),
    "near-miss": ("onwer: x", "onwer", "SR-CONF-001"),
    "unknown-in-section": ("log: {levle: info}", "log.levle", "SR-CONF-001"),
    "not-a-section": ("log: debug", "log", "SR-CONF-002"),
    "wrong-choice": ("log: {level: loud}", "log.level", "SR-CONF-002"),
    "text-for-number": ("limits: {runners_max: many}", "limits.runners_max", "SR-CONF-002"),
    "truth-for-number": ("limits: {runners_max: yes}", "limits.runners_max", "SR-CONF-002"),
    "zero": ("limits: {runners_max: 0}", "limits.runners_max", "SR-CONF-002"),
    "negative": ("limits: {run_timeout_ms: -1}", "limits.run_timeout_ms", "SR-CONF-002"),
    "number-for-truth": ("reflection: 1", "reflection", "SR-CONF-002"),
    "bare-digits": ("owner: 0000000000000000000000000000000000000001", "owner", "SR-CONF-002"),
    "short-owner": ('owner: "12"', "owner", "SR-CONF-002"),
    "wrong-item": ('owners_allowed: ["12"]', "owners_allowed[0]", "SR-CONF-002"),
    "text-for-list": ("owners_allowed: x", "owners_allowed", "SR-CONF-002"),
    "number-for-path": ("socket: 5", "socket", "SR-CONF-002"),
    "no-value": ("owner:", "owner", "SR-CONF-002"),
}


@pytest.mark.parametrize(("text", "dotted", "code"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_file_is_refused_with_file_and_dotted_key(home, text, dotted, code):
    path = home / "project/strongroom.yaml"
    path.write_text(text + "\n")
    with pytest.raises(Misconfigured) as refused:
        read(home)
    assert refused.value.code == code
    assert refused.value.details["where"] == f"{path}:{dotted}"


@pytest.mark.parametrize(
    ("written", "nearest"),
    [("onwer", "owner"), ("limits.run_timeout", "run_timeout_ms"), ("limits.memory_max_bytes", "memory_bytes_max")],
)
def test_the_nearest_known_name_is_offered(home, written, nearest):
    section, _, name = written.rpartition(".")
    text = f"{section}:\n  {name}: 1\n" if section else f"{name}: 1\n"
    (home / "project/strongroom.yaml").write_text(text)
    with pytest.raises(Misconfigured) as refused:
        read(home)
    assert refused.value.details["nearest"] == nearest


def test_an_unknown_variable_is_refused_by_its_name(home):
    with pytest.raises(Misconfigured) as refused:
        read(home, STRONGROOM_LIMITS__RUN_TIMEOUT="5")
    assert refused.value.details["where"] == "environment:STRONGROOM_LIMITS__RUN_TIMEOUT"
    assert refused.value.details["nearest"] == "STRONGROOM_LIMITS__RUN_TIMEOUT_MS"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LIMITS__RUNNERS_MAX", "5.0"),
        ("LIMITS__RUNNERS_MAX", "9" * 40),
        ("REFLECTION", "maybe"),
        ("OWNERS_ALLOWED", "["),
    ],
    ids=["fraction", "huge", "not-yes-or-no", "broken-list"],
)
def test_a_wrong_variable_is_refused_by_its_name(home, name, text):
    with pytest.raises(Misconfigured) as refused:
        read(home, **{f"STRONGROOM_{name}": text})
    assert refused.value.details["where"] == f"environment:STRONGROOM_{name}"


def test_a_refusal_does_not_repeat_the_value(home):
    (home / "project/strongroom.yaml").write_text("database_url: [hunter2]\n")
    with pytest.raises(Misconfigured) as refused:
        read(home)
    assert "hunter2" not in f"{refused.value} {refused.value.why} {refused.value.fix} {refused.value.details}"


def test_a_dangling_link_is_an_error_and_not_an_absence(home):
    (home / "etc/strongroom.yaml").symlink_to("/nowhere/at/all")
    with pytest.raises(Misconfigured):
        read(home)


def test_too_many_fragments_are_refused(home):
    for number in range(65):
        (home / f"etc/conf.d/{number}.yaml").write_text("")
    with pytest.raises(Misconfigured):
        read(home)


def test_settings_alone_read_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("STRONGROOM_OWNER", "11" * 20)
    monkeypatch.setenv("OWNER", "11" * 20)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("OWNER=" + "11" * 20)
    assert Settings().owner == DEFAULT_OWNER


def test_settings_are_frozen_and_keep_the_database_password_to_themselves():
    settings = Settings(database_url="postgresql+psycopg://u:hunter2@h/db")
    assert "hunter2" not in repr(settings)
    with pytest.raises(ValueError, match="frozen"):
        settings.owner = "x"


def test_every_setting_says_why_and_every_limit_ends_with_its_unit():
    for dotted, key in keys().items():
        assert len(key.description) > 30, dotted
        assert key.description.endswith("."), dotted
        if dotted.startswith("limits."):
            assert dotted.endswith(("_max", "_ms", "_hours")), dotted


def test_every_limit_is_read_where_the_host_is_wired():
    app = Path(__file__).resolve().parents[2] / "daemon" / "strongroom" / "app"
    text = "".join(path.read_text() for path in app.glob("*.py"))
    # These two take every setting that has the name of one of their fields.
    taken = {field.name for limits in (GuestLimits, EngineLimits) for field in fields(limits)}
    names = [dotted.split(".")[1] for dotted in keys() if dotted.startswith("limits.")]
    assert not [name for name in names if name not in taken and f".{name}" not in text]


@pytest.mark.parametrize(
    ("key", "value", "why", "fix"),
    [
        ("limits.run_timeout_ms", "0", "it is too small: the least is 1", "set it to 1 or more"),
        ("limits.run_timeout_ms", "99999999999999", "it is too large: the most is", "or less"),
        ("log.level", "loud", "it is none of the words", "'debug'"),
    ],
    ids=["too small", "too large", "no such word"],
)
def test_a_value_out_of_its_range_is_refused_in_our_words_with_what_to_do(tmp_path, key, value, why, fix):
    with pytest.raises(Misconfigured) as refused:
        load("client", {key: value}, tmp_path, {})
    assert why in refused.value.why
    assert fix in refused.value.fix
    assert value not in str(refused.value)


def test_a_path_that_is_none_is_said_without_words_of_the_library(home):
    (home / "etc/strongroom.yaml").write_text("state_dir: [1]\n")
    with pytest.raises(Misconfigured) as refused:
        read(home)
    assert refused.value.why == "it is not a path"
    assert "pathlib" not in f"{refused.value} {refused.value.fix}"
