"""`python -m training.evaluation`: what is asked, of which model, on which recordings, and where the answers go.

Arranges; judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from edge.errors import ConfigError
from training.datasets import Recording, read_datasets
from training.datasets.records import draw
from training.evaluation.artefact import load_predictor
from training.evaluation.delays import StreamDetector, StreamedRecording
from training.evaluation.illustrate import illustrate
from training.evaluation.patientwise import streaming_estimates
from training.evaluation.report import Report, StreamTable, write_tables
from training.evaluation.split_scores import Judged, judge, provenance_of, splits_of, totals, two_classes
from training.metrics.predictions import Predictor, Provenance
from training.tasks import TASKS

STREAMING, ALL = "streaming", "all"
TWO, FOUR = "icbhi-2", "icbhi-4"
CHOICES = (*TASKS, STREAMING, ALL)
SEED = 0  # of the look: the same sample each time
Progress = Callable[[str], None]


class CannotWriteError(ConfigError):
    """The folder for the results takes nothing more."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `make evaluate` is asked for."""

    model: Path
    source: Path
    """DATA."""
    task: str
    """One of `CHOICES`."""
    out: Path
    limit: int | None = None
    """Recordings at most of each split, for a look; None: all."""


def evaluate(options: Options, progress: Progress = lambda _: None) -> str:
    """Judge a model and write everything; returns the tables as text.

    Args:
        options: what is asked.
        progress: called with each part of the text as soon as it is known.

    Raises:
        LaennecError: for an operator's mistake, or a model or recording that cannot be read.
    """
    if options.task not in CHOICES:
        raise ConfigError(f"TASK={options.task}: expected one of {', '.join(CHOICES)}")
    _claim(options.out)
    predictor = load_predictor(options.model)
    return evaluate_predictor(predictor, read_datasets(options.source), options, progress)


def evaluate_predictor(
    predictor: Predictor, recordings: Sequence[Recording], options: Options, progress: Progress = lambda _: None
) -> str:
    """The same for a model that is loaded already."""
    _claim(options.out)
    provenance = provenance_of(predictor, recordings)  # of all: a fingerprint is of a whole set
    some = recordings if options.limit is None else sample(recordings, options.limit)
    return _Evaluation(predictor, some, provenance, options, progress).run()


class _Evaluation:
    """One evaluation under way: what is known so far is on disk and printed."""

    def __init__(
        self,
        predictor: Predictor,
        recordings: Sequence[Recording],
        provenance: Provenance,
        options: Options,
        progress: Progress,
    ) -> None:
        self._predictor, self._recordings, self._provenance = predictor, recordings, provenance
        self._options, self._progress, self._printed = options, progress, ""
        self._judged: dict[str, Judged] = {}
        self._streamed: list[StreamedRecording] = []
        # icbhi-2 is answered from icbhi-4, and streams come last
        names = sorted(CHOICES[:-1], key=lambda name: (name == STREAMING, name == TWO))
        self._pending = names if options.task == ALL else [options.task]
        self._report = Report(
            predictor.name, options.model, options.source, (), {}, (), {}, provenance.stated, options.limit
        )

    def run(self) -> str:
        """Judge one task after the other."""
        self._add()
        while self._pending:
            name = self._pending[0]
            try:
                if name == STREAMING:
                    self._stream()
                else:
                    self._judged[name] = self._judge(name)
                del self._pending[0]
                self._add(judged=tuple(self._judged.values()))
            except ConfigError as error:  # with `all`, what cannot be judged is told and not an error
                if self._options.task != ALL or isinstance(error, CannotWriteError):
                    raise
                del self._pending[0]
                self._add(unanswered={**self._report.unanswered, name: str(error)})
        predictor = self._predictor
        with _writing(self._options.out):
            detection = predictor.detection if isinstance(predictor, StreamDetector) else None
            illustrate(self._report, self._streamed, detection, self._options.out)
        return self._printed

    def _add(self, **more: Any) -> None:
        """Print and write what is new; the total comes after the last task."""
        total = {} if TASKS.keys() & set(self._pending) else totals(tuple(self._judged.values()))
        self._report = report = replace(self._report, **more, totals=total, pending=tuple(self._pending))
        rate_hz = self._predictor.detection.rate_hz if isinstance(self._predictor, StreamDetector) else 0
        with _writing(self._options.out):
            text = write_tables(report, self._streamed, rate_hz, self._options.out)
        if text != self._printed:
            self._progress(text[len(self._printed) :])
        self._printed = text

    def _judge(self, name: str) -> Judged:
        task, recordings = TASKS[name], list(self._recordings)
        if not task.clips(recordings):
            raise ConfigError(
                f"TASK={name}: {self._options.source} holds no recordings of {task.dataset} with its labels"
            )
        four = self._judged.get(FOUR) or self._four() if name == TWO else None
        return two_classes(four) if four else judge(self._predictor, task, recordings, self._provenance)

    def _four(self) -> Judged | None:
        """The answers to ICBHI's 4-class question, which imply those to the 2-class one as it is published."""
        try:
            return judge(self._predictor, TASKS[FOUR], self._recordings, self._provenance)
        except ConfigError:
            return None

    def _stream(self) -> None:
        """Score one set after the other; the tables of each are printed and written at once."""
        predictor = self._predictor
        if not isinstance(predictor, StreamDetector):
            also = "; give another TASK" if self._options.task == STREAMING else ""
            raise ConfigError(f"TASK=streaming: {predictor.name} scores clips and no streams{also}")
        sets: dict[str, list[Recording]] = {}
        for recording in self._recordings:
            if not recording.is_synthetic:
                sets.setdefault(recording.dataset, []).append(recording)
        for name in sorted(sets):
            streamed = predictor.detect(sets[name])
            self._streamed += streamed
            tables = _stream_tables(predictor, streamed, self._provenance)
            self._add(streaming=(*self._report.streaming, *tables))


def _claim(out: Path) -> None:
    """Make the folder and write into it, before anything is scored that could not be written."""
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out) as probe:
            probe.write(b"\0" * 4096)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise CannotWriteError(f"OUT={out}: cannot be written ({reason}); make room, or give another folder") from error


def _stream_tables(
    detector: StreamDetector, streamed: Sequence[StreamedRecording], provenance: Provenance
) -> list[StreamTable]:
    tables = []
    for dataset in sorted({h.dataset for h in streamed}):
        mine = [h for h in streamed if h.dataset == dataset]
        for split in splits_of([h.scored.recording for h in mine], provenance):
            some = [h for h in mine if h.scored.recording.path in split.paths]
            tables.append(StreamTable(dataset, split, tuple(streaming_estimates(some, detector.detection))))
    return tables


def sample(recordings: Sequence[Recording], limit: int) -> list[Recording]:
    """For a look: at most `limit` recordings of each split of each set and each kind of other sounds, in their order.

    Args:
        recordings: everything in DATA.
        limit: at least 1; with as many as a split has labels, each label is among them.
    """
    groups: dict[tuple[str, str, str], list[Recording]] = {}
    for r in recordings:
        groups.setdefault((r.dataset, r.split, r.record_label if r.is_negative else ""), []).append(r)
    rng = np.random.default_rng(SEED)
    kept = {r.path for group in groups.values() for r in _at_most(group, limit, rng)}
    return [r for r in recordings if r.path in kept]


def _at_most(group: Sequence[Recording], limit: int, rng: np.random.Generator) -> list[Recording]:
    labels = len({r.record_label for r in group})
    return draw(group, limit, int(labels <= limit), rng)
