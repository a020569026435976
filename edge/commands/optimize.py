"""`laennec optimize`: which variant of the model is the fastest on this machine and exact enough."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import ModelOption, RuntimeOption

if TYPE_CHECKING:
    from edge.model.choice import Measurement

JsonOption = Annotated[bool, typer.Option("--json", help="The table as JSON.")]
ForgetOption = Annotated[
    bool, typer.Option("--forget", help="Measure nothing; remove what was measured here, and go back to before.")
]
HEAD = f"{'variant':<14} {'ready s':>8} {'chunk ms':>8} {'cosine':>9} {'top-1':>7}"


def optimize(
    model: ModelOption = None,
    runtime: RuntimeOption = None,
    as_json: JsonOption = False,
    forget: ForgetOption = False,
) -> None:
    """Time every variant of the model on this machine; from the next start on, use the fastest.

    Variants are fp32, int8 and those for TensorRT. Each is first compared with fp32 on onnxruntime, and refused if it
    differs too much. TensorRT engines are built on the way, which may take minutes.
    """
    from edge.detector.recording import chunks_of
    from edge.detector.warm import warm_up
    from edge.log import setup
    from edge.model import benchmark as work
    from edge.model.choice import choose
    from edge.sources.file_search import DEMO_AUDIO

    setup()
    if forget:
        print("removed: the next start is as before" if work.forget(model) else "nothing was measured here")
        return
    warm_up()
    found = work.benchmark(
        model,
        runtime or "auto",
        lambda line: print(line, file=sys.stderr, flush=True),
        lambda loaded: chunks_of(loaded, DEMO_AUDIO),
    )
    chosen = choose(found.measured, {one.runtime for one in found.measured})
    if as_json:
        rows = [asdict(one) for one in found.measured]
        print(json.dumps({"variants": rows, "choice": chosen and chosen.variant, "saved": found.is_saved}))
        return
    print(HEAD)
    for one in found.measured:
        print(_row(one))
    if chosen is None:
        return
    if found.is_saved:
        print(f"\nfrom the next start, `runtime: auto` uses {chosen.variant} on {chosen.runtime}; undo: --forget")
    else:
        print(
            f"\n{chosen.variant} on {chosen.runtime} is best, but that could not be saved: nothing changes (see above)"
        )


def tune(model: ModelOption = None, runtime: RuntimeOption = None, as_json: JsonOption = False) -> None:
    """The old name of `laennec optimize`; it goes with the next release."""
    print("laennec: `tune` is now called `optimize`; the old name goes with the next release", file=sys.stderr)
    optimize(model, runtime, as_json)


def _row(one: Measurement) -> str:
    latency = f"{one.latency_ms:.2f}" if one.latency_ms else "-"
    verdict = one.note if one.passes else f"REFUSED: {one.note}"
    return f"{one.variant:<14} {one.build_s:8.2f} {latency:>8} {one.cosine:9.6f} {one.top1:7.4f}  {verdict}"
