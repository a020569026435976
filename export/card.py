"""The model card: data, training, numbers, limits. One record, carried by the artefact and printed as a page.

For whoever decides whether this model may listen at a bed. Every number is that of `result.json`; nothing is measured
here. Not for comparing with other methods (`training.results`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from edge.errors import ConfigError
from training.datasets.sources import SOURCES
from training.detector.answers import CALLED_POOR
from training.detector.budget import BUDGETS
from training.detector.hyperparameters import Recipe
from training.detector.shipped import DEFAULT

_SPLIT = (
    "calibration, smoothing, durations, thresholds, budgets, offsets and the regression for a fold come from the other "
    "folds alone; intervals are 95 % bootstraps over patients"
)
_OUTSIDE = (
    "What an outsider will find is nearer to this than to the folds: a third of the patients, the youngest or the "
    "loudest, heard by a network of the same recipe that met none of them, with numbers chosen on the others"
)
LIMITS = (
    "Not a medical device; not for diagnosis. Scores are of sounds, not of illness.",
    "Trained on children of one hospital with one type of stethoscope; other stethoscopes are simulated in training, "
    "and few real ones were tried. Adults are nearly untested.",
    "Stridor (2 patients), rhonchi (11) and coarse crackles (15) are too rare to be measured; expect to miss them or "
    "to hear them named as wheezes and fine crackles.",
    "Annotators marked only part of the breaths: 44 % of the time of the training recordings is annotated, and most of "
    "the false alarms on Normal recordings fall where nobody annotated anything, some of them on harmonics that "
    "anybody can see. This bounds event F1 and segment F1.",
    "The annotation marks whole breath phases: the exact onset of a single crackle is not learnt.",
    "Tasks 1-1 and 1-2 are about cut events, and their length is a cue: a rule on the length alone has a Score of .743 "
    "in 1-1 on the training set. The model can read it too, from the mask that says what was heard. On a stream there "
    "is no such cue, so these two scores say little about the bedside.",
    "Poor Quality counts neither for SE nor for SP of tasks 2-1 and 2-2, so their Score does not say how well it is "
    "found; it is said only where few other recordings would be called so, and most of it is then missed.",
    "What a budget keeps was measured on patients that did not choose its thresholds, but of the same hospital and "
    "stethoscope: a new ward may have more false alarms. Count them there before alarms are routed to anybody.",
    "Sounds of one group exclude each other: a wheeze and a rhonchus at once are one event, named after the stronger.",
)
TASKS = {
    "1-1": "cut event: normal or adventitious",
    "1-2": "cut event: which of seven sounds",
    "2-1": "recording: normal, adventitious or poor quality",
    "2-2": "recording: normal, continuous, discontinuous, both or poor quality",
}
_PARTS = ("SE", "SP", "Score", "recall of Poor Quality")
_NEEDED = ("parameters", "recordings", "patients", "validation")


def card_fields(
    result: Mapping[str, Any], recipe: Recipe, version: str, made: date, model: tuple[str, int] = (DEFAULT, 1)
) -> dict[str, Any]:
    """The card as a record.

    Args:
        result: what result.json of the run holds.
        recipe: of the run.
        version: of this project.
        made: day of the training.
        model: name of the model, and the mean of how many networks it is.

    Raises:
        ConfigError: if the result lacks what a card must say.
    """
    missing = [name for name in _NEEDED if name not in result]
    if missing:
        raise ConfigError(f"result.json: {', '.join(missing)} missing; expected a finished training, run `make train`")
    name, networks = model
    return {
        "id": f"laennec-{'fine-tuned' if 'fine_tuned' in result else name}-{version}",
        "made": made.isoformat(),
        "task": "wheeze, rhonchus, stridor, fine and coarse crackle in continuous chest sound, one score each "
        f"{recipe.frame_s * 1000:g} ms; breath activity",
        "parameters": networks * result["parameters"],
        "data": f"{_chest_recordings(result)}; as negatives covid19-cough (CC0), Free Spoken Digit Dataset "
        "(CC BY-SA 4.0), Donate-a-Cry (ODbL), PASCAL heart sounds 2011 set B",
        "synthetic": f"{recipe.synthetic} synthetic patients of 12 s from training.synthetic joined the training, so "
        "the bundled demo is of a kind that it knows; none joined the validation",
        "training": _training(recipe) + _mean_of(networks) + _fine_tuning(result),
        "answers": f"events (tasks 1-1 and 1-2, and by a map ICBHI's) by {CLIP_ANSWER}; recordings (2-1 and "
        "2-2) by logistic regressions on statistics of the streaming scores over the recording, one that tells Poor "
        "Quality from the rest and one among the rest; the borders are chosen on held-out patients: that of Normal by "
        f"the official Score, as near to no correction as one standard error over patients allows, that of "
        f"Poor Quality so that {100 * CALLED_POOR:g} % of the others are called so",
        "split": f"by patient, {recipe.folds} folds, seed {recipe.split_seed}: every number is from networks that "
        f"never heard the patient or the speaker; {_SPLIT}. {_shipped(networks, result)}",
        "validation": result["validation"],
        "intervals": result.get("intervals", {}),
        "sets": result.get("sets", {}),
        "outside": {"about": _OUTSIDE, **shifts} if (shifts := result.get("shift", {})) else {},
        "ages": result.get("ages", {}),
        "infants": result.get("infants", {}),
        "devices": result.get("devices", {}).get(name, {}),
        "budgets": list(result.get("budgets", [])),
        "recipe_sha256": recipe.sha256,
        "limits": [*_of_before(result), *LIMITS],
        "licence": "Apache-2.0 for the weights; the data keep their own licences",
    }


def _chest_recordings(result: Mapping[str, Any]) -> str:
    """What was learnt from, set by set, in words."""
    others = result.get("sets", {})
    recordings, patients = (result[key] - sum(of[key] for of in others.values()) for key in ("recordings", "patients"))
    text = (
        f"SPRSound (BioCAS 2022) training set, {recordings} recordings of {patients} patients (Zhang et al., IEEE "
        "TBioCAS 16(5), 2022; GPL-3.0 text in its repository)"
    )
    for name, of in others.items():
        cited = f" ({SOURCES[name].citation}; {SOURCES[name].licence})" if name in SOURCES else ""
        text += f"; {name}, {of['recordings']} recordings of {of['patients']} patients{cited}"
    return text


def _training(recipe: Recipe) -> str:
    """How the network learnt, in words."""
    segment_s = recipe.sequence_frames * recipe.features.hop_samples / recipe.features.rate_hz
    text = f"{recipe.loop.epochs} epochs of {recipe.steps} batches of {recipe.loop.batch} stretches of {segment_s:g} s"
    if runs := recipe.earlier_runs:
        whose = "an earlier run's networks" if len(runs) == 1 else f"the networks of {len(runs)} earlier runs"
        text += f"; where nobody annotated, from the answers of {whose} that never met the patient"
    if recipe.teachers and recipe.losses.soft:
        teachers = "the networks of the folds" + (" and of earlier runs" if runs else "")
        text += (
            f"; taught by {teachers}, of which {recipe.teachers} are drawn at each step, whose answers to the same "
            f"changed sounds make up {100 * recipe.losses.soft:g} % of the target (distillation); no teacher is in the "
            "artefact"
        )
    return text


def _mean_of(networks: int) -> str:
    """How many such networks answer, in words; empty for one."""
    if networks == 1:
        return ""
    return f"; the answer is the mean of the logits of {networks} such networks, which differ in their seeds"


def _shipped(networks: int, result: Mapping[str, Any]) -> str:
    """What is shipped beside what was validated, in words."""
    of_streams = "the numbers are those of one network alone"
    if others := result.get("beside", 0):
        of_streams = f"the numbers on streams are of the mean of {1 + others} networks that never met the patient, "
        of_streams += "that of its fold and the last earlier run's; those on clips are of one"
    if networks == 1:
        return f"The shipped network is trained on all patients with the same recipe; {of_streams}"
    return (
        f"What is shipped is the mean of {networks} networks that are trained on all patients with the same recipe; "
        f"{of_streams}"
    )


def _fine_tuning(result: Mapping[str, Any]) -> str:
    """On whom the last layer was taught again, in words; empty for a training as it was."""
    tuned = result.get("fine_tuned")
    if tuned is None:
        return ""
    gain = tuned["gains"]["the model as it is"]
    return (
        f"; then the last layer ({' and '.join(tuned['groups'])}), its calibration and thresholds on "
        f"{tuned['recordings']} recordings of {tuned['patients']} patients with the device {tuned['device']}: on those "
        f"of them that were left out, event and segment F1 {gain['event and segment F1 after']:.3f} instead of "
        f"{gain['event and segment F1 before']:.3f}"
    )


def _of_before(result: Mapping[str, Any]) -> list[str]:
    """What must be said of the numbers of a fine-tuned network."""
    if "fine_tuned" not in result:
        return []
    return [
        f"Fine-tuned for the device {result['fine_tuned']['device']}: validation, intervals and what an outsider will "
        "find are those of the network before, heard through the stethoscope of its training."
    ]


CLIP_ANSWER = "a linear probe: a logistic regression on what the detector, left as it is, makes of the whole clip"


def card_page(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    paragraphs = (("Data", "data"), ("Synthetic sound", "synthetic"), ("Training", "training"), ("Split", "split"))
    limits = "\n".join(f"- {limit}" for limit in card["limits"])
    parts = [
        f"# Model card: {card['id']}",
        f"{_capital(card['task'])}. {card['parameters']:,} parameters. Made {card['made']}.",
        *_budgets(card["budgets"]),
        *_streams(card),
        *_ages(card),
        *_devices(card),
        *_tasks(card),
        f"## Limits\n\n{limits}",
        "## How it was made",
        *(f"**{title}.** {_capital(card[key])}." for title, key in paragraphs),
        f"**Licence.** {card['licence']}.",
        f"Recipe sha256 `{card['recipe_sha256']}`.",
    ]
    return "\n\n".join(parts) + "\n"


def _streams(card: Mapping[str, Any]) -> Iterator[str]:
    yield "## On streams"
    yield (
        "Held-out patients, with the thresholds of the artefact, which have the best F1. Event F1: onset within 200 "
        "ms, offset within 200 ms or half the event (sed_eval); segment F1: 1 s (sed_eval); frame AP: average "
        "precision over frames of 32 ms; record AUC: Normal against adventitious recordings. Recordings of Poor "
        "Quality are left out. "
        "`make train` prints this table."
    )
    names = [name for name in card["validation"] if not name.startswith("task ")]
    outside = {f"{name} third": one for name, one in card["outside"].items() if name != "about"}
    columns = {"value": card} | outside
    rows = [[name, *(_measured(one, name) for one in columns.values())] for name in names]
    yield _table(("metric", *columns), rows)
    if outside:
        yield f"{card['outside']['about']}."


def _ages(card: Mapping[str, Any]) -> Iterator[str]:
    if not card["ages"]:
        return
    yield "## By age"
    yield "Held-out patients, 95 % over patients. There is no adult among them."
    names = ("false alarms per hour Normal", "sensitivity", "record AUC")
    rows = [
        [name, f"{one['patients']}", f"{one['normal_patients']}, {one['normal_minutes']:g}"]
        + [_measured(one, metric) for metric in names]
        for name, one in card["ages"].items()
    ]
    yield _table(("age", "patients", "with Normal sound, minutes of it", *names), rows)
    if infants := card["infants"]:
        own, everybody = infants["own"], infants["everybody"]
        limits = sorted(set(infants["thresholds"].values()))
        yield (
            f"A bed whose `age` is under {infants['to_years']:g} year has thresholds of its own "
            f"({' and '.join(f'{limit:g}' for limit in limits)}): {own['false_alarms_per_hour']:g} false alarms an "
            f"hour instead of {everybody['false_alarms_per_hour']:g}, and {own['sensitivity']:.2f} of the adventitious "
            f"recordings found instead of {everybody['sensitivity']:.2f}, measured on the very infants that chose "
            "them: they are too few to part, and too few for any budget to be promised."
        )


def _devices(card: Mapping[str, Any]) -> Iterator[str]:
    if not card["devices"]:
        return
    yield "## On other stethoscopes"
    yield (
        "Recordings of ICBHI, children and adults, and of a manikin, none of which was learnt from; 95 % over "
        "patients. They are few, with patient, label and device confounded, so they decide nothing; it is no ICBHI "
        "score. `python -m training.evaluation.devices` prints this table."
    )
    rows = [
        [device, f"{one['patients']}", f"{one['recordings']}", f"{one['measurable']:.2f}"]
        + [_cycles(one[group]) for group in ("continuous", "discontinuous")]
        for device, one in card["devices"].items()
    ]
    heads = ("device", "patients", "recordings", "share of time measurable", "AUC of cycles, continuous", "crackles")
    yield _table(heads, rows)


def _cycles(one: Mapping[str, Any]) -> str:
    if one["auc"] is None:
        return "-"
    between = one["interval"]
    return f"{one['auc']:.2f}" + (f" [{between[0]:.2f}, {between[1]:.2f}]" if between else "")


def _measured(judged: Mapping[str, Any], name: str) -> str:
    """One number, with its interval where there is one."""
    value, between = judged["validation"].get(name), judged["intervals"].get(name)
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" [{between[0]:.3f}, {between[1]:.3f}]" if between else "")


def _budgets(budgets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## False alarms on a ward"
    yield (
        "The thresholds of the artefact have the best F1, and many false alarms. Raised ones have fewer and find less: "
        "with those of a row, the expected rate on Normal sound of one more patient, exchangeable with these, is at "
        "most the budget (conformal risk control, each patient's rate capped at 300 an hour), and at most twice as "
        "much on each kind of other sound. It is an expectation, and patients of another hospital are not "
        "exchangeable with these. Sensitivity: adventitious recordings with at least one event. The rates beside it "
        "are of all held-out time. To use a row, write its thresholds under `thresholds` of the stream in the settings."
    )
    if budgets:
        kinds = list(dict.fromkeys(kind for point in budgets for kind in point["false_alarms"]))
        heads = ("budget per hour", "sensitivity", "event F1", "segment F1", *(f"{k} per hour" for k in kinds))
        yield _table((*heads, "thresholds"), [_budget_row(point, kinds) for point in budgets])
    found = {float(point["budget_per_hour"]) for point in budgets}
    missing = [f"{budget:g}" for budget in BUDGETS if budget not in found]
    if missing:
        yield f"No budget of {', '.join(missing)} per hour can be promised with so many patients."


def _budget_row(point: Mapping[str, Any], kinds: Sequence[str]) -> list[str]:
    measured = [f"{point[name]:.3f}" for name in ("sensitivity", "event_f1", "segment_f1")]
    rates = [f"{point['false_alarms'][kind]:.2f}" if kind in point["false_alarms"] else "-" for kind in kinds]
    alike: dict[float, list[str]] = {}
    for name, threshold in point["thresholds"].items():
        alike.setdefault(threshold, []).append(name)
    thresholds = "; ".join(f"{threshold:g} {', '.join(names)}" for threshold, names in alike.items())
    return [f"{point['budget_per_hour']:g}", *measured, *rates, thresholds]


def _tasks(card: Mapping[str, Any]) -> Iterator[str]:
    validation = card["validation"]
    rows = []
    for task, question in TASKS.items():
        values = [validation.get(f"task {task} {part}") for part in _PARTS]
        if any(value is not None for value in values):
            rows.append([task, question, *("-" if value is None else f"{value:.3f}" for value in values)])
    if not rows:
        return
    yield "## Official tasks of SPRSound"
    yield (
        f"{_capital(card['answers'])}.\n\n"
        "Held-out patients of the training set, by cross-fitting; not the official test sets, and not to be compared "
        "with numbers on them. SE: share of adventitious pieces with exactly the right label; SP: share of normal ones "
        "called Normal; Score: the mean of their arithmetic and harmonic mean. Recall of Poor Quality: share of "
        "such recordings that are called so; it is not in the Score."
    )
    yield _table(("task", "asked", *_PARTS), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
