"""A release that somebody signed whom the box trusts, and every other one, which it refuses."""

from __future__ import annotations

import base64
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deploy.box.layout import LISTING, BoxLayout, Refusal
from deploy.box.signed import check_signed, known_keys
from deploy.devices import DeployError
from deploy.release import read, read_signed, sign, write_signed
from edge.model.releases.signature import read_keys, verify
from export.sign import new_key
from tests.deploy.standin import write_wheel

VERSION = "0.0.1-1a2b3c4d"
FILES = {"run.sh": "#!/bin/sh\n", LISTING: f"{64 * '0'} 1 edge/errors.py\n", "ward.yaml": "config: first\n"}
pytestmark = pytest.mark.needs("openssl")


@pytest.fixture
def layout(tmp_path: Path) -> BoxLayout:
    """A box that knows one key, whose private half is key.pem."""
    layout = BoxLayout(str(tmp_path / "root"))
    layout.keys.mkdir(parents=True)
    new_key(tmp_path / "key.pem").rename(layout.keys / "ward.pub.pem")
    return layout


@pytest.fixture
def request_of(tmp_path: Path) -> dict[str, Any]:
    """What a box is asked with: everything as it was signed."""
    signed = (
        sign(VERSION, FILES, tmp_path / "key.pem", tmp_path / "signed") if (tmp_path / "key.pem").exists() else None
    )
    return {"version": VERSION, "files": dict(FILES), "signed": signed}


def _refusal(layout: BoxLayout, request: dict[str, Any]) -> str:
    with pytest.raises(Refusal) as caught:
        check_signed(layout, request)
    return str(caught.value)


def test_what_was_signed_is_taken_and_its_settings_are_each_box_s_own(
    layout: BoxLayout, request_of: dict[str, Any]
) -> None:
    assert [key.path.name for key in known_keys(layout)] == ["ward.pub.pem"]
    check_signed(layout, request_of)
    request_of["files"]["ward.yaml"] = "config: another\n"
    check_signed(layout, request_of)


def test_a_box_without_a_key_takes_every_release(tmp_path: Path) -> None:
    layout = BoxLayout(str(tmp_path / "root"))
    check_signed(layout, {"version": VERSION, "files": {}})
    assert known_keys(layout) == ()


def test_a_release_that_is_not_signed_is_refused_with_what_to_do(layout: BoxLayout, request_of: dict[str, Any]) -> None:
    output = _refusal(layout, {**request_of, "signed": None})
    assert "expected a release signed by ward.pub.pem" in output
    assert "SIGN=KEY.pem" in output


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda r: r["files"].update({"run.sh": "#!/bin/sh\nrm -rf /\n"}), "run.sh differ"),
        (lambda r: r["files"].update({"more.sh": ""}), "more.sh differ"),
        (lambda r: r["files"].pop("run.sh"), "run.sh differ"),
        (lambda r: r["files"].update({LISTING: f"{64 * '1'} 1 edge/errors.py\n"}), "files.sha256 differ"),
        (lambda r: r.update(version="9.9.9-12345678"), "version differ"),
    ],
)
def test_a_release_that_was_changed_is_refused_and_says_where(
    layout: BoxLayout, request_of: dict[str, Any], change: Any, found: str
) -> None:
    change(request_of)
    assert found in _refusal(layout, request_of)


def test_a_manifest_that_was_changed_is_of_nobody(layout: BoxLayout, request_of: dict[str, Any]) -> None:
    request_of["signed"]["manifest"] = request_of["signed"]["manifest"].replace("0.0.1", "0.0.2", 1)
    assert "signature of the release: expected one by ward.pub.pem, found another" in _refusal(layout, request_of)


def test_a_stranger_s_signature_is_refused(layout: BoxLayout, request_of: dict[str, Any], tmp_path: Path) -> None:
    new_key(tmp_path / "stranger.pem")
    request_of["signed"] = sign(VERSION, FILES, tmp_path / "stranger.pem", tmp_path / "signed")
    assert "expected one by ward.pub.pem, found another" in _refusal(layout, request_of)


