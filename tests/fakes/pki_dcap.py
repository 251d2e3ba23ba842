"""A platform of TDX or SGX that never existed: its certificates, quotes and collateral, with everything open to change.

The keys come from seeds, so every part is the same in every run. What is made here is laid out by hand, not by the
code that reads it. Source: contracts/attestation.md 8.1 and 11.3; the fields of Intel's documents as real ones have
them.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from strongroom.attest.evidence import Binding, Evidence
from tests.fakes.der import boolean, enumerated, integer, octets, oid, sequence

NOW = datetime(2026, 2, 20, 12, 0, tzinfo=UTC)
ISSUED, NEXT = NOW - timedelta(days=2), NOW + timedelta(days=28)
BORN, DIES = NOW - timedelta(days=400), NOW + timedelta(days=4000)
BOUND = Binding(report_data=b"r" * 32, nonce=b"n" * 32, kem_spki=b"k" * 44)
FMSPC = "90c06f000000"
INTEL = "939a7233f79c4ca9940a0db3957f0607"
QE_SIGNER = hashlib.sha256(b"signer of the quoting enclave").digest()
SGX_OID = "1.2.840.113741.1.13.1"
TDX, SGX = 0x81, 0


def layout(text):
    """Names and sizes in bytes, in their order."""
    words = text.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


TD_10 = layout(
    "tee_tcb_svn 16 mr_seam 48 mr_signer_seam 48 seam_attributes 8 td_attributes 8 xfam 8 mr_td 48 mr_config_id 48 "
    "mr_owner 48 mr_owner_config 48 rtmr0 48 rtmr1 48 rtmr2 48 rtmr3 48 report_data 64"
)
TD_15 = {**TD_10, "tee_tcb_svn2": 16, "mr_service_td": 48}
ENCLAVE = layout(
    "cpu_svn 16 misc_select 4 reserved1 28 attributes 16 mr_enclave 32 reserved2 32 mr_signer 32 reserved3 32 "
    "config_id 64 isv_prod_id 2 isv_svn 2 config_svn 2 reserved4 42 isv_family_id 16 report_data 64"
)
GOOD_TD = {
    "tee_tcb_svn": bytes([6, 1, 3]),
    "tee_tcb_svn2": bytes([6, 1, 3]),
    "td_attributes": (1 << 28).to_bytes(8, "little"),
    "mr_td": hashlib.sha384(b"mr_td").digest(),
    "rtmr1": hashlib.sha384(b"rtmr1").digest(),
    "report_data": BOUND.report_data,
}
GOOD_ENCLAVE = {
    "attributes": bytes([5, 0, 0, 0, 0, 0, 0, 0, 0xE7]),
    "mr_enclave": hashlib.sha256(b"mr_enclave").digest(),
    "mr_signer": hashlib.sha256(b"mr_signer").digest(),
    "isv_prod_id": (7).to_bytes(2, "little"),
    "isv_svn": (300).to_bytes(2, "little"),
    "report_data": BOUND.report_data,
}
BODIES = {3: (None, ENCLAVE), 4: (None, TD_10), 5: (3, TD_15)}


@cache
def key(seed):
    """A P-256 key from a seed."""
    number = int.from_bytes(hashlib.sha256(f"dcap test {seed}".encode()).digest())
    return ec.derive_private_key(number % (2**255) + 1, ec.SECP256R1())


def signature(seed, data):
    """r and s, 32 bytes each."""
    der = key(seed).sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))
    return b"".join(number.to_bytes(32, "big") for number in utils.decode_dss_signature(der))


def point(seed):
    """x and y of the public half."""
    return key(seed).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def name(text):
    """A name with only a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@cache
def certificate(subject, issuer, *, is_authority=True, born=BORN, dies=DIES, extra=b"", curve_key=None):
    """A certificate whose subject and issuer are also the seeds of their keys."""
    public = (curve_key or key(subject)).public_key()
    usage = dict.fromkeys(
        ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"], False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(public)
        .serial_number(serial(subject))
        .not_valid_before(born)
        .not_valid_after(dies)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_authority,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                decipher_only=False,
                **usage,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key(issuer).public_key()), critical=False)
    )
    if extra:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(SGX_OID), extra), False)
    return builder.sign(key(issuer), SHA256(), ecdsa_deterministic=True)


