"""Where the public data sets come from, under which licence, and what to cite. Fetches nothing.

Only what its makers offer for download without a form is fetched by the command; of the others it says where to ask.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Archive:
    """One file to fetch."""

    url: str
    """Where it lies."""
    to: str = "."
    """Folder below DATA where it is put, or unpacked when it is a `.zip`."""
    below: str = ""
    """Of a `.zip`, only members with this in their path; empty for all."""
    flat: bool = False
    """True when the members' own folders are left out."""
    size: int | None = None
    """Bytes, where its makers keep it unchanged."""
    sha256: str = ""
    """Of the bytes, where its makers keep it unchanged."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one public data set is downloaded from."""

    name: str
    """As in `make data-download NAME=...`."""
    what: str
    """One line."""
    page: str
    """Where its makers describe it."""
    licence: str
    """As its makers state it."""
    citation: str
    """What a publication must cite."""
    archives: tuple[Archive, ...] = ()
    """What the command fetches; empty when it must be asked for or fetched by hand."""
    by_hand: str = ""
    """What to do where the command fetches nothing."""


_GITHUB = "https://github.com/{}/archive/HEAD.zip"
_BHI = "https://bhichallenge.med.auth.gr/sites/default/files/ICBHI_final_database/"
_HEART = "http://www.peterjbentley.com/heartchallenge/wav/"

SOURCES = {
    source.name: source
    for source in (
        Source(
            "sprsound",
            "SPRSound 2022 to 2025: 6567 chest recordings of children, 8 kHz, events and record labels",
            "https://github.com/SJTU-YONGFU-RESEARCH-GRP/SPRSound",
            "the repository carries the text of GPL-3.0; IEEE DataPort lists the 2023 set as CC BY. Ask the authors "
            "before passing recordings on",
            'Q. Zhang et al., "SPRSound: Open-Source SJTU Paediatric Respiratory Sound Database", IEEE Transactions on '
            "Biomedical Circuits and Systems 16(5), 867-881, 2022",
            (Archive(_GITHUB.format("SJTU-YONGFU-RESEARCH-GRP/SPRSound"), "sprsound"),),
        ),
        Source(
            "icbhi",
            "ICBHI 2017: 920 chest recordings of 126 people, 4 to 44.1 kHz, 6898 cycles, official 60/40 split",
            "https://bhichallenge.med.auth.gr/ICBHI_2017_Challenge",
            "free for research; its makers state no licence for other uses",
            'B. M. Rocha et al., "An open access database for the evaluation of respiratory sound classification '
            'algorithms", Physiological Measurement 40(3), 035001, 2019',
            (
                Archive(f"{_BHI}ICBHI_challenge_train_test.txt", "icbhi"),
                Archive(f"{_BHI}ICBHI_Challenge_diagnosis.txt", "icbhi"),
                Archive(f"{_BHI}ICBHI_final_database.zip", "icbhi"),
            ),
        ),
        Source(
            "hf_lung",
            "HF_Lung_V1: 9765 chest recordings of 15 s, 4 kHz: breath phases, continuous and discontinuous sounds",
            "https://gitlab.com/techsupportHF/HF_Lung_V1",
            "its users report CC BY-NC 4.0 and CC BY 4.0: read LICENSE in its repository",
            'F.-S. Hsu et al., "Benchmarking of eight recurrent neural network variants for breath phase and '
            'adventitious sound detection", PLOS ONE 16(7), e0254134, 2021',
            by_hand="its archives are in parts: `git clone` the page above and unpack them into DATA/hf_lung, folders "
            "train and test with steth_*.wav, trunc_*.wav and *_label.txt",
        ),
        Source(
            "infant_cry",
            "Donate-a-Cry: 457 infant cries, 8 kHz; a negative",
            "https://github.com/gveres/donateacry-corpus",
            "ODbL 1.0, contents DbCL 1.0",
            "G. Veres, donateacry-corpus, 2015",
            (
                Archive(
                    *(_GITHUB.format("gveres/donateacry-corpus"), "negatives/infant_cry"),
                    *("donateacry_corpus_cleaned_and_updated_data/", True),
                ),
            ),
        ),
        Source(
            "cough",
            "covid19-cough: induced coughs over the telephone, MP3; a negative",
            "https://github.com/covid19-cough/dataset",
            "CC0",
            "covid19-cough/dataset, 2020",
            (Archive(_GITHUB.format("covid19-cough/dataset"), "negatives/cough", "/raw/", True),),
        ),
        Source(
            "heart",
            "PASCAL CHSC 2011, set B: heart sounds, 4 kHz, many with the noise of a ward; a negative",
            "http://www.peterjbentley.com/heartchallenge/",
            "none stated; published for the challenge and for research",
            "P. Bentley, G. Nordehn, M. Coimbra, S. Mannor, The PASCAL Classifying Heart Sounds Challenge 2011",
            tuple(
                Archive(f"{_HEART}{name}.zip", "negatives/heart", flat=True)
                for name in ("Btraining_normal", "Btraining_murmur", "Btraining_extrasystole", "Bunlabelledtest")
            ),
        ),
        Source(
            "speech",
            "Free Spoken Digit Dataset: 3000 spoken digits of six people, 8 kHz; a negative",
            "https://github.com/Jakobovski/free-spoken-digit-dataset",
            "CC BY-SA 4.0",
            "Z. Jackson et al., Jakobovski/free-spoken-digit-dataset v1.0.8, Zenodo, doi:10.5281/zenodo.1342401, 2018",
            (
                Archive(
                    *(_GITHUB.format("Jakobovski/free-spoken-digit-dataset"), "negatives/speech"),
                    *("/recordings/", True),
                ),
            ),
        ),
    )
}
"""By name."""


def source(name: str) -> Source:
    """The set of a name.

    Raises:
        ConfigError: if there is none.
    """
    if name not in SOURCES:
        raise ConfigError(f"NAME={name}: no such data set; there are {', '.join(SOURCES)}")
    return SOURCES[name]


def card(one: Source) -> str:
    """A set as lines of text: what, where, licence, citation, and how it is got."""
    got = "fetched by this command" if one.archives else f"by hand: {one.by_hand}"
    return "\n".join(
        f"{name:<12}{value}"
        for name, value in (
            (one.name, one.what),
            ("  page", one.page),
            ("  licence", one.licence),
            ("  cite", one.citation),
            ("  how", got),
        )
    )
