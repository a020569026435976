"""`laennec optimize`: which variant of the model is the fastest on this machine and exact enough."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import ModelOption, RuntimeOption

if TYPE_CHECKING:
    from edge.artefact.tuned import Row

JsonOption = Annotated[bool, typer.Option("--json", help="The table as JSON.")]
HEAD = f"{'variant':<14} {'ready s':>8} {'ms: 1':>8} {'8':>8} {'32':>8} {'cosine':>9} {'top-1':>7}"


def optimize(model: ModelOption = None, runtime: RuntimeOption = None, as_json: JsonOption = False) -> None:
    """Time every variant of the model on this machine; from the next start on, use the fastest.

    Variants are fp32, int8 and those for TensorRT. Each is first compared with fp32 on onnxruntime, and refused if it
    differs too much. TensorRT engines are built on the way, which may take minutes.
    """
    from edge.artefact.tune import tune as measure
    from edge.artefact.tuned import choose
    from edge.detector.recording import windows_of
    from edge.features import warm_up
    from edge.log import setup
    from edge.sources.demo import DEMO_AUDIO

    setup()
    warm_up()
    rows = measure(
        model,
        runtime or "auto",
        lambda line: print(line, file=sys.stderr, flush=True),
        lambda loaded: windows_of(loaded, DEMO_AUDIO),
    )
    chosen = choose(rows, {row.runtime for row in rows})
    if as_json:
        print(json.dumps({"variants": [asdict(row) for row in rows], "choice": chosen and chosen.variant}))
        return
    print(HEAD)
    for row in rows:
        print(_line(row))
    if chosen is not None:
        print(f"\nfrom the next start, `runtime: auto` uses {chosen.variant} on {chosen.runtime}")


def tune(model: ModelOption = None, runtime: RuntimeOption = None, as_json: JsonOption = False) -> None:
    """The old name of `laennec optimize`; it goes with the next release."""
    print("laennec: `tune` is now called `optimize`; the old name goes with the next release", file=sys.stderr)
    optimize(model, runtime, as_json)


def _line(row: Row) -> str:
    times = [f"{each:8.2f}" for each in row.latency_ms] or ["-".rjust(8)] * 3
    verdict = row.note if row.passes else f"REFUSED: {row.note}"
    return f"{row.variant:<14} {row.build_s:8.2f} {' '.join(times)} {row.cosine:9.6f} {row.top1:7.4f}  {verdict}"
