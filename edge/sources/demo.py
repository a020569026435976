"""The bundled demonstration: a minute of computed breath sound, and which sounds lie where in it; and a manikin's clip.

For `laennec demo`, the self-test and `laennec optimize`. Not made here: `training.synthetic.demo` computed both files.
"""

from __future__ import annotations

from pathlib import Path

DEMO_AUDIO = Path(__file__).with_name("demo.flac")
"""One channel of 16 bits at 8 kHz, 56 s."""
MANIKIN_AUDIO = Path(__file__).with_name("manikin.flac")
"""One channel of 16 bits at 4 kHz, 15 s: F_W_RUA of HLS-CMDS, labelled as wheezing, as it was published."""
MANIKIN_CREDIT = (
    "a manikin heard by a digital stethoscope, labelled as wheezing, not a patient: Torabi et al., HLS-CMDS, IEEE Data "
    "Descriptions 2025, doi 10.17632/8972jxbpmp.3, CC BY 4.0"
)
DEMO_TRUTH = Path(__file__).with_name("demo.json")
"""JSON: `sounds` with `label`, `onset_s` and `end_s` of each, and `crackle_s`, the onset of every single crackle."""
