"""Who sent a packet, and whether it was sent before: HMAC-SHA256 and a window of numbers (PROTOCOL.md, "Seal").

Not for secrecy: whoever can receive the link can play the sound. Not for keeping the replay counters on disk: their
owner stores `SealAuthenticator.replay_counters` and gives them back through `SealAuthenticator(counters=)`.

Replays: within a boot a number is taken once, and none that is 64 or more behind the highest. Across boots the session
must grow, which is why a device counts its boots in flash; otherwise each boot would begin again at number 0 and every
recorded boot could be played again. A receiver that lost its counters accepts the first sealed packet; from then on it
is safe again, because the device's next packet is above whatever was recorded.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from edge.errors import ConfigError
from firmware_bridge.wire import CRC, Packet, Seal, device_of, encode, seal_of, with_crc

TAG = 8  # bytes: one in 2**64 guesses is right, and each guess costs a packet
WINDOW = 64  # numbers below the highest that may still come, out of order
HOST_TYPES = 8  # bit of the types that devices do not send
MIN_KEY, MAX_KEY = 16, 64  # bytes; 64 is the block of SHA-256, so that no device has to hash its key


class ReplayCounter(NamedTuple):
    """The newest authenticated packet of a device."""

    key_id: str
    """First 16 hex digits of SHA-256 of the key: another key begins anew."""
    session: int
    number: int
    """Highest number authenticated in the session."""


@dataclass(slots=True)
class SealCounts:
    """Packets that were not authenticated, by reason."""

    unsealed: int = 0
    """Without a seal, from a device that has a key."""
    no_key: int = 0
    """Sealed, by a device whose key is not known here."""
    wrong_tag: int = 0
    """Made with another key, or changed in transit."""
    reflected: int = 0
    """Of a type that only hosts send: a host's own command, come back."""
    replayed: int = 0
    """ReplayCounter before, too old to tell, or of an earlier session."""


@dataclass(slots=True)
class _Window:
    session: int
    highest: int
    seen: int
    """Bit i is set where number highest - i was authenticated."""


class SealAuthenticator:
    """Authenticates the packets of many devices by their seals.

    Args:
        keys: secret of each device that has one; no two devices share a secret.
        counters: `replay_counters` of an earlier authenticator.
    """

    def __init__(self, keys: Mapping[int, bytes], counters: Mapping[int, ReplayCounter] | None = None) -> None:
        self.counts = SealCounts()
        self._keys = dict(keys)
        self._windows = {
            # As if all below the highest had come: which of them did was not stored.
            device: _Window(s.session, s.number, (1 << WINDOW) - 1)
            for device, s in (counters or {}).items()
            if device in self._keys and s.key_id == key_id(self._keys[device])
        }

    @property
    def replay_counters(self) -> dict[int, ReplayCounter]:
        """By device id; to be stored when a session begins, every few seconds and at the end."""
        return {d: ReplayCounter(key_id(self._keys[d]), w.session, w.highest) for d, w in self._windows.items()}

    def authenticates(self, body: bytes) -> bool:
        """Whether the device that a whole body names sent it, and it was not received before."""
        device_id, seal = device_of(body), seal_of(body)
        key = self._keys.get(device_id)
        if body[0] & HOST_TYPES:  # sealed with the same key and a high number, it would shut out the device
            self.counts.reflected += 1
            return False
        if seal is None:
            self.counts.unsealed += key is not None
            return key is None
        if key is None:
            self.counts.no_key += 1
            return False
        if not hmac.compare_digest(tag(body, key), seal.tag):
            self.counts.wrong_tag += 1
            return False
        # After the tag: the window moves by what is asked here, and a stranger's number would shut out the device.
        if not self._is_new(device_id, seal):
            self.counts.replayed += 1
            return False
        return True

    def _is_new(self, device_id: int, seal: Seal) -> bool:
        window = self._windows.get(device_id)
        if window is None or seal.session > window.session:
            self._windows[device_id] = _Window(seal.session, seal.number, 1)
            return True
        behind = window.highest - seal.number
        if seal.session < window.session or behind >= WINDOW or (behind >= 0 and window.seen >> behind & 1):
            return False
        if behind < 0:
            window.seen = (window.seen << min(-behind, WINDOW) | 1) & (1 << WINDOW) - 1
            window.highest = seal.number
        else:
            window.seen |= 1 << behind
        return True


def seal(packet: Packet, key: bytes) -> bytes:
    """Body of a packet whose `seal` names session and number, with the tag that the key gives.

    Raises:
        WireError: if a field is out of its range.
    """
    unfinished = encode(packet._replace(seal=packet.seal or Seal(0, 0)))
    return with_crc(unfinished[: -CRC.size - TAG] + tag(unfinished, key))


def tag(body: bytes, key: bytes) -> bytes:
    """Tag that belongs to a sealed body: over header, payload, session and number."""
    return hmac.digest(key, memoryview(body)[: -CRC.size - TAG], hashlib.sha256)[:TAG]


def key_id(key: bytes) -> str:
    """Name of a key that does not give it away."""
    return hashlib.sha256(key).hexdigest()[:16]


def read_key(text: str, name: str) -> bytes:
    """Key written as hex digits; `name` names it in the error.

    Raises:
        ConfigError: if it is none, or of the wrong length.
    """
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if not MIN_KEY <= len(key) <= MAX_KEY:
        raise ConfigError(
            f"{name}: expected {2 * MIN_KEY} to {2 * MAX_KEY} hex digits, found {len(text)} characters; "
            "`openssl rand -hex 32` makes a key"
        )
    return key
