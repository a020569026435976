"""Events of a bed: their clips are shown and heard by whom it is allowed, and what people say of them stays."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.clips.clip import Clip
from edge.delivery.messages import ulid
from edge.server.board.users import User, add_user, hash_password
from tests.edge.conftest import wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.board_clips import BEGIN, a_clip, put
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import RunningBoard, bed_path
from tests.system.edge.server.board.test_security import BED, PASSWORD, Answer, signed_in

Open = Callable[..., Any]
Start = Callable[..., RunningBoard]
EVENT = ulid(made.WALL_S)
ANSWERED = {"site": "ward-b", "node": "box-1", "stream": "bed1", "event": EVENT, "verdict": "false", "by": "nobody"}


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """The clip of an event, in the folder that boards are given."""
    return put(tmp_path / "clips", a_clip(EVENT))


@pytest.fixture
def closed(start_board: Start, tmp_path: Path, clip: Clip) -> RunningBoard:
    """A board with clips, where people sign in."""
    hashed = hash_password(PASSWORD)
    for name, role in (("viewer", "view"), ("nurse", "acknowledge")):
        add_user(tmp_path / "users", User(name, role, hashed))  # type: ignore[arg-type]
    return start_board(users="users", clips="clips")


def lines(path: Path) -> list[dict[str, Any]]:
    """What the log or the labels hold."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_label_by_keyboard_alone_is_on_the_disk_and_is_shown_after_a_restart(
    start_board: Start, ward: FakeWard, open_page: Open, tmp_path: Path
) -> None:
    first = start_board()
    ward.publish_bed("bed1")
    page = open_page(f"{first.url}{bed_path('bed1')}")
    wait_for(lambda: ward.looks, "the board at the broker")
    ward.publish("s/bed1/event", made.event(EVENT, 8000, 16000), retain=False)
    page.locator(".event").wait_for()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator(".event:focus").count():
            break
    page.keyboard.press("Enter")
    page.locator("#sound[open]").wait_for()
    page.keyboard.type("nurse K")  # the focus is where a name is asked for
    for _ in range(3):
        page.keyboard.press("Tab")  # true, false, another sound
    page.keyboard.type("S")  # the only one; "Str" is another where a second passes between two letters
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Kept.", exact=True).wait_for()
    (label,) = lines(tmp_path / "labels.jsonl")
    assert (label["event"]["id"], label["verdict"], label["sound"], label["by"]) == (
        EVENT,
        "other",
        "stridor",
        "nurse K",
    )
    first.close()
    again = open_page(f"{start_board().url}{bed_path('bed1')}")
    again.get_by_text("It is: Stridor, says nurse K").wait_for()
    assert again.locator(".event.said-other").count() == 1


def test_a_clip_is_drawn_and_heard_and_the_log_says_by_whom(
    start_board: Start, ward: FakeWard, open_page: Open, tmp_path: Path, clip: Clip
) -> None:
    ward.publish_bed("bed1")
    page = open_page(f"{start_board(clips='clips').url}{bed_path('bed1')}")
    page.locator(".event").click()
    page.locator("#who").fill("nurse K")
    page.get_by_text("8 s, times of the box").wait_for()
    marks = json.loads(page.locator("#clip-picture").get_attribute("data-marks"))
    assert [mark[0] for mark in marks] == [EVENT]
    assert [line["what"] for line in lines(tmp_path / "audit.log")] == [], "nobody has heard it yet"
    page.locator("#listen").click()
    wait_for(lambda: page.locator("#audio").evaluate("(audio) => audio.currentTime > 0.1"), "the sound")
    assert page.locator("#audio").evaluate("(audio) => audio.duration") == pytest.approx(8.0)
    reported = [(line["what"], line["by"], line["clip"], line["bed"]) for line in lines(tmp_path / "audit.log")]
    assert reported == [("clip heard", "nurse K", clip.id, "ward-b/box-1/bed1")]


