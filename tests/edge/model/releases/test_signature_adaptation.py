"""Where the settings ask for it, an adaptation needs the signature of somebody whom the box trusts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from edge.errors import ConfigError, ModelError
from edge.model.releases.signature import check_signed, signature_path
from edge.settings.node import Models
from export.sign import main, new_key
from tests.edge.adapting import adaptation


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.adaptation"
    path.write_text(adaptation().to_text())
    return path


@pytest.fixture
def asks(tmp_path: Path) -> Models:
    """Settings that ask for a signature; the private key is `ward.pem`."""
    (tmp_path / "keys").mkdir()
    public = new_key(tmp_path / "ward.pem")
    shutil.move(public, tmp_path / "keys")
    return Models(keys=tmp_path / "keys", signed_adaptations=True)


def _sign(file: Path, key: Path) -> int:
    return main(["--key", str(key), "--adaptation", str(file)])


def test_what_was_signed_by_a_trusted_key_is_taken_and_its_signer_said(
    file: Path, asks: Models, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert _sign(file, tmp_path / "ward.pem") == 0
    assert signature_path(file) == tmp_path / "mine.adaptation.sig"
    with caplog.at_level("INFO"):
        check_signed(asks, [None, file, file])
    assert caplog.messages == [f"adaptation={file} signed_by=ward.pub.pem"]


def test_without_a_signature_it_is_refused_and_the_repair_is_said(file: Path, asks: Models) -> None:
    with pytest.raises(ModelError) as caught:
        check_signed(asks, [file])
    assert re.search(r"adaptation .*: not signed, .*\.sig cannot be read \(No such file.*sign it", str(caught.value))


def test_the_signature_of_somebody_else_is_refused(file: Path, asks: Models, tmp_path: Path) -> None:
    new_key(tmp_path / "other.pem")
    assert _sign(file, tmp_path / "other.pem") == 0
    with pytest.raises(ModelError) as caught:
        check_signed(asks, [file])
    assert re.search(r"mine.adaptation: signature: expected one by ward.pub.pem, found another", str(caught.value))


def test_a_change_after_the_signature_is_noticed(file: Path, asks: Models, tmp_path: Path) -> None:
    assert _sign(file, tmp_path / "ward.pem") == 0
    file.write_text(adaptation(equaliser_db=(1.0,) * 8).to_text())
    with pytest.raises(ModelError) as caught:
        check_signed(asks, [file])
    assert re.search("found another", str(caught.value))


def test_nothing_is_asked_for_unless_the_settings_do(file: Path, tmp_path: Path) -> None:
    check_signed(Models(keys=tmp_path / "none"), [file])
    assert not (tmp_path / "none").exists()  # neither a key was there, nor was one asked for


def test_a_box_that_trusts_nobody_says_so(file: Path, asks: Models, tmp_path: Path) -> None:
    assert _sign(file, tmp_path / "ward.pem") == 0
    (tmp_path / "keys" / "ward.pub.pem").unlink()
    with pytest.raises(ConfigError) as caught:
        check_signed(asks, [file])
    assert re.search(r"models\.keys: .* holds no \*\.pem", str(caught.value))


def test_only_an_adaptation_is_signed(asks: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content, message in ((b"{}", "expected an adaptation"), (b"\xff\xfe", "found no text")):
        (tmp_path / "other").write_bytes(content)
        assert _sign(tmp_path / "other", tmp_path / "ward.pem") == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "other.sig").exists()
    assert _sign(tmp_path / "none", tmp_path / "ward.pem") == 2
    assert "cannot be read (No such file or directory)" in capsys.readouterr().err
