"""Starts of real processes against real file systems, with a small kernel in place of the device's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge.kernels import kernel, prepared


def test_a_kernel_takes_the_types_of_its_first_call_alone() -> None:
    @kernel
    def total(x: Any) -> Any:
        return x.sum()

    assert total(np.ones(3, np.float32)) == 3
    assert prepared[-1].kernel.endswith("total")
    with pytest.raises(TypeError, match="No matching definition"):
        total(np.ones(3, np.float64))
