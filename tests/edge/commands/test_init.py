"""How `laennec init` names microphones, and the text that it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.commands.init import source_of
from edge.settings.first_ward import FirstBroker, FirstStream, first_ward
from edge.settings.node import parse_config
from edge.settings.yaml_file import parse_yaml
from edge.sources.capture_pipe import Device, choose

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
