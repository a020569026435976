"""The section `link`: which devices are accepted, and how they are connected; every mistake is named."""

from __future__ import annotations

from typing import Any

import pytest

from edge.errors import ConfigError
from edge.settings.node import Config, parse_config


def config(link: Any, source: str = "link:chest") -> Config:
    tree = {"node": "n", "streams": [{"id": "bed1", "source": source}], "link": link}
    return parse_config({key: value for key, value in tree.items() if value is not None}, "ward.yaml")


def section(**more: Any) -> dict[str, Any]:
    return {"devices": [{"id": "0x1a2b3c4d", "name": "chest"}], "serial": [{"port": "/dev/ttyACM0"}], **more}


def test_a_device_is_found_by_its_name_and_by_its_id() -> None:
    link = config(section()).link
    assert link is not None
    assert link.stream_key("link:chest") == link.stream_key("link:0x1A2B3C4D") == (0x1A2B3C4D, 0)
    assert link.stream_key("link:chest/15") == (0x1A2B3C4D, 15)


def test_an_id_that_yaml_reads_as_a_number_is_the_same_device() -> None:
    link = config(section(devices=[{"id": 0x1A2B3C4D}]), "link:0x1a2b3c4d").link
    assert link is not None
    assert link.devices[0].id == 0x1A2B3C4D


@pytest.mark.parametrize(
    ("link", "source", "expected"),
    [
        (None, "link:chest", "streams[0].source: link:chest needs a section `link`"),
        (section(), "link:back", "no device 'back' in link.devices; there are chest"),
        (section(), "link:chest/16", "'16' is no stream; they are numbered from 0 to 15"),
        (section(), "link:chest/left", "'left' is no stream"),
        (section(devices=[]), "link:chest", "link.devices"),
        (section(devices=[{"id": "12345678"}]), "x", "in hexadecimal such as 0x1a2b3c4d"),
        (section(devices=[{"id": 0}]), "x", "must be at least 1"),
        (section(devices=[{"id": 1 << 32}]), "x", "must be at most 4294967295"),
        (section(devices=[{"id": 7}, {"id": "0x7"}]), "x", "two devices have the id 0x00000007"),
        (section(devices=[{"id": 7, "name": "a"}, {"id": 8, "name": "a"}]), "x", "two devices have the name a"),
        (section(serial=[]), "x", "devices without a link; add serial, udp or ble"),
        (section(serial=[{"prt": "/dev/ttyACM0"}]), "x", "did you mean 'port'?"),
        (section(udp={"bind": "0.0.0.0"}), "x", "would listen on every interface"),
        (section(udp={"bindd": "127.0.0.1"}), "x", "did you mean 'bind'?"),
        (section(ble=[{"address": "nRF"}]), "x", "link.ble[0].address: 'nRF'"),
        (section(ble=[{"address": "AA:BB:CC:DD:EE:FF", "notify": "poll"}]), "x", "'start' or 'acquire'"),
        (section(rate_error="ignore"), "x", "'resample' or 'refuse'"),
    ],
)
def test_a_mistake_is_named_with_its_key_and_the_repair(link: Any, source: str, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        config(link, source)
    assert expected in str(error.value)
    assert str(error.value).startswith("ward.yaml: ")


def test_an_empty_udp_section_listens_on_this_machine_alone() -> None:
    link = config(section(serial=[], udp=None)).link
    assert link is not None
    assert link.udp is not None
    assert (str(link.udp.bind), link.udp.port) == ("127.0.0.1", 7355)
