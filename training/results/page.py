"""The page of results as Markdown, in the order in which it is read. Numbers come from records; it computes none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from training.clips.compared import WHOLE
from training.clips.validation_scores import RULE
from training.detector.budget import BUDGETS
from training.results.latency import Timed
from training.results.published import CHALLENGE, Published
from training.results.rows import Ablation, Budget, ComparedRow, Found, LeftOut, Source, StreamRows, TaskRow
from training.results.tables import NOTHING, averaged_table, detail_table, plain, score_table, table

AVERAGED = (
    ("ICBHI 2017, official 60/40 split, 4 classes", "icbhi", "icbhi-4"),
    ("ICBHI 2017, official 60/40 split, 2 classes", "icbhi", "icbhi-2"),
    ("Trained on ICBHI, asked about SPRSound", "ood", "ood"),
)
_INTRODUCTION = """# Results

Made {made} by `make results`. Do not edit: train, evaluate and make it again.

Three kinds of numbers are on this page, never in one column without saying so:

- **official test sets**, which nothing was chosen on here; `make evaluate` gives them. `inter` holds patients that no
  training recording is of; all `intra` patients have other recordings in the training set, so `intra` and `total` are
  optimistic. Compare `inter`.
- **held-out patients of the training set**; `make train` gives them. No published number is measured on these.
- **published numbers**, on the official test sets. Each says where it was read and why it is not, or not quite,
  comparable; the words are explained below under "Why numbers are not comparable".

**Bold** is measured here; `from` names the run (R) or evaluation (E) whose command stands at the end. In brackets: 95 %
intervals over patients, where an evaluation made them. SE is the share of adventitious clips with exactly the right
label, SP that of normal clips called Normal, Score = (AS + HS) / 2 of their arithmetic and harmonic mean; for ICBHI it
is the arithmetic mean. Poor Quality counts in neither.
"""
_DURATION = """The length of a cut event alone gives the Score of the duration rule below, and the rule hears nothing. A
method that is given cut events can read their length, from padding or from the mask of what was heard; a stream gives
no such cue. What a method is worth in 1-1 and 1-2 is what it adds to this row.
"""
_COMPARED = """Size `small`, on the fifth of the patients of the training part that is not trained on. The last epoch is
kept, so they choose nothing in a run; which optimiser and how many epochs the recipes have was decided on them.
Means over the seeds, intervals over patients and seeds. The five are each published on other data or with
pre-trained weights; here all learn from this set alone. Weights and multiply-adds are those of an answer to one clip
(`hear`: to 2 s), the time that of one core. Task 1-1 is the answer to 1-2 without its kind (of `hear` an answer of its
own); `make evaluate` adds up the probabilities instead, which finds a little more (`ngo2023`: .865 against .840).
"""
_OF_A_PAPER = (
    "The whole recipe, and of each variant the difference from it, paired by seed and patient, with 95 % intervals "
    "over patients and seeds; where the interval holds 0, the part was not shown to help. "
    "`python -m training.clips.comparison` prints it."
)
_OF_THE_EDGE = (
    "Mean and standard deviation over seeds on held-out patients of one fold, with a short schedule; Scores at "
    "their best offset, so they are higher than an estimate. `python -m training.detector.ablation` prints it."
)


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that RESULTS.md shows."""

    made: date
    trained: Found
    judged: Found
    published: Published
    timed: Sequence[Timed]

    @property
    def sources(self) -> list[Source]:
        """Where the numbers come from: evaluations first, then trainings."""
        return [*self.judged.sources, *self.trained.sources]

    @property
    def left_out(self) -> list[LeftOut]:
        """What was found and is in no table, with the reason."""
        return [*self.trained.left_out, *self.judged.left_out]