def test_sound_that_comes_late_is_not_heard_at_the_next_event(
    start_board: Start, ward: FakeWard, open_page: Open, clip: Clip
) -> None:
    ward.publish_bed("bed1")
    page = open_page(f"{start_board(clips='clips').url}{bed_path('bed1')}")
    wait_for(lambda: ward.looks, "the board at the broker")
    ward.publish("s/bed1/event", made.event(ulid(made.WALL_S + 60), 8000, 16000), retain=False)
    wait_for(lambda: page.locator(".event").count() == 2, "another event, which has no clip")
    page.evaluate("""() => {
        const { blob } = Response.prototype;
        Response.prototype.blob = async function () {
            await new Promise((go) => { window.come = go; });
            return blob.call(this);
        };
    }""")
    page.locator(".event", has_text="clip").click()
    page.locator("#listen").click()
    page.wait_for_function("() => window.come")
    page.locator("#sound-close").click()
    page.locator(".event", has_not_text="clip").click()
    page.evaluate("() => new Promise((done) => { window.come(); setTimeout(done, 500); })")
    assert page.locator("#audio").get_attribute("src") is None


def test_who_may_only_look_hears_and_labels_nothing(closed: RunningBoard, clip: Clip, tmp_path: Path) -> None:
    viewer, nurse = (signed_in(closed, name=name, password=PASSWORD) for name in ("viewer", "nurse"))
    for headers in (viewer, nurse):
        (row,) = Answer(closed, "GET", f"/api/bed/events?{BED}", **headers).json()["rows"]
        assert row["has_clip"], "the list finds what lies in the folder"
    requested = f"/api/clip/sound?id={clip.id}"
    found = [
        Answer(closed, "GET", requested, accept_encoding="identity", **viewer).status,
        Answer(closed, "POST", "/api/labels", ANSWERED, **viewer).status,
    ]
    assert found == [403, 403]
    assert Answer(closed, "POST", "/api/labels", ANSWERED, cookie=nurse["cookie"]).status == 403, "another site's page"
    assert Answer(closed, "POST", "/api/labels", ANSWERED, **nurse).status == 200
    assert [(line["by"], line["verdict"], line["sound"]) for line in lines(tmp_path / "labels.jsonl")] == [
        ("nurse", "false", "")  # not the name that was sent
    ]
    audit = lines(tmp_path / "audit.log")
    assert [line["what"] for line in audit] == ["signed in", "signed in", "clip refused", "label refused", "label"]
    assert {line["by"] for line in audit[2:4]} == {"viewer"}


def test_a_label_that_is_none_is_refused(closed: RunningBoard, tmp_path: Path) -> None:
    headers = signed_in(closed, name="nurse", password=PASSWORD)
    names = ({"event": "x"}, {"event": None}, {"stream": ""}, {"stream": "bed2"}, {"site": "../"})
    for changed in (*names, {"verdict": "maybe"}, {"verdict": "other", "sound": "<b>"}):
        answer = Answer(closed, "POST", "/api/labels", {**ANSWERED, **changed}, **headers)
        assert answer.status in (400, 404), changed
    assert lines(tmp_path / "labels.jsonl") == []


def test_nothing_but_clips_of_the_folder_is_given_away(closed: RunningBoard) -> None:
    headers = signed_in(closed, name="nurse", password=PASSWORD)
    Answer(closed, "GET", f"/api/bed/events?{BED}", **headers)
    for ident in ("", "..%2Fusers", "%2Fetc%2Fpasswd", "users", "01KB2M0000000000000000CWWP"):
        assert Answer(closed, "GET", f"/api/clip/sound?id={ident}", **headers).status == 404, ident
        assert Answer(closed, "GET", f"/api/clip?id={ident}", **headers).status == 404, ident


def test_the_command_hands_on_labels_with_their_clips(closed: RunningBoard, clip: Clip, tmp_path: Path) -> None:
    headers = signed_in(closed, name="nurse", password=PASSWORD)
    assert Answer(closed, "POST", "/api/labels", ANSWERED, **headers).status == 200
    settings = tmp_path / "board.yaml"
    settings.write_text("clips: clips\nlabels: labels.jsonl\n")
    command = [
        sys.executable,
        "-m",
        "edge",
        "export",
        "labels",
        "--config",
        str(settings),
        "--out",
        str(tmp_path / "o"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'o'}: 1 labels in 1 clips; 0 left out (left-out.csv says why)\n"
    rows = list(csv.reader((tmp_path / "o" / "annotations.csv").read_text().splitlines()))
    name, onset_s = f"{clip.id}.flac", (clip.events[0].onset - BEGIN) / made.RATE_HZ
    assert rows == [
        ["file", "start_s", "end_s", "label", "patient"],
        [name, "", "", "Unknown", "ward-b-box-1-bed1"],
        [name, f"{onset_s:.3f}", "5.000", "Normal", "ward-b-box-1-bed1"],
    ]
    assert (tmp_path / "o" / name).read_bytes() == (tmp_path / "clips" / name).read_bytes()
