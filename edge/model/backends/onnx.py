"""onnxruntime on the CPU: the runtime that is always there. One thread, so that streams do not fight over cores."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError

# From 1.31 on, onnxruntime sends telemetry over HTTPS unless its variable is set before the import. A box at a bedside
# sends none.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

NO_MEMORY = ("std::bad_alloc", "BFCArena")  # without its arena, and with it
LONGEST_ERROR = 300  # characters of what onnxruntime says
FATAL_ONLY = 4  # errors are raised as ModelError, not written to stderr by the runtime


class OnnxBackend:
    """A graph in onnxruntime.

    Args:
        content: the whole artefact.

    Raises:
        ModelError: if onnxruntime cannot load it.
    """

    def __init__(self, content: bytes) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = FATAL_ONLY
        # Without its arena, what it takes for batches of all sizes lies between the states of the streams: 48 beds that
        # are scored each 0.128 s then hold 800 MB, not 260.
        options.enable_cpu_mem_arena = True
        ort.set_default_logger_severity(FATAL_ONLY)
        ort.disable_telemetry_events()
        try:
            self._session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen private types
            raise ModelError(
                f"expected a graph that onnxruntime {ort.__version__} can run, found: {_line(error)}"
            ) from error
        self.name = f"onnxruntime {ort.__version__}"
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.inputs: dict[str, list[int | str | None]] = {i.name: i.shape for i in self._session.get_inputs()}
        self.outputs: dict[str, list[int | str | None]] = {o.name: o.shape for o in self._session.get_outputs()}

    def run(
        self, frames: NDArray[np.float32], valid: NDArray[np.float32], state: NDArray[np.float32]
    ) -> dict[str, NDArray[np.float32]]:
        """As `Backend.run`."""
        try:
            outputs = self._session.run(list(self.outputs), {"frames": frames, "valid": valid, "state": state})
        except Exception as error:  # of its own private types, too
            raise ModelError(f"onnxruntime {ort.__version__} cannot run the graph: {_line(error)}") from error
        return dict(zip(self.outputs, outputs, strict=True))


def _line(error: Exception) -> str:
    """What onnxruntime says, in one line."""
    text = str(error) or type(error).__name__
    if isinstance(error, MemoryError) or any(said in text for said in NO_MEMORY):
        return "it asks for more memory than there is"
    return text.splitlines()[0][:LONGEST_ERROR]
