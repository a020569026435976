"""What the workstation signs, a box takes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from edge.model.model import DEFAULT_PATH
from edge.model.releases.store import ModelStore
from export.sign import Terms, new_key, read_private, sign
from tests.export import test_sign
from tests.export.test_sign import NOON

artefact = test_sign.artefact

ROOT = Path(__file__).parents[3]


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "export.sign", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_from_a_new_key_to_an_installed_model_in_two_commands(tmp_path: Path, artefact: Path) -> None:
    made = _run("--new-key", tmp_path / "ward.pem")
    assert made.returncode == 0, made.stderr
    signed = _run("--key", tmp_path / "ward.pem", "--out", tmp_path / "bed.model", artefact)
    assert signed.returncode == 0, signed.stderr
    (tmp_path / "keys").mkdir()
    shutil.copy(tmp_path / "ward.pub.pem", tmp_path / "keys")
    release = ModelStore(tmp_path / "models", tmp_path / "keys").install(tmp_path / "bed.model")
    assert f"release {release.sha256[:12]}" in signed.stdout


@pytest.mark.parametrize("arguments", [(), ("--key", "gone.pem", "--out", "x.model", str(DEFAULT_PATH))])
def test_a_mistake_is_one_line_and_exit_code_2(arguments: tuple[str, ...]) -> None:
    result = _run(*arguments)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("sign: ")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to compare with")
def test_openssl_finds_the_signature_good(tmp_path: Path, artefact: Path) -> None:
    public = new_key(tmp_path / "k.pem", expires=date(2030, 1, 1))
    (tmp_path / "keys").mkdir()
    shutil.copy(public, tmp_path / "keys")
    (tmp_path / "bed.model").write_bytes(sign(artefact, read_private(tmp_path / "k.pem"), Terms(NOON))[1])
    folder = ModelStore(tmp_path / "models", tmp_path / "keys").install(tmp_path / "bed.model").folder
    command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-in", folder / "manifest.json"]
    output = subprocess.run([*command, "-sigfile", folder / "manifest.sig"], capture_output=True, text=True)
    assert (output.returncode, output.stdout.strip()) == (0, "Signature Verified Successfully")
