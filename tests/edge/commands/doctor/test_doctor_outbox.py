"""What the doctor says of the outbox and of the disk below it; it changes nothing, whoever runs it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.commands.doctor import Check
from edge.commands.doctor import delivery as outbox
from edge.delivery import outbox_reading
from edge.delivery.database import SCHEMA_VERSION
from edge.delivery.messages import Message
from edge.delivery.outbox import Outbox
from edge.delivery.outbox_reading import ExclusiveLockError, logged_events, outbox_of
from edge.errors import ConfigError
from edge.settings.node import Config
from edge.sources.file_search import DEMO_AUDIO
from tests.edge.full_disk import small_disk
from tests.edge.wards import settings

SERVICE = """
import sys
from pathlib import Path
from edge.delivery.outbox import Outbox
store = Outbox(Path(sys.argv[1]), 1, 1)
print("open", flush=True)
sys.stdin.read()
store.close()
"""


def look(config: Config) -> dict[str, Check]:
    return {check.name: check for check in outbox.outbox(config)}


def message(number: int) -> Message:
    return Message("p/site/node/s/bed1/event", {"n": number, "time": {}}, 60, (f"id{number}", 1))


def filled(config: Config, number: int) -> None:
    """An outbox that was closed in order."""
    store = Outbox(config.outbox_path(), 10, 1)
    store.put([message(each) for each in range(number)])
    store.close()


def change(config: Config, script: str) -> None:
    """Do something to the database of an outbox that nobody has open."""
    db = sqlite3.connect(config.outbox_path())
    db.executescript(script)
    db.close()


def snapshot(folder: Path) -> dict[str, tuple[float, int]]:
    return {path.name: (path.stat().st_mtime, path.stat().st_size) for path in folder.rglob("*")}


def test_a_place_with_room_is_ok_and_stays_untouched(tmp_path: Path) -> None:
    config = settings(tmp_path)
    assert {name: check.verdict for name, check in look(config).items()} == {"outbox": "ok", "disk": "ok"}
    assert not config.outbox_path().parent.exists()


def test_what_waits_is_counted_with_its_age_and_nothing_is_changed(tmp_path: Path) -> None:
    config = settings(tmp_path)
    filled(config, 3)
    before = snapshot(tmp_path)
    check = look(config)["outbox"]
    assert (check.verdict, "3 messages wait, the oldest for" in check.found) == ("ok", True)
    assert snapshot(tmp_path) == before


def test_many_messages_or_old_ones_are_a_warning(tmp_path: Path) -> None:
    old, many = settings(tmp_path / "old"), settings(tmp_path / "many")
    filled(old, 1)
    change(old, f"DROP TABLE IF EXISTS operation; UPDATE outbox SET written_s = {time.time() - 2900}")
    filled(many, outbox.MANY + 1)
    assert (look(old)["outbox"].verdict, "the oldest for 48 min" in look(old)["outbox"].found) == ("warn", True)
    assert (look(many)["outbox"].verdict, "101 messages wait" in look(many)["outbox"].found) == ("warn", True)


def test_an_age_is_operating_time_where_that_is_kept(tmp_path: Path) -> None:
    config = settings(tmp_path)
    filled(config, 1)
    change(config, "UPDATE outbox SET written_s = 1000")  # its clock was not set
    change(config, "CREATE TABLE IF NOT EXISTS operation(seq INTEGER PRIMARY KEY, operating_s REAL NOT NULL)")
    change(
        config, "DELETE FROM operation; INSERT INTO operation VALUES(0, 100.0), ((SELECT max(seq) FROM outbox), 7300.0)"
    )
    assert "1 message waits, the oldest for 2 h" in look(config)["outbox"].found


def test_one_in_use_belongs_to_the_running_service_and_is_looked_into(tmp_path: Path) -> None:
    config = settings(tmp_path)
    filled(config, 1)
    command = [sys.executable, "-c", SERVICE, str(config.outbox_path())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "open\n"
        assert outbox.is_running(config.outbox_path())
        check = look(config)["outbox"]
        service.communicate("")
    assert "in use by the running service; 1 message waits" in check.found
    assert not outbox.is_running(config.outbox_path())


def test_what_a_killed_service_left_is_counted_and_left_as_it_is(tmp_path: Path) -> None:
    config = settings(tmp_path)
    filled(config, 1)
    program = SERVICE.replace('print("open"', 'store.put([Message("p/s/n/s/b/event", {}, 9, ("x", 1))])\nprint("open"')
    program = "from edge.delivery.messages import Message" + program
    with subprocess.Popen(
        [sys.executable, "-c", program, str(config.outbox_path())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "open\n"
        service.kill()
    files = [config.outbox_path().with_name(f"outbox.db{suffix}") for suffix in ("", "-wal")]
    before = [file.read_bytes() for file in files]
    assert "2 messages wait" in look(config)["outbox"].found
    assert [file.read_bytes() for file in files] == before


def test_a_folder_in_its_place_fails(tmp_path: Path) -> None:
    config = settings(tmp_path)
    config.outbox_path().mkdir(parents=True)
    check = look(config)["outbox"]
    assert (check.verdict, "is a folder" in check.found) == ("fail", True)
    config = settings(tmp_path, outbox={"path": str(tmp_path / "file" / "outbox.db")})
    (tmp_path / "file").write_text("")
    check = look(config)["outbox"]
    assert (check.verdict, "is not a folder" in check.found) == ("fail", True)


@pytest.mark.parametrize("other", ["sound", "database"])
def test_a_file_of_something_else_fails_in_the_words_in_which_the_service_refuses_it(
    other: str, tmp_path: Path
) -> None:
    config = settings(tmp_path)
    config.outbox_path().parent.mkdir()
    if other == "sound":
        config.outbox_path().write_bytes(DEMO_AUDIO.read_bytes())
    else:
        change(config, "CREATE TABLE address(name TEXT)")
    with pytest.raises(ConfigError) as refused:
        Outbox(config.outbox_path(), 10, 1)
    config.outbox_path().with_name("outbox.db.lock").unlink(missing_ok=True)  # of the attempt
    check = look(config)["outbox"]
    assert (check.verdict, check.found) == ("fail", str(refused.value))


def test_a_newer_format_fails(tmp_path: Path) -> None:
    config = settings(tmp_path)
    filled(config, 1)
    change(config, f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    check = look(config)["outbox"]
    assert (check.verdict, f"newer Laennec (format {SCHEMA_VERSION + 1})" in check.found) == ("fail", True)


@pytest.mark.parametrize("damage", ["no database", "a torn page", "cut off"])
def test_a_damaged_file_is_told_before_the_service_moves_it_aside(damage: str, tmp_path: Path) -> None:
    config = settings(tmp_path)
    filled(config, 500)
    whole = config.outbox_path().read_bytes()
    torn = whole[:8192] + bytes(4096) + whole[12288:]
    config.outbox_path().write_bytes({"no database": b"x" * 5000, "a torn page": torn, "cut off": whole[:9000]}[damage])
    check = look(config)["outbox"]
    assert (check.verdict, "is damaged" in check.found, "moves it aside" in check.advice) == ("warn", True, True), check


def test_what_waits_under_a_former_name_of_the_node_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    config = settings(tmp_path, outbox={})
    filled(settings(tmp_path, node="former", outbox={}), 2)
    filled(settings(tmp_path, node="empty", outbox={}), 0)
    filled(config, 0)
    first, *more = [check for check in outbox.outbox(config) if check.name == "outbox"]
    assert first.verdict == "ok"
    (former,) = more
    assert "outbox-former.db: 2 messages of another node name wait" in former.found
    assert "laennec resend" in former.advice


def test_by_hand_on_a_box_the_outbox_of_its_service_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(outbox_reading, "SERVICE_STATE", tmp_path / "service")
    config = settings(tmp_path, outbox={})
    assert outbox_of(config) == config.outbox_path()
    filled(settings(tmp_path, outbox={"path": str(tmp_path / "service" / "outbox-n1.db")}), 2)
    assert outbox_of(config) == tmp_path / "service" / "outbox-n1.db"
    assert "2 messages wait" in look(config)["outbox"].found
    filled(config, 0)
    assert outbox_of(config) == config.outbox_path()


def test_too_little_room_warns_and_none_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free_mb, verdict in ((1000, "ok"), (150, "warn"), (10, "fail")):
        usage = type("Usage", (), {"free": free_mb * 1e6})
        monkeypatch.setattr(outbox.shutil, "disk_usage", lambda _, usage=usage: usage)
        assert look(settings(tmp_path))["disk"].verdict == verdict


def test_a_place_that_may_not_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox.os, "access", lambda *_: False)
    assert look(settings(tmp_path))["outbox"].verdict == "fail"


def test_a_service_that_began_on_a_full_disk_is_no_other_program(tmp_path: Path) -> None:
    program = "import sys, pathlib; from edge.delivery.outbox import Outbox; "
    program += "outbox = Outbox(pathlib.Path(sys.argv[1]), 1, 1);"
    with small_disk(tmp_path / "disk") as disk:
        path = disk.path / "outbox.db"
        Outbox(path, 1, 1).close()
        disk.fill()
        command = [sys.executable, "-c", program + "print(flush=True); input()", str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
            assert service.stdout is not None
            service.stdout.readline()
            check = outbox.outbox(settings(tmp_path, outbox={"path": str(path)}))[0]
            with pytest.raises(ExclusiveLockError, match="the service reads it alone"):
                list(logged_events(path))
            service.communicate("\n")
    assert (check.verdict, "in use by the running service, alone" in check.found) == ("warn", True)
    assert "free space there" in check.advice
