"""Pictures of the board in Chromium: those of its page, of the demo; or every page as every screen shows it.

.venv/bin/python -m tests.system.edge.server.board.pictures            # demo.png, board.png, bed.png, in four minutes
.venv/bin/python -m tests.system.edge.server.board.pictures --every FOLDER --language ja  # pages, 390 to 3840 pixels
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from edge.commands.demo_broker import Broker, choose
from edge.contract.fields import rfc3339
from edge.delivery.messages import ulid
from edge.sources.file_search import DEMO_AUDIO
from edge.ward.respiratory_rate import IRREGULAR
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import FLAGS, RunningBoard, bed_path, steady

EDGE = Path(__file__).parents[5] / "edge"
PAGE = EDGE / "server/board"
OF_PAGE = {"width": 1440, "height": 810}
PLAYED_S = 180  # of the demo, before its picture
QUIET = 5  # beds of it, once they are measured
MAX_BYTES = 300_000
SCREENS = {"phone": (390, 844), "tablet": (768, 1024), "wall": (1920, 1080), "large": (3840, 2160)}
BED = "bed-3"
PATHS = {"ward": "", "bed": bed_path(BED), "shift": "shift", "fleet": "fleet", "offline": "offline"}
PLAYED_TILES = 60


@contextmanager
def browser() -> Iterator[Any]:
    """Debian's Chromium."""
    from playwright import sync_api

    with sync_api.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)


def of_the_demo() -> None:
    """Write the three pictures of the pages: of the demo's sound, of its ward, of a bed."""
    of_sound = ["spectrogram", DEMO_AUDIO, "--events", "--from", "3", "--to", "21", "-o", EDGE / "pictures/demo.png"]
    subprocess.run([sys.executable, "-m", "edge", *map(str, of_sound)], check=True)
    command = [sys.executable, "-m", "edge", "demo", "--board", "--listen", "0"]
    with ExitStack() as stack:
        demo = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(demo.send_signal, signal.SIGINT)
        assert demo.stdout is not None
        url = [demo.stdout.readline() for _ in range(2)][1].removeprefix("board: ").strip()
        time.sleep(PLAYED_S)
        page = stack.enter_context(browser()).new_page(viewport=OF_PAGE, color_scheme="dark", reduced_motion="reduce")
        page.goto(url)
        page.locator(".level-alarm.kind-Phy").first.wait_for(timeout=1000 * PLAYED_S)
        page.locator(".level-quiet").nth(QUIET - 1).wait_for(timeout=1000 * PLAYED_S)
        steady(page)
        _shoot(page, PAGE / "board.png")
        page.locator(".level-alarm.kind-Phy .to-page").first.click()
        page.locator("#look.is-live").wait_for()
        page.wait_for_timeout(32_000)  # until the picture is full
        _shoot(page, PAGE / "bed.png")


def _shoot(page: Any, path: Path) -> None:
    page.screenshot(path=path)
    size = path.stat().st_size
    print(f"{path.name}: {size / 1000:.0f} kB", file=sys.stdout if size < MAX_BYTES else sys.stderr)


def report(ward: FakeWard) -> None:
    """Eight beds, one in each state, two quiet ones, and two that somebody listens to."""
    now_s = time.time()
    seen = {"by": "nurse K", "at": rfc3339(now_s - 130), "why": ""}
    off = {"by": "Dr. L", "at": rfc3339(now_s - 300), "why": "physiotherapy", "until": rfc3339(now_s + 900)}
    ward.publish_node()
    ward.publish("info", made.info(8))
    for number in range(1, 9):
        ward.publish_bed(f"bed-{number}", trend=made.trend(now_s), breath=made.breath(now_s, per_min=12.0 + number))
    ward.publish_bed(
        BED,
        trend=made.trend(now_s, continuous=31.0, coverage=0.58),
        breath=made.breath(now_s, per_min=None, why=IRREGULAR),
        info=made.stream_info(listen=True),
        listening=made.listening("nurse K", wall_s=now_s, until_s=now_s + 60),
    )
    ward.alarm(BED, priority="Hi", since=rfc3339(now_s - 54))
    ward.alarm(BED, "discontinuous", signal="Ack", audible=False, acknowledged=seen)
    ward.publish_bed(
        "bed-1", info=made.stream_info(), listening=made.listening("Dr. L", wall_s=now_s, until_s=now_s + 60)
    )
    ward.alarm("bed-5", "contact", priority="Lo", since=rfc3339(now_s - 150))
    began = {"began": rfc3339(now_s - 720), "since": seen["at"]}
    ward.alarm("bed-6", signal="Ack", audible=False, acknowledged=seen, **began)
    ward.alarm("bed-7", signal="Latch")
    ward.alarm("bed-8", activation="Psd", inactivated=off, **made.OFF)
    ward.publish("s/bed-2/status", made.stream(boot_id="00000001"))


def play(ward: FakeWard) -> None:
    """Thirty seconds of sound and its events."""
    begin_s = time.time() - 30
    for number in range(PLAYED_TILES):
        levels = [
            (230 if b in (10, 20) and number % 8 < 3 else 60 + (b * 7 + number * 13) % 40) for b in range(made.BANDS)
        ]
        tile = made.tile(number, bytes(levels) * made.TILE_COLUMNS, wall_s=begin_s)
        ward.publish(f"s/{BED}/mel", tile, retain=False)
        if number % 8 == 0:
            onset = number * made.TILE_COLUMNS * made.COLUMN
            event = made.event(ulid(time.time()), onset, onset + 3 * made.TILE_COLUMNS * made.COLUMN, wall_s=begin_s)
            ward.publish(f"s/{BED}/event", event, retain=False)
        time.sleep(0.03)  # no faster than a screen takes


def every(folder: Path, language: str) -> None:
    """Each page as each screen shows it, dark and light, and whole where it is longer than the screen."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(choose("auto")))
        board = RunningBoard(broker.port, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(board.close)
        ward = FakeWard(broker.port)
        stack.callback(ward.close)
        report(ward)
        chromium = stack.enter_context(browser())
        for theme in ("dark", "light"):
            for screen, (width, height) in SCREENS.items():
                size = {"width": width, "height": height}
                context = chromium.new_context(
                    viewport=size, color_scheme=theme, locale=language, reduced_motion="reduce"
                )
                page = context.new_page()
                for name, path in PATHS.items():
                    report(ward)  # a box that has said nothing for a minute is unknown
                    page.goto(f"{board.url}{path}")
                    page.wait_for_timeout(1500)
                    if name == "bed":
                        play(ward)
                        page.wait_for_timeout(2500)
                    page.screenshot(
                        path=folder / f"{name}-{screen}-{theme}.png", full_page=screen in ("phone", "tablet")
                    )
                context.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=Path, metavar="FOLDER", help="every page instead, into this folder")
    parser.add_argument("--language", default="en", help="of the browser, with --every")
    given = parser.parse_args()
    of_the_demo() if given.every is None else every(given.every, given.language)


if __name__ == "__main__":
    main()
