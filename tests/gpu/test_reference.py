"""The saved reference is of the bundled artefact; runs everywhere, so no device is asked for an old one."""

from __future__ import annotations

import numpy as np

from edge.model.backends.onnx import OnnxBackend
from edge.model.model import DEFAULT_PATH
from export.comparison import score_all
from tests.gpu.reference import saved


def test_the_saved_reference_is_what_onnxruntime_says_today() -> None:
    reference = saved()
    answered = score_all(OnnxBackend(DEFAULT_PATH.read_bytes()), reference.chunks)
    assert reference.outputs.keys() == answered.keys()
    for name, values in reference.outputs.items():
        np.testing.assert_allclose(answered[name], values, atol=1e-3, err_msg="write it: python -m tests.gpu.reference")
