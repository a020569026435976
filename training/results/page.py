"""The page of results as Markdown, in the order in which it is read. Numbers come from records; it computes none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from training.detector.budget import BUDGETS
from training.metrics.comparison import WHOLE
from training.metrics.patient_scores import RULE
from training.results.finished import HELD_OUT
from training.results.latency import Timed
from training.results.rows import Ablation, Budget, ComparedRow, Found, LeftOut, Source, StreamRows, TaskRow, Value
from training.results.tables import NOTHING, Published, plain, table, task_table, unscored

TASKS = (
    ("SPRSound, task 1-1: a cut event, normal or adventitious", ("sprsound-2022", "sprsound-2023"), "1-1"),
    ("SPRSound, task 1-2: a cut event, which of seven sounds", ("sprsound-2022", "sprsound-2023"), "1-2"),
    ("SPRSound, task 2-1: a recording, normal, adventitious or poor", ("sprsound-2022", "sprsound-2023"), "2-1"),
    ("SPRSound, task 2-2: a recording, which kinds of sound", ("sprsound-2022", "sprsound-2023"), "2-2"),
    ("ICBHI 2017, official 60/40 split, 4 classes", ("icbhi",), "icbhi-4"),
    ("ICBHI 2017, official 60/40 split, 2 classes", ("icbhi",), "icbhi-2"),
    ("Trained on ICBHI, asked about SPRSound", ("ood",), "ood"),
)
_INTRODUCTION = """# Results

Made {made} by `make results`. Do not edit: train, evaluate and make it again.

Each task has one table, and "measured on" says which kind a number is:

- **bold, held-out patients of the training set**: measured here (`make train`). Nobody else measures on these, so
  compare only among them.
- **bold, official test set**: measured here (`make evaluate`), where those recordings lie.
- *italic, measured outside*: weights of this repository, judged by others on the official test set of 2022. `inter`
  holds patients that no training recording is of; all `intra` patients are in the training set, so `total` is
  optimistic.
- plain: published, with where it was read and what makes it not comparable ("Why numbers are not comparable").

`from` names the run (R) or evaluation (E) whose command stands at the end. In brackets: 95 % intervals over patients.
SE is the share of adventitious clips with exactly the right label, SP that of normal clips called Normal,
Score = (AS + HS) / 2 of their arithmetic and harmonic mean; for ICBHI the arithmetic mean. Poor Quality counts in none.

