"""Attributes are parsed strictly: what is not understood refuses, and never means "not confidential"."""

import json

import pytest

from strongroom.errors import InvalidInput, LimitExceeded, Refused
from strongroom.modules.attributes import ATTRIBUTES_BYTES_MAX, SecretName, difference, parse_attributes
from strongroom.modules.route import CONFIDENTIAL, LOCAL, module_name
from tests.faults.figures import record

FULL = (
    b'{"confidential": true, '
    b'"vault_don_secrets": [{"key": "API_KEY"}, {"key": "SIGNING_KEY", "namespace": "custom-ns"}]}'
)


def test_a_valid_document_with_all_fields_is_read():
    attributes = parse_attributes(FULL)
    assert attributes.confidential
    assert attributes.vault_don_secrets == (SecretName("API_KEY", "main"), SecretName("SIGNING_KEY", "custom-ns"))
    assert attributes.warnings == ()


@pytest.mark.parametrize("nothing", [None, b"", b"{}"], ids=["missing", "zero length", "an empty object"])
def test_no_attributes_are_the_zero_value(nothing):
    attributes = parse_attributes(nothing)
    assert not attributes.confidential
    assert attributes.vault_don_secrets == ()
    assert module_name(attributes) == LOCAL


def test_a_workflow_that_says_it_is_not_confidential_is_local():
    assert module_name(parse_attributes(b'{"confidential": false}')) == LOCAL


def test_a_confidential_workflow_without_secrets_is_confidential():
    assert module_name(parse_attributes(b'{"confidential": true, "vault_don_secrets": []}')) == CONFIDENTIAL


def test_an_empty_namespace_means_main():
    document = b'{"vault_don_secrets": [{"key": "K", "namespace": ""}]}'
    assert parse_attributes(document).vault_don_secrets == (SecretName("K", "main"),)


def test_other_unknown_keys_are_kept_and_warned_about():
    attributes = parse_attributes(b'{"confidential": true, "region": {"max": 3}}')
    assert attributes.confidential
    assert attributes.document["region"] == {"max": 3}
    assert attributes.warnings == ("attributes.region is not known to this host and has no effect",)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (b'{"confidential": tru', "attributes"),
        (b'{"confidential": "yes"}', "attributes.confidential"),
        (b'{"confidential": 1}', "attributes.confidential"),
        (b'{"confidential": null}', "attributes.confidential"),
        (b'{"confidential": true, "confidential": false}', "attributes.confidential"),
        (b'{"Confidential": true}', "attributes.Confidential"),
        (b'{"CONFIDENTIAL": true}', "attributes.CONFIDENTIAL"),
        (b'{"confi dential": true}', "attributes.confi dential"),
        (b'{"con-fidential": true}', "attributes.con-fidential"),
        ('{"conﬁdential": true}'.encode(), "attributes.conﬁdential"),
        ('{"ｃonfidential": true}'.encode(), "attributes.ｃonfidential"),
        (b'{"confidential\\u200b": true}', "attributes.confidential\u200b"),
        (b'{"vaultDonSecrets": []}', "attributes.vaultDonSecrets"),
        (b'{"vault-don-secrets": []}', "attributes.vault-don-secrets"),
        ('{"vault_don_ſecrets": []}'.encode(), "attributes.vault_don_ſecrets"),
        (b'{"vault_don_secrets": null}', "attributes.vault_don_secrets"),
        (b'{"vault_don_secrets": {}}', "attributes.vault_don_secrets"),
        (b'{"vault_don_secrets": ["API_KEY"]}', "attributes.vault_don_secrets[0]"),
        (b'{"vault_don_secrets": [null]}', "attributes.vault_don_secrets[0]"),
        (b'{"vault_don_secrets": [{}]}', "attributes.vault_don_secrets[0].key"),
        (b'{"vault_don_secrets": [{"key": ""}]}', "attributes.vault_don_secrets[0].key"),
        (b'{"vault_don_secrets": [{"key": 7}]}', "attributes.vault_don_secrets[0].key"),
        (b'{"vault_don_secrets": [{"key": null}]}', "attributes.vault_don_secrets[0].key"),
        (b'{"vault_don_secrets": [{"Key": "A"}]}', "attributes.vault_don_secrets[0].Key"),
        (b'{"vault_don_secrets": [{"key": "A", "ns": "b"}]}', "attributes.vault_don_secrets[0].ns"),
        (
            b'{"vault_don_secrets": [{"key": "A"}, {"key": "B", "namespace": null}]}',
            "attributes.vault_don_secrets[1].namespace",
        ),
        (b'{"vault_don_secrets": [{"key": "A", "key": "B"}]}', "attributes.key"),
        (b"null", "attributes"),
        (b"[]", "attributes"),
        (b"true", "attributes"),
        (b" ", "attributes"),
        (b'{"confidential": true} trailing', "attributes"),
        (b'{"confidential": true}{}', "attributes"),
        (b'\xef\xbb\xbf{"confidential": true}', "attributes"),
        (b'{"confidential": true}\xff', "attributes"),
        (b'{"confidential": NaN}', "attributes"),
        (b"{'confidential': true}", "attributes"),
        (b'{"confidential": true,}', "attributes"),
        (b'{"x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "attributes"),
        (b'{"x": ' + b"9" * 10_000 + b"}", "attributes"),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else "",
)
def test_a_document_that_is_not_understood_names_its_field(document, field):
    with pytest.raises(InvalidInput) as caught:
        parse_attributes(document)
    assert caught.value.details["field"] == field
    assert "failed to parse workflow attributes" in caught.value.what
    assert caught.value.fix


