"""`deploy/mosquitto/setup` itself: passwords, mistakes, certificates."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.mosquitto_setup import SETUP, needs_mosquitto, setup

pytestmark = [pytest.mark.system, needs_mosquitto]


def test_a_node_that_is_set_up_again_has_a_new_password_and_one_that_is_removed_none(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    setup(folder, "node", "ward-b", "edge-7")
    setup(folder, "reader", "board")
    before = (folder / "passwords").read_text().splitlines()
    setup(folder, "node", "ward-b", "edge-7")
    after = (folder / "passwords").read_text().splitlines()
    assert sorted(line.split(":")[0] for line in after) == ["board", "edge-7"]
    assert len(set(before) & set(after)) == 1
    assert setup(folder, "remove", "edge-7").returncode == 0
    assert "edge-7" not in (folder / "passwords").read_text() + (folder / "acl").read_text()
    assert "board" in (folder / "acl").read_text()


def test_no_password_is_kept_in_clear_text_at_the_broker(made: Path) -> None:
    secret = (made / "clients" / "edge-7" / "mqtt-password").read_text().strip()
    assert secret not in (made / "passwords").read_text()
    assert oct((made / "clients" / "edge-7" / "mqtt-password").stat().st_mode & 0o077) == oct(0)
    assert oct((made / "ca.key").stat().st_mode & 0o077) == oct(0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("node", "ward-b", "edge-7/#"), "expected 1 to 32 of a-z"),
        (("node", "+", "edge-9"), "expected 1 to 32 of a-z"),
        (("node", "ward-b"), "expected SITE and NODE"),
        (("reader", "edge-7"), "exists with other rights"),
        (("node", "ward-c", "edge-7"), "exists with other rights"),
        (("init", "localhost"), "is set up already"),
        (("remove", "nobody"), "found none called 'nobody'"),
        (("renew",), "expected the names"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(arguments: tuple[str, ...], said: str, made: Path) -> None:
    files = ("acl", "passwords", "server.pem", "ca.pem")
    before = [(made / name).read_bytes() for name in files]
    done = setup(made, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [(made / name).read_bytes() for name in files] == before


def test_a_renewed_certificate_is_of_the_same_authority(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    before = (folder / "server.pem").read_bytes()
    assert setup(folder, "renew", "localhost", "::1").returncode == 0
    assert (folder / "server.pem").read_bytes() != before
    verify = ["openssl", "verify", "-x509_strict", "-CAfile", str(folder / "ca.pem"), str(folder / "server.pem")]
    assert subprocess.run(verify, capture_output=True, timeout=30).returncode == 0


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not on this machine")
def test_the_script_passes_shellcheck() -> None:
    done = subprocess.run(["shellcheck", str(SETUP)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
