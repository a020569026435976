"""`laennec init` as a newcomer meets it: in a terminal, by options alone, with mistakes."""

from __future__ import annotations

import fcntl
import os
import pty
import stat
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge.commands.demo_broker import Broker
from edge.settings.node import load_config
from edge.sources.file_search import DEMO_AUDIO

COMMAND = (sys.executable, "-m", "edge", "init")
HANGS_S = 300
ROOT = Path(__file__).parents[3]


def environment(state: Path) -> dict[str, str]:
    return {**os.environ, "XDG_STATE_HOME": str(state), "PYTHONPATH": str(ROOT), "TERM": "dumb"}


def _own_terminal() -> None:
    """Make standard input the terminal of this process: a password is asked at that, not at whoever runs the tests."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def in_a_terminal(folder: Path, answers: Sequence[tuple[str, str]], *arguments: str) -> tuple[int, str]:
    """Exit code and all that was shown of a run in which each question, known by its begin, gets its answer."""
    master, slave = pty.openpty()
    settings = termios.tcgetattr(slave)
    settings[3] &= ~termios.ECHO  # else what is typed stands among what is shown
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_own_terminal,
    ) as process:
        os.close(slave)
        shown, waiting = "", list(answers)
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:  # the terminal is nobody's any more
                break
            if not piece:
                break
            shown += piece.decode()
            while waiting and waiting[0][0] in shown.rpartition("\n")[2] and shown.endswith(": "):
                os.write(master, f"{waiting.pop(0)[1]}\n".encode())
                shown += "\n"
        os.close(master)
        assert not waiting, shown
        return process.wait(HANGS_S), shown.replace("\r\n", "\n")


def without_a_terminal(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_six_answers_give_settings_that_the_doctor_has_checked(broker: Broker, tmp_path: Path) -> None:
    answers = [
        ("What to listen to", str(DEMO_AUDIO)),
        ("Name of its bed", "bed12"),
        ("Age of the patient", "4 years"),
        ("Name of this box", "box-1"),
        ("MQTT broker", f"127.0.0.1:{broker.port}"),
        ("User at the broker", ""),
    ]
    code, shown = in_a_terminal(tmp_path, answers)
    assert code == 0, shown
    config = load_config(tmp_path / "ward.yaml")
    (stream,) = config.streams
    assert (stream.id, stream.source, stream.age) == ("bed12", str(DEMO_AUDIO), "4 years")
    assert (config.node, config.site, config.mode) == ("box-1", "local", "Test")
    assert (config.mqtt.host, config.mqtt.tcp_port, config.mqtt.username) == ("127.0.0.1", broker.port, None)
    assert "ok    broker         " in shown
    assert "ok    source bed12" in shown
    assert shown.splitlines()[-2] == "start it:"
    assert shown.endswith("laennec run --config ward.yaml\n")


def test_an_answer_that_cannot_be_is_asked_again_and_a_password_is_for_its_owner_alone(tmp_path: Path) -> None:
    answers = [
        ("What to listen to", "none.wav"),
        ("What to listen to", str(DEMO_AUDIO)),
        ("Name of its bed", "Bed 12"),
        ("Name of its bed", ""),
        ("Age of the patient", "old"),
        ("Age of the patient", ""),
        ("Name of this box", ""),
        ("MQTT broker", "a broker"),
        ("MQTT broker", "127.0.0.1:1"),
        ("User at the broker", "ward-b"),
        ("Its password", "secret"),
    ]
    code, shown = in_a_terminal(tmp_path, answers)
    assert code == 0, "a broker that is away may come back"
    for expected in ("'none.wav' is no file", "'Bed 12' is not an id", "'old' is no age", "'a broker' is no HOST"):
        assert expected in shown
    assert "secret" not in shown
    assert (tmp_path / "mqtt-password").read_text() == "secret\n"
    assert stat.S_IMODE((tmp_path / "mqtt-password").stat().st_mode) == 0o600
    config = load_config(tmp_path / "ward.yaml")
    assert (config.mqtt.username, config.mqtt.password_file) == ("ward-b", tmp_path / "mqtt-password")
    assert config.streams[0].age is None


def test_options_alone_are_enough_without_a_terminal(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    result = without_a_terminal(
        tmp_path,
        "--source",
        DEMO_AUDIO,
        "--source",
        "mic:USB",
        "--bed",
        "a",
        "--bed",
        "b",
        "--node",
        "box-2",
        "--broker",
        f"127.0.0.1:{broker.port}",
        "-o",
        "w.yaml",
    )
    assert "ok    broker         " in result.stdout
    assert "What to listen to" not in result.stdout
    streams = load_config(tmp_path / "w.yaml").streams
    assert [(each.id, each.source) for each in streams] == [("a", str(DEMO_AUDIO)), ("b", "mic:USB")]


def test_a_broker_with_an_unknown_name_fails_and_says_what_comes_first(tmp_path: Path) -> None:
    result = without_a_terminal(tmp_path, "--source", DEMO_AUDIO, "--broker", "no-such-host.invalid")
    broker = next(line for line in result.stdout.splitlines() if line[6:].startswith("broker "))
    if broker.startswith("warn"):
        pytest.skip(f"nobody answers for names here: {broker}")
    assert broker.startswith("FAIL")
    assert result.returncode == 1
    assert "first mend what says FAIL; then start it:" in result.stdout


def test_mistakes_of_options_are_told_all_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    result = without_a_terminal(tmp_path, "--source", DEMO_AUDIO, "--bed", "a b", "--age", "old", "--node", "X")
    assert result.returncode == 2
    assert [line.partition(" '")[0] for line in result.stderr.splitlines()] == [
        "laennec: command line: 3 mistakes",
        "  --bed:",
        "  --age:",
        "  --node:",
    ]
    assert not (tmp_path / "ward.yaml").exists()


def test_settings_for_a_box_have_its_paths_and_come_with_the_commands_that_send_them(tmp_path: Path) -> None:
    broker = ("--broker", "broker.ward.example", "--ca", "root.pem", "--user", "ward-b", "--password-file", "secret")
    result = without_a_terminal(tmp_path, "--box", "--node", "edge-7", "--source", "mic:USB", *broker)
    assert result.returncode == 0, result.stderr
    config = load_config(tmp_path / "ward.yaml")
    assert (config.node, config.streams[0].source, config.mqtt.tcp_port) == ("edge-7", "mic:USB", 8883)
    assert config.mqtt.tls is not None
    assert (str(config.mqtt.tls.ca), str(config.mqtt.password_file)) == (
        "/etc/laennec/ca.pem",
        "/etc/laennec/mqtt-password",
    )
    assert str(tmp_path) not in (tmp_path / "ward.yaml").read_text()
    files = f'FILES="mqtt-password={tmp_path}/secret ca.pem={tmp_path}/root.pem"'
    assert [line.strip() for line in result.stdout.splitlines()[-2:]] == [
        f"make credentials DEVICE=rpi HOST=user@box {files}",
        f"make configure DEVICE=rpi HOST=user@box CONFIG={tmp_path}/ward.yaml",
    ]


@pytest.mark.parametrize(("answer", "stored"), [("y", "old\n"), ("n", "new\n")])
def test_a_password_that_is_there_is_written_over_only_where_a_person_says_so(
    answer: str, stored: str, tmp_path: Path
) -> None:
    (tmp_path / "mqtt-password").write_text("old\n")
    requested = [("mqtt-password is there", answer), *([("Its password", "new")] if answer == "n" else [])]
    options = ("--source", str(DEMO_AUDIO), "--bed", "a", "--age", "unknown", "--node", "b", "--broker", "127.0.0.1:1")
    code, shown = in_a_terminal(tmp_path, requested, *options, "--user", "ward-b")
    assert code == 0, shown
    assert (tmp_path / "mqtt-password").read_text() == stored
    assert load_config(tmp_path / "ward.yaml").mqtt.password_file == tmp_path / "mqtt-password"


def test_for_a_box_the_questions_are_of_the_box_and_its_demo_is_there(tmp_path: Path) -> None:
    answers = [
        ("What to listen to", "breath.wav"),
        ("What to listen to", "demo"),
        ("Name of its bed", ""),
        ("Age of the patient", ""),
        ("Name of this box", "edge-7"),
        ("MQTT broker", "broker.ward.example:8883"),
        ("User at the broker", ""),
    ]
    code, shown = in_a_terminal(tmp_path, answers, "--box")
    assert code == 0, shown
    assert "'breath.wav' is not on the box" in shown
    assert "microphone" not in shown.partition("wrote ward.yaml")[0], "those of this machine are not the box's"
    config = load_config(tmp_path / "ward.yaml")
    assert (config.node, config.streams[0].source) == ("edge-7", "/opt/laennec/current/demo.flac")
    assert "make credentials" not in shown
