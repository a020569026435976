"""The feature spec refuses what cannot be, and its hash is a promise."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edge.errors import ConfigError
from edge.features import Cwt, FeatureSpec, Gammatone, Log, Mel, Pcen

FRONT_ENDS = {
    "log-mel": FeatureSpec(),
    "pcen": FeatureSpec(compression=Pcen()),
    "gammatone": FeatureSpec(analysis=Gammatone()),
    "morlet": FeatureSpec(analysis=Cwt()),
    "morse": FeatureSpec(analysis=Cwt(wavelet="morse"), deltas=2, offset=(-60.0,) * 192, scale=tuple([20.0] * 192)),
}
HASHES = {
    "log-mel": "fe42f3163a356dd81e5aca930d07f564f2f0acaf77d532cb5a716474368ec030",
    "pcen": "b15d4ea5ab4a4d8d286709466d6f27fdf3cf5adb74c0f7a72bfe677b78b051a7",
    "gammatone": "366dbd4f016790fcbc24f533c2cadb84c5a5b82493b757e33dc3e3add6313389",
    "morlet": "90bdb23f6ab6fb5b8969865edc3f25da00bec7c5775ee0fbce500a41188f4ddb",
    "morse": "e6a947ee3caaf2170b997177896254b943553efa91be3cd4932bc03c5a35eafb",
}


@pytest.mark.parametrize(
    ("change", "field", "allowed"),
    [
        ({"rate_hz": 0}, "rate_hz = 0", "1 to"),
        ({"hop_samples": 0}, "hop_samples = 0", "1 to"),
        ({"hop_samples": -5}, "hop_samples = -5", "1 to"),
        ({"hop_samples": 1.5}, "hop_samples = 1.5", "int"),
        ({"hop_samples": "100"}, "hop_samples = '100'", "int"),
        ({"high_hz": 4001.0}, "high_hz = 4001.0", "up to 4000"),
        ({"high_hz": float("nan")}, "high_hz = nan", "float"),
        ({"low_hz": 2500.0}, "low_hz = 2500.0", "from 0 to below 2500"),
        ({"low_hz": -1.0}, "low_hz = -1.0", "from 0"),
        ({"bands": 0}, "bands = 0", "1 to 1024"),
        ({"bands": 257}, "bands = 257", "1 to 256, the bins of analysis.fft_size"),
        ({"analysis": Mel(fft_size=256)}, "analysis.fft_size = 256", "400 to"),
        ({"analysis": Mel(fft_size=514)}, "analysis.fft_size = 514", "product of 2, 3 and 5"),
        ({"analysis": Mel(fft_size=405)}, "analysis.fft_size = 405", "even"),
        ({"analysis": Mel(windows_samples=())}, "analysis.windows_samples = ()", "one to sixteen"),
        ({"analysis": Mel(taper="kaiser")}, "analysis.taper = kaiser", "hann, hamming"),
        ({"analysis": Mel(scale="bark")}, "analysis.scale = bark", "htk, slaney, kaldi"),
        ({"analysis": Gammatone(bandwidth=0)}, "analysis.bandwidth = 0", "0.1 to 10"),
        ({"analysis": Gammatone(), "low_hz": 0}, "low_hz = 0.0", "1 or more"),
        ({"analysis": Cwt(wavelet="haar")}, "analysis.wavelet = haar", "morlet, morse"),
        ({"analysis": Cwt(omega0=2)}, "analysis.omega0 = 2", "4.5 to 60"),
        ({"analysis": Cwt(), "hop_samples": 77}, "hop_samples = 77", "product of 2, 3 and 5"),
        ({"analysis": Cwt(), "low_hz": 1.0, "rate_hz": 10**6, "high_hz": 1e5}, "low_hz = 1 with blocks of", "up to"),
        ({"analysis": Gammatone(bandwidth=0.1, settle_db=300), "rate_hz": 10**6}, "analysis.settle_db = 300", "up to"),
        ({"compression": Log(unit="bel")}, "compression.unit = bel", "db, ln"),
        ({"compression": Log(floor=5)}, "compression.floor = 5", "to 0"),
        ({"compression": Pcen(s=0)}, "compression.s = 0", "above 0 to 1"),
        ({"compression": Pcen(eps=0)}, "compression.eps = 0", "1e-30"),
        ({"deltas": 3}, "deltas = 3", "0, 1, 2"),
        ({"scale": (0.0,)}, "scale", "1e-9 to 1e9"),
        ({"scale": (True,)}, "scale", "tuple"),
        ({"offset": "7"}, "offset = '7'", "tuple"),
        ({"analysis": None}, "analysis = None", "Mel, Gammatone, Cwt"),
        ({"compression": Mel()}, "compression = Mel", "Log, Pcen"),
        ({"bands": 10**5000}, "bands", "int"),
        ({"analysis": Mel(windows_samples=(2,), periodic=False)}, "windows_samples = (2,)", "3 or more"),
        ({"analysis": Cwt(omega0=60), "low_hz": 1.0, "hop_samples": 1}, "low_hz = 1 with blocks of", "up to"),
        ({"offset": (0.0, 1.0)}, "offset = 2 numbers", "1 number or 64"),
        ({"offset": (float("inf"),)}, "offset", "tuple"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_by_field_and_range(change: dict[str, Any], field: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FeatureSpec(**change)
    assert field in str(caught.value)
    assert allowed in str(caught.value)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_a_spec_survives_its_json(name: str) -> None:
    assert FeatureSpec.from_json(FRONT_ENDS[name].to_json()) == FRONT_ENDS[name]


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_the_hash_of_a_spec_never_changes(name: str) -> None:
    assert FRONT_ENDS[name].sha256 == HASHES[name]


def test_equal_numbers_of_other_types_give_the_same_hash() -> None:
    other = FeatureSpec(
        rate_hz=np.int64(8000),
        low_hz=50,
        high_hz=np.float64(2500),
        hop_samples=100.0,  # type: ignore[arg-type]
        analysis=Mel(windows_samples=[np.int32(400)]),
        scale=[1],
        compression=Log(floor=-100),  # type: ignore[arg-type]
    )
    assert other.sha256 == FeatureSpec().sha256


@pytest.mark.parametrize(
    ("found", "instead", "named"),
    [
        ('"bands"', '"bandz"', "bandz"),
        ('"kind":"mel"', '"kind":"mfcc"', "mfcc"),
        ("laennec.features/2", "laennec.features/1", "laennec.features/1"),
        ('"hop_samples":100', '"hop_samples":"x"', "hop_samples"),
        ('"low_hz":50.0', '"low_hz":50', "expected"),
        ("}", "", "not readable"),
    ],
)
def test_a_text_that_is_no_spec_is_refused_with_what_was_found(found: str, instead: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        FeatureSpec.from_json(FeatureSpec().to_json().replace(found, instead))


def test_the_reach_of_every_front_end_is_stated_in_samples() -> None:
    reach = {name: (s.history_samples, s.ahead_samples, s.delay_samples) for name, s in FRONT_ENDS.items()}
    assert reach == {
        "log-mel": (0, 400, 400),
        "pcen": (0, 400, 400),
        "gammatone": (700, 100, 100),
        "morlet": (700, 800, 800 + 17 * 100),
        "morse": (900 + 400, 1000 + 400, 1400 + 13 * 100),
    }


def test_the_json_of_a_spec_is_plain_and_sorted() -> None:
    text = FeatureSpec().to_json()
    assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) == text


def test_zero_has_one_sign() -> None:
    assert FeatureSpec(low_hz=-0.0).sha256 == FeatureSpec(low_hz=0.0).sha256


@pytest.mark.parametrize("text", ["[" * 100_000, "null", "7", "[]", '"x"', "x" * (1 << 20), "{", "1e400", None])
def test_hostile_text_is_refused_in_one_short_line(text: Any) -> None:
    with pytest.raises(ConfigError, match="feature spec: ") as caught:
        FeatureSpec.from_json(text)
    assert len(str(caught.value)) < 500
