"""The last layer taught on a device: kept where it gains on patients left out, written as a run that exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edge.errors import ConfigError
from edge.model.model import Model, load_model
from edge.settings.names import bundled
from export.checkpoint import Checkpoint
from tests.edge.adapting import adaptation
from tests.export.runs import make_run
from tests.training.labelled import labelled_ward
from training.adapt import score_recordings
from training.datasets import Recording
from training.detector.last_layer import Row
from training.detector.model import STRIDE
from training.fine_tune import check_same, fine_tuned, main, rescored, score_hidden
from training.fine_tuned_run import RELEASED, FineTuned, open_run, write_run
from training.left_out import Scored, log_odds

DEMO = Path(__file__).parents[2] / "edge" / "sources" / "demo.flac"
HIDDEN = 4


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def _hidden(scored: list[Scored], says: float) -> dict[Path, np.ndarray]:
    """Hidden values of noise; the first is higher by `says` while a wheeze sounds."""
    rng = np.random.default_rng(3)
    found = {}
    for h in scored:
        values = np.abs(rng.standard_normal((len(h.scores), HIDDEN))).astype(np.float32)
        values[:, 0] += says * h.targets[:, 1]
        found[h.recording.path] = values
    return found


def test_a_last_layer_that_hears_more_than_the_scores_is_kept(model: Model) -> None:
    scored = labelled_ward(high=0.1)
    layer, gains = fine_tuned(scored, _hidden(scored, says=4.0), model)
    assert set(layer.rows) == {"continuous"}
    assert layer.rows["continuous"].weight.argmax() == 0
    for gain in gains.values():
        assert gain["event and segment F1 after"] > gain["event and segment F1 before"] + 0.1


def test_one_that_hears_no_more_than_calibration_and_thresholds_is_refused(model: Model) -> None:
    scored = labelled_ward(high=0.4)
    with pytest.raises(ConfigError, match="no gain over calibration and thresholds alone on patients that were left"):
        fine_tuned(scored, _hidden(scored, says=0.0), model)


def test_classes_keep_their_share_of_the_group(model: Model) -> None:
    (one, *_) = labelled_ward(high=0.4, patients=1)
    row = Row(np.array([1.0, 0, 0, 0]), -0.5)
    hidden = {one.recording.path: np.ones((len(one.scores), HIDDEN), np.float32)}
    after = rescored(one, hidden, {"continuous": row})
    np.testing.assert_allclose(
        log_odds(after.scores, "continuous"), log_odds(one.scores, "continuous") + 0.5, atol=1e-3
    )
    share = one.scores[:, 0] / one.scores[:, :3].sum(axis=1)
    np.testing.assert_allclose(after.scores[:, 0] / after.scores[:, :3].sum(axis=1), share, rtol=1e-5)
    np.testing.assert_array_equal(after.scores[:, 3:], one.scores[:, 3:])


def test_the_network_hears_what_the_artefact_hears() -> None:
    model = load_model(bundled("light"))  # of one network
    recording = Recording(DEMO, "demo", "CAS", ())
    equaliser = adaptation(model=model.sha256, equaliser_db=(3.0, 0.0, -2.0, 0.0, 0.0, 1.0, 0.0, 0.0))
    for device in (None, equaliser):
        (by_artefact,) = score_recordings([recording], model, device)
        (by_network,), hidden = score_hidden([recording], open_run(RELEASED).scorer, model, device)
        np.testing.assert_allclose(by_network.scores, by_artefact.scores, atol=1e-3)
    assert hidden[recording.path].shape == (len(by_network.scores), 128)
    assert by_network.scores.max() > 0.5


def test_the_run_that_is_written_answers_as_the_last_layer_did(tmp_path: Path) -> None:
    before = open_run(make_run(tmp_path / "run"))
    size = before.scorer.detector.spec.hidden
    row = Row(np.linspace(-1, 1, size), 0.7)
    recording = Recording(tmp_path / "a.wav", "p1", "CAS", ())
    gains = {"the model as it is": dict.fromkeys(("event and segment F1 before", "event and segment F1 after"), 0.5)}
    learnt = FineTuned("mine", (recording,), {"continuous": row}, {"continuous": ((1.5, -0.25), 0.42)}, gains)
    write_run(tmp_path / "tuned", before, learnt)
    after = Checkpoint.open(tmp_path / "tuned")
    frames = torch.randn(1, 40 * STRIDE, before.scorer.detector.spec.bands * before.scorer.detector.spec.images)
    with torch.no_grad():
        was, becomes = (s.detector.whole(frames, torch.ones(1, 40 * STRIDE)) for s in (before.scorer, after.scorer()))
    scale, bias = (before.result["calibration"][name][1] for name in ("scale", "bias"))
    taught = (scale * was.logits[0, :, 1] + bias).numpy() + row.added(was.hidden[0].T.numpy())
    scale, bias = (after.result["calibration"][name][1] for name in ("scale", "bias"))
    found = (scale * becomes.logits[0, :, 1] + bias).numpy()
    np.testing.assert_allclose(found, 1.5 * taught - 0.25, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(becomes.logits[..., 2:], was.logits[..., 2:])
    assert after.result["thresholds"]["wheeze"] == 0.42
    assert "burden_limits" not in after.result


def test_the_card_says_that_it_was_fine_tuned(tmp_path: Path) -> None:
    before = open_run(make_run(tmp_path / "run"))
    gain = {"event and segment F1 before": 0.2, "event and segment F1 after": 0.3, "share of draws that gain": 1.0}
    recordings = (Recording(tmp_path / "a.wav", "p1", "CAS", ()),)
    write_run(tmp_path / "tuned", before, FineTuned("mine", recordings, {}, {}, {"the model as it is": gain}))
    card = Checkpoint.open(tmp_path / "tuned").metadata().card
    assert "with the device mine: on those of them that were left out, event and segment F1 0.300" in card["training"]
    assert card["limits"][0].startswith("Fine-tuned for the device mine: validation")
    assert card["id"].startswith("laennec-fine-tuned-")


def test_too_few_recordings_and_a_folder_that_is_there_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"fine_tune: --out {tmp_path}: is there already; give another folder\n"
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "a"), "--checkpoint", str(tmp_path)]) == 2
    assert "expected a finished training" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="8 labelled recordings of 4 patients, expected 20 of 5 or more"):
        fine_tuned(labelled_ward(0.4, patients=4), {}, load_model())


def test_the_network_of_another_model_is_refused(tmp_path: Path, model: Model) -> None:
    recording = Recording(DEMO, "demo", "CAS", ())
    (other,), _ = score_hidden([recording], Checkpoint.open(RELEASED).scorer("fold-0"), model, None)
    with pytest.raises(ConfigError, match="is not the training that model laennec-default"):
        check_same(other, model, None, tmp_path)
