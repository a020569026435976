"""Settings: every mistake is named with its key, its value and the repair."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.settings import node as config_module
from edge.settings.broker import Mqtt
from edge.settings.node import Config, check_classes, load_config, parse_config
from tests.edge.fakes import LoudnessModel

WARD = """
site: ward-b
node: edge-7
streams:
  - id: bed12-rul
    source: mic:stethoscope
    channel: 2
    thresholds: {wheeze: 0.7}
    classes: [wheeze]
  - {id: bed13, source: /srv/replay.flac, pace: false}
mqtt: {host: broker.ward, username: edge-7, tls: {}}
outbox: {max_mb: 50}
"""


def refused(text: str, tmp_path: Path) -> str:
    path = tmp_path / "ward.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(path) in str(error.value)
    return str(error.value).replace(str(path), "")


def test_a_ward_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "ward.yaml").write_text(WARD)
    config = load_config(tmp_path / "ward.yaml")
    assert [stream.id for stream in config.streams] == ["bed12-rul", "bed13"]
    assert config.streams[0].thresholds == {"wheeze": 0.7}
    assert config.streams[0].pace
    assert not config.streams[1].pace
    assert (config.mode, config.mqtt.tcp_port, config.mqtt.prefix) == ("Test", 8883, "laennec/v1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "sight: x\nstreams: [{id: a, source: b}]",
            ["unknown key 'sight'", "did you mean 'site'?", "known here: site, node"],
        ),
        ("streams: [{id: a, source: b, treshold: {}}]", ["'streams[0].treshold'", "did you mean 'thresholds'?"]),
        ("streams: [{id: a, source: b}]\nmqtt: {pasword: x}", ["'mqtt.pasword'", "did you mean 'password_file'?"]),
        ("streams: [{id: a, source: b}]\nmqtt: {tls: {caa: x}}", ["'mqtt.tls.caa'", "did you mean 'ca'?"]),
        ("streams: [{id: Bed 1, source: b}]", ["streams[0].id: 'Bed 1'", "1 to 32 of a-z, 0-9 and '-'"]),
        ("streams: [{id: a, source: b}]\nmqtt: {port: 99999}", ["mqtt.port: 99999", "must be at most 65535"]),
        (
            "streams: [{id: a, source: b, thresholds: {wheeze: 2}}]",
            ["streams[0].thresholds.wheeze: 2", "must be below 1"],
        ),
        ("streams: [{id: a, source: b}]\nmode: Live", ["mode: 'Live'", "'Test' or 'Operational'"]),
        ("streams: [{id: a}]", ["streams[0].source: missing"]),
        ("streams: []", ["streams: expected at least 1 item, found []"]),
        ("streams:", ["streams: expected a list, each item after a dash, found nothing"]),
        ("site: x", ["streams: missing"]),
        ("streams: [{id: a, source: b}, {id: a, source: c}]", ["streams[1].id: 'a' is used twice"]),
        ("- a", ["expected keys such as `streams:`"]),
        ("", ["expected keys such as `streams:`"]),
        ("a: [", ["not valid YAML"]),
        ("a: &x [1]\nb: *x", ["aliases are not used here"]),
        ("site: a\nsite: b", ["key 'site' is given twice, line 2"]),
        ("site: 2026-13-45", ["not valid YAML", "month"]),
        ("? [a]\n: b", ["not valid YAML"]),
        ("[" * 5000, ["nested too deeply"]),
        ("#" * 300_000, ["larger than 256 kB"]),
        ("a: \x00", ["not valid YAML"]),
    ],
)
def test_a_mistake_is_named_with_its_key_and_its_repair(text: str, expected: list[str], tmp_path: Path) -> None:
    message = refused(text, tmp_path)
    for part in expected:
        assert part in message
    assert "\n" not in message


def test_all_mistakes_of_a_file_are_told_at_once_a_line_for_each(tmp_path: Path) -> None:
    text = """
site: Ward 1
streams:
  - {id: a, source: mic, chanel: 1, thresholds: {wheeze: 2}}
  - {id: a, source: link:chest}
  - 5
