"""What `laennec alarms` prints: the log, for a person."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.commands.app import main
from edge.contract.commands import Acknowledge, Inactivate
from edge.contract.fields import rfc3339
from edge.node.alarms import AlarmClock
from edge.ward.alarm_records import Key, Rule, Value
from edge.ward.alarms import Alarms
from tests.edge.alarm_logs import record
from tests.edge.dispatching import Time
from tests.edge.wards import ward

BED, CLOCK = Key("bed1", "continuous"), Key("", "clock")
RULES = {BED: Rule("Phy", "Me", latching=True, limit=5.0, escalate_s=60.0), CLOCK: Rule("Tec", "Lo")}
LOUD: dict[Key, Value] = {BED: 20.0, CLOCK: True}


def written(path: Path, begin_s: float) -> None:
    """Two minutes of a bed in the outbox at `path`."""
    alarms = Alarms(RULES)
    record(path, alarms.advance(begin_s, LOUD))
    record(path, alarms.advance(begin_s + 60, LOUD))
    record(path, alarms.command(begin_s + 70, "board", "bed1", Acknowledge(id="a", by="nurse K"))[1])
    suction = Inactivate(id="i", by="nurse K", duration_s=600, why="suction")
    record(path, alarms.command(begin_s + 80, "board", "bed1", suction)[1])


def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> list[str]:
    monkeypatch.setitem(sys.modules, "scipy", sys.modules.get("scipy"))  # the command keeps scipy out for good
    monkeypatch.setattr(sys, "argv", ["laennec", "alarms", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    return capsys.readouterr().out.splitlines()


def test_each_transition_is_a_line_with_who_and_why_also_those_of_the_log_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ward(tmp_path)
    (tmp_path / "state").mkdir()
    written(tmp_path / "state" / "outbox.db", time.time() - 300)
    lines = printed(capsys, monkeypatch, "--config", config)
    assert [line[21:].split() for line in lines[1:-1]] == [
        ["bed1", "continuous", "Me", "On", "raised"],
        ["node", "clock", "Lo", "On", "raised"],
        ["bed1", "continuous", "Hi", "On", "escalated"],
        ["bed1", "continuous", "Hi", "Ack", "acknowledged", "nurse", "K", "(board)"],
        ["bed1", "continuous", "Me", "Off", "inactivated", "nurse", "K", "(board):", "suction"],
    ]
    assert lines[-1] == "5 entries since 24h; signalled now: node clock (On)"


def test_a_bed_a_span_and_everything_may_be_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "a.db"
    written(log, time.time() - 300)
    lines = printed(capsys, monkeypatch, "--log", log, "--bed", "node", "--all")
    assert [line.split()[-1] for line in lines[1:-1]] == ["known", "present", "raised"]
    assert printed(capsys, monkeypatch, "--log", log, "--since", "1s", "--bed", "bed1") == [
        "0 entries since 1s; signalled now: nothing"
    ]


def test_a_log_that_is_not_there_is_one_line(tmp_path: Path, mistake: Callable[..., str]) -> None:
    assert "no log of alarms" in mistake("alarms", "--config", ward(tmp_path))
    assert "no outbox at" in mistake("alarms", "--log", tmp_path / "none.db")


def test_after_a_step_of_the_clock_each_line_says_when_it_was_by_the_clock_that_was_right_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, behind_s, monotonic = time.time(), [3 * 3600.0], Time()
    clock = AlarmClock(0.0, monotonic, lambda: now_s - 7200.0 - behind_s[0] + monotonic.now_s)
    monotonic.now_s, path = 0.0, tmp_path / "outbox.db"
    alarms = Alarms(RULES, wall=clock.wall_s)
    record(path, alarms.advance(clock.now_s(), {CLOCK: False}))
    behind_s[0], monotonic.now_s = 0.0, 6600.0  # a time server has set it; now it is ten minutes ago
    record(path, alarms.advance(clock.now_s(), {CLOCK: True}))
    lines = printed(capsys, monkeypatch, "--log", path, "--since", "1h")
    assert [line.split()[2:6] for line in lines[1:-1]] == [["node", "clock", "Lo", "On"]]
    assert lines[1][:19] == rfc3339(now_s - 600.0)[:19].replace("T", " ")


def test_a_record_that_does_not_note_the_wall_clock_is_printed_by_that_of_the_alarms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = time.time()
    record(tmp_path / "a.db", [replace(each, wall_s=None) for each in Alarms(RULES).advance(now_s - 60, {CLOCK: True})])
    row = printed(capsys, monkeypatch, "--log", tmp_path / "a.db")[1]
    assert row[:19] == rfc3339(now_s - 60)[:19].replace("T", " ")
