"""Models trained on a workstation, never on the device: datasets, network, fit, evaluate."""

import sys

OLDEST_PYTHON = (3, 11)  # int8 in the last onnxruntime for 3.10 (1.23.2) does not keep the bounds of `export.parity`

if sys.version_info < OLDEST_PYTHON:
    oldest, found = (".".join(map(str, version)) for version in (OLDEST_PYTHON, sys.version_info[:3]))
    sys.exit(
        f"training and export need Python {oldest} or newer, found {found}; "
        f"with another one: make ... PYTHON=python{oldest} VENV=.venv-{oldest}"
    )
