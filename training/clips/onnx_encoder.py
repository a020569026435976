"""HeAR's own encoder, where the user has it: a folder with one ONNX file, read by onnxruntime and by nothing else.

HeAR's weights are released under the Health AI Developer Foundations terms, which the user accepts when fetching them
(huggingface.co/google/hear); nothing is downloaded here and no weights are kept. They come as a TensorFlow SavedModel;
this project has no TensorFlow, and ONNX is data where TorchScript and SavedModel are programs, so the file must be
converted once (`python -m tf2onnx.convert --saved-model FOLDER --output encoder.onnx`; not tested here, for want of
the weights). Expected: one input of 2-s clips, (B, 32000) samples at 16 kHz; one output, (B, D).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge.errors import ConfigError
from training.clips.cut import ClipPolicy, cut
from training.datasets.sounds import read_sound
from training.tasks import Clip

RATE_HZ, SAMPLES = 16_000, 32_000
TERMS = (
    "fetch HeAR from huggingface.co/google/hear after accepting its terms, convert it to ONNX, or leave teacher empty"
)


class Teacher:
    """The encoder.

    Args:
        folder: with one `.onnx` file.

    Raises:
        ConfigError: if there is none, or it is another kind of model.
    """

    def __init__(self, folder: Path) -> None:
        found = sorted(folder.glob("*.onnx")) if folder.is_dir() else []
        if len(found) != 1:
            raise ConfigError(f"teacher = {folder}: expected a folder with one .onnx file, found {len(found)}; {TERMS}")
        try:
            self._session = onnxruntime.InferenceSession(str(found[0]), providers=["CPUExecutionProvider"])
        except Exception as error:
            reason = " ".join(str(error).split())[:160]
            raise ConfigError(f"teacher = {found[0]}: is no model that onnxruntime reads ({reason}); {TERMS}") from None
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shapes = [list(x.shape) for x in (*inputs, *outputs)]
        is_one = len(inputs) == len(outputs) == 1 and len(shapes[0]) == len(shapes[1]) == 2
        if not is_one or (isinstance(shapes[0][1], int) and shapes[0][1] != SAMPLES):
            wanted = f"one input (B, {SAMPLES}) and one output (B, D)"
            raise ConfigError(f"teacher = {found[0]}: expected {wanted}, found {shapes}; {TERMS}")
        self._input = inputs[0].name

    def embeddings(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """(n, D) of pieces of up to 2 s."""
        policy = ClipPolicy(seconds=SAMPLES / RATE_HZ, pad="zero", full_scale=True)
        rows, known, sound = [], Path(), np.zeros(0, np.float32)
        for clip in clips:
            if clip.recording.path != known:
                known, sound = clip.recording.path, read_sound(clip.recording.path, RATE_HZ)
            samples = cut(sound, RATE_HZ, clip, policy)[None]
            rows.append(self._session.run(None, {self._input: samples.astype(np.float32)})[0][0])
        return np.asarray(rows, np.float32)