def malformed_corpus():
    """At least 500 documents, each made from a confidential one by one kind of damage."""
    text = FULL.decode()
    yield from (text[:cut].encode() for cut in range(1, len(text)))
    for position in range(len(text)):
        for wrong in "\x00x}{":
            yield (text[:position] + wrong + text[position + 1 :]).encode()
    for value in ["1", "0", '"true"', '"false"', "null", "[]", "{}", "1.5", "-1", '""', "[true]", '{"a": true}']:
        yield f'{{"confidential": {value}}}'.encode()
    for key in [
        "Confidential",
        "CONFIDENTIAL",
        "confidentiaL",
        " confidential",
        "confidential ",
        "_confidential",
        "c_o_n_f_i_d_e_n_t_i_a_l",
    ]:
        yield json.dumps({key: True}).encode()


def test_no_malformed_document_is_read_as_not_confidential():
    documents = list(malformed_corpus())
    assert len(documents) >= 500
    survivors = []
    for document in documents:
        try:
            attributes = parse_attributes(document)
        except Refused:
            continue
        # Damage inside a secret's name, or to a key so that it is another word, leaves a document that is well formed.
        if not attributes.confidential and not attributes.warnings:
            survivors.append(document)
    what, measured = f"{len(documents)} malformed attribute documents", f"{len(survivors)} taken for not confidential"
    record("I4", what, demanded="0 taken for not confidential", measured=measured, met=not survivors)
    assert survivors == []


def test_a_document_that_is_too_big_names_size_and_limit():
    with pytest.raises(LimitExceeded) as caught:
        parse_attributes(b'{"x": "' + b"a" * ATTRIBUTES_BYTES_MAX + b'"}')
    assert caught.value.details["limit"] == ATTRIBUTES_BYTES_MAX
    assert caught.value.details["size"] > ATTRIBUTES_BYTES_MAX


def test_too_many_secrets_and_too_long_names_are_refused():
    many = json.dumps({"vault_don_secrets": [{"key": f"K{n}"} for n in range(101)]}).encode()
    with pytest.raises(LimitExceeded, match="names 101 secrets, more than 100"):
        parse_attributes(many)
    with pytest.raises(LimitExceeded, match=r"vault_don_secrets\[0\].key is 65 bytes, more than 64"):
        parse_attributes(json.dumps({"vault_don_secrets": [{"key": "k" * 65}]}).encode())


def test_a_difference_is_told_field_by_field():
    old = parse_attributes(b'{"confidential": true}')
    new = parse_attributes(b'{"vault_don_secrets": [{"key": "A"}]}')
    assert difference(old, new) == [
        "attributes.confidential: true -> absent",
        'attributes.vault_don_secrets: absent -> [{"key": "A"}]',
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"", b"{}"),
        (b"", b'{"confidential": false}'),
        (b'{"vault_don_secrets": [{"key": "A"}]}', b'{"vault_don_secrets": [{"key": "A", "namespace": "main"}]}'),
    ],
    ids=["empty and no members", "a default that is spelled out", "the default namespace"],
)
def test_two_spellings_of_one_wish_do_not_differ(one, other):
    assert difference(parse_attributes(one), parse_attributes(other)) == []
