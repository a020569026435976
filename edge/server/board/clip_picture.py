"""The picture of a clip, as the page of a bed draws it.

Not for pictures of files on a workstation (`edge.pictures`). Bands are those of the front-end `log-mel`; samples that
were lost are marked as lost, and a column is valid only if all of it is there. Numba's kernels take some seconds at the
first picture, so this is imported when one is asked for.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.clips.clip import ClipFile
from edge.clips.folder import read_pcm
from edge.clips.pcm_ring import to_block
from edge.contract.fields import seconds_of
from edge.features import FRONT_ENDS, FrontEnd
from edge.pictures.spectrogram import Columns, band_centres_hz, centre_samples

LOWEST_DB, STEP_DB = -100.0, 0.4  # of byte 1, and from one to the next: 255 is at 1.6 dB of full scale
MOST_COLUMNS = 1600


def picture_of(folder: Path, about: ClipFile) -> bytes:
    """JSON: the fields of a tile (`edge.contract.live`), without scores, and the events of the clip.

    Raises:
        SourceError: the clip is not there any more, or damaged.
    """
    rate_hz = about.hearing.rate_hz
    spec = replace(FRONT_ENDS["log-mel"], rate_hz=rate_hz)
    front_end, pcm = FrontEnd(spec), read_pcm(folder, about)
    columns = Columns(0, len(pcm) // spec.hop_samples, spec.levels, spec.width, MOST_COLUMNS)
    for frames in [*front_end.push(to_block(0, pcm)), *front_end.flush()]:
        columns.push(frames)
    columns.reach(len(pcm) // spec.hop_samples)
    levels = columns.values() * np.broadcast_to(spec.scale, spec.width) + np.broadcast_to(spec.offset, spec.width)
    steps = np.clip(np.rint((np.nan_to_num(levels, nan=LOWEST_DB) - LOWEST_DB) / STEP_DB), 0, 254)
    mel = np.where(np.isnan(levels), 0, steps + 1).astype(np.uint8)
    centres_hz, first = band_centres_hz(spec), about.start + round(centre_samples(spec) - spec.hop_samples / 2)
    return json.dumps(
        {
            "boot_id": about.hearing.boot_id,
            "time": seconds_of(about.begin_time) + (first - about.start) / rate_hz,
            "sample": {"rate": rate_hz, "first": first, "column": spec.hop_samples * columns.per_column},
            "columns": len(mel),
            "bands": spec.bands,
            "lowest_hz": float(centres_hz[0]),
            "highest_hz": float(centres_hz[-1]),
            "db": {"lowest": LOWEST_DB, "step": STEP_DB},
            "mel": base64.b64encode(mel.tobytes()).decode(),
            "classes": [],
            "scores": "",
            "thresholds": {},
            "begin_s": about.start / rate_hz,
            "end_s": about.stop / rate_hz,
            "speech": about.speech,
            "events": [
                {
                    "id": event.id,
                    "label": event.label,
                    "begin_s": event.onset / rate_hz,
                    "end_s": None if event.end is None else event.end / rate_hz,
                    "is_open": event.end is None,
                }
                for event in about.events
            ],
        }
    ).encode()
