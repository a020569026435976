"""Only who is trusted here may bring a model."""

from __future__ import annotations

from datetime import date, datetime, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError, ModelError
from edge.model.releases.signature import TrustedKey, read_keys, verify
from export.sign import new_key, read_private

# RFC 8032, section 7.1, test 3
PUBLIC = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
MESSAGE = bytes.fromhex("af82")
SIGNED = bytes.fromhex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)
KEY = TrustedKey("rfc", Ed25519PublicKey.from_public_bytes(PUBLIC), None)


def test_the_signature_of_the_rfc_is_good() -> None:
    assert verify(MESSAGE, SIGNED, (KEY,)) is KEY


@given(st.integers(0, 511))
def test_every_flipped_bit_of_a_signature_is_noticed(bit: int) -> None:
    forged = bytearray(SIGNED)
    forged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ModelError, match="signature: expected one by rfc"):
        verify(MESSAGE, bytes(forged), (KEY,))


@given(st.binary(max_size=80))
def test_no_arbitrary_bytes_are_a_signature(signature: bytes) -> None:
    with pytest.raises(ModelError, match="signature"):
        verify(MESSAGE, signature, (KEY,))


def test_any_of_several_keys_will_do_so_that_they_can_be_rotated(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("new", "old"):
        new_key(tmp_path / f"{name}.pem").rename(keys / f"{name}.pem")
    for name in ("old", "new"):
        signed = read_private(tmp_path / f"{name}.pem").sign(b"manifest")
        assert verify(b"manifest", signed, read_keys(keys)).name == f"{name}.pem"


def test_a_folder_without_keys_says_what_belongs_there(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("keys go here")
    with pytest.raises(ConfigError, match=r"models.keys: .* holds no \*.pem; put the public key"):
        read_keys(tmp_path)
    with pytest.raises(ConfigError, match=r"models.keys: .*gone cannot be read"):
        read_keys(tmp_path / "gone")


def test_a_private_key_has_no_place_on_a_box(tmp_path: Path) -> None:
    new_key(tmp_path / "mine.pem")
    with pytest.raises(ConfigError, match=r"mine.pem is a private key"):
        read_keys(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"\0" * 9000]
)
def test_what_is_no_key_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=r"odd.pem: expected an Ed25519 public key"):
        read_keys(tmp_path)


def test_a_key_of_another_kind_is_named(tmp_path: Path) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    (tmp_path / "ec.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ConfigError, match=r"ec.pem: expected an Ed25519 public key"):
        read_keys(tmp_path)


def _expiring(folder: Path, text: str = "2028-01-31") -> TrustedKey:
    new_key(folder / "k.pem", expires=date(2028, 1, 31))
    (folder / "k.pem").unlink()
    public = folder / "k.pub.pem"
    public.write_text(public.read_text().replace("2028-01-31", text))
    return read_keys(folder)[0]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def test_a_key_is_good_to_the_end_of_its_last_day(tmp_path: Path) -> None:
    key = _expiring(tmp_path)
    key.check_date(_at("2028-01-31 23:59:59"), _at("2028-01-31 23:59:59"))
    assert key.ends == _at("2028-02-01")


@pytest.mark.parametrize(
    ("signed", "now"),
    [
        ("2028-02-01", "2027-01-01"),  # the clock of the box is behind
        ("2028-02-01", "1970-01-01"),
        ("2027-01-01", "2028-02-01"),  # signed with an old date by whoever found the key
    ],
)
def test_an_expired_key_brings_nothing_new_whatever_either_clock_says(tmp_path: Path, signed: str, now: str) -> None:
    with pytest.raises(ModelError, match=r"k.pub.pem, which expired after 2028-01-31"):
        _expiring(tmp_path).check_date(_at(signed), _at(now))


@pytest.mark.parametrize("text", ["soon", "2028-02-30", "9999-12-31"])
def test_a_date_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"k.pub.pem: expected `Not after: 2028-01-31`, found"):
        _expiring(tmp_path, text)