@pytest.mark.parametrize("signature", ["not base64", "\N{EURO SIGN}"])
def test_what_is_no_signature_at_all_is_refused_as_one_of_a_stranger(
    layout: BoxLayout, request_of: dict[str, Any], signature: str
) -> None:
    request_of["signed"]["signature"] = signature
    assert "expected one by ward.pub.pem, found another" in _refusal(layout, request_of)


def test_a_box_without_openssl_takes_nothing_and_says_what_to_install(
    layout: BoxLayout, request_of: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "apt-get install openssl" in _refusal(layout, request_of)


def test_an_expired_key_signs_nothing_new(layout: BoxLayout, request_of: dict[str, Any], tmp_path: Path) -> None:
    new_key(tmp_path / "old.pem", expires=date(2020, 1, 1)).rename(layout.keys / "old.pub.pem")
    request_of["signed"] = sign(VERSION, FILES, tmp_path / "old.pem", tmp_path / "signed")
    assert "signed by old.pub.pem, which expired after 2020-01-01" in _refusal(layout, request_of)


def test_a_private_key_among_the_box_s_keys_stops_everything(layout: BoxLayout, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "key.pem", layout.keys / "key.pem")
    with pytest.raises(Refusal) as caught:
        known_keys(layout)
    assert "key.pem is a private key" in str(caught.value)


def test_the_signature_is_one_that_models_are_checked_with(layout: BoxLayout, request_of: dict[str, Any]) -> None:
    signature = base64.b64decode(request_of["signed"]["signature"])
    assert verify(request_of["signed"]["manifest"].encode(), signature, read_keys(layout.keys)).name == "ward.pub.pem"


def test_the_same_release_is_signed_once(layout: BoxLayout, tmp_path: Path) -> None:
    first = sign(VERSION, FILES, tmp_path / "key.pem", tmp_path / "signed")
    assert sign(VERSION, FILES, tmp_path / "key.pem", tmp_path / "signed") == first
    assert sign(VERSION, {**FILES, "run.sh": ""}, tmp_path / "key.pem", tmp_path / "signed") != first
    assert len(list((tmp_path / "signed").iterdir())) == 2


def test_boxes_of_a_fleet_that_sign_at_once_get_the_same_signature(
    layout: BoxLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin/openssl"  # waits a moment for another one that signs at the same time
    slow.parent.mkdir()
    slow.write_text(
        f"#!/bin/sh\necho began >>{tmp_path}/began\nn=0\n"
        f'while [ $n -lt 10 ] && [ "$(wc -l <{tmp_path}/began)" -lt 2 ]; do n=$((n + 1)); sleep 0.1; done\n'
        f'exec {shutil.which("openssl")} "$@"\n'
    )
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    with ThreadPoolExecutor(2) as pool:
        boxes = [pool.submit(sign, VERSION, FILES, tmp_path / "key.pem", tmp_path / "signed") for _ in range(2)]
        signed = [each.result() for each in boxes]
    assert (tmp_path / "began").read_text() == "began\n", "an encrypted key would have been asked for twice"
    assert signed[0] == signed[1]


def test_wheels_of_elsewhere_carry_their_signature_along(layout: BoxLayout, tmp_path: Path) -> None:
    folder = tmp_path / "house"
    write_wheel(folder)
    assert read_signed(folder) is None
    version, files = read(folder, tmp_path / "build").version, {**FILES, LISTING: read(folder, tmp_path).listing()}
    created = write_signed(folder, version, files, tmp_path / "key.pem")
    signed = read_signed(folder)
    assert signed is not None
    assert json.loads(signed["manifest"])["created"] == created
    check_signed(layout, {"version": version, "files": files, "signed": signed})


def test_what_is_no_private_key_cannot_sign(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="SIGN: expected a private key"):
        sign(VERSION, FILES, tmp_path / "none.pem", tmp_path / "signed")
    (tmp_path / "text.pem").write_text("no key")
    with pytest.raises(DeployError, match="expected an Ed25519 private key"):
        sign(VERSION, FILES, tmp_path / "text.pem", tmp_path / "signed")
    assert not list((tmp_path / "signed").rglob("release.sig"))
