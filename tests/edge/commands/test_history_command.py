"""`laennec history`: a day or a month, a database that is there or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edge.commands.history import app
from edge.server.history.writer import HistoryWriter
from tests.edge.server.exports.messages import event
from tests.edge.server.history.messages import batch, minute


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path / 'history.sqlite'}"
    writer = HistoryWriter(found)
    writer.write(batch(event("end", 2, 1.5), *(minute(n) for n in range(40))))
    writer.close()
    return found


def requested(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(("day", "rows"), [("2027-01-15", 1), ("2027-01", 1), ("2027-01-16", 0), ("2026-12", 0)])
def test_a_day_or_a_month_is_asked_for(url: str, day: str, rows: int) -> None:
    for question in ("events", "burden"):
        assert len(requested(question, "--day", day, "--database", url, "--csv").stdout.splitlines()) == 1 + rows
    coverage = requested("coverage", "--day", day, "--database", url, "--jsonl").stdout.splitlines()
    assert len(coverage) == 1, "a bed of which nothing was told is there all the same"


def test_what_was_taken_away_is_told(url: str) -> None:
    output = requested("prune", "--days", "40", "--database", url).stdout.splitlines()
    assert output == [
        f"{name}: 0 taken away" for name in ("alarms", "events", "gaps", "hours", "losses", "minutes", "pauses")
    ]


@pytest.mark.parametrize("day", ["yesterday", "2026-13", "2026-02-30", "26-1-1", "9999-12", "9999-12-31"])
def test_a_day_that_there_is_not_is_a_mistake(url: str, day: str) -> None:
    found = requested("events", "--day", day, "--database", url)
    assert f"--day: expected a day such as 2026-11-22, or a month, found {day!r}" == str(found.exception)


@pytest.mark.parametrize("question", ["holes", "missing", "burden"])
def test_a_history_that_there_is_not_is_a_mistake_and_is_not_made(tmp_path: Path, question: str) -> None:
    path = tmp_path / "none.sqlite"
    found = requested(question, "--database", f"sqlite:///{path}")
    assert f"expected a history that  laennec ingest  writes, found no file {path}" in str(found.exception)
    path.touch()
    assert "writes, found none" in str(requested(question, "--database", f"sqlite:///{path}").exception)


def test_a_bed_of_too_many_levels_is_a_mistake(url: str) -> None:
    found = requested("events", "--bed", "a/b/c/bed1", "--database", url)
    assert str(found.exception) == "--bed: expected bed1, edge-7/bed1 or ward-b/edge-7/bed1, found 'a/b/c/bed1'"
