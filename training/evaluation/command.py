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

from edge.errors import ConfigError
from training.datasets import Recording, read_datasets
from training.evaluation.delays import StreamDetector, StreamedRecording
from training.evaluation.illustrate import illustrate
from training.evaluation.leakage import provenance_of
from training.evaluation.load import load_predictor
from training.evaluation.partitions import splits_of
from training.evaluation.patientwise import streaming_estimates
from training.evaluation.report import Report, StreamTable, write_tables
from training.evaluation.sample import sample
from training.evaluation.split_scores import Judged, judge, totals, two_classes
from training.metrics.predictions import Predictor, Provenance
from training.tasks import TASKS

STREAMING, ALL = "streaming", "all"
TWO, FOUR = "icbhi-2", "icbhi-4"
CHOICES = (*TASKS, STREAMING, ALL)

Say = Callable[[str], None]


class CannotWriteError(ConfigError):
    """The folder for the results takes nothing more."""


@dataclass(frozen=True, slots=True)
class Options:
    """One command."""

    model: Path
    source: Path
    """DATA."""
    task: str
    """One of `CHOICES`."""
    out: Path
    limit: int | None = None
    """Recordings at most of each split, for a look; None: all."""


def evaluate(options: Options, say: Say = lambda _: None) -> str:
    """Judge a model and write everything; returns the tables as text.

    Args:
        options: what is asked.
        say: called with each part of the text as soon as it is known.

    Raises:
        LaennecError: for an operator's mistake, or a model or recording that cannot be read.
    """
    if options.task not in CHOICES:
        raise ConfigError(f"TASK={options.task}: expected one of {', '.join(CHOICES)}")
    _claim(options.out)
    predictor = load_predictor(options.model)
    return evaluate_predictor(predictor, read_datasets(options.source), options, say)


def evaluate_predictor(
    predictor: Predictor, recordings: Sequence[Recording], options: Options, say: Say = lambda _: None
) -> str:
    """The same for a model that is loaded already."""
    _claim(options.out)
    provenance = provenance_of(predictor, recordings)  # of all: a fingerprint is of a whole set
    some = recordings if options.limit is None else sample(recordings, options.limit)
    return _Evaluation(predictor, some, provenance, options, say).run()


class _Evaluation:
    """One evaluation under way: what is known is on the disk and has been said."""

    def __init__(
        self, predictor: Predictor, recordings: Sequence[Recording], provenance: Provenance, options: Options, say: Say
    ) -> None:
        self._predictor, self._recordings, self._provenance = predictor, recordings, provenance
        self._wish, self._say, self._said = options, say, ""
        self._judged: dict[str, Judged] = {}
        self._heard: list[StreamedRecording] = []
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
                if self._wish.task != ALL or isinstance(error, CannotWriteError):
                    raise
                del self._pending[0]
                self._add(unanswered={**self._report.unanswered, name: str(error)})
        predictor = self._predictor
        with _writing(self._wish.out):
            detection = predictor.detection if isinstance(predictor, StreamDetector) else None
            illustrate(self._report, self._heard, detection, self._wish.out)
        return self._said

    def _add(self, **more: Any) -> None:
        """Say and write what is new; the total comes after the last task."""
        total = {} if TASKS.keys() & set(self._pending) else totals(tuple(self._judged.values()))
        self._report = report = replace(self._report, **more, totals=total, pending=tuple(self._pending))
        rate_hz = self._predictor.detection.rate_hz if isinstance(self._predictor, StreamDetector) else 0
        with _writing(self._wish.out):
            text = write_tables(report, self._heard, rate_hz, self._wish.out)
        if text != self._said:
            self._say(text[len(self._said) :])
        self._said = text

    def _judge(self, name: str) -> Judged:
        task, recordings = TASKS[name], list(self._recordings)
        if not task.clips(recordings):
            raise ConfigError(f"TASK={name}: {self._wish.source} holds no recordings of {task.dataset} with its labels")
        four = self._judged.get(FOUR) or self._four() if name == TWO else None
        return two_classes(four) if four else judge(self._predictor, task, recordings, self._provenance)

    def _four(self) -> Judged | None:
        """The answers to ICBHI's 4-class question, which imply those to the 2-class one as it is published."""
        try:
            return judge(self._predictor, TASKS[FOUR], self._recordings, self._provenance)
        except ConfigError:
            return None

    def _stream(self) -> None:
        """Hear one set after the other; each is said when it is heard."""
        predictor = self._predictor
        if not isinstance(predictor, StreamDetector):
            also = "; give another TASK" if self._wish.task == STREAMING else ""
            raise ConfigError(f"TASK=streaming: {predictor.name} scores clips and no streams{also}")
        sets: dict[str, list[Recording]] = {}
        for recording in self._recordings:
            if not recording.is_synthetic:
                sets.setdefault(recording.dataset, []).append(recording)
        for name in sorted(sets):
            heard = predictor.detect(sets[name])
            self._heard += heard
            tables = _stream_tables(predictor, heard, self._provenance)
            self._add(streaming=(*self._report.streaming, *tables))


def _claim(out: Path) -> None:
    """Make the folder and write into it, before anything is heard that could not be kept."""
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
    listener: StreamDetector, heard: Sequence[StreamedRecording], provenance: Provenance
) -> list[StreamTable]:
    tables = []
    for dataset in sorted({h.dataset for h in heard}):
        mine = [h for h in heard if h.dataset == dataset]
        for split in splits_of([h.scored.recording for h in mine], provenance):
            some = [h for h in mine if h.scored.recording.path in split.paths]
            tables.append(StreamTable(dataset, split, tuple(streaming_estimates(some, listener.detection))))
    return tables
