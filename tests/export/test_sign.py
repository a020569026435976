"""What the workstation signs, a box takes."""

from __future__ import annotations

import shutil
import stat
from datetime import date, datetime, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge.errors import ConfigError, ModelError
from edge.model.model import DEFAULT_PATH
from edge.model.releases.signature import read_keys
from export.sign import Terms, new_key, read_private, sign
from tests.edge.signed_releases import edited

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    """The default model, away from its variants."""
    return shutil.copy(DEFAULT_PATH, tmp_path / "bed.onnx")


def test_the_same_model_signed_at_the_same_moment_is_the_same_package(tmp_path: Path, artefact: Path) -> None:
    new_key(tmp_path / "k.pem")
    key = read_private(tmp_path / "k.pem")
    assert sign(artefact, key, Terms(NOON)) == sign(artefact, key, Terms(NOON))


def test_a_private_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    public = new_key(tmp_path / "k.pem")
    assert stat.S_IMODE((tmp_path / "k.pem").stat().st_mode) == 0o600
    before = (tmp_path / "k.pem").read_bytes()
    with pytest.raises(ConfigError, match=r"k.pem: cannot be made \(File exists\)"):
        new_key(tmp_path / "k.pem")
    assert (tmp_path / "k.pem").read_bytes() == before
    assert public == tmp_path / "k.pub.pem"


def test_a_passphrase_is_needed_again(tmp_path: Path) -> None:
    new_key(tmp_path / "k.pem", b"chest")
    assert b"ENCRYPTED" in (tmp_path / "k.pem").read_bytes()
    read_private(tmp_path / "k.pem", b"chest")
    with pytest.raises(ConfigError, match="another passphrase"):
        read_private(tmp_path / "k.pem", b"heart")


def test_the_last_day_of_a_key_travels_with_its_public_half(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    shutil.move(new_key(tmp_path / "k.pem", expires=date(2028, 1, 31)), tmp_path / "keys")
    assert read_keys(tmp_path / "keys")[0].ends == datetime(2028, 2, 1, tzinfo=timezone.utc)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "ec.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ConfigError, match="expected an Ed25519 key"):
        read_private(tmp_path / "ec.pem")


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k.pem").write_bytes(content)
    with pytest.raises(ConfigError, match="no private key"):
        read_private(tmp_path / "k.pem")


def test_a_variant_alone_is_not_signed(tmp_path: Path, artefact: Path) -> None:
    new_key(tmp_path / "k.pem")
    variant = {"name": "cpu-int8", "runtime": "onnxruntime", "precision": "int8", "parent": "a" * 64}
    rest = {"checkpoint": "", "calibration": None, "made_with": {}}
    path = edited(artefact, tmp_path / "v.onnx", variant={**variant, **rest})
    with pytest.raises(ModelError, match="give the fp32 artefact"):
        sign(path, read_private(tmp_path / "k.pem"), Terms(NOON))


@pytest.mark.parametrize("terms", [Terms(NOON, "soon"), Terms(NOON, "1.0")])
def test_a_version_that_is_none_is_refused(tmp_path: Path, artefact: Path, terms: Terms) -> None:
    new_key(tmp_path / "k.pem")
    with pytest.raises(ConfigError, match="needs"):
        sign(artefact, read_private(tmp_path / "k.pem"), terms)
