"""`deploy/mosquitto/setup` itself: passwords, mistakes, certificates."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import HANGS_S
from tests.deploy.mosquitto_setup import SETUP, needs_mosquitto, setup

pytestmark = needs_mosquitto


def test_a_node_that_is_set_up_again_has_a_new_password_and_one_that_is_removed_none(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    setup(folder, "node", "ward-b", "edge-7")
    setup(folder, "reader", "board")
    before = (folder / "passwords").read_text().splitlines()
    setup(folder, "node", "ward-b", "edge-7")
    after = (folder / "passwords").read_text().splitlines()
    assert sorted(line.split(":")[0] for line in after) == ["board", "ward-b.edge-7"]
    assert len(set(before) & set(after)) == 1
    assert setup(folder, "remove", "ward-b.edge-7").returncode == 0
    assert "edge-7" not in (folder / "passwords").read_text() + (folder / "acl").read_text()
    assert "board" in (folder / "acl").read_text()


def test_nodes_of_one_name_at_two_sites_are_two_users(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    for site in ("ward-b", "ward-c"):
        assert setup(folder, "node", site, "edge-7").returncode == 0
    acl = (folder / "acl").read_text()
    for site in ("ward-b", "ward-c"):
        assert f"user {site}.edge-7\ntopic readwrite laennec/v1/{site}/edge-7/status\n" in acl
    assert setup(folder, "remove", "ward-b.edge-7").returncode == 0
    assert [line.split(":")[0] for line in (folder / "passwords").read_text().splitlines()] == ["ward-c.edge-7"]


def test_staff_have_the_rights_that_were_named_and_keep_them_with_a_new_password(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    for _ in range(2):
        assert setup(folder, "staff", "nurse-2", "acknowledge").returncode == 0
    assert (folder / "acl").read_text() == (
        "user nurse-2\ntopic read laennec/v1/#\n"
        "topic write laennec/v1/+/+/s/+/cmd/acknowledge/nurse-2\ntopic write laennec/v1/+/+/cmd/acknowledge/nurse-2\n"
        "topic deny laennec/v1/+/+/s/+/mel\ntopic deny laennec/v1/+/+/s/+/sound\n\n"
    )
    assert len((folder / "passwords").read_text().splitlines()) == 1


def test_readers_of_an_earlier_version_are_denied_live_sound_before_any_node_may_publish_some(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    (folder / "acl").write_text(
        "user board\ntopic read laennec/v1/#\ntopic deny laennec/v1/+/+/s/+/mel\n\n"
        "user listener\ntopic read laennec/v1/#\ntopic write laennec/v1/+/+/s/+/cmd/listen/listener\n\n"
        "user other\ntopic read somewhere/#\n\n"
    )
    assert setup(folder, "node", "ward-b", "edge-7").returncode == 0
    users = dict(part.split("\n", 1) for part in (folder / "acl").read_text().split("user ")[1:])
    denied = [name for name, rights in users.items() if "deny laennec/v1/+/+/s/+/sound" in rights]
    assert denied == ["board"]
    assert "topic write laennec/v1/ward-b/edge-7/s/+/sound" in users["ward-b.edge-7"]
    before = users["board"]
    assert setup(folder, "node", "ward-b", "edge-8").returncode == 0
    assert f"user board\n{before}" in (folder / "acl").read_text(), "once"


def test_a_reader_of_an_earlier_version_is_denied_live_spectrograms_from_its_next_password_on(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    (folder / "acl").write_text("user board\ntopic read laennec/v1/#\n\n")
    for _ in range(2):
        assert setup(folder, "reader", "board").returncode == 0
        assert (folder / "acl").read_text() == (
            "user board\ntopic read laennec/v1/#\ntopic deny laennec/v1/+/+/s/+/mel\n"
            "topic deny laennec/v1/+/+/s/+/sound\n\n"
        )
    assert setup(folder, "staff", "lung-nurse", "look").returncode == 0
    assert "/s/+/mel" not in (folder / "acl").read_text().partition("user lung-nurse")[2]


def test_an_ingester_reads_everything_but_live_spectrograms(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    (folder / "acl").write_text("user db1\ntopic read laennec/v1/#\ntopic write laennec/v1/ingest/db1\n\n")
    assert setup(folder, "ingester", "db1").returncode == 0
    assert (folder / "acl").read_text() == (
        "user db1\ntopic read laennec/v1/#\ntopic write laennec/v1/ingest/db1\n"
        "topic deny laennec/v1/+/+/s/+/mel\ntopic deny laennec/v1/+/+/s/+/sound\n\n"
    )


def test_a_node_of_a_broker_that_was_set_up_before_keeps_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    (folder / "acl").write_text("user edge-7\ntopic write laennec/v1/ward-b/edge-7/#\n\n")
    (folder / "passwords").write_text("edge-7:$7$101$x$y\n")
    done = setup(folder, "node", "ward-b", "edge-7")
    assert "username: edge-7," in done.stdout, done.stderr
    acl = (folder / "acl").read_text()
    assert acl.startswith("user edge-7\ntopic readwrite laennec/v1/ward-b/edge-7/status\n")
    assert "edge-7/#" not in acl, "the whole tree, with the commands of others"
    assert setup(folder, "node", "ward-b", "edge-7").returncode == 0
    assert (folder / "acl").read_text() == acl
    assert [line.split(":")[0] for line in (folder / "passwords").read_text().splitlines()] == ["edge-7"]


def test_a_broker_that_was_set_up_before_gets_the_present_configuration_and_keeps_the_old(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    now = (folder / "mosquitto.conf").read_text()
    (folder / "mosquitto.conf").write_text("listener 8884\n")
    assert setup(folder, "conf").returncode == 0
    assert (folder / "mosquitto.conf").read_text() == now
    assert (folder / "mosquitto.conf.before").read_text() == "listener 8884\n"


def test_how_many_messages_wait_for_a_consumer_and_how_often_they_are_saved_is_chosen_once_and_stays(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    for arguments, queued, saved in (
        ((), "10000", "false 5"),
        (("50000",), "50000", "false 5"),
        ((), "50000", "false 5"),
        (("50000", "0"), "50000", "true 1"),
        ((), "50000", "true 1"),
        (("10000", "30"), "10000", "false 30"),
        ((), "10000", "false 30"),
    ):
        assert setup(folder, "conf", *arguments).returncode == 0
        lines = (folder / "mosquitto.conf").read_text().splitlines()
        assert f"max_queued_messages {queued}" in lines
        each, seconds = saved.split()
        assert {f"autosave_on_changes {each}", f"autosave_interval {seconds}"} <= {*lines}


def test_a_broker_of_an_earlier_version_no_longer_writes_its_store_after_each_change(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    (folder / "mosquitto.conf").write_text("max_queued_messages 10000\nautosave_on_changes true\nautosave_interval 1\n")
    assert setup(folder, "conf").returncode == 0
    assert "\nautosave_on_changes false\nautosave_interval 5\n" in (folder / "mosquitto.conf").read_text()


def test_no_password_is_kept_in_clear_text_at_the_broker(made: Path) -> None:
    secret = (made / "clients" / "ward-b.edge-7" / "mqtt-password").read_text().strip()
    assert secret not in (made / "passwords").read_text()
    assert oct((made / "clients" / "ward-b.edge-7" / "mqtt-password").stat().st_mode & 0o077) == oct(0)
    assert oct((made / "ca.key").stat().st_mode & 0o077) == oct(0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("node", "ward-b", "edge-7/#"), "expected 1 to 32 of a-z"),
        (("node", "+", "edge-9"), "expected 1 to 32 of a-z"),
        (("node", "ward-b"), "expected SITE and NODE"),
        (("reader", "ward-b.edge-7"), "expected 1 to 32 of a-z"),
        (("remove", "edge-7"), "found none called 'edge-7'"),
        (("conf", "now"), "expected nothing more, or how many"),
        (("conf", "10000", "often"), "after how many seconds they are saved"),
        (("init", "localhost"), "is set up already"),
        (("remove", "nobody"), "found none called 'nobody'"),
        (("renew",), "expected the names"),
        (("staff", "nurse-4"), "expected the NAME and one or more of"),
        (("staff", "nurse-4", "threshold"), "VERB 'threshold': expected acknowledge"),
        (("staff", "ward-b.x", "pause"), "expected 1 to 32 of a-z"),
        (("staff", "board", "pause"), "'board' exists with other rights (laennec/v1/#)"),
        (("staff", "nurse-2", "limit"), "setup remove nurse-2 first"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(arguments: tuple[str, ...], expected: str, made: Path) -> None:
    files = ("acl", "passwords", "server.pem", "ca.pem")
    before = [(made / name).read_bytes() for name in files]
    done = setup(made, *arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [(made / name).read_bytes() for name in files] == before


def test_a_renewed_certificate_is_of_the_same_authority(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    before = (folder / "server.pem").read_bytes()
    assert setup(folder, "renew", "localhost", "::1").returncode == 0
    assert (folder / "server.pem").read_bytes() != before
    verify = ["openssl", "verify", "-x509_strict", "-CAfile", str(folder / "ca.pem"), str(folder / "server.pem")]
    assert subprocess.run(verify, capture_output=True, timeout=HANGS_S).returncode == 0


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not on this machine")
def test_the_script_passes_shellcheck() -> None:
    done = subprocess.run(["shellcheck", str(SETUP)], capture_output=True, text=True, timeout=HANGS_S)
    assert done.returncode == 0, done.stdout


def test_a_node_announces_itself_to_home_assistant_only_where_its_setup_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    right = "topic write homeassistant/device/laennec_ward-b_edge-7/+/config\n"
    setup(folder, "node", "ward-b", "edge-7")
    assert "homeassistant" not in (folder / "acl").read_text()
    for _ in range(2):
        assert setup(folder, "node", "ward-b", "edge-7", "home-assistant").returncode == 0
    assert (folder / "acl").read_text().count(right) == 1
    assert setup(folder, "node", "ward-b", "edge-7").returncode == 0
    assert "homeassistant" not in (folder / "acl").read_text()
    assert "perhaps: home-assistant" in setup(folder, "node", "ward-b", "edge-7", "homeassistant").stderr


def test_home_assistant_reads_announcements_and_orders_what_was_named(tmp_path: Path) -> None:
    folder = tmp_path / "laennec"
    setup(folder, "init", "localhost")
    done = setup(folder, "home-assistant", "ha", "acknowledge")
    assert "home_assistant: {user: ha}" in done.stdout, done.stderr
    assert (folder / "acl").read_text() == (
        "user ha\ntopic read laennec/v1/#\ntopic read homeassistant/#\ntopic write homeassistant/status\n"
        "topic write laennec/v1/+/+/s/+/cmd/acknowledge/ha\ntopic write laennec/v1/+/+/cmd/acknowledge/ha\n"
        "topic deny laennec/v1/+/+/s/+/mel\ntopic deny laennec/v1/+/+/s/+/sound\n\n"
    )
    assert setup(folder, "home-assistant", "viewer").returncode == 0
    assert "cmd" not in (folder / "acl").read_text().partition("user viewer")[2]
