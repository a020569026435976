"""What the command lines of training share: names that a terminal does not know, numbers that count. Prints nothing."""

from __future__ import annotations

import argparse
import io
import sys


def print_any_name() -> None:
    r"""Names of files need not be text: what the terminal cannot show is written as `\xff` instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where a test or a notebook has put its own
            stream.reconfigure(errors="backslashreplace")


def count(text: str) -> int:
    """A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number from 1")
    return int(text)
