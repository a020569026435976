"""Paths in the settings: what is one, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.settings.board import load_board
from edge.settings.node import load_config, parse_config


def source_of(text: str, folder: Path | None) -> str:
    return parse_config({"streams": [{"id": "a", "source": text}]}, "x", folder).streams[0].source


@pytest.mark.parametrize("name", ["mic", "mic:USB", "link:chest", "-"])
@pytest.mark.parametrize("folder", [None, Path()])
def test_a_file_that_is_called_as_another_source_stays_a_file(name: str, folder: Path | None, tmp_path: Path) -> None:
    assert source_of(f"./{name}", folder) == f"./{name}"
    assert source_of(f"./{name}", tmp_path) == str(tmp_path / name)


@pytest.mark.parametrize("source", ["mic", "mic:./a", "-"])
def test_what_is_no_file_is_no_path(source: str, tmp_path: Path) -> None:
    assert source_of(source, tmp_path) == source


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (r'streams: [{id: a, source: "x\0.wav"}]', "streams[0].source"),
        (r'streams: [{id: a, source: b, adaptation: "x\0"}]', "streams[0].adaptation"),
        (r'model: "a\0b"', "model"),
        (r'shadow: "a\0b"', "shadow"),
        (r'models: {keys: "a\0b"}', "models.keys"),
        (r'outbox: {path: "a\0b"}', "outbox.path"),
        (r'clips: {path: "a\0b"}', "clips.path"),
        (r'mqtt: {password_file: "a\0b"}', "mqtt.password_file"),
        (r'mqtt: {host: "a\0b"}', "mqtt.host"),
        (r'mqtt: {username: "a\0b"}', "mqtt.username"),
        (r'link: {capture: "a\0b"}', "link.capture"),
        (r'link: {serial: [{port: "/dev/\0"}]}', "link.serial[0].port"),
        (r'link: {udp: {}, devices: [{id: 1, key_file: "a\0b"}]}', "link.devices[0].key_file"),
    ],
)
def test_a_nul_character_is_one_line_that_names_the_key(text: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / "ward.yaml"
    path.write_text(text if text.startswith("streams") else f"streams: [{{id: a, source: b}}]\n{text}")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {key}: ")
    assert message.endswith(" is not allowed: holds a NUL character; write it without")
    assert "\n" not in message


def test_the_board_refuses_a_nul_character_too(tmp_path: Path) -> None:
    path = tmp_path / "board.yaml"
    path.write_text(r'users: "a\0b"')
    with pytest.raises(ConfigError, match=r"users: .* holds a NUL character; write it without"):
        load_board(path)


@pytest.mark.parametrize("host", [" ", "a b", "a ", "a\t", "a\u00a0b"])
@pytest.mark.parametrize("section", ["mqtt", "metrics"])
def test_a_host_has_no_spaces(section: str, host: str) -> None:
    tree = {"streams": [{"id": "a", "source": "b"}]}
    with pytest.raises(
        ConfigError, match=rf"^x: {section}\.host: .*: expected a host name or an address, without spac"
    ):
        parse_config({**tree, section: {"host": host}}, "x")
    for right in ("broker.ward", "10.0.0.1", "fe80::1%eth0"):
        assert getattr(parse_config({**tree, section: {"host": right}}, "x"), section).host == right


def test_a_name_that_is_no_utf_8_is_refused_in_plain_words() -> None:
    with pytest.raises(ConfigError) as caught:
        source_of("n\udcff\udcfeame.wav", None)
    assert str(caught.value) == (
        "x: streams[0].source: expected text in UTF-8 (rename a file that is called so), found 'n\\udcff\\udcfeame.wav'"
    )
