"""What the published sets are known to hold, so that a download can be checked. Holds numbers, reads nothing.

Sources: SPRSound 2022 counted in its files, totals as in its publication (2683 recordings, 9089 events, 292 patients);
later releases as their READMEs say; ICBHI 2017 from Rocha et al. 2019 (6898 cycles: 3642, 1864, 886, 506), by split
counted with the official file; HF_Lung_V1 from Hsu et al. 2021 (9765 recordings of 15 s, of which 7809 to train on).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Published:
    """One split of one set as published."""

    dataset: str
    """`sprsound`, `icbhi` or `hf_lung`."""
    split: str
    """As in `Recording.split`."""
    recordings: int
    """Number of recordings."""
    patients: int | None = None
    """Number of patients, where it is known."""
    hours: float | None = None
    """Duration of all recordings, rounded to .01 h, where it is known."""
    records: dict[str, int] = field(default_factory=dict)
    """Recordings by record label, where it has any."""
    events: dict[str, int] = field(default_factory=dict)
    """Events or cycles by name, where it is known."""


def _sprsound(normal: int, fine: int, wheeze: int, coarse: int, rare: tuple[int, int, int]) -> dict[str, int]:
    return {
        **{"Normal": normal, "Fine Crackle": fine, "Wheeze": wheeze, "Coarse Crackle": coarse},
        **dict(zip(("Wheeze+Crackle", "Rhonchi", "Stridor"), rare, strict=True)),
    }


def _records(normal: int, cas: int, das: int, both: int, poor: int) -> dict[str, int]:
    return {"Normal": normal, "CAS": cas, "DAS": das, "CAS & DAS": both, "Poor Quality": poor}


def _cycles(normal: int, crackle: int, wheeze: int, both: int) -> dict[str, int]:
    return {"Normal": normal, "Crackle": crackle, "Wheeze": wheeze, "Both": both}


PUBLISHED = {
    (split.dataset, split.split): split
    for split in (
        Published(
            *("sprsound", "train", 1949, 251, 5.87),
            _records(1303, 126, 248, 95, 177),
            _sprsound(5159, 912, 452, 49, (30, 39, 15)),
        ),
        Published(
            *("sprsound", "inter", 355, 41, 1.19),
            _records(241, 65, 24, 17, 8),
            _sprsound(1040, 80, 305, 3, (1, 0, 0)),
        ),
        Published(
            *("sprsound", "intra", 379, 162, 1.10),
            _records(241, 42, 75, 19, 2),
            _sprsound(688, 175, 108, 14, (3, 14, 2)),
        ),
        Published("sprsound", "test2023", 871),
        Published("sprsound", "test2024", 1704),
        Published("sprsound", "test2025", 1309),
        Published("icbhi", "train", 539, 79, events=_cycles(2063, 1215, 501, 363)),
        Published("icbhi", "test", 381, 49, events=_cycles(1579, 649, 385, 143)),
        Published("hf_lung", "train", 7809, hours=32.54),
        Published("hf_lung", "test", 1956, hours=8.15),
    )
}
"""By data set and split."""
