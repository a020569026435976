"""`mistakes.html`: the worst mistakes on one page that needs nothing else, each with its spectrogram. Chooses none.

No script and no address but the pictures within; names are escaped, since files of others may have any name.

Which answers were most confidently wrong: of clips, and of a streaming detector. Draws nothing.

A clip is the worse, the higher the probability of the wrong label stands above that of the right one. A false alarm is
the worse, the higher its peak; a miss, the lower the highest score within the annotated event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from edge.errors import LaennecError
from edge.types import Event
from training.datasets import Annotation
from training.evaluation.delays import StreamedRecording
from training.evaluation.spectrograms import Curve, Mark, Picture, draw
from training.evaluation.split_scores import Row
from training.metrics.predictions import Predictions
from training.metrics.streaming import GROUP_OF, GROUPS, Detection, group_score
from training.tasks import Clip

COLOURS = {"continuous": "#c8571b", "discontinuous": "#1f5fa8", "normal": "#bbbbbb"}
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto; max-width: 1180px;
  padding: 1.5rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); gap: 1.1rem; }
figure { margin: 0; border: 1px solid #ddd; border-radius: 6px; padding: .7rem; }
figure img { width: 100%; height: auto; display: block; }
figcaption b { font-weight: 600; } figcaption { overflow-wrap: anywhere; }
.name, .all { color: #666; font-size: .85rem; } .notice { color: #a02020; font-weight: 600; }
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page: mistakes of one kind."""

    heading: str
    explanation: str
    notice: str
    """What must be said of the training data; empty when nothing."""
    cards: tuple[str, ...]
    """HTML of each, the worst first."""


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole page.

    Args:
        title: what was judged.
        sections: in their order.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    for section in sections:
        parts.append(f"<h2>{escape(section.heading)}</h2><p>{escape(section.explanation)}</p>")
        parts += [f'<p class="notice">{escape(section.notice)}</p>'] if section.notice else []
        parts.append(f'<div class="cards">{"".join(section.cards)}</div>' if section.cards else "<p>None.</p>")
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def clip_card(wrong: WrongClip) -> str:
    """One clip with its spectrogram, half a second of context on both sides."""
    clip = wrong.clip
    length = "whole recording" if clip.end_s is None else f"{clip.start_s:.3f} to {clip.end_s:.3f} s"
    ranked = ", ".join(f"{label} {p:.3f}" for label, p in wrong.probabilities)
    what = f"annotated <b>{escape(clip.label)}</b>, called <b>{escape(wrong.decided)}</b>"
    where = f"patient {escape(clip.recording.patient)}, {escape(clip.recording.split)}, {length}"
    return _card(Picture(clip.recording, clip.start_s, clip.end_s), clip.name, what, where, escape(ranked))


def event_card(wrong: WrongEvent, detection: Detection) -> str:
    """One recording with scores, reports and annotations; the mistake stands between the dashed lines."""
    recording, scores = wrong.streamed.scored.recording, wrong.streamed.scored.scores
    annotated = [
        Mark(a.start_s, a.end_s, COLOURS[GROUP_OF[a.labels[0]] if a.labels else "normal"]) for a in recording.events
    ]
    rate = detection.rate_hz
    said = [Mark(e.onset / rate, (e.end or 0) / rate, COLOURS[GROUP_OF[e.label]]) for e in wrong.streamed.events]
    curves = tuple(Curve(g, group_score(scores, g), detection.frame_s, COLOURS[g]) for g in GROUPS)
    threshold = min(detection.thresholds[c] for g in detection.groups if g.name == wrong.group for c in g.classes)
    marks = (("annotated", tuple(annotated)), ("reported", tuple(said)))
    picture = Picture(recording, wrong.start_s, wrong.end_s, marks, curves, threshold, whole=True)
    level = "peak" if wrong.kind == "false alarm" else "highest score"
    what = f"{wrong.kind}: <b>{escape(wrong.label)}</b>, {level} {wrong.level:.3f} (threshold {threshold:.2f})"
    where = f"patient {escape(recording.patient)}, {escape(recording.split)}, record {escape(recording.record_label)}"
    return _card(picture, recording.path.stem, what, where, f"{wrong.start_s:.2f} to {wrong.end_s:.2f} s")