def serial(subject):
    """The serial number of the certificate of this subject."""
    return int.from_bytes(hashlib.sha256(subject.encode()).digest()[:8]) | 1


@cache
def revocations(issuer, revoked=(), end=NEXT):
    """A revocation list in DER, hex."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(name(issuer)).last_update(ISSUED).next_update(end)
    builder = builder.add_extension(x509.CRLNumber(1), critical=False).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key(issuer).public_key()), critical=False
    )
    for subject in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial(subject)).revocation_date(ISSUED).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(key(issuer), SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER).hex()


def pem(*chain):
    """Certificates as one PEM text."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in chain).decode()


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A machine, what runs on it, and what its maker says of it."""

    version: int = 4
    fields: dict = field(default_factory=dict)
    root: str = "Test SGX Root CA"
    cpu_svn: int = 5
    tcb_status: str = "UpToDate"
    qe_status: str = "UpToDate"
    advisories: tuple = ()
    fmspc: str = FMSPC
    revoked: tuple = ()
    revoked_authorities: tuple = ()
    lists_end: datetime = NEXT
    documents_end: datetime = NEXT
    documents_issued: datetime = ISSUED
    pck_dies: datetime = DIES
    qe_signer: bytes = QE_SIGNER
    header: dict = field(default_factory=dict)

    @property
    def is_sgx(self):
        """Whether it is SGX."""
        return self.version == 3

    def root_certificate(self):
        """The anchor."""
        return certificate(self.root, self.root)

    def anchors(self):
        """Its digest, as verifiers take it."""
        return frozenset({hashlib.sha256(self.root_certificate().public_bytes(Encoding.DER)).hexdigest()})

    def chain(self):
        """Leaf, authority and root of the platform's key."""
        leaf = certificate("PCK", "Platform CA", is_authority=False, dies=self.pck_dies, extra=self._sgx_extension())
        return leaf, certificate("Platform CA", self.root), self.root_certificate()

    def _sgx_extension(self):
        def at(suffix, value):
            return sequence(oid(f"{SGX_OID}.{suffix}"), value)

        svns = [at(f"2.{n}", integer(self.cpu_svn)) for n in range(1, 17)]
        tcb = sequence(*svns, at("2.17", integer(13)), at("2.18", octets(bytes([self.cpu_svn] * 16))))
        flags = sequence(*(at(f"7.{n}", boolean(n != 2)) for n in range(1, 4)))
        return sequence(
            at("1", octets(bytes(16))),
            at("2", tcb),
            at("3", octets(bytes(2))),
            at("4", octets(bytes.fromhex(FMSPC))),
            at("5", enumerated(1)),
            at("6", octets(bytes(16))),
            at("7", flags),
        )

    def body(self):
        """What is measured."""
        layout = BODIES[self.version][1]
        values = {**(GOOD_ENCLAVE if self.is_sgx else GOOD_TD), **self.fields}
        return b"".join(values.get(each, b"").ljust(size, b"\0") for each, size in layout.items())

    def quote(self, *, chain=None, quoting_key="attestation", certification=5):
        """The quote, without padding."""
        tee = SGX if self.is_sgx else TDX
        values = {"version": self.version, "key_type": 2, "tee": tee, "vendor": INTEL, **self.header}
        signed = b"".join(
            [
                *(values[each].to_bytes(2, "little") for each in ("version", "key_type")),
                values["tee"].to_bytes(4, "little") + bytes(4) + bytes.fromhex(values["vendor"]) + bytes(20),
            ]
        )
        body = self.body()
        if BODIES[self.version][0] is not None:
            signed += BODIES[self.version][0].to_bytes(2, "little") + len(body).to_bytes(4, "little")
        signed += body
        auth = b"a" * 32
        report_data = hashlib.sha256(point("attestation") + auth).digest()
        values = {
            "attributes": bytes([0x15, 0, 0, 0, 0, 0, 0, 0, 0xE7]),
            "mr_signer": self.qe_signer,
            "isv_prod_id": (1 if self.is_sgx else 2).to_bytes(2, "little"),
            "isv_svn": (8).to_bytes(2, "little"),
            "report_data": report_data,
        }
        report = b"".join(values.get(each, b"").ljust(size, b"\0") for each, size in ENCLAVE.items())
        text = pem(*(self.chain() if chain is None else chain)).encode() + b"\0"
        inner = report + signature("PCK", report) + len(auth).to_bytes(2, "little") + auth
        inner += certification.to_bytes(2, "little") + len(text).to_bytes(4, "little") + text
        if not self.is_sgx:
            inner = (6).to_bytes(2, "little") + len(inner).to_bytes(4, "little") + inner
        data = signature(quoting_key, signed) + point("attestation") + inner
        return signed + len(data).to_bytes(4, "little") + data

    def collateral(self, **changes):
        """What its maker says, as JSON."""
        signer, authority = certificate("TCB Signing", self.root, is_authority=False), self.chain()[1]
        root = self.root_certificate()
        tcb, identity = json.dumps(self._tcb_info()), json.dumps(self._qe_identity())
        whole = {
            "pck_crl_issuer_chain": pem(authority, root),
            "root_ca_crl": revocations(self.root, self.revoked_authorities, self.lists_end),
            "pck_crl": revocations("Platform CA", self.revoked, self.lists_end),
            "tcb_info_issuer_chain": pem(signer, root),
            "tcb_info": tcb,
            "tcb_info_signature": signature("TCB Signing", tcb.encode()).hex(),
            "qe_identity_issuer_chain": pem(signer, root),
            "qe_identity": identity,
            "qe_identity_signature": signature("TCB Signing", identity.encode()).hex(),
        }
        return json.dumps({**whole, **changes}).encode()

    def _dates(self):
        times = {"issueDate": self.documents_issued, "nextUpdate": self.documents_end}
        return {each: at.strftime("%Y-%m-%dT%H:%M:%SZ") for each, at in times.items()}

    def _tcb_info(self):
        components = [{"svn": 3}] * 16
        level = {"sgxtcbcomponents": components, "pcesvn": 11}
        module = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
        good = {"tcbDate": "2025-11-13T00:00:00Z", "tcbStatus": "UpToDate"}
        more = {}
        if not self.is_sgx:
            level["tdxtcbcomponents"] = [{"svn": 5}, {"svn": 0}, {"svn": 3}, *[{"svn": 0}] * 13]
            identity = {"id": "TDX_01", **module, "tcbLevels": [{"tcb": {"isvsvn": 5}, **good}]}
            more = {"tdxModule": module, "tdxModuleIdentities": [identity]}
        levels = [{"tcb": level, **good, "tcbStatus": self.tcb_status, "advisoryIDs": list(self.advisories)}]
        head = {"id": "SGX" if self.is_sgx else "TDX", "version": 3, **self._dates(), "fmspc": self.fmspc.upper()}
        return {**head, "pceId": "0000", "tcbType": 0, "tcbEvaluationDataNumber": 18, **more, "tcbLevels": levels}

    def _qe_identity(self):
        good = {"tcb": {"isvsvn": 4}, "tcbDate": "2025-11-13T00:00:00Z", "tcbStatus": self.qe_status}
        masks = {"miscselect": "00000000", "miscselectMask": "FFFFFFFF", "attributes": "11" + "00" * 15}
        head = {"id": "QE" if self.is_sgx else "TD_QE", "version": 2, **self._dates(), "tcbEvaluationDataNumber": 17}
        rest = {"attributesMask": "FBFFFFFFFFFFFFFF" + "00" * 8, "mrsigner": QE_SIGNER.hex().upper()}
        return {**head, **masks, **rest, "isvprodid": 1 if self.is_sgx else 2, "tcbLevels": [good]}

    def evidence(self, *, body=None, endorsements=None):
        """The quote with its collateral."""
        kind = "sgx" if self.is_sgx else "tdx"
        found = (self.collateral(),) if endorsements is None else endorsements
        return Evidence(kind, "application/octet-stream", self.quote() if body is None else body, found)
