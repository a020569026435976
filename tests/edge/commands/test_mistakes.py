"""Mistakes of the operator: one line that says what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.commands.app import main
from edge.commands.box import devices
from edge.commands.run import run
from edge.errors import ConfigError
from edge.model.model import load_model
from edge.sources.file_search import DEMO_AUDIO
from export.sign import new_key
from tests.edge.adapting import adaptation


def test_mistakes_of_the_operator_are_one_line_that_names_them(tmp_path: Path, mistake: Callable[..., str]) -> None:
    config = tmp_path / "ward.yaml"
    assert "nothing to listen to" in mistake("run")
    assert "--stream, --channel and --adaptation belong to --source" in mistake("run", "--stream", "a")
    config.write_text("streems: []")
    assert "did you mean 'streams'?" in mistake("run", "--config", config)
    config.write_text(f"streams: [{{id: a, source: {DEMO_AUDIO}, thresholds: {{wheezes: 0.5}}}}]")
    assert "did you mean 'wheeze'?" in mistake("run", "--config", config)
    assert "none.wav" in mistake("run", "--source", tmp_path / "none.wav", "--outbox", tmp_path / "o.db")
    assert "none.onnx" in mistake("run", "--source", DEMO_AUDIO, "--model", tmp_path / "none.onnx")
    assert "mqtt.port" in mistake("run", "--source", DEMO_AUDIO, "--port", "99999")
    assert "node: 'Edge 7'" in mistake("run", "--source", DEMO_AUDIO, "--node", "Edge 7")
    assert "channel" in mistake("run", "--source", DEMO_AUDIO, "--channel", "2", "--outbox", tmp_path / "o.db")
    assert "'rabbit' is not known" in mistake("demo", "--broker", "rabbit")


def test_where_signatures_are_asked_for_no_node_starts_without_one(tmp_path: Path, mistake: Callable[..., str]) -> None:
    (tmp_path / "mine.adaptation").write_text(adaptation(model=load_model().sha256).to_text())
    new_key(tmp_path / "ward.pem")
    config = tmp_path / "ward.yaml"
    stream = f"{{id: a, source: {DEMO_AUDIO}, adaptation: mine.adaptation}}"
    config.write_text(f"models: {{keys: ., signed_adaptations: true}}\nstreams: [{stream}]")
    assert "mine.adaptation: not signed" in mistake("run", "--config", config, "--outbox", tmp_path / "o.db")


def test_a_name_for_several_sources_is_refused(mistake: Callable[..., str]) -> None:
    assert "--stream names one bed" in mistake("run", "--source", "a.wav", "--source", "b.wav", "--stream", "bed7")


def test_every_source_that_is_missing_is_named(tmp_path: Path) -> None:
    config = tmp_path / "ward.yaml"
    config.write_text(f"streams: [{{id: a, source: a.wav}}, {{id: b, source: {DEMO_AUDIO}}}, {{id: c, source: c.wav}}]")
    with pytest.raises(ConfigError) as error:
        run(config=config, outbox=tmp_path / "outbox.db")
    head, *others = str(error.value).splitlines()
    assert head == f"{config}: 2 mistakes"
    assert [line.split(": ")[0] for line in others] == [f"  {tmp_path / 'a.wav'}", f"  {tmp_path / 'c.wav'}"]


def test_mistakes_of_classes_groups_adaptations_and_sources_are_told_in_one_go(tmp_path: Path) -> None:
    config, box = tmp_path / "ward.yaml", tmp_path / "outbox.db"
    (tmp_path / "other.adaptation").write_text(adaptation(model="f" * 64).to_text())
    config.write_text(
        "alarms: {burden: {whistles: {limit_s_per_min: 6}}}\n"
        f"streams: [{{id: a, source: a.wav, thresholds: {{wheezes: 0.5}}, tracking: {{stridors: {{keep: 0.5}}}}}},"
        f" {{id: b, source: {DEMO_AUDIO}, adaptation: other.adaptation}}]"
    )
    with pytest.raises(ConfigError) as error:
        run(config=config, outbox=box)
    head, *lines = str(error.value).splitlines()
    assert head == f"{config}: 5 mistakes"
    expected_text = ("thresholds.wheezes", "tracking.stridors", "burden.whistles", "made for model ffffff", "a.wav")
    assert [text in line for text, line in zip(expected_text, lines, strict=True)] == [True] * 5, lines
    assert not box.exists()


def test_a_model_that_does_not_open_and_sources_that_are_missing_are_told_in_one_go(tmp_path: Path) -> None:
    config = tmp_path / "ward.yaml"
    config.write_text("model: none.onnx\nstreams: [{id: a, source: a.wav}, {id: b, source: b.wav}]")
    with pytest.raises(ConfigError) as error:
        run(config=config, outbox=tmp_path / "outbox.db")
    head, *lines = str(error.value).splitlines()
    assert head == f"{config}: 3 mistakes"
    expected_text = ("none.onnx", "a.wav", "b.wav")
    assert [text in line for text, line in zip(expected_text, lines, strict=True)] == [True] * 3, lines


def test_what_comes_at_its_own_pace_is_not_played_fast(mistake: Callable[..., str]) -> None:
    assert "--fast is for files; mic:USB comes at its own pace" in mistake("run", "--fast", "--source", "mic:USB")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("monitor",), "nothing to listen to: give --serial PORT, --udp HOST:PORT, --ble ADDRESS, or --config FILE"),
        (("monitor", "--udp", "0.0.0.0:7355"), "would listen on every interface"),
        (("monitor", "--udp", "7355"), "--udp '7355': expected HOST:PORT"),
        (("monitor", "--udp", "127.0.0.1:http"), "link.udp.port: expected a whole number, found 'http'"),
        (("monitor", "--serial", "usb:zz"), "serial port usb:zz: expected a path or usb:VID:PID"),
        (("monitor", "--ble", "wearable"), "link.ble[0].address: 'wearable'"),
        (("replay", "/dev/null"), "/dev/null: is no capture of a link"),
        (("replay", "/nowhere.cap"), "/nowhere.cap: cannot be read"),
    ],
)
def test_a_mistake_in_links_is_one_line(arguments: tuple[str, ...], expected: str, mistake: Callable[..., str]) -> None:
    assert expected in mistake("link", *arguments)


def test_without_a_microphone_the_list_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edge.sources.microphone.list_devices", list)
    devices()
    assert capsys.readouterr().out.splitlines()[:2] == [
        "no microphone found",
        "-> plug one in; `arecord -l` (apt install alsa-utils) shows what the system itself sees",
    ]


@pytest.mark.parametrize(
    "command", ["link monitor --udp 127.0.0.1:0", "link record ward.cap --udp 127.0.0.1:0", "bench"]
)
@pytest.mark.parametrize("seconds", ["inf", "1e300", "nan"])
def test_a_time_that_has_no_end_is_refused(
    seconds: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "scipy", sys.modules.get("scipy"))  # the command keeps scipy out for good
    monkeypatch.setattr(sys, "argv", ["laennec", *command.split(), "--seconds", seconds])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out, "Invalid value for '--seconds'" in err) == (2, "", True)
    assert not any(tmp_path.iterdir())
