"""What is wrong with a file of TLS is said with its key, before anything is connected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.delivery import tls
from edge.errors import ConfigError
from edge.settings.broker import Tls
from tests.edge.certificates import Authority, Pair, encrypted


@dataclass(frozen=True)
class Files:
    ours: Authority
    theirs: Authority
    pairs: dict[str, Pair]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    pairs = {
        "good": ours.sign("good"),
        "old": ours.sign("old", days=-900),
        "future": ours.sign("future", days=700),
        "soon": ours.sign("soon", days=-705),
        "other name": ours.sign("other-name", ("broker.example",)),
        "alien": theirs.sign("alien"),
    }
    return Files(ours, theirs, pairs)


def test_a_file_that_is_missing_or_wrong_is_named_with_its_key(files: Files, tmp_path: Path) -> None:
    good, other = files.pairs["good"], files.pairs["old"]
    locked, none = encrypted(good, tmp_path / "locked.key"), tmp_path / "none.pem"
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for settings, message in (
        (Tls(ca=none), r"mqtt\.tls\.ca: cannot read .*none\.pem: No such file"),
        (Tls(ca=tmp_path), r"mqtt\.tls\.ca: cannot read .*: Is a directory"),
        (Tls(ca=empty), r"mqtt\.tls\.ca: expected a certificate \(PEM\), found none in .*empty\.pem"),
        (Tls(cert=none, key=good.key), r"mqtt\.tls\.cert: cannot read .*none\.pem"),
        (Tls(cert=good.cert, key=none), r"mqtt\.tls\.key: cannot read .*none\.pem"),
        (Tls(key=good.key), r"mqtt\.tls\.key: .*good\.key needs its certificate as mqtt\.tls\.cert"),
        (Tls(cert=good.cert, key=other.key), r"mqtt\.tls\.key: .*old\.key is not the key of the certificate .*good"),
        (Tls(cert=good.cert, key=locked), r"mqtt\.tls\.key: .*locked\.key is encrypted"),
        (Tls(cert=good.cert), r"mqtt\.tls\.cert and mqtt\.tls\.key: expected a certificate"),
    ):
        with pytest.raises(ConfigError, match=message):
            tls.make_context(settings)
