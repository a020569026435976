"""An artefact of the edge, run exactly as at the bedside: source, features, chunks, model, tracker.

This is the one module of training that imports `edge.model.model` and `edge.detector.pipeline`. What is judged must
be what runs: the file with its own spec, its calibration, its thresholds and its runtime, so a fault anywhere between a
checkpoint and an alarm shows in the score. A second implementation of that path here could only hide it. Training
itself stays without a model: networks are torch, frames come from `edge.features`.

A model by its path, whatever it is. Knows where each kind is loaded, and loads none itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.detector.chunks import Chunks
from edge.detector.pipeline import Pipeline
from edge.errors import ConfigError, SourceError
from edge.features import FrontEnd
from edge.model.model import Model, load_model
from edge.sources.file import FileSource
from edge.sources.source import read_source
from edge.types import Block, Chunk, Event, Frames, Gap, Scores
from training.datasets import CLASSES, Recording
from training.datasets.files import read_sound
from training.datasets.targets import frame_targets
from training.detector.answers import TaskAnswers, answer, record_statistics
from training.evaluation.delays import StreamedRecording
from training.frames import extract
from training.metrics.predictions import Predictor, Provenance
from training.metrics.streaming import Detection, ScoredRecording
from training.tasks import Clip, Task


class Artefact:
    """A sealed `.onnx` of Laennec.

    Args:
        path: the file.

    Raises:
        ModelError: if it is missing, damaged or no artefact.
        ConfigError: if its classes are not those of the annotations.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._model: Model = load_model(path)
        self.name = self._model.id
        card = str(self._model.card.get("data", ""))
        self.provenance = Provenance(
            hashed_names=frozenset(self._model.trained_on) if self._model.trained_on else None,
            fingerprint=self._model.training_data,
            stated=card,
        )
        missing = [c for c in CLASSES if c not in self._model.classes]
        if missing:
            raise ConfigError(f"MODEL={path}: scores {', '.join(self._model.classes)}; missing {', '.join(missing)}")
        self._columns = [self._model.classes.index(c) for c in CLASSES]
        self._front_end = FrontEnd(self._model.spec)
        model = self._model
        self._streamed: dict[Recording, StreamedRecording] = {}  # tasks 2-1, 2-2 and `streaming` ask for the same
        self.detection = Detection(model.groups, model.thresholds, model.score_hop_samples, model.rate_hz)

    def predict(self, task: Task, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """Events are scored alone, as a clip; recordings as the stream that the edge would see.

        Raises:
            ConfigError: if this artefact answers no questions about clips, or a recording does not decode.
        """
        answers = self._task_answers(task)
        if task.unit == "event":
            said: NDArray[np.floating] = np.stack([self._answer(sound, clip) for sound, clip in self._sounds(clips)])
        else:
            streamed = self.detect([clip.recording for clip in clips])
            said = answers.record.log_probabilities(
                np.stack([record_statistics(one.scored.scores) for one in streamed])
            )
        return np.exp(answer(task, said)).astype(np.float32)

    def offsets(self, task: Task) -> NDArray[np.float32]:
        """(L,) added to the log-probabilities before the decision, as chosen on patient-wise validation."""
        offsets = self._task_answers(task).offsets.get(task.name, ())
        return np.array(offsets, np.float32) if len(offsets) else np.zeros(len(task.labels), np.float32)

    def stream_scores(
        self, samples: NDArray[np.float32], is_judged: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Scores of one recording as the edge has them.

        Args:
            samples: (N,) at the model's rate.
            is_judged: whether sound that cannot be judged is left out, as at the bedside.

        Returns:
            (T, C) scores, columns as `CLASSES`, and (T,) which of them can be judged.
        """
        parts: list[Scores] = []
        pipeline = Pipeline(self._model, observe=parts.append, outside="unverified" if is_judged else "ignore")
        pipeline.push(Block(0, samples, np.ones(len(samples), np.bool_)))
        pipeline.flush()
        count = max((part.start + len(part.valid) for part in parts), default=0)
        values, valid = np.zeros((count, len(self._columns)), np.float32), np.zeros(count, np.bool_)
        for part in parts:
            at = slice(part.start, part.start + len(part.valid))
            values[at], valid[at] = part.values[:, self._columns], part.valid
        return values, valid

    def _task_answers(self, task: Task) -> TaskAnswers:
        if self._model.tasks is None:
            raise ConfigError(
                f"TASK={task.name}: {self._path} does not say `laennec.tasks`, so it answers `streaming` only; give "
                "TASK=streaming, or a model with answers for clips"
            )
        return TaskAnswers.from_fields(self._model.tasks)

    def _sounds(self, clips: Sequence[Clip]) -> Iterator[tuple[NDArray[np.float32], Clip]]:
        """Each clip with the sound of its recording, which is read once for all of its clips that follow each other."""
        last, sound = None, np.zeros(0, np.float32)
        for clip in tqdm(clips, desc="clips", unit="clip", mininterval=2):
            if clip.recording.path != last:
                last, sound = clip.recording.path, read_sound(clip.recording.path, self._model.rate_hz)
            yield sound, clip

    def _answer(self, sound: NDArray[np.float32], clip: Clip) -> NDArray[np.float32]:
        """(L,) log-probabilities of one clip, which is a stream from its begin to its end."""
        rate_hz, chunks = self._model.rate_hz, Chunks(self._model.chunk, self._model.spec.width)
        stop = None if clip.end_s is None else round(clip.end_s * rate_hz)
        frames = extract(sound[round(clip.start_s * rate_hz) : stop], self._front_end)
        heard = chunks.push(Frames(0, frames, np.ones(len(frames), np.bool_))) + chunks.flush()
        return self._model.clip_log_probabilities(heard or [self._silence()])

    def _silence(self) -> Chunk:
        """What is heard of a clip that is shorter than a frame."""
        length = self._model.chunk.chunk_frames
        nothing = np.zeros(length, np.bool_)
        return Chunk(0, np.zeros((length, self._model.spec.width), np.float32), nothing, nothing)

    def detect(self, recordings: Sequence[Recording]) -> list[StreamedRecording]:
        """Every recording as a stream of its own, in blocks of 0.1 s.

        Raises:
            SourceError: if one does not decode; the message names the file.
        """
        for recording in tqdm(recordings, desc="streaming", unit="recording", mininterval=2):
            if recording not in self._streamed:
                self._streamed[recording] = self._detect(recording)
        return [self._streamed[recording] for recording in recordings]

    def hear(self, samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[Event]:
        """Events that ended in a sound, (N,), of which some samples may be lost, (N,)."""
        pipeline = Pipeline(self._model)
        events = pipeline.push(Block(0, samples, valid)) + pipeline.flush()
        return [event for event in events if event.kind == "end"]

    def _detect(self, recording: Recording) -> StreamedRecording:
        stream = _Stream(self._model)
        source = FileSource(recording.path, self._model.rate_hz, channel=1)
        try:
            for item in read_source(source, threading.Event()):
                stream.push(item)
        except SourceError as error:
            raise SourceError(f"{error} (in {recording.path})") from error
        finally:
            source.close()
        scores = stream.finish()[:, self._columns]
        targets = frame_targets(recording, len(scores), self.detection.frame_s)
        ends = [event for event, _ in stream.reported if event.kind == "end"]
        confirmed = {(e.label, e.onset): at for e, at in stream.reported if e.kind == "onset"}
        moments = tuple(confirmed[event.label, event.onset] for event in ends)
        return StreamedRecording(ScoredRecording(recording, scores, targets), tuple(ends), moments)


class _Stream:
    """One pass through the pipeline, with the time at which things were said."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._pipeline = Pipeline(model, observe=self._take)
        self._pieces: list[Scores] = []
        self._pushed = 0  # samples of the stream so far
        self._scored_at = 0  # samples, silence after the end included, when the last scores came
        self.reported: list[tuple[Event, float]] = []
        """Events with seconds of the stream that had been pushed."""

    def push(self, item: Block | Gap) -> None:
        self._pushed = max(self._pushed, item.stop)
        if isinstance(item, Block):
            self._note(self._pipeline.push(item), self._pushed)

    def finish(self) -> NDArray[np.float32]:
        """Close the stream; (T, C) scores of all whole score frames, 0 where nothing is valid.

        What the last chunks decide comes at the bedside when their lookahead is over.
        """
        model, stop = self._model, self._pushed
        for events in self._pipeline.flush_stepwise():
            self._note(events, self._scored_at)
        scores = np.zeros((stop // model.score_hop_samples, len(model.classes)), np.float32)
        for piece in self._pieces:
            kept = max(0, min(len(piece.values), len(scores) - piece.start))
            scores[piece.start : piece.start + kept] = piece.values[:kept]
        return scores

    def _take(self, scores: Scores) -> None:
        self._pieces.append(scores)
        chunk, spec = self._model.chunk, self._model.spec
        decided = (scores.start + len(scores.valid)) * chunk.score_frames + chunk.lookahead_frames
        seen = -(-decided // chunk.chunk_frames) * chunk.chunk_frames  # the end of the chunk: only so far it may decide
        self._scored_at = max(self._pushed, seen * spec.hop_samples + spec.delay_samples)

    def _note(self, events: list[Event], at_sample: int) -> None:
        self.reported += [(event, at_sample / self._model.rate_hz) for event in events]


ARTEFACT = "model.onnx"  # of a run of the edge's recipe
RUN = "run.json"  # of a run of a clip recipe
REQUEST = "recipe.json"  # of a run of the edge's recipe, from its begin


def load_predictor(path: Path) -> Predictor:
    """The model that lies at a path.

    Args:
        path: an artefact (`.onnx`) or the folder of a run.

    Raises:
        ConfigError: if nothing is there that can be loaded; the message says what was expected.
        ModelError: if an artefact is damaged.
    """
    if path.suffix == ".onnx" and not path.is_dir():
        return Artefact(path)
    if (path / RUN).is_file():
        from training.clips import load_run

        return load_run(path)
    if (path / ARTEFACT).is_file():
        return load_predictor(path / ARTEFACT)
    if (path / REQUEST).is_file():
        raise ConfigError(
            f"MODEL={path}: this training was not exported, {ARTEFACT} is missing; "
            f"`python -m export --checkpoint {path} --out {path / ARTEFACT}` makes it once the training is finished"
        )
    found = "nothing" if not path.exists() else "a file" if path.is_file() else "a folder without them"
    raise ConfigError(
        f"MODEL={path}: expected an artefact (.onnx) or the folder of a run with {RUN} or {ARTEFACT}, found {found}; "
        "`make train` makes one"
    )
