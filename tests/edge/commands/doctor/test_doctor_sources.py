"""The doctor listens: sources, their rights and levels, and the bundled recording."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.commands.doctor import Check, ok, sources
from edge.commands.doctor import box as rights
from edge.commands.doctor import model as self_test
from edge.commands.doctor import sources as links
from edge.errors import LaennecError
from edge.model.model import Model, load_model
from edge.sources.file_search import DEMO_AUDIO, DEMO_TRUTH
from edge.sources.link_opening import open_links
from firmware_bridge.capture import Writer
from firmware_bridge.links.udp import Udp
from firmware_bridge.records import LinkBytes
from tests.edge.fakes import LoudnessModel
from tests.edge.knowing import known_noise
from tests.edge.wards import settings, stream

HEARS: Any = LoudnessModel()


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


class TestSources:
    def test_a_file_that_opens_is_ok_and_a_missing_one_fails(self, tmp_path: Path) -> None:
        assert sources.source(stream(str(DEMO_AUDIO)), HEARS, False, False).verdict == "ok"
        assert sources.source(stream(str(tmp_path / "none.wav")), HEARS, False, False).verdict == "fail"
        assert sources.source(stream(str(DEMO_AUDIO), channel=2), HEARS, False, False).verdict == "fail"

    def test_a_microphone_is_judged_by_what_the_model_knows(self) -> None:
        noise = 0.01 * np.random.default_rng(0).standard_normal(10 * 8000).astype(np.float32)
        knows = LoudnessModel()
        assert "as the model knows it" not in sources.judged("source bed1", "mic", noise, HEARS).found
        for level_db, verdict in ((-43.0, "ok"), (-5.0, "warn")):
            knows.known = known_noise(level_db)
            check = sources.judged("source bed1", "mic", noise, knows)  # type: ignore[arg-type]
            assert check.verdict == verdict
            assert ("level -40 dBFS: too low, expected -36 to 36" in check.found) == (verdict == "warn")

    def test_a_microphone_that_is_missing_warns_for_the_service_looks_for_it(self) -> None:
        check = sources.source(stream("mic:no-such-device"), HEARS, False, False)
        assert check.verdict in ("warn", "fail")  # fail: without PyAudio
        assert (check.verdict == "warn") == ("PyAudio" not in check.found)

    def test_a_pyaudio_that_gives_no_sound_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for version, verdict in (("0.2.11", "fail"), ("0.2.14", "warn")):
            monkeypatch.setattr(sources.metadata, "version", lambda _, version=version: version)
            check = sources.source(stream("mic:no-such-device"), HEARS, False, False)
            assert (check.verdict == "fail" and version in check.found) == (verdict == "fail")

    def test_levels_are_judged(self) -> None:
        noise = np.random.default_rng(1).standard_normal(16_000).astype(np.float32)
        for gain, expected in ((0.01, "dBFS rms"), (1e-6, "almost nothing"), (0.0, "almost nothing"), (2.0, "clipped")):
            check = sources.level("source bed1", "mic", np.clip(gain * noise, -1, 1), 8000)
            assert (expected in check.found, check.verdict == "ok") == (True, gain == 0.01)
        assert "-40 dBFS rms" in sources.level("source bed1", "mic", 0.01 * noise, 8000).found
        assert "records nothing" in sources.level("source bed1", "mic", noise[:100], 8000).found

    def test_a_device_of_another_group_is_named_with_its_repair(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "pcmC1D0c").touch()
        assert rights.denied("audio", [tmp_path / "pcmC1D0c"]) is None
        monkeypatch.setattr(rights.os, "access", lambda *_: False)
        monkeypatch.setattr(sources, "SOUND_CARDS", tmp_path)
        check = sources.source(stream("mic"), HEARS, False, False)
        assert check.verdict == "fail"
        assert "usermod -aG audio" in check.advice

    def test_serial_ports_and_keys_of_the_link_are_looked_at(self, tmp_path: Path) -> None:
        primary, secondary = os.openpty()
        device = {"id": "0x1a2b3c4d", "name": "chest"}
        link = {"devices": [device], "serial": [{"port": os.ttyname(secondary)}, {"port": str(tmp_path / "none")}]}
        source = [{"id": "bed1", "source": "link:chest"}]
        config = settings(tmp_path, streams=source, link=link)
        assert config.link is not None
        assert [check.verdict for check in links.links(config.link)] == ["ok", "warn", "ok"]
        keyed = {**link, "devices": [{**device, "key_file": str(tmp_path / "nokey")}]}
        config = settings(tmp_path, streams=source, link=keyed)
        assert config.link is not None
        assert links.links(config.link)[-1].verdict == "fail"
        os.close(primary)
        os.close(secondary)

    def test_an_address_of_another_machine_fails_as_the_service_would(self, tmp_path: Path) -> None:
        checks, refused = self.looked_at(tmp_path, udp={"bind": "192.0.2.1"})  # kept for examples: nobody has it
        assert [(check.name, check.verdict) for check in checks] == [("udp", "fail"), ("link", "ok")]
        assert "192.0.2.1" in checks[0].found
        assert "link.udp.bind" in checks[0].advice
        assert "cannot be bound" in refused

    def test_an_address_whose_port_the_running_service_has_is_ok(self, tmp_path: Path) -> None:
        with closing(Udp("127.0.0.1", 0)) as service:
            checks, refused = self.looked_at(tmp_path, udp={"bind": "127.0.0.1", "port": service.port})
        assert [(check.name, check.verdict) for check in checks] == [("udp", "ok"), ("link", "ok")]
        assert "cannot be bound" in refused

    def test_a_wearable_without_bleak_fails_as_the_service_would(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wearables = [{"address": "C0:00:00:00:00:01"}, {"address": "C0:00:00:00:00:02"}]
        (found, link), refused = self.looked_at(tmp_path, ble=wearables)
        assert (found.name, found.verdict, link.verdict, refused) == ("bluetooth", "ok", "ok", "")
        monkeypatch.setitem(sys.modules, "bleak", None)  # as if it were not installed
        (found, link), refused = self.looked_at(tmp_path, ble=wearables)
        assert (found.name, found.verdict, link.verdict) == ("bluetooth", "fail", "ok")
        assert "pip install" in found.advice
        assert "bleak is not installed" in refused

    def test_a_capture_that_is_none_fails_as_the_service_would(self, tmp_path: Path) -> None:
        for other in (DEMO_AUDIO, tmp_path, tmp_path / "none"):
            (found, link), refused = self.looked_at(tmp_path, capture=str(other))
            assert (found.name, found.verdict, link.verdict) == ("capture", "fail", "ok")
            assert refused
            assert refused in found.found
        writer = Writer(tmp_path / "ward.cap")
        writer.write(LinkBytes(1, "serial:x", "", b"abc"))
        writer.close()
        (found, link), refused = self.looked_at(tmp_path, capture=str(tmp_path / "ward.cap"))
        assert (found.verdict, link.verdict, refused) == ("ok", "ok", "")

    def test_a_file_or_folder_that_is_no_serial_port_fails(self, tmp_path: Path) -> None:
        for other, what in ((DEMO_AUDIO, "file"), (tmp_path, "folder")):
            (found, _), _ = self.looked_at(tmp_path, serial=[{"port": str(other)}])
            assert (found.verdict, f"{other}: is a {what} and no serial port" in found.found) == ("fail", True)

    @staticmethod
    def looked_at(tmp_path: Path, **link: object) -> tuple[list[Check], str]:
        """What the doctor finds, and why the service does not start; the latter is empty if it does."""
        source = [{"id": "bed1", "source": "link:chest"}]
        device = {"id": "0x1a2b3c4d", "name": "chest"}
        config = settings(tmp_path, streams=source, link={"devices": [device], **link})
        assert config.link is not None
        try:
            for each in open_links(config.link):
                each.close()
        except LaennecError as error:
            return links.links(config.link), str(error)
        return links.links(config.link), ""


class TestSelfTest:
    truth = json.loads(DEMO_TRUTH.read_text())["sounds"]
    groups = {"wheeze": "c", "rhonchus": "c", "fine_crackle": "d", "coarse_crackle": "d"}  # noqa: RUF012

    def test_the_bundled_model_hears_the_recording(self, model: Model) -> None:
        assert self_test.self_test(model) == ok("self-test", "8 of 8 synthetic sounds found, 0 false alarms")

    def test_what_is_missed_and_what_is_a_false_alarm_is_counted(self) -> None:
        events = [{"label": "coarse_crackle", "onset_s": 10.2, "end_s": 10.4}]
        events += [{"label": "wheeze", "onset_s": 50.3, "end_s": 50.4}]  # a crackle is there, no wheeze
        assert self_test.compare(self.truth, events, self.groups) == self_test.Comparison(8, 1, 1)
        assert self_test.compare(self.truth, [], {"stridor": "c"}) == self_test.Comparison(0, 0, 0)

    @pytest.mark.parametrize(
        ("found", "false_alarms", "verdict"),
        [(8, 0, "ok"), (7, 0, "ok"), (6, 0, "warn"), (8, 2, "warn"), (5, 0, "fail"), (8, 3, "fail")],
    )
    def test_a_broken_engine_fails_and_another_model_may_differ_a_little(
        self, found: int, false_alarms: int, verdict: str
    ) -> None:
        assert self_test.verdict(self_test.Comparison(8, found, false_alarms)).verdict == verdict


def test_it_says_in_one_line_which_beds_people_may_listen_to_or_why_none(tmp_path: Path) -> None:
    beds = [{"id": "bed1", "source": "mic"}, {"id": "bed2", "source": "mic", "listen": True}]
    off, some = (sources.listening(settings(tmp_path, streams=streams)) for streams in (beds[:1], beds))
    assert (off.verdict, "`listen: true` at beds whose patient agreed" in off.found) == ("ok", True)
    assert (some.verdict, some.found.split(":")[0]) == ("ok", "people may listen live to bed2")