def page(content: Content) -> str:
    """RESULTS.md as text."""
    rows = [row for source in content.sources for row in source.rows]
    parts = [
        _INTRODUCTION.format(made=content.made.isoformat()),
        *_tasks(rows, content.published),
        *_streaming([some for source in content.sources for some in source.streaming], content.published),
        *_budgets([run for run in content.trained.sources if run.streaming]),
        *_sizes(content),
        *_compared(content.trained.compared),
        *_ablations(content.trained.ablations),
        "## Why numbers are not comparable",
        "\n".join(f"- `{name}`: {text}." for name, text in content.published.reasons.items()),
        *_origins(content),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _tasks(rows: Sequence[TaskRow], published: Published) -> Iterator[str]:
    entries = published.of("sprsound-2022")
    yield "## SPRSound, tasks 1-1 to 2-2: Score"
    yield _DURATION
    yield "### On the official test sets of 2022"
    if not any(row.is_test for row in rows):
        yield "No official test set was evaluated: the rows are published ones alone."
    yield score_table(rows, [e for e in entries if e.test_set != "train"], CHALLENGE, is_test=True)
    yield detail_table(rows, is_test=True)
    yield "### On held-out patients of the training set\n\nNot to be compared with the table above."
    yield score_table(rows, [e for e in entries if e.test_set == "train"], CHALLENGE, is_test=False)
    yield detail_table(rows, is_test=False)
    yield "### Published for the test set of 2023"
    yield score_table([], published.of("sprsound-2023"), CHALLENGE, is_test=True)
    for title, benchmark, task in AVERAGED:
        yield f"## {title}"
        yield averaged_table(rows, published, (benchmark, task), is_test=True)
        if held_out := averaged_table(rows, published, (benchmark, task), is_test=False):
            yield "On held-out patients of the training set, not to be compared with the table above:"
            yield held_out


def _streaming(streaming: Sequence[StreamRows], published: Published) -> Iterator[str]:
    yield "## Streaming"
    yield (
        "Whole recordings as continuous sound. Event F1: onset within 200 ms, end within 200 ms or half the event; "
        "segment F1: segments of 1 s; both by sed_eval. Annotators marked only part of the breaths, so a sound that is "
        "there and not annotated counts as a false alarm."
    )
    for rows in streaming:
        yield f"**{plain(rows.who)}**, {plain(rows.measured_on)}, from {rows.origin}:"
        if rows.notice:
            yield f"> {plain(rows.notice)}"
        yield table(["metric", "value"], [[plain(name), value.text()] for name, value in rows.metrics.items()])
    yield "Published:"
    lines = []
    for entry in published.of("sprsound-2024"):
        for numbers in entry.scores.values():
            said = f"event F1 {numbers.event_f1}, error rate {numbers.error_rate}"
            why = f"{entry.comparable}: {', '.join(entry.against)}"
            lines.append([plain(entry.work), "SPRSound 2024, event detection", said, why, plain(entry.source)])
    yield table(["method", "measured on", "numbers", "comparable", "from"], lines)


def _budgets(told: Sequence[Source]) -> Iterator[str]:
    if not told:
        return
    yield "## What is found within a budget of false alarms"
    yield (
        "Thresholds are raised until the false alarms per hour on Normal recordings are within the budget, and those "
        "on each kind of negative within twice of it. Scores are from networks that never heard the patient; the "
        "thresholds were chosen on these very recordings, so elsewhere there will be somewhat more alarms. "
        "Sensitivity: adventitious recordings with at least one event."
    )
    for run in told:
        yield f"**{plain(run.name)}**, from {run.key}:"
        if run.budgets:
            yield _budget_table(run.budgets)
        missing = [f"{budget:g}" for budget in BUDGETS if budget not in {p.budget_per_hour for p in run.budgets}]
        if missing:
            yield f"No thresholds that were tried keep a budget of {', '.join(missing)} per hour."


def _budget_table(points: Sequence[Budget]) -> str:
    kinds = list(dict.fromkeys(kind for point in points for kind in point.false_alarms))
    heads = ["budget per hour", "sensitivity", "event F1", "segment F1", *(f"{plain(k)} per hour" for k in kinds)]
    lines = []
    for point in points:
        measured = [f"{value:.3f}" for value in (point.sensitivity, point.event_f1, point.segment_f1)]
        rates = [f"{point.false_alarms[kind]:.2f}" if kind in point.false_alarms else "-" for kind in kinds]
        lines.append([f"{point.budget_per_hour:g}", *measured, *rates])
    return table(heads, lines)


def _sizes(content: Content) -> Iterator[str]:
    yield "## Size and time"
    if content.timed:
        yield "One chunk of one stream through the network alone, 60 runs; front-end and tracker are in `make bench`."
        lines = []
        for timed in content.timed:
            weights = "-" if timed.weights is None else f"{timed.weights:,}"
            sound = f"{timed.chunk_s:g} s, decided {timed.lookahead_s:g} s late"
            taken = f"{timed.median_ms:.2f} ms median, {timed.fastest_ms:.2f} ms fastest"
            lines.append([plain(timed.name), weights, f"{timed.size_bytes:,}", sound, taken, plain(timed.where)])
        yield table(["artefact", "weights", "bytes", "chunk", "time of one chunk", "where"], lines)
    else:
        yield "No artefact was given, so nothing was timed: `make results ARTEFACTS=model.onnx`."
    sizes = [[plain(r.name), f"{r.weights:,}", r.key] for r in content.trained.sources if r.weights]
    if sizes:
        yield table(["trained network", "weights", "from"], sizes)
    yield "Sizes of published methods stand in their rows above."


def _compared(rows: Sequence[ComparedRow]) -> Iterator[str]:
    """The recipes of the papers, whole, and the duration rule once for each task."""
    shown = {(row.recipe if row.seeds else "", row.task): row for row in rows if row.variant in (WHOLE, RULE)}
    if not shown:
        return
    yield "## The recipes of the papers, trained here"
    yield _COMPARED
    heads = ["recipe", "task", "SE", "SP", "Score", "seeds", "epochs", "weights", "multiply-adds", "one training"]
    lines = []
    for row in sorted(shown.values(), key=lambda row: (row.task, not row.seeds, row.recipe)):
        who = f"**{plain(row.recipe)}**" if row.seeds else "duration alone, which hears nothing"
        sizes = [NOTHING if x is None else f"{x / 1e6:.3g} M" for x in (row.weights, row.multiply_adds)]
        taken = NOTHING if not row.seconds else f"{row.seconds / 60:.0f} min"
        counts = [str(row.seeds), str(row.epochs)] if row.seeds else [NOTHING, NOTHING]
        lines.append([who, row.task, row.se.text(), row.sp.text(), row.score.text(), *counts, *sizes, taken])
    yield table(heads, lines)


def _ablations(ablations: Sequence[Ablation]) -> Iterator[str]:
    for ablation in ablations:
        yield f"## What each part adds ({plain(ablation.name)})"
        yield _OF_A_PAPER if ablation.is_of_a_paper else _OF_THE_EDGE
        yield ablation.text


def _origins(content: Content) -> Iterator[str]:
    yield "## Where the numbers come from"
    if runs := content.trained.sources:
        heads = ["recipe", "seed", "epochs", "weights", "commit", "date"]
        lines = [
            [r.key, plain(r.name), *(plain(r.told.get(head, "-")) for head in heads), _code(r.command)] for r in runs
        ]
        yield table(["", "run", *heads, "command"], lines)
    if found := content.judged.sources:
        lines = [
            [e.key, plain(e.name), plain(e.told["model"]), _code(e.command), plain(e.told["intervals"])] for e in found
        ]
        yield table(["", "evaluation", "model", "command", "intervals"], lines)
    yield "Published numbers: `training/results/published.yaml`."
    if content.left_out:
        yield "### Not in the tables"
        yield "\n".join(f"- {plain(one.name)}: {plain(one.why)}" for one in content.left_out)


def _code(text: str) -> str:
    return f"`{' '.join(text.split()).replace('`', chr(39)).replace('|', '/')}`"
