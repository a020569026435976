"""The unit as systemd reads it: valid, shut in, known to the oldest systemd, and still able to hear."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.server.board.connections import MAX_CONNECTIONS

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT, BOARD = FOLDER / "laennec.service", FOLDER / "laennec-board.service"
DROP_INS = sorted((FOLDER / "laennec.service.d").glob("*.conf"))
MOST_EXPOSED = 25  # tenths; systemd-analyze gave 2.3 with systemd 252 on 2026-11-21
MOST_EXPOSED_BOARD = 15  # 1.2 with systemd 252 on 2026-11-23
OLDEST = 249  # Ubuntu 22.04, which JetPack 6 is made of
SINCE = {  # systemd that first knew a directive, from its NEWS file; those without a number are older than 230
    "StartLimitIntervalSec": 230,
    "DynamicUser": 232,
    "ProtectKernelTunables": 232,
    "ProtectControlGroups": 232,
    "ProtectKernelModules": 232,
    "RemoveIPC": 232,
    "RestrictNamespaces": 233,
    "StateDirectory": 235,
    "CacheDirectory": 235,
    "ConfigurationDirectory": 235,
    "LockPersonality": 235,
    "StateDirectoryMode": 235,
    "CacheDirectoryMode": 235,
    "KeyringMode": 235,
    "WatchdogSignal": 240,
    "RestrictSUIDSGID": 242,
    "ProtectHostname": 242,
    "OOMPolicy": 243,
    "ProtectKernelLogs": 244,
    "ProtectProc": 247,
    "CPUWeight": 232,
    "MemoryMax": 231,
    "RestrictRealtime": 231,
    "AmbientCapabilities": 229,
    "TasksMax": 227,
    "ProtectClock": 245,
    "PrivateUsers": 232,
    "ProcSubset": 247,
    "MemoryDenyWriteExecute": 231,
}
OLD = {
    "Description",
    "After",
    "Type",
    "ExecStart",
    "ExecStartPre",
    "TimeoutStartSec",
    "NotifyAccess",
    "WatchdogSec",
    "Restart",
    "RestartSec",
    "TimeoutStopSec",
    "KillMode",
    "User",
    "SupplementaryGroups",
    "RuntimeDirectory",
    "UMask",
    "Environment",
    "OOMScoreAdjust",
    "Nice",
    "LimitCORE",
    "CapabilityBoundingSet",
    "NoNewPrivileges",
    "ProtectSystem",
    "LimitNOFILE",
    "ProtectHome",
    "PrivateTmp",
    "RestrictAddressFamilies",
    "SystemCallArchitectures",
    "SystemCallFilter",
    "SystemCallErrorNumber",
    "WantedBy",
    "DevicePolicy",
    "DeviceAllow",
    "PrivateDevices",
    "ConditionPathExists",
}
needs_systemd = pytest.mark.needs("systemd-analyze")


def directives(path: Path) -> list[tuple[str, str]]:
    """Names and values, in order."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] not in "#[;"]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def settings() -> dict[str, str]:
    return dict(directives(UNIT))


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit with its drop-ins, and a program that exists in place of the one that is not here."""
    unit = tmp_path / "laennec.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    shutil.copytree(FOLDER / "laennec.service.d", tmp_path / "laennec.service.d")
    return unit


@needs_systemd
def test_systemd_takes_the_unit_and_its_drop_ins_without_a_word(installed: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(installed)], capture_output=True, text=True, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "laennec" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """The board's unit, likewise."""
    unit = tmp_path / "laennec-board.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", BOARD.read_text(), flags=re.MULTILINE))
    return unit


@needs_systemd
def test_systemd_takes_the_board_s_unit_without_a_word(board: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(board)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "laennec" in line]) == (0, [])


@needs_systemd
def test_a_unit_with_an_unknown_directive_is_not_taken(installed: Path) -> None:
    installed.write_text(installed.read_text().replace("ProtectSystem=strict", "ProtectSystems=strict"))
    done = subprocess.run(["systemd-analyze", "verify", str(installed)], capture_output=True, text=True, timeout=60)
    assert "ProtectSystems" in done.stderr


