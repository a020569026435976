"""Who lies in which bed, as far as a node may know: another than before, and perhaps how old. Nobody's name.

A new patient at a bed is ordered by command (`edge.node.alarms`). The thread that scores then forgets what it measured
(`edge.node.stream`), and counts; until its status has the new count, whatever is known of the bed is of the patient
before. The age that came with the command holds over restarts, until another comes or the settings have another one.
So does it that whoever agreed to be listened to is gone: until the settings say another time of consent, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from edge.delivery.messages import Node
from edge.files import StateFile
from edge.node.inbox import NewPatient
from edge.node.stream import NodeStream
from edge.settings.node import Config, Stream
from edge.settings.sections import Age


class _Admitted(BaseModel):
    """What was ordered with the patient of one bed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    age: Age | None
    """As it was ordered."""
    settings: Age | None
    """As the settings had it then."""
    listen: str = ""
    """Consent of the patient before, as the settings had it then; empty: there was none."""


_Beds = TypeAdapter(dict[str, _Admitted])


class Patients:
    """The patients of one node."""

    def __init__(
        self,
        path: Path,
        settings: Sequence[Stream],
        write: Callable[[Callable[[], None]], None] = lambda work: work(),
    ) -> None:
        """Read what was ordered; a file that cannot be read is as none, and the log says so.

        Args:
            path: one small JSON file beside the outbox, whose lock keeps a second node away from both.
            settings: of the streams.
            write: lets something be done that may wait for the disk, before the command is on the disk.
        """
        self._settings, self._write = {each.id: each for each in settings}, write
        effects = "ages are those of the settings", "ages, and that consent ended, end with this run"
        self._file = StateFile(path, "patients", _Beds.validate_json, effects)
        admitted = self._file.read() or {}
        self._admitted = {
            name: self._of_today(admitted[name], name) for name in admitted.keys() & self._settings.keys()
        }
        self._streams: Mapping[str, NodeStream] = {}
        self._expected: dict[str, int] = {}  # by bed: patients that were admitted since the start
        self._published: dict[str, int] = {}  # of those, what the broker knows

    def settings(self, bed: str) -> Stream:
        """The settings of a stream, with the age of the patient that it has now."""
        own, found = self._settings[bed], self._admitted.get(bed)
        return own if found is None else own.model_copy(update={"age": found.age})

    def config(self, config: Config) -> Config:
        """The settings of the node, with the ages of the patients that its beds have now."""
        return config.model_copy(update={"streams": tuple(self.settings(each.id) for each in config.streams)})

    def join(self, streams: Sequence[NodeStream]) -> None:
        """Let patients be admitted to these."""
        self._streams = {stream.id: stream for stream in streams}

    def mistake(self, bed: str) -> str:
        """Why nobody can be admitted to a bed; empty if somebody can."""
        is_over = bed in self._streams and self._streams[bed].is_closed
        return "" if not is_over else "nobody listens at this bed any more; it begins anew when the node starts"

    def admit(self, bed: str, age: str | None) -> None:
        """Forget the patient before; the age is written, or the log says why it is not."""
        self._expected[bed] = self._expected.get(bed, 0) + 1
        own = self._settings[bed]
        self._admitted[bed] = _Admitted(age=age, settings=own.age, listen=_consent(own))
        self._streams[bed].inbox.put(NewPatient(age))
        # Without an empty `listen`: releases that do not know it read the file too.
        self._write(partial(self._file.write, _Beds.dump_json(self._admitted, exclude_defaults=True)))

    def is_consent_over(self, bed: str) -> bool:
        """Whether the settings have the consent of a patient who is gone."""
        consent = _consent(self._settings[bed])
        return bool(consent) and bed in self._admitted and self._admitted[bed].listen == consent

    def is_known(self, bed: str, patients: int) -> bool:
        """Whether a status that counts so many patients is of the one who lies there now."""
        return patients >= self._expected.get(bed, 0)

    def publish(self, node: Node, clear: Callable[[str], None], inform: Callable[[Stream, NodeStream], None]) -> None:
        """Take what was measured of the patient before from the broker; from the loop that publishes such.

        Args:
            node: this one.
            clear: empties a retained topic.
            inform: publishes what a bed is.
        """
        for bed, stream in self._streams.items():
            if (count := stream.status.patients) > self._published.get(bed, 0):
                self._published[bed] = count
                for kind in ("trend", "breath"):
                    clear(node.topic("s", bed, kind))
                inform(self.settings(bed), stream)

    def _of_today(self, admitted: _Admitted, bed: str) -> _Admitted:
        """With the age of the settings, where that is another one since."""
        age = self._settings[bed].age
        return admitted if age == admitted.settings else admitted.model_copy(update={"age": age, "settings": age})


def _consent(settings: Stream) -> str:
    return str(settings.listen) if settings.listen else ""
