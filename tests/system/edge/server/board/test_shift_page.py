"""The page of a shift: alarms, who acknowledged them, rates and coverage of each bed, on one sheet of paper."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from edge.contract.fields import rfc3339
from tests.edge.conftest import wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import RunningBoard
from tests.system.edge.server.board.test_security import Answer

Open = Callable[..., Any]
SHEET = re.compile(rb"/Type\s*/Page[^s]")


def a_shift(board: RunningBoard, ward: FakeWard, beds: int) -> None:
    """The board heard each bed wheeze twice, and somebody acknowledged it once; its sensor is loose."""
    now_s = time.time()
    seen = {"by": "nurse K", "at": rfc3339(now_s - 800), "why": ""}
    for bed in [f"bed{number:02}" for number in range(beds)]:
        ward.publish_bed(bed, trend=made.trend(now_s, continuous=7.0))
    wait_for(lambda: f'"bed{beds - 1:02}"' in output_of(board), "the last bed")
    phases: list[tuple[dict[str, Any], str]] = [
        ({"since": rfc3339(now_s - 900), "episode": 1}, '"condition":"continuous"'),
        (
            {"signal": "Ack", "audible": False, "acknowledged": seen, "since": seen["at"], "episode": 1},
            '"by":"nurse K"',
        ),
        (made.OFF, r'"over_s":\d'),
        ({"since": rfc3339(now_s - 60), "episode": 2}, r'"condition":"continuous".*?"over_s":null'),
    ]
    for changed, reported in phases:  # of messages that come together a board reads the last
        for bed in ward.beds:
            ward.alarm(bed, **changed)
        wait_for(lambda reported=reported: len(re.findall(reported, output_of(board))) >= beds, reported)
    for bed in ward.beds:
        ward.alarm(bed, "contact", priority="Lo")


def output_of(board: RunningBoard) -> str:
    """What the page asks for."""
    return Answer(board, "GET", "/api/shift?hours=8").text


def opened(board: RunningBoard, open_page: Open, beds: int, **options: Any) -> Any:
    """The page, once the board has heard all."""
    wait_for(lambda: output_of(board).count('"condition":"contact"') == beds, "the last alarm")
    page = open_page(f"{board.url}shift", **options)
    page.get_by_text(f"bed{beds - 1:02}").first.wait_for()
    return page


def test_it_says_which_alarms_there_were_how_often_and_who_acknowledged_them(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    a_shift(board, ward, 1)
    page = opened(board, open_page, 1, locale="en-GB")
    output = page.locator("tbody tr").inner_text()
    assert re.search(r"Wheezing: 2, since \d\d:\d\d; acknowledged 1, by nurse K", output)
    assert re.search(r"Sensor loose: 1, since \d\d:\d\d; nobody acknowledged", output)
    assert "Wheezing 7.0, up to 7.0" in output
    shown = page.locator("#state").inner_text()
    assert re.search(r"Ward B · \d\d? [A-Z][a-z]+ \d{4}, \d\d:\d\d to ", shown), "as the reader writes it"


@pytest.mark.parametrize("beds", [1, 16])
def test_it_prints_on_one_sheet_of_a4(board: RunningBoard, ward: FakeWard, open_page: Open, beds: int) -> None:
    a_shift(board, ward, beds)
    page = opened(board, open_page, beds)
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)
        paper = page.pdf(prefer_css_page_size=True)
        assert len(SHEET.findall(paper)) == 1
        assert b"/MediaBox [0 0 841" in paper.replace(b"[ ", b"["), "A4, across"


def test_the_csv_holds_what_the_page_tells(board: RunningBoard, ward: FakeWard, open_page: Open) -> None:
    a_shift(board, ward, 1)
    opened(board, open_page, 1)
    head, *rows = Answer(board, "GET", "/api/shift.csv?hours=8").text.splitlines()
    assert head.endswith(",alarms,acknowledged")
    assert 1 <= len(rows) <= 3, "quarters of which something was heard, and no others"
    assert sum(int(row.split(",")[-2]) for row in rows) == 3
    assert sum(int(row.split(",")[-1]) for row in rows) == 1
