"""`python -m tests.benchmarks.board`: a ward of many beds on the board, in headless Chromium, seen from outside.

A publisher tells every bed's trend and alarms once a second at a real broker. Measured: computing time and memory of
the board and of the page, and how long after its message an alarm is on the screen. No test: it prints what it finds.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from playwright.sync_api import sync_playwright

from edge.commands.demo.broker import Broker
from tests.edge.board import ward_messages as made
from tests.edge.board.fake_ward import FakeWard

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_NAME = "chrom"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
WARM_S = 20.0
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


def tell(ward: FakeWard, beds: int, chance: random.Random) -> None:
    """One second of the ward."""
    for number in range(beds):
        name, now_s = f"bed{number:02d}", time.time()
        ward.say(
            f"s/{name}/trend", made.trend(now_s, continuous=chance.random() * 3, coverage=0.9 + chance.random() / 10)
        )
        ward.say(f"s/{name}/alarm/contact", {**made.alarm("contact", now_s, **made.OFF)})
    ward.tell_node()


def heap(page: Any) -> tuple[float, float]:
    """What the page keeps: MB of its objects, and elements, without what is garbage."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
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
    asked = parser.parse_args()
    with Broker("mosquitto") as broker, TemporaryDirectory() as folder, sync_playwright() as driver:
        ward, chance = FakeWard(broker.port), random.Random(1)
        ward.tell_node()
        for number in range(asked.beds):
            ward.tell_bed(f"bed{number:02d}")
        settings = Path(folder) / "board.yaml"
        settings.write_text(f"audit: {folder}/audit.log\n")
        command = [sys.executable, "-m", "edge", "board", "--config", str(settings), "--port", str(broker.port)]
        with subprocess.Popen([*command, "--listen", "0"], stdout=subprocess.PIPE, text=True) as board:
            assert board.stdout is not None
            url = board.stdout.readline().removeprefix("board: ").strip()
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_context(viewport={"width": 1920, "height": 1080}).new_page()
            page.goto(url)
            for _ in range(int(WARM_S)):
                tell(ward, asked.beds, chance)
                time.sleep(1.0)
            before = heap(page)
            _measure(asked.beds, asked.seconds, ward, chance, psutil.Process(board.pid))
            after = heap(page)
            print(f"page: {before[0]:.1f} MB of objects, {before[1]:.0f} elements; after {asked.seconds:.0f} s "
                  f"{after[0]:.1f} MB, {after[1]:.0f}")  # fmt: skip
            late = delays(ward, page)
            print(f"alarm on the screen after: median {late[len(late) // 2]:.2f} s, longest {late[-1]:.2f} s")
            browser.close()
            board.terminate()
        ward.close()


def _measure(beds: int, seconds: float, ward: FakeWard, chance: random.Random, board: psutil.Process) -> None:
    """Tell the ward once a second and print what board and browser use."""
    browser = next(each for each in psutil.Process().children(recursive=True) if CHROMIUM_NAME in each.name())
    begin_s, before = time.monotonic(), (usage(board), usage(browser))
    while (passed_s := time.monotonic() - begin_s) < seconds:
        tell(ward, beds, chance)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - begin_s - passed_s)))
    names, after = ("board", "browser, all processes"), (usage(board), usage(browser))
    for name, first, last in zip(names, before, after, strict=True):
        share = (last.computed_s - first.computed_s) / (time.monotonic() - begin_s)
        print(f"{beds} beds, {name}: {share:.1%} of a core, {first.resident_mb:.0f} MB, after {seconds:.0f} s "
              f"{last.resident_mb:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
