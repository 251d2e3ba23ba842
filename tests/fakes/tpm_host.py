"""A host whose enclave runners attest with a software TPM, set up by the commands that an operator would give."""

import contextlib
import io
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from cryptography.hazmat.primitives.asymmetric import ec

from strongroom_confidential_workflows.providers.tpm_keys import create_ek, flush
from strongroom_confidential_workflows.tpm_commands import main as tpm_main
from strongroom_vault.__main__ import main as vault_main
from tests.fakes import pki_tpm
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.software_tpm import SoftwareTpm
from tests.fakes.tpm_relay import TpmRelay

COORDINATE_BYTES = 32
LENGTH_BYTES = 2
REGISTERS = (0, 7, 16)
RUNNERS = "strongroom_confidential_workflows"
VAULT = "strongroom_vault"
PAYLOAD = '{"who": "x"}'


def operator(module, *arguments):
    """What ``python -m module …`` printed. It must succeed."""
    code, out, err = tried(module, *arguments)
    assert code == 0, err
    return out


def tried(module, *arguments):
    """Exit code, stdout and stderr of ``python -m module …``, without a process of its own: there are many."""
    main = {VAULT: vault_main, RUNNERS: runners_main}[module]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main([str(each) for each in arguments])
    return code, out.getvalue(), err.getvalue()


def runners_main(arguments):
    assert arguments[0] == "tpm"
    return tpm_main(arguments[1:])


class TpmMachine:
    """A machine with a TPM behind a relay, another TPM beside it, and the files of its operator in ``directory``."""

    def __init__(self, directory):
        self.directory = directory
        for name in ("one", "two"):
            (directory / name).mkdir()
        self.tpm = SoftwareTpm(directory / "one").start()
        self.other = SoftwareTpm(directory / "two").start()
        self.relay = TpmRelay(directory / "tpm", self.tpm.path)
        self.daemon = None

    def show(self, kind, device, name, *more):
        """The lines for a policy; the public area of the key goes to ``name``."""
        registers = ",".join(map(str, REGISTERS))
        words = ("--kind", kind, "--pcrs", registers, "--device", device, "--ak", self.directory / name)
        return operator(RUNNERS, "tpm", "show", *words, *more)

    def certified(self, maker):
        """Certificates of the TPM's endorsement key and of this maker."""
        with self.tpm.wire() as wire:
            ek = create_ek(wire)
            flush(wire, ek.handle)
        both = ek.public[-2 * (COORDINATE_BYTES + LENGTH_BYTES) :]
        x, y = both[LENGTH_BYTES : LENGTH_BYTES + COORDINATE_BYTES], both[-COORDINATE_BYTES:]
        numbers = ec.EllipticCurvePublicNumbers(*(int.from_bytes(each, "big") for each in (x, y)), ec.SECP256R1())
        key = pki_tpm.key(maker)
        root = {"of": key, "signed_by": key, "begins": datetime.now(UTC), "lives": timedelta(days=20)}
        leaf = {**root, "of": SimpleNamespace(public_key=numbers.public_key), "usages": (pki_tpm.EK_USAGE,)}
        return pki_tpm.certificate("ek", maker, **leaf), pki_tpm.certificate(maker, maker, ca=True, **root)

    def host(self, kind, endorsements, vault, enclave_config):
        """Start a host whose runners ask the TPM, with this entry's config for the plugin vault."""
        evidence = {
            "kind": kind,
            "device": str(self.relay.path),
            "pcrs": list(REGISTERS),
            "endorsements": list(map(str, endorsements)),
        }
        runners = {
            "executions_max": 1,
            "spare_runners": 0,
            "evidence": evidence,
            "enclave_config_file": str(enclave_config),
        }
        plugins = [
            {"name": "vault", "command": ["python", "-m", VAULT], "provides": ["vault@1.0.0"], "config": vault},
            {
                "name": "confidential-workflows",
                "command": ["python", "-m", RUNNERS],
                "provides": ["confidential-workflows@1.0.0-alpha"],
                "dialect": "both",
                "config": runners,
            },
        ]
        file = self.directory / "plugins.yaml"
        file.write_text(json.dumps({"version": 1, "plugins": plugins}))
        self.daemon = LiveDaemon(self.directory, options=("--plugins-file", str(file))).start()
        return self.daemon

    def executed(self):
        """A run of the workflow ``hello``."""
        return self.daemon("run", "execute", "hello", "--payload", PAYLOAD, "--json")

    def refusal(self):
        """The code of a run that was refused, and what ``run get`` shows of it."""
        with self.daemon.channel() as api:
            run = api.execute("hello", PAYLOAD.encode()).run
        shown = self.daemon("run", "get", run.run_id, "--decrypt", "--reason", "a test").out
        assert run.error_code in shown
        return run.error_code, shown

    def behave(self):
        """The right TPM, and nobody who lies."""
        self.relay.reset()
        self.relay.target = self.tpm.path

    def close(self):
        if self.daemon is not None and self.daemon.process.poll() is None:
            self.daemon.stop()
        self.relay.close()
        for each in (self.tpm, self.other):
            each.kill()
