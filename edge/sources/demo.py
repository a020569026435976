"""The bundled demonstration: a minute of computed breath sound, and which sounds lie where in it.

For `laennec demo`, the self-test and `laennec optimize`. Not made here: `training.synthetic.demo` computed both files.
"""

from __future__ import annotations

from pathlib import Path

DEMO_AUDIO = Path(__file__).with_name("demo.flac")
"""One channel of 16 bits at 8 kHz, 56 s."""
DEMO_TRUTH = Path(__file__).with_name("demo.json")
"""JSON: `sounds` with `label`, `onset_s` and `end_s` of each, and `crackle_s`, the onset of every single crackle."""
