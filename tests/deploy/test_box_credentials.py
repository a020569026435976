"""Passwords, keys and certificates on a box: whole, with the right owner and rights, and nowhere else."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.box.credentials import credentials
from deploy.box.layout import BoxLayout, Refusal
from deploy.box.service import Health, Process
from deploy.box.session import Session, Wire
from deploy.commands import _carried
from deploy.devices import DeployError

PASSWORD = b"correct horse\n"


@pytest.fixture
def layout(tmp_path: Path) -> BoxLayout:
    return BoxLayout(str(tmp_path / "root"))


def _file(folder: Path, name: str, content: bytes = PASSWORD, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def _send(layout: BoxLayout, *carried: dict[str, Any]) -> tuple[dict[str, Any], str]:
    reported = io.BytesIO()
    session = Session(layout, Process(layout), Wire(reported))
    found = credentials(session, {"carried": list(carried), "users": ""}, io.BytesIO())
    return found, reported.getvalue().decode()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "made.pem"
    words = ["req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "30", "-subj", "/CN=ward", "-keyout"]
    subprocess.run(["openssl", *words, tmp_path / "made.key", "-out", path], check=True, capture_output=True)
    return path


@pytest.mark.needs("openssl")
def test_a_secret_is_readable_by_one_user_alone_and_what_is_public_by_all(
    layout: BoxLayout, tmp_path: Path, certificate: Path
) -> None:
    password = _carried(f"mqtt-password={_file(tmp_path, 'p')}")
    found, reported = _send(layout, password, _carried(f"ca.pem={certificate}"))
    there = layout.config.parent
    assert found["written"] == ["mqtt-password", "ca.pem"]
    assert [(there / name).stat().st_mode & 0o777 for name in found["written"]] == [0o600, 0o644]
    assert (there / "mqtt-password").read_bytes() == PASSWORD
    assert (there / "mqtt-password").stat().st_uid == os.geteuid()
    for secret in (PASSWORD.decode().strip(), password["content"], password["sha256"]):
        assert secret not in reported


def test_what_lies_there_already_is_not_written_again_and_other_rights_are_put_right(
    layout: BoxLayout, tmp_path: Path
) -> None:
    carried = _carried(f"mqtt-password={_file(tmp_path, 'p')}")
    _send(layout, carried)
    assert _send(layout, carried)[0]["unchanged"] == ["mqtt-password"]
    (layout.config.parent / "mqtt-password").chmod(0o644)
    assert _send(layout, carried)[0]["written"] == ["mqtt-password"]
    assert (layout.config.parent / "mqtt-password").stat().st_mode & 0o777 == 0o600


def test_what_arrives_damaged_is_refused_and_nothing_is_written(layout: BoxLayout, tmp_path: Path) -> None:
    good, bad = (_carried(f"{name}={_file(tmp_path, name)}") for name in ("good", "bad"))
    bad["content"] = base64.b64encode(PASSWORD[:-2]).decode()
    with pytest.raises(Refusal, match="bad arrived damaged"):
        _send(layout, good, bad)
    assert not layout.config.parent.exists()


@pytest.mark.needs("openssl")
def test_a_damaged_certificate_is_told_before_a_broker_tells_it(
    layout: BoxLayout, tmp_path: Path, certificate: Path
) -> None:
    text = certificate.read_text().replace("M", "N", 3)
    broken = _file(tmp_path, "ca.pem", text.encode(), 0o644)
    with pytest.raises(Refusal, match=r"ca.pem: expected certificates"):
        _send(layout, _carried(f"ca.pem={broken}"))
    assert not (layout.config.parent / "ca.pem").exists()


@pytest.mark.parametrize("name", ["../shadow", "/etc/passwd", "a/b/c", "ward.yaml", "", ".hidden", "a/../b"])
def test_a_file_of_a_release_or_of_somebody_else_is_never_written(layout: BoxLayout, name: str) -> None:
    digest = hashlib.sha256(PASSWORD).hexdigest()
    content = base64.b64encode(PASSWORD).decode()
    with pytest.raises(Refusal, match="expected a name below"):
        _send(layout, {"name": name, "content": content, "sha256": digest, "is_secret": True, "reader": "laennec"})
    assert not layout.root.exists()


def test_a_link_in_the_place_of_a_secret_is_replaced_and_not_followed(layout: BoxLayout, tmp_path: Path) -> None:
    layout.config.parent.mkdir(parents=True)
    (layout.config.parent / "mqtt-password").symlink_to(tmp_path / "elsewhere")
    _send(layout, _carried(f"mqtt-password={_file(tmp_path, 'p')}"))
    assert not (tmp_path / "elsewhere").exists()
    assert not (layout.config.parent / "mqtt-password").is_symlink()


def test_what_an_earlier_attempt_left_half_written_shows_nobody_the_secret(layout: BoxLayout, tmp_path: Path) -> None:
    layout.config.parent.mkdir(parents=True)
    half = _file(layout.config.parent, "mqtt-password.part", b"", 0o644)
    with open(half, "rb") as somebody:  # who had it open already
        _send(layout, _carried(f"mqtt-password={_file(tmp_path, 'p')}"))
        assert somebody.read() == b""
    assert not half.exists()


def test_a_secret_that_others_may_read_here_is_not_carried(tmp_path: Path) -> None:
    path = _file(tmp_path, "p", mode=0o644)
    with pytest.raises(DeployError) as caught:
        _carried(f"mqtt-password={path}")
    assert f"others on this workstation may read {path}; run  chmod 600 {path}" in str(caught.value)


@pytest.mark.parametrize("word", ["mqtt-password", "nobody:p=/x", "p=/no/such/file"])
def test_what_is_no_file_to_carry_is_told(word: str) -> None:
    with pytest.raises(DeployError) as caught:
        _carried(word)
    assert str(caught.value).startswith("FILES: ")


@pytest.mark.needs("openssl")
def test_a_private_key_is_a_secret_whatever_stands_before_it(tmp_path: Path, certificate: Path) -> None:
    both = _file(tmp_path, "both.pem", certificate.read_bytes() + (tmp_path / "made.key").read_bytes())
    assert [_carried(f"a={path}")["is_secret"] for path in (both, certificate)] == [True, False]


class OfTheSystem(Process):
    """A service with a user of its own, which runs just now."""

    is_of_the_system = True

    def health(self) -> Health:
        return Health("ready")


def test_a_user_whom_systemd_made_up_for_a_running_service_owns_no_secret(
    layout: BoxLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up = pwd.struct_passwd(("laennec", "x", 61_184, 61_184, "Dynamic User", "/", "/usr/sbin/nologin"))
    monkeypatch.setattr(pwd, "getpwnam", {"laennec": made_up}.__getitem__)  # as nss-systemd answers meanwhile
    session = Session(layout, OfTheSystem(layout), Wire(io.BytesIO()))
    request = {"carried": [_carried(f"mqtt-password={_file(tmp_path, 'p')}")], "users": ""}
    with pytest.raises(Refusal, match="expected a lasting user laennec"):
        credentials(session, request, io.BytesIO())
    assert not layout.config.parent.exists()
