"""Live screens: a session has few, and nobody so many that another person finds no place."""

from __future__ import annotations

from edge.contract.topics import Address
from edge.server.board.bed_feed import BedHub
from edge.server.board.fair_share import MAX_OF_SESSION, Owner, Screen, Screens
from edge.server.board.feed import MAX_VIEWERS, Hub

BED = Address("ward-b", "box-1", "bed1")


class Ward:
    """The places of a board, and whose screens are in them."""

    def __init__(self) -> None:
        self.hub, self.beds, self.screens = Hub(), BedHub(), Screens()

    def open(self, owner: Owner) -> Screen | None:
        """One screen of the ward."""
        return self.screens.open(owner, "ward", lambda: self.hub.join(0.0), self.hub.leave)

    def open_bed(self, owner: Owner) -> Screen | None:
        """One of a bed."""
        return self.screens.open(
            owner, "bed", lambda: self.beds.join(BED, []), lambda viewer: self.beds.leave(BED, viewer)
        )


def dropped(screens: list[Screen | None]) -> list[bool]:
    return [screen is None or screen.viewer.is_dropped for screen in screens]


def test_of_a_session_the_oldest_screens_go_whatever_they_show() -> None:
    ward, owner = Ward(), Owner("a", "viewer")
    first = [ward.open(owner), ward.open_bed(owner)]
    more = [ward.open(owner) for _ in range(MAX_OF_SESSION)]
    assert dropped(first) == [True, True]
    assert dropped(more) == [False] * MAX_OF_SESSION
    assert ward.beds.looked_at == []


def test_one_session_takes_no_place_of_another() -> None:
    ward = Ward()
    for _ in range(3 * MAX_VIEWERS):
        assert ward.open(Owner("a", "viewer")) is not None
    others = [ward.open(Owner(str(number), "wall")) for number in range(MAX_VIEWERS - MAX_OF_SESSION)]
    assert not any(dropped(others))


def test_where_all_places_are_taken_who_has_most_makes_room_for_another() -> None:
    ward = Ward()
    greedy = [ward.open(Owner(str(number // MAX_OF_SESSION), "viewer")) for number in range(MAX_VIEWERS)]
    assert not any(dropped(greedy))
    nurses = [ward.open(Owner(f"nurse {number}", f"nurse {number}")) for number in range(10)]
    assert not any(dropped(nurses))
    assert dropped(greedy) == [True] * 10 + [False] * (MAX_VIEWERS - 10)
    assert ward.open(Owner("yet another", "viewer")) is None, "who has most gets no more"


def test_a_screen_that_was_closed_leaves_its_place() -> None:
    ward = Ward()
    for _ in range(2 * MAX_VIEWERS):
        screen = ward.open(Owner("a", "viewer"))
        assert screen is not None
        ward.screens.close(screen)
        ward.screens.close(screen)  # as its connection does once more, when it ends
        assert not screen.viewer.is_dropped