@needs_systemd
@pytest.mark.parametrize(("unit", "most"), [(UNIT, MOST_EXPOSED), (BOARD, MOST_EXPOSED_BOARD)])
def test_a_service_is_exposed_no_more_than_it_was(unit: Path, most: int) -> None:
    words = ["systemd-analyze", "security", "--offline=true", f"--threshold={most}", "--no-pager", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a file (older than 250)")
    assert done.returncode == 0, done.stdout[-200:]
    assert "Overall exposure level" in done.stdout


@pytest.mark.parametrize("path", [UNIT, BOARD, *DROP_INS], ids=lambda path: path.name)
def test_every_directive_is_known_to_the_systemd_of_jetpack_6(path: Path) -> None:
    for name, _ in directives(path):
        assert name in OLD or SINCE[name] <= OLDEST, name


@needs_systemd
def test_the_clock_may_be_asked_though_not_set() -> None:
    def allowed() -> set[str]:
        """What SystemCallFilter leaves, its lines read in order as systemd does."""
        left: set[str] = set()
        for value in (value for name, value in directives(UNIT) if name == "SystemCallFilter"):
            for word in value.lstrip("~").split():
                left = left - calls(word) if value.startswith("~") else left | calls(word)
        return left

    def calls(word: str) -> set[str]:
        if not word.startswith("@"):
            return {word}
        line = ["systemd-analyze", "syscall-filter", "--no-pager", word]
        listed = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout
        words = [line.strip() for line in listed.splitlines()[1:] if line.strip() and "#" not in line]
        return set().union(*(calls(inner) for inner in words))

    left = allowed()
    assert {"adjtimex", "clock_adjtime", "mmap", "mprotect", "futex", "sendmsg", "flock", "fsync", "clone3"} <= left
    assert not {"clock_settime", "settimeofday", "chown", "setuid", "mount", "ptrace", "bpf", "init_module"} & left


def test_what_the_node_needs_is_left_open() -> None:
    found = settings()
    assert "MemoryDenyWriteExecute" not in found  # Numba
    assert "PrivateDevices" not in found  # sound cards, serial ports, GPU
    assert "ProtectClock" not in found  # adjtimex
    assert {"audio", "dialout", "video", "render"} <= set(found["SupplementaryGroups"].split())
    assert {"AF_UNIX", "AF_INET", "AF_INET6"} <= set(found["RestrictAddressFamilies"].split())


def test_before_every_start_a_program_of_the_release_before_may_undo_a_switch_with_full_rights() -> None:
    line = settings()["ExecStartPre"]
    assert line.startswith("-+/bin/sh ")  # "+" since systemd 231
    assert "/opt/laennec/before/undo.sh /'" in line


def test_it_is_watched_and_comes_back_for_ever() -> None:
    found = settings()
    assert found["Type"] == "notify"
    assert found["WatchdogSec"] == "30"
    assert found["Restart"] == "always"
    assert found["StartLimitIntervalSec"] == "0"
    assert found["LimitCORE"] == "0"  # a core would hold sound


def test_the_folders_are_those_that_settings_and_kernels_look_for() -> None:
    found = settings()
    assert [found[f"{kind}Directory"] for kind in ("State", "Cache", "Runtime", "Configuration")] == ["laennec"] * 4
    assert "/etc/laennec/ward.yaml" in found["ExecStart"]
    assert found["ExecStart"].startswith("/opt/laennec/current/venv/bin/laennec run ")


def test_the_board_has_a_user_and_a_folder_of_its_own_and_reads_its_settings_from_the_release() -> None:
    node, found = settings(), dict(directives(BOARD))
    assert (found["User"], found["StateDirectory"]) == ("laennec-board", "laennec-board")
    assert found["User"] != node["User"], "the node's outbox and clips are not its"
    assert found["ExecStart"].endswith(" board --config /opt/laennec/current/board.yaml")
    assert found["ConditionPathExists"] == "/opt/laennec/current/board.yaml"


def test_the_board_has_descriptors_for_every_connection_that_it_takes() -> None:
    assert int(dict(directives(BOARD))["LimitNOFILE"]) == 4096 > 2 * MAX_CONNECTIONS


@pytest.mark.needs("systemd-sysusers")
def test_the_users_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    line = ["systemd-sysusers", f"--root={tmp_path}", str(FOLDER / "laennec.sysusers.conf")]
    subprocess.run(line, capture_output=True, timeout=60, check=True)
    lines = (tmp_path / "etc" / "passwd").read_text().splitlines()
    assert {line.split(":")[0] for line in lines} == {"laennec", "laennec-board"}