The length of a cut event alone gives the Scores of "duration" in 1-1 and 1-2, and hears nothing: a method that is given
cut events can read it, from padding or from the mask of what was heard. What a method is worth there is what it adds.
"""
_COMPARED = """Size `small`, last epoch, so the patients that validate choose nothing in a run; which optimiser and how
many epochs the recipes have was decided on them. Weights and multiply-adds are those of an answer to one clip (`hear`:
to 2 s), the time that of one core beside other work. Scores stand above, as means over the seeds; task 1-1 is there the
answer to 1-2 without its kind (of `hear` an answer of its own).
"""
_OF_A_PAPER = (
    "The whole recipe, and of each variant the difference from it, paired by seed and patient, with 95 % intervals "
    "over patients and seeds; where the interval holds 0, the part was not shown to help. "
    "`python -m training.clips.comparison` prints it."
)
_OF_THE_EDGE = (
    "Mean and standard deviation over seeds on held-out patients of one fold, with a short schedule. "
    "`python -m training.detector.ablation` prints it."
)
_TOLD = ("recipe", "seed", "epochs", "weights", "commit", "date")


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
    parts = [
        _INTRODUCTION.format(made=content.made.isoformat()),
        *_tasks(content),
        *_streaming([some for source in content.sources for some in source.streaming], content.published),
        *_budgets([run for run in content.trained.sources if run.streaming]),
        *_sizes(content),
        *_compared(content.trained.compared),
        *_ablations(content.trained.ablations),
        "## From each recipe to its paper",
        "\n".join(f"- **{name}**: {text}" for name, text in content.published.gaps.items()),
        "## Why numbers are not comparable",
        "\n".join(f"- `{name}`: {text}." for name, text in content.published.reasons.items()),
        *_origins(content),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _tasks(content: Content) -> Iterator[str]:
    rows = [row for source in content.sources for row in source.rows]
    rows += [_as_task(row, content) for row in content.trained.compared if row.variant in (WHOLE, RULE)]
    for title, benchmarks, task in TASKS:
        if shown := task_table(task, rows, [e for name in benchmarks for e in content.published.of(name)]):
            yield f"## {title}"
            yield shown
    yield "Claimed without such a score:"
    yield unscored(content.published.entries)


def _as_task(row: ComparedRow, content: Content) -> TaskRow:
    """A row of a comparison as one of its task; the duration rule hears nothing and has no seed."""
    who = f"{row.recipe}, {row.seeds} seeds" if row.seeds else "duration alone, which hears nothing"
    keys = [s.key for s in content.trained.sources if s.compared and s.told["recipe"] == row.recipe]
    where, weights = (
        f"{HELD_OUT} (the fifth that the papers' runs leave)",
        None if row.weights is None else round(row.weights),
    )
    return TaskRow(who, row.task, where, _keys(keys), row.se, row.sp, row.score, Value(), weights=weights)


def _keys(keys: Sequence[str]) -> str:
    return " to ".join(dict.fromkeys((keys[0], keys[-1]))) if keys else NOTHING


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
    """What the recipes of the papers cost, whole."""
    shown = {row.recipe: row for row in rows if row.variant == WHOLE}
    if not shown:
        return
    yield "## What the recipes of the papers cost"
    yield _COMPARED
    lines = []
    for row in shown.values():
        sizes = [NOTHING if x is None else f"{x / 1e6:.3g} M" for x in (row.weights, row.multiply_adds)]
        taken = NOTHING if not row.seconds else f"{row.seconds / 60:.0f} min"
        lines.append([f"**{plain(row.recipe)}**", str(row.seeds), str(row.epochs), *sizes, taken])
    yield table(["recipe", "seeds", "epochs", "weights", "multiply-adds", "one training"], lines)


def _ablations(ablations: Sequence[Ablation]) -> Iterator[str]:
    for is_of_a_paper, title, told in (
        (True, "## What each part of a paper adds", _OF_A_PAPER),
        (False, "## What each part of the detector adds", _OF_THE_EDGE),
    ):
        shown = [ablation for ablation in ablations if ablation.is_of_a_paper == is_of_a_paper]
        yield from (title, told) if shown else ()
        for ablation in shown:
            yield f"### {plain(ablation.name)}"
            yield ablation.text


def _origins(content: Content) -> Iterator[str]:
    yield "## Where the numbers come from"
    if runs := content.trained.sources:
        groups: dict[str, list[Source]] = {}
        for run in runs:
            groups.setdefault(run.compared or run.key, []).append(run)
        yield table(["", "run", *_TOLD, "command"], [_origin(group) for group in groups.values()])
    if found := content.judged.sources:
        lines = [
            [e.key, plain(e.name), plain(e.told["model"]), _code(e.command), plain(e.told["intervals"])] for e in found
        ]
        yield table(["", "evaluation", "model", "command", "intervals"], lines)
    yield "Published and outside numbers: `training/results/published.yaml`."
    if content.left_out:
        yield "### Not in the tables"
        yield "\n".join(f"- {plain(one.name)}: {plain(one.why)}" for one in content.left_out)


def _origin(group: Sequence[Source]) -> list[str]:
    """A line of a run, or of all runs of one comparison, with the command of the last."""
    first, last = group[0], group[-1]
    name = first.name if not first.compared else f"{first.compared}, {len(group)} runs"
    told = [", ".join(dict.fromkeys(run.told.get(head, NOTHING) for run in group)) for head in _TOLD]
    return [_keys([run.key for run in group]), plain(name), *map(plain, told), _code(last.command)]


def _code(text: str) -> str:
    return f"`{' '.join(text.split()).replace('`', chr(39)).replace('|', '/')}`"