def _card(picture: Picture, name: str, what: str, where: str, detail: str) -> str:
    try:
        image = f'<img alt="spectrogram of {escape(name, quote=True)}" src="{draw(picture)}">'
    except LaennecError as error:
        image = f'<p class="notice">{escape(str(error))}</p>'
    return (
        f'<figure>{image}<figcaption>{what}<div class="all">{detail}</div>'
        f'<div class="name">{escape(name)}; {where}</div></figcaption></figure>'
    )


@dataclass(frozen=True, slots=True)
class WrongClip:
    """One clip that was called something else."""

    clip: Clip
    decided: str
    probabilities: tuple[tuple[str, float], ...]
    """Each label with its probability, the highest first."""


@dataclass(frozen=True, slots=True)
class WrongEvent:
    """One event that was reported where none is, or not reported where one is."""

    streamed: StreamedRecording
    kind: str
    """`false alarm` or `missed`."""
    label: str
    """What was reported or annotated."""
    group: str
    start_s: float
    end_s: float
    level: float
    """Peak of the event, or the highest score in what was missed, 0 to 1."""


def worst_clips(row: Row, most: int) -> list[WrongClip]:
    """The most confident mistakes of one row, the worst first; labels that the task ignores are left out."""
    answered = row.predictions
    wrong = [
        i
        for i, clip in enumerate(answered.clips)
        if clip.label not in answered.task.ignored and answered.task.labels[answered.decided[i]] != clip.label
    ]
    chosen = sorted(wrong, key=lambda i: -_surplus(answered, i))[:most]
    return [
        WrongClip(answered.clips[i], answered.task.labels[answered.decided[i]], _ranked(answered, i)) for i in chosen
    ]


def _surplus(answered: Predictions, i: int) -> float:
    p = answered.probabilities[i]
    return float(p[answered.decided[i]] - p[answered.truth[i]])


def _ranked(answered: Predictions, i: int) -> tuple[tuple[str, float], ...]:
    pairs = zip(answered.task.labels, answered.probabilities[i].tolist(), strict=True)
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))


def false_reports(streamed: Sequence[StreamedRecording], rate_hz: int, most: int) -> list[WrongEvent]:
    """Events that overlap no annotated event of their group, the highest peak first."""
    found = [
        WrongEvent(
            one, "false alarm", e.label, GROUP_OF[e.label], e.onset / rate_hz, (e.end or e.onset) / rate_hz, e.peak
        )
        for one in streamed
        if one.scored.is_annotated_chest or one.scored.recording.is_negative
        for e in one.events
        if not any(_overlap(e, a, rate_hz) for a in one.scored.recording.events)
    ]
    return sorted(found, key=lambda wrong: -wrong.level)[:most]


def missed_events(streamed: Sequence[StreamedRecording], detection: Detection, most: int) -> list[WrongEvent]:
    """Annotated adventitious events that nothing reported overlaps, the most overlooked first."""
    found = [
        _missed(one, annotation, group, detection)
        for one in streamed
        if one.scored.is_annotated_chest
        for annotation in one.scored.recording.events
        for group in GROUPS
        if group in {GROUP_OF[label] for label in annotation.labels}
        and not any(GROUP_OF[e.label] == group and _overlap(e, annotation, detection.rate_hz) for e in one.events)
    ]
    return sorted(found, key=lambda wrong: wrong.level)[:most]


def _missed(one: StreamedRecording, annotation: Annotation, group: str, detection: Detection) -> WrongEvent:
    first, stop = int(annotation.start_s / detection.frame_s), int(annotation.end_s / detection.frame_s) + 1
    level = float(group_score(one.scored.scores[first:stop], group).max(initial=0.0))
    return WrongEvent(one, "missed", annotation.name, group, annotation.start_s, annotation.end_s, level)


def _overlap(event: Event, annotation: Annotation, rate_hz: int) -> bool:
    """True when the event lies on an annotation of its own group."""
    if GROUP_OF[event.label] not in {GROUP_OF[label] for label in annotation.labels}:
        return False
    return event.onset < annotation.end_s * rate_hz and (event.end or 0) > annotation.start_s * rate_hz
