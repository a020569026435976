"""How `laennec init` names microphones, the text that it writes, and its mistakes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.commands.init import source_of
from edge.settings.first_ward import FirstBroker, FirstStream, first_ward
from edge.settings.node import parse_config
from edge.settings.yaml_file import parse_yaml
from edge.sources.capture_pipe import Device, choose
from edge.sources.file_search import DEMO_AUDIO

USB, TWIN, LINE = (
    Device(0, "USB Audio (hw:1,0)", 1, 44100),
    Device(1, "USB Audio (hw:2,0)", 1, 44100),
    Device(2, "HDA Intel: Line (hw:0,0)", 2, 48000, default=True),
)


@pytest.mark.parametrize(
    ("device", "others", "source"),
    [
        (USB, [USB, LINE], "mic:USB Audio"),
        (USB, [USB, TWIN, LINE], "mic:USB Audio (hw:1,0)"),
        (LINE, [USB, LINE], "mic:HDA Intel: Line"),
    ],
)
def test_a_microphone_is_named_without_the_number_of_its_plug_where_that_is_enough(
    device: Device, others: list[Device], source: str
) -> None:
    assert source_of(device, others) == source
    assert choose(others, source.removeprefix("mic:")) == device


HOSTILE = 'a "quoted": # name, ü {x} \\ y.wav'


@pytest.mark.parametrize("text", [HOSTILE, "1e5", "no", "0x10", "~", "breath.wav", "-", "[a]"])
def test_whatever_a_file_or_user_is_called_the_settings_hold_it(text: str) -> None:
    broker = FirstBroker("broker.ward.example", 8883, True, Path(text), text, Path(text))
    written = first_ward("local", "1", (FirstStream("007", f"/{text}", 2, "8 months"),), broker)
    config = parse_config(parse_yaml(written, "w"), "w")
    (stream,) = config.streams
    assert (config.node, stream.id, stream.source, stream.channel, stream.age) == (
        "1",
        "007",
        f"/{text}",
        2,
        "8 months",
    )
    assert config.mqtt.tls is not None
    assert config.mqtt.tls.ca == config.mqtt.password_file == Path(text)
    assert (config.mqtt.username, config.mqtt.tcp_port) == (text, 8883)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--broker", "x:y"), "--broker: 'x:y' is no HOST or HOST:PORT"),
        (("--age", "old"), "--age: 'old' is no age; write '8 months', '4 years' or 'adult', or 'unknown'"),
        (("--source", ""), "--source: '' names nothing; give mic, mic:DEVICE or a sound file"),
        (("--source", "mic", "--bed", "a", "--bed", "a"), "--bed: each bed needs a name of its own, found a, a"),
        (("--box",), "--node: expected the name of the box, beside --box"),
        (("--box", "--node", "a", "--source", "b.wav"), "--source: 'b.wav' is not on the box; give mic, mic:DEVICE"),
        (("--bed", "a", "--bed", "b"), "--bed: expected 1, one for each source, found 2"),
        (("-o", "none/ward.yaml"), "there is no folder "),
        (("-o", "there.yaml"), "there.yaml is there already"),
        (("-o", ".", "--force"), "-o .: is a folder; give a file"),
        (("-o", "/proc/ward.yaml", "--broker", "127.0.0.1:1"), "-o /proc/ward.yaml: cannot be written ("),
        (
            ("--password-file", "none.txt", "--broker", "127.0.0.1:1"),
            "--password-file none.txt: is nobody's; give --user",
        ),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    arguments: tuple[str, ...],
    expected: str,
    tmp_path: Path,
    mistake: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    (tmp_path / "there.yaml").touch()
    assert expected in mistake("init", "--source", DEMO_AUDIO, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["there.yaml"]
    assert (tmp_path / "there.yaml").read_text() == ""
