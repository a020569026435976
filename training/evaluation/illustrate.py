"""Every picture of an evaluation, and its page of mistakes. Judges nothing and draws nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.evaluation.delays import StreamedRecording
from training.evaluation.detection_curves import draw_streaming
from training.evaluation.mistakes import Section, clip_card, event_card, false_reports, missed_events, page, worst_clips
from training.evaluation.plots import draw_task
from training.evaluation.report import Report, StreamTable
from training.evaluation.split_scores import Judged
from training.metrics.streaming import Detection

MOST_CLIPS, MOST_EVENTS = 24, 12  # mistakes shown of a task, and of each kind of a streaming detector
_COLOURS = "Orange: continuous sounds; blue: discontinuous; grey: annotated as normal. Dashed: the event in question."


def illustrate(report: Report, streamed: Sequence[StreamedRecording], detection: Detection | None, out: Path) -> None:
    """Draw the plots of every table and write `mistakes.html`.

    Args:
        report: what was judged.
        streamed: what a streaming detector said; empty for other models.
        detection: how it became events; None for other models.
        out: a folder that exists.
    """
    sections = [_task_section(judged, out) for judged in report.judged]
    shown: set[str] = set()
    for table in report.streaming if detection else ():
        mine = [h for h in streamed if h.dataset == table.dataset and h.scored.recording.path in table.split.paths]
        assert detection is not None
        draw_streaming(report.model, table, mine, detection, out)
        if table.dataset not in shown:  # one split of each set is enough for a page, the one that counts most
            sections += _stream_sections(table, mine, detection)
        shown.add(table.dataset)
    text = page(f"Mistakes of {report.model}", sections)
    (out / "mistakes.html").write_text(text, encoding="utf-8")


def _task_section(judged: Judged, out: Path) -> Section:
    draw_task(judged, out)
    row = judged.rows[0]
    cards = tuple(clip_card(wrong) for wrong in worst_clips(row, MOST_CLIPS))
    why = "The most confident wrong answers; what was judged lies between the dashed lines."
    return Section(f"Task {judged.task.name}, {row.split.name}", why, row.split.notice, cards)


def _stream_sections(table: StreamTable, mine: Sequence[StreamedRecording], detection: Detection) -> list[Section]:
    title, notice = f"{table.dataset} {table.split.name}", table.split.notice
    cards = tuple(event_card(w, detection) for w in false_reports(mine, detection.rate_hz, MOST_EVENTS))
    why = f"Reported events that overlap no annotated event of their group, the highest peak first. {_COLOURS}"
    sections = [Section(f"False alarms, {title}", why, notice, cards)]
    if any(h.scored.is_annotated_chest for h in mine):
        cards = tuple(event_card(w, detection) for w in missed_events(mine, detection, MOST_EVENTS))
        why = f"Annotated events that no report of their group overlaps, the lowest score first. {_COLOURS}"
        sections.append(Section(f"Missed, {title}", why, notice, cards))
    return sections
