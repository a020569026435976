"""`python -m tests.benchmarks.board`: a ward of many beds on the board, in headless Chromium, seen from outside.

A publisher tells every bed's trend and alarms once a second at a real broker; with `--page bed` the page of one bed is
open, with its live picture and an event every 5 s. Measured: computing time and memory of the board and of the page,
what the page keeps after forced garbage collection every half a minute (flat, or it has a leak), and of the ward's page
how long after its message an alarm is on the screen. No test: it prints what it finds.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from playwright.sync_api import sync_playwright

from edge.commands.demo_broker import Broker
from edge.delivery.messages import ulid
from edge.server.board.latest import MAX_SOUNDS
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_NAME = "chrom"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
WARM_S = 20.0
SAMPLE_S = 30.0  # between two looks at what the page keeps
TILES_PER_S = 2
BEDS_S = 30  # from one word of every state of a bed to the next
EVENT_EVERY_S = 5
BED = "bed00"
TILE_S = made.TILE_COLUMNS * made.COLUMN / made.RATE_HZ
ALARMS = 20


@dataclass(frozen=True)
class Usage:
    """Of a process and its children."""

    computed_s: float
    resident_mb: float


def usage(process: psutil.Process) -> Usage:
    """What it has used until now."""
    every = [process, *process.children(recursive=True)]
    times = [each.cpu_times() for each in every]
    return Usage(sum(t.user + t.system for t in times), sum(each.memory_info().rss for each in every) / 1e6)


def report(ward: FakeWard, beds: int, chance: random.Random) -> None:
    """One second of the ward."""
    for number in range(beds):
        name, now_s = f"bed{number:02d}", time.time()
        ward.publish(
            f"s/{name}/trend", made.trend(now_s, continuous=chance.random() * 3, coverage=0.9 + chance.random() / 10)
        )
        ward.publish(f"s/{name}/alarm/contact", {**made.alarm("contact", now_s, **made.OFF)})
    ward.publish_node()


def play(ward: FakeWard, second: int, chance: random.Random) -> None:
    """One second of the picture and the events of the bed that is looked at."""
    for number in range(TILES_PER_S * second, TILES_PER_S * (second + 1)):
        levels = chance.randbytes(made.TILE_COLUMNS * made.BANDS)
        ward.publish(f"s/{BED}/mel", made.tile(number, levels), retain=False)
    if second % EVENT_EVERY_S == 0:
        onset, ident = round(second * made.RATE_HZ * TILES_PER_S * TILE_S), ulid(time.time())
        for end in (None, onset + made.RATE_HZ):
            ward.publish(f"s/{BED}/event", made.event(ident, onset, end), retain=False)


def heap(page: Any) -> tuple[float, float]:
    """What the page keeps: MB of its objects, and elements, without what is garbage."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    for _ in range(2):  # what the first has freed may hold more
        session.send("HeapProfiler.collectGarbage")
    found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return found["JSHeapUsedSize"] / 1e6, found["Nodes"]


def delays(ward: FakeWard, page: Any) -> list[float]:
    """How long after its message an alarm is on the screen, seconds, sorted."""
    found = []
    for number in range(ALARMS):
        began_s = time.monotonic()
        ward.alarm(f"bed{number:02d}", priority="Hi")
        page.wait_for_selector(f".level-alarm .open[aria-label^='bed{number:02d},']")
        found.append(time.monotonic() - began_s)
        time.sleep(0.7)
    return sorted(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beds", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--page", choices=("ward", "bed"), default="ward")
    options = parser.parse_args()
    with Broker("mosquitto") as broker, TemporaryDirectory() as folder, sync_playwright() as driver:
        ward = FakeWard(broker.port)
        ward.publish_node()
        for number in range(options.beds):
            ward.publish_bed(f"bed{number:02d}")
        settings = Path(folder) / "board.yaml"
        settings.write_text(f"audit: {folder}/audit.log\nlabels: {folder}/labels.jsonl\n")
        command = [sys.executable, "-m", "edge", "board", "--config", str(settings), "--port", str(broker.port)]
        with subprocess.Popen([*command, "--listen", "0"], stdout=subprocess.PIPE, text=True) as board:
            assert board.stdout is not None
            url = board.stdout.readline().removeprefix("board: ").strip()
            try:
                browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                page = browser.new_context(viewport={"width": 1920, "height": 1080}).new_page()
                page.goto(url + (f"bed?site=ward-b&node=box-1&bed={BED}" if options.page == "bed" else ""))
                _measure(options, ward, page, psutil.Process(board.pid))
                if options.page == "ward":
                    late = delays(ward, page)
                    print(f"alarm on the screen after: median {late[len(late) // 2]:.2f} s, longest {late[-1]:.2f} s")
                browser.close()
            finally:
                board.terminate()
        ward.close()


def _measure(options: argparse.Namespace, ward: FakeWard, page: Any, board: psutil.Process) -> None:
    """Tell the ward once a second and print what board, browser and page use."""
    browser = next(each for each in psutil.Process().children(recursive=True) if CHROMIUM_NAME in each.name())
    chance, stored, begin_s = random.Random(1), [], time.monotonic()
    before = None
    for number in range(MAX_SOUNDS if options.page == "bed" else 0):  # the list is full: what comes takes a place
        ward.publish(f"s/{BED}/event", made.event(ulid(made.WALL_S + number), 0, made.RATE_HZ), retain=False)
    for second in range(int(WARM_S + options.seconds) + 1):
        for number in range(options.beds if second % BEDS_S == 0 else 0):  # else they are unknown after 90 s
            ward.publish_bed(f"bed{number:02d}")
        report(ward, options.beds, chance)
        if options.page == "bed":
            play(ward, second, chance)
        page.wait_for_timeout(1000 * max(0.0, begin_s + second + 1 - time.monotonic()))
        passed_s = second - WARM_S
        if passed_s >= 0 and passed_s % SAMPLE_S == 0:
            stored.append((passed_s, *heap(page)))
        if passed_s == 0:
            before = time.monotonic(), (usage(board), usage(browser))
    assert before is not None, "it was warm"
    _print_usage(options.beds, before, (usage(board), usage(browser)))
    for at_s, megabytes, elements in stored:
        print(f"page after {at_s:.0f} s: {megabytes:.2f} MB of objects, {elements:.0f} elements")
    half = stored[len(stored) // 2 :]
    if len(half) > 1:
        slope = linear_regression([at for at, *_ in half], [megabytes for _, megabytes, _ in half]).slope
        print(f"page, second half: {60_000 * slope:+.1f} kB a minute")


def _print_usage(beds: int, before: tuple[float, tuple[Usage, Usage]], after: tuple[Usage, Usage]) -> None:
    passed_s = time.monotonic() - before[0]
    for name, first, last in zip(("board", "browser, all processes"), before[1], after, strict=True):
        share = (last.computed_s - first.computed_s) / passed_s
        print(
            f"{beds} beds, {name}: {share:.1%} of a core, {first.resident_mb:.0f} MB, after {passed_s:.0f} s "
            f"{last.resident_mb:.0f} MB"
        )


if __name__ == "__main__":
    main()
