"""Listening live, whole: a node, a broker, a board and two browsers; the sound, the mark, the log, and the end."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge.commands.demo_broker import Broker
from edge.server.board.users import User, add_user, hash_password
from tests.edge.clips.test_speech import vowel
from tests.edge.clips.test_voice_mute import RATE_HZ, noise
from tests.edge.conftest import wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.edge.wards import ward as settings_of
from tests.system.edge.server.board.conftest import RunningBoard, bed_path, tile
from tests.system.edge.server.board.test_accessible import violations

pytestmark = pytest.mark.rest
Open = Callable[..., Any]
PASSWORD = "correct horse"
WORD_EACH_S, PLAYED_S = 12, 150


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """Noise in which somebody speaks now and then."""
    sound = noise(PLAYED_S)
    for second in range(6, PLAYED_S - 2, WORD_EACH_S):
        sound[second * RATE_HZ : second * RATE_HZ + 4000] += vowel(0.5)
    path = tmp_path / "spoken.wav"
    soundfile.write(path, sound, RATE_HZ, subtype="PCM_16")
    return path


@pytest.fixture
def node(broker: Broker, tmp_path: Path, spoken: Path) -> Iterator[None]:
    """`laennec run` with a bed that may be listened to, and one that may not."""
    own = {"site": "ward-b", "node": "box-1", "mqtt": {"port": broker.port}, "self_test": {"every_s": 0}}
    beds = [{"id": "bed1", "source": str(spoken), "listen": True}, {"id": "bed2", "source": str(spoken)}]
    command = [sys.executable, "-m", "edge", "run", "--config", str(settings_of(tmp_path, **own, streams=beds))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        yield
        child.terminate()


def sign_in(page: Any, name: str) -> None:
    page.locator("#login[open]").wait_for()
    page.locator("#login-name").fill(name)
    page.locator("#login-password").fill(PASSWORD)
    page.locator("#login-form button").click()
    page.locator("#login[open]").wait_for(state="detached")


def audit(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]


def output_of(page: Any) -> dict[str, Any]:
    return dict(json.loads(page.locator("#live-sound").get_attribute("data-heard") or '{"pieces": 0, "spoken": 0}'))


def test_a_nurse_hears_a_bed_for_a_minute_voices_muted_and_everybody_sees_it(
    node: None, start_board: Callable[..., RunningBoard], tmp_path: Path, open_page: Open
) -> None:
    hashed = hash_password(PASSWORD)
    add_user(tmp_path / "users", User("nurse K", "acknowledge", hashed))
    add_user(tmp_path / "users", User("wall", "view", hashed))
    board = start_board(users="users")
    page, wall, other = (open_page(f"{board.url}{path}") for path in (bed_path("bed1"), "", bed_path("bed2")))
    for each, name in ((page, "nurse K"), (wall, "wall"), (other, "nurse K")):
        sign_in(each, name)
    other.get_by_text("Live sound is off: the settings of the box do not allow it at this bed").wait_for()
    assert not other.locator("#hear").is_visible()

    page.locator("#hear").click()
    page.get_by_text("Only if the patient, or the parents, agreed to it").wait_for()
    page.get_by_role("button", name="They agreed: listen").click()
    tile(wall, "bed1").get_by_text("nurse K listens").wait_for()
    page.locator("#heard").get_by_text("nurse K listens").wait_for()
    wait_for(lambda: output_of(page)["pieces"] >= 6, "sound")
    assert output_of(page)["peak"] > 0.01
    wait_for(lambda: output_of(page)["spoken"] > RATE_HZ, "a word that is muted")
    page.get_by_text("You hear this bed, some seconds late").wait_for()
    assert re.fullmatch(r"\d+ s left", page.locator("#hear-left").inner_text())

    page.get_by_text("Listening is over: the minute is over").wait_for()
    pieces = output_of(page)["pieces"]
    assert 60 < pieces < 125, "two a second, but for what a machine that is busy left out"
    wait_for(lambda: tile(wall, "bed1").get_by_text("nurse K listens").count() == 0, "the end of the mark")
    assert not page.locator("#heard").is_visible()
    wait_for(lambda: [line for line in audit(tmp_path) if line["what"] == "listening ended"], "the log")
    began, ended = (line for line in audit(tmp_path) if line["what"].startswith("listening"))
    assert (began["what"], began["by"], began["bed"], began["role"]) == (
        "listening began",
        "nurse K",
        "ward-b/box-1/bed1",
        "acknowledge",
    )
    assert (ended["by"], ended["bed"], ended["reason"]) == ("nurse K", "ward-b/box-1/bed1", "the minute is over")
    assert output_of(page)["pieces"] == pieces


def fake_listened(ward: FakeWard) -> None:
    """A bed that may be listened to."""
    ward.publish_bed("bed1", info=made.stream_info(listen=True))


def begin(page: Any, name: str = "nurse K") -> None:
    """Where nobody signs in, a person says who they are."""
    page.locator("#hear").click()
    page.locator("#hear-name").fill(name)
    page.locator("#hear-form button").click()


def noisy(ward: FakeWard, number: int) -> None:
    pcm = np.random.default_rng(number).integers(-3000, 3000, 4096).astype("<i2").tobytes()
    ward.publish("s/bed1/sound", made.sound(number, pcm=base64.b64encode(pcm).decode()), retain=False)


def test_stop_ends_it_at_the_node_too_and_a_page_that_is_hidden_stops(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    fake_listened(ward)
    page = open_page(f"{board.url}{bed_path('bed1')}")
    begin(page)
    wait_for(lambda: ward.orders, "the order")
    assert ward.orders[0] == ("listen", {**ward.orders[0][1], "by": "nurse K", "duration_s": 60.0})
    wait_for(lambda: page.locator("#live-sound[data-heard]").count() == 1, "the begin")
    noisy(ward, 0)
    wait_for(lambda: output_of(page)["pieces"] == 1, "sound")
    page.get_by_role("button", name="Stop listening").click()
    wait_for(lambda: [body["duration_s"] for _, body in ward.orders] == [60.0, 0.0], "the end")
    page.locator("#hear").click()
    wait_for(lambda: len(ward.orders) == 3, "another minute, without another question")
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    wait_for(lambda: len(ward.orders) == 4, "the end")
    assert ward.orders[3][1]["duration_s"] == 0.0


def test_a_refusal_and_a_lost_bed_are_told_in_words(board: RunningBoard, ward: FakeWard, open_page: Open) -> None:
    fake_listened(ward)
    page = open_page(f"{board.url}{bed_path('bed1')}")
    ward.listen_refusal = "4 beds of this node are listened to already; wait a minute"
    begin(page)
    page.get_by_text("Listening is over: 4 beds of this node are listened to already").wait_for()
    ward.listen_refusal = ""
    page.locator("#hear").click()
    wait_for(lambda: output_of(page) and page.locator("#hear.is-on").count() == 1, "listening")
    ward.publish("s/bed1/status", made.stream(state="lost", reason="no sound arrives", boot_id=ward.boot_id))
    page.get_by_text("Listening is over: no sound arrives").wait_for()
    assert page.locator("#hear.is-on").count() == 0


def test_a_lost_broker_ends_it_and_is_told_in_words(
    board: RunningBoard, ward: FakeWard, broker: Broker, open_page: Open
) -> None:
    fake_listened(ward)
    page = open_page(f"{board.url}{bed_path('bed1')}")
    begin(page)
    wait_for(lambda: page.locator("#live-sound[data-heard]").count() == 1, "the begin, which the node's answer allows")
    broker.kill()
    page.get_by_text("Listening is over: the board has lost the broker").wait_for()
    assert page.locator("#hear.is-on").count() == 0


@pytest.mark.parametrize("width", [390, 1920])
def test_axe_finds_nothing_while_somebody_listens_and_in_what_is_asked_first(
    board: RunningBoard, ward: FakeWard, open_page: Open, width: int
) -> None:
    fake_listened(ward)
    size = {"width": width, "height": 844 if width == 390 else 1080}
    page = open_page(f"{board.url}{bed_path('bed1')}", viewport=size, bypass_csp=True)
    page.locator("#hear").click()
    page.locator("#hearing[open]").wait_for()
    assert violations(page) == []
    page.locator("#hear-name").fill("nurse K")
    page.locator("#hear-form button").click()
    ward.publish("s/bed1/listening", made.listening("nurse K", wall_s=made.WALL_S, until_s=made.WALL_S + 60))
    page.locator("#heard").wait_for()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
