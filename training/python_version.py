"""Ends the program with one line when its Python is too old for training and export: it acts when it is imported.

Every program of `training` imports it first, and those of `export` that need a training, before a library that such a
Python lacks. `training.synthetic` does without: the tests of the device use it on Python 3.10.
"""

import sys

OLDEST_PYTHON = (3, 11)  # int8 in the last onnxruntime for 3.10 (1.23.2) does not keep the bounds of `export.parity`

if sys.version_info < OLDEST_PYTHON:
    oldest, found = (".".join(map(str, version)) for version in (OLDEST_PYTHON, sys.version_info[:3]))
    sys.exit(
        f"training and export need Python {oldest} or newer, found {found}; "
        f"with another one: make ... PYTHON=python{oldest} VENV=.venv-{oldest}"
    )
