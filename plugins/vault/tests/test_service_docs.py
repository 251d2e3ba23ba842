"""The page about the vault is true: what it shows is read by the code that reads it elsewhere."""

import re
from pathlib import Path

import yaml

from strongroom.cli.grants_file import parse_grants
from strongroom_vault.remote import check_remote
from strongroom_vault.service.config import KNOWN, read_config
from strongroom_vault.service.server import CALL_S_MAX, CALLS_MAX, STOP_S
from strongroom_vault.service.wire import CALL_BYTES_MAX
from strongroom_vault.settings import VaultSettings

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "vault.md").read_text()


def block(kind, beginning=""):
    (found,) = (
        text
        for text in re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
        if text.startswith(beginning)
    )
    return found


def test_the_file_of_a_service_is_one_and_has_every_key_but_those_of_readers(tmp_path):
    path = tmp_path / "vault.toml"
    path.write_text(block("toml", "# /etc"))
    config = read_config(path)
    settings = VaultSettings.from_config(**config.vault)
    assert settings.state_file == Path("/var/lib/strongroom-vault/vault.db")
    assert config.tls.hosts
    assert len(config.tls.hosts) == 1
    assert {*config.vault, "listen", "tls", "workflow_reads"} == KNOWN


def test_the_section_of_a_host_is_one():
    (entry,) = yaml.safe_load(block("yaml"))
    check_remote(entry["config"]["remote"])


def test_the_manifest_is_one():
    manifest = parse_grants(block("toml", "# grants").encode())
    assert manifest.grants[0].secrets == {("main", "API_KEY"): "hardware", ("team", "SHARED"): "vtpm"}


def test_the_limits_are_those_of_the_code():
    assert f"larger than {CALL_BYTES_MAX // 1024**2} MiB" in PAGE
    assert f"none takes longer than {CALL_S_MAX:g} s" in PAGE
    assert f"more than {CALLS_MAX} calls" in PAGE
    assert f"calls end, for {STOP_S:g} seconds at most" in PAGE