mqtt: {port: ssl, host: }
link: {udp: {bind: here}, ble: [{address: nRF}]}
"""
    first, *others = refused(text, tmp_path).splitlines()
    assert first == ": 9 mistakes"
    assert others == [
        "  unknown key 'streams[0].chanel' (did you mean 'channel'?); known here: "
        + ", ".join(config_module.Stream.model_fields),
        "  site: 'Ward 1' is not an id; use 1 to 32 of a-z, 0-9 and '-'",
        "  streams[0].thresholds.wheeze: 2 is not allowed: must be below 1",
        "  streams[2]: expected keys with values, found 5",
        "  link.udp.bind: expected an IPv4 address such as 192.168.7.1, found 'here'",
        "  link.ble[0].address: 'nRF' is not a Bluetooth address such as C0:FF:EE:12:34:56",
        "  mqtt.host: expected text, found nothing",
        "  mqtt.port: expected a whole number, found 'ssl'",
        "  streams[1].id: 'a' is used twice; every stream needs its own id",
    ]


@pytest.mark.parametrize("link", ["", "link: {udp: {bind: 127.0.0.1}, devices: [{id: 1, name: back}]}\n"])
def test_a_device_that_is_not_listed_is_told_beside_other_mistakes(link: str, tmp_path: Path) -> None:
    output = refused(f"site: Ward 1\n{link}streams: [{{id: a, source: link:chest}}]\n", tmp_path)
    assert output.startswith(": 2 mistakes")
    assert "streams[0].source: link:chest" in output


def test_a_file_of_another_program_is_not_answered_with_a_page_for_each_key(tmp_path: Path) -> None:
    lines = refused("\n".join(f"key{number}: 1" for number in range(100)), tmp_path).splitlines()
    assert (len(lines), lines[-1]) == (22, "  and 81 more")


def test_what_no_device_and_no_other_stream_is_are_told_together() -> None:
    streams = [{"id": "a", "source": "link:chest"}, {"id": "a", "source": "mic"}]
    with pytest.raises(ConfigError) as error:
        parse_config({"streams": streams}, "x")
    assert [line.partition(":")[0] for line in str(error.value).splitlines()[1:]] == [
        "  streams[1].id",
        "  streams[0].source",
    ]


def test_relative_paths_begin_at_the_folder_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ward.yaml"
    path.write_text("""
streams:
  - {id: a, source: breath.wav}
  - {id: b, source: /srv/breath.wav}
  - {id: c, source: mic:USB}
model: models/ward.onnx
outbox: {path: ~/outbox.db}
mqtt: {password_file: secret, tls: {ca: ca.pem}}
link: {capture: night.cap}
""")
    config = load_config(path)
    assert [each.source for each in config.streams] == [str(tmp_path / "breath.wav"), "/srv/breath.wav", "mic:USB"]
    assert config.link is not None
    assert config.mqtt.tls is not None
    named = [config.model, config.mqtt.password_file, config.mqtt.tls.ca, config.link.capture]
    assert named == [tmp_path / name for name in ("models/ward.onnx", "secret", "ca.pem", "night.cap")]
    assert config.outbox_path() == Path("~/outbox.db").expanduser()
    here = parse_config({"streams": [{"id": "a", "source": "breath.wav"}]}, "command line")
    assert here.streams[0].source == "breath.wav"


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "none.yaml")
    assert re.search(r"cannot read the configuration .*none.yaml: No such file", str(caught.value))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*Config.model_fields, *Mqtt.model_fields, "x", "id", "source"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_tree_gives_settings_or_its_mistakes_in_plain_words(tree: object) -> None:
    message = "command line: "
    try:
        parse_config(tree, "command line")
    except ConfigError as error:
        message = str(error)
    first, *others = message.splitlines()
    assert first.startswith("command line: ")
    assert all(line.startswith("  ") for line in others)
    assert bool(others) == first.endswith(" mistakes")
    assert "nput should be" not in message


def test_a_class_that_the_model_lacks_is_named_with_the_closest() -> None:
    stream = {"id": "a", "source": "b", "thresholds": {"wheze": 0.5}}
    with pytest.raises(ConfigError) as caught:
        check_classes(parse_config({"streams": [stream]}, "x"), LoudnessModel())
    assert re.search(r"streams\[0\].thresholds.wheze: .*did you mean 'wheeze'.*fine_crackle", str(caught.value))
    stream = {"id": "a", "source": "b", "classes": ["breath"]}
    with pytest.raises(ConfigError) as caught:
        check_classes(parse_config({"streams": [stream]}, "x"), LoudnessModel())
    assert re.search(r"streams\[0\].classes: the model has no event class 'breath'", str(caught.value))


def test_the_outbox_lives_in_the_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse_config({"node": "n1", "streams": [{"id": "a", "source": "b"}]}, "x")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/laennec")
    assert config.outbox_path() == Path("/var/lib/laennec/outbox-n1.db")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/x/state")
    assert config.outbox_path() == Path("/home/x/state/laennec/outbox-n1.db")


def test_models_live_in_the_state_directory_or_where_the_settings_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/laennec")
    stream = {"id": "a", "source": "b"}
    assert parse_config({"streams": [stream]}, "x").models.store_path == Path("/var/lib/laennec/models")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/x/state")
    monkeypatch.setattr(config_module, "SERVICE_STATE", tmp_path)  # a box with a service: by hand means the service's
    assert parse_config({"streams": [stream]}, "x").models.store_path == tmp_path / "models"
    monkeypatch.setattr(config_module, "SERVICE_STATE", tmp_path / "none")
    assert parse_config({"streams": [stream]}, "x").models.store_path == Path("/home/x/state/laennec/models")
    given = parse_config({"streams": [stream], "models": {"path": "/srv/m", "keys": "/srv/k"}}, "x").models
    assert (given.store_path, given.keys) == (Path("/srv/m"), Path("/srv/k"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("streams: [{id: a, source: b}]\nmqtt: {tls: }", "mqtt.tls"),
        ("streams: [{id: a, source: b, classes: []}]", "classes"),
    ],
)
def test_a_key_that_would_silently_switch_something_off_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "ward.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert re.search(message, str(caught.value))


def test_looks_are_off_unless_the_settings_say_so_in_plain_words() -> None:
    tree = {"streams": [{"id": "a", "source": "b"}]}
    assert parse_config(tree, "x").look is False
    assert parse_config({**tree, "look": True}, "x").look is True
    with pytest.raises(ConfigError, match="look: expected true or false, found nothing"):
        parse_config({**tree, "look": None}, "x")


def test_nobody_may_listen_unless_the_settings_say_so_and_a_bed_has_the_last_word() -> None:
    def may(ward: bool | None, *beds: bool | None) -> list[bool]:
        own = [{} if bed is None else {"listen": bed} for bed in beds]
        streams = [{"id": f"bed{number}", "source": "b", **each} for number, each in enumerate(own)]
        config = parse_config({"streams": streams, **({} if ward is None else {"listen": ward})}, "x")
        return [config.may_listen(stream) for stream in config.streams]

    assert may(None, None) == [False]
    assert may(None, None, True) == [False, True]
    assert may(True, None, True, False) == [True, True, False]
    assert may(False, None, True, False) == [False, True, False]
    for tree in ({"listen": None, "streams": [{"id": "a", "source": "b"}]}, {"listen": "always", "streams": []}):
        with pytest.raises(ConfigError, match="listen: expected true or false"):
            parse_config(tree, "x")


def test_the_bed_of_the_self_test_cannot_be_one_of_the_ward() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"streams": [{"id": "self-test", "source": "b"}]}, "x")
    assert re.search(r"streams\[0\]\.id: 'self-test' is not allowed: is the bed of the node's own", str(caught.value))


@pytest.mark.parametrize(
    ("section", "key", "right", "wrong"),
    [
        ("mqtt", "port", (1, 65_535), (0, 65_536)),
        ("mqtt", "keepalive_s", (1, 600), (0, 601)),
        ("mqtt", "will_delay_s", (0, 299), (-1, 300)),
        ("mqtt", "ack_timeout_s", (1, 600), (0.9, 601)),
        ("mqtt", "reconnect_min_s", (0.1, 60), (0.09, 61)),
        ("outbox", "max_mb", (1, 100_000), (0.9, 100_001)),
        ("outbox", "max_age_h", (0.01, 8784), (0, 8785)),
        ("metrics", "port", (1, 65_535), (0, 65_536)),
        ("self_test", "every_s", (0, 20, 604_800), (-1, 0.1, 19.9, 604_801)),
    ],
)
def test_a_number_may_be_as_small_and_as_large_as_this_and_no_more(
    section: str, key: str, right: tuple[float, float], wrong: tuple[float, float]
) -> None:
    streams = [{"id": "a", "source": "b"}]
    for value in right:
        config = parse_config({"streams": streams, section: {key: value}}, "x")
        assert getattr(getattr(config, section), key) == value
    for value in wrong:
        with pytest.raises(ConfigError, match=rf"{section}\.{key}: {value} is not allowed"):
            parse_config({"streams": streams, section: {key: value}}, "x")


@pytest.mark.parametrize(("channel", "is_right"), [(0, False), (1, True), (64, True), (65, False)])
def test_channels_are_counted_from_1_to_64(channel: int, is_right: bool) -> None:
    tree = {"streams": [{"id": "a", "source": "b", "channel": channel}]}
    if is_right:
        assert parse_config(tree, "x").streams[0].channel == channel
    else:
        with pytest.raises(ConfigError, match=rf"streams\[0\]\.channel: {channel} is not allowed"):
            parse_config(tree, "x")
