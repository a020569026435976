"""Events of two models are compared by hand-known answers, and by laws that hold for any events in any order."""

from __future__ import annotations

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from edge.ward.model_comparison import CONFIRM_S, MOST, NEAR_S, SIDES, Counts, ModelComparison, Side

RATE_HZ = 1000
GROUPS = ("continuous", "discontinuous")
FAR = 10**9
Events = list[tuple[int, int]]


def compared(live: Events, shadow: Events, *gaps: tuple[int, int]) -> Counts:
    """Counts of events at these samples, all of one group, that were judged when everything was decided."""
    found = ModelComparison(GROUPS, RATE_HZ)
    for gap in gaps:
        found.left_out(*gap)
    for side, events in zip(SIDES, (live, shadow), strict=True):
        report(found, side, events)
    found.compare(FAR)
    return found.counts["continuous"]


def report(found: ModelComparison, side: Side, events: Events) -> None:
    for onset, end in events:
        found.onset(side, "continuous", onset)
        found.end(side, "continuous", onset, end)


def test_events_that_overlap_are_of_both() -> None:
    assert compared([(1000, 2000)], [(1500, 2500)]) == Counts(both=1)


def test_events_far_from_each_other_are_of_one_alone() -> None:
    assert compared([(1000, 2000)], [(9000, 9500)]) == Counts(only_live=1, only_shadow=1)


def test_half_a_second_apart_is_one_sound_and_more_is_not() -> None:
    near = round(NEAR_S * RATE_HZ)
    assert compared([(1000, 2000)], [(2000 + near - 1, 3000)]) == Counts(both=1)
    assert compared([(1000, 2000)], [(2000 + near, 3000)]) == Counts(only_live=1, only_shadow=1)


def test_one_long_event_over_two_short_ones_is_an_agreement() -> None:
    assert compared([(1000, 6000)], [(1100, 1500), (5000, 5500)]) == Counts(both=1)
    assert compared([(1100, 1500), (5000, 5500)], [(1000, 6000)]) == Counts(both=2)


def test_events_of_two_groups_are_never_of_one_sound() -> None:
    found = ModelComparison(GROUPS, RATE_HZ)
    report(found, "live", [(1000, 2000)])
    found.onset("shadow", "discontinuous", 1000)
    found.end("shadow", "discontinuous", 1000, 2000)
    found.compare(FAR)
    assert found.counts == {"continuous": Counts(only_live=1), "discontinuous": Counts(only_shadow=1)}


def test_nothing_is_judged_before_both_have_decided_what_could_match_it() -> None:
    found = ModelComparison(GROUPS, RATE_HZ)
    report(found, "live", [(1000, 2000)])
    found.compare(2000 + round((NEAR_S + CONFIRM_S) * RATE_HZ) - 1)
    assert found.counts["continuous"] == Counts()
    report(found, "shadow", [(1900, 2600)])
    found.compare(2000 + round((NEAR_S + CONFIRM_S) * RATE_HZ))
    assert found.counts["continuous"] == Counts(both=1)


def test_an_event_that_lasts_is_a_partner_before_it_ends() -> None:
    found = ModelComparison(GROUPS, RATE_HZ)
    found.onset("shadow", "continuous", 500)
    report(found, "live", [(1000, 2000)])
    found.compare(100_000)
    assert found.counts["continuous"] == Counts(both=1)
    found.end("shadow", "continuous", 500, 100_000)
    found.compare(FAR)
    assert found.counts["continuous"] == Counts(both=1), "the shadow's has a partner, which is remembered"


def test_what_touches_sound_that_was_left_out_is_not_compared_and_counted() -> None:
    assert compared([(1000, 2000), (90_000, 91_000)], [], (1500, 5000)) == Counts(only_live=1, not_compared=1)
    assert compared([(5100, 5200)], [], (1500, 5000)) == Counts(not_compared=1), "still deaf"
    assert compared([(1000, 2000)], [(1000, 1600)], (1500, 5000)) == Counts(both=1), "found before"


def test_a_clock_that_begins_anew_leaves_nothing_to_be_compared_wrongly() -> None:
    found = ModelComparison(GROUPS, RATE_HZ)
    report(found, "live", [(10**6, 10**6 + 10)])
    found.onset("shadow", "continuous", 10**6)
    found.forget()
    found.end("shadow", "continuous", 10**6, 10**6 + 10)
    report(found, "live", [(5, 10)])
    found.compare(FAR)
    assert found.counts["continuous"] == Counts(only_live=1, not_compared=2)


def test_a_model_that_has_gone_mad_takes_no_memory_and_its_events_are_counted() -> None:
    found = ModelComparison(GROUPS, RATE_HZ)
    for onset in range(3 * MOST):
        found.onset("shadow", "continuous", onset)
    assert found.counts["continuous"] == Counts(not_compared=2 * MOST)


def spans(most: int = 40_000) -> st.SearchStrategy[Events]:
    """Events of one group, which do not overlap."""
    cuts = st.lists(st.integers(0, most), unique=True, max_size=16).map(sorted)
    return cuts.map(lambda at: list(zip(at[::2], at[1::2], strict=False)))


@given(live=spans(), shadow=spans())
def test_exchanging_the_models_exchanges_the_counts_of_one_alone(live: Events, shadow: Events) -> None:
    one, other = compared(live, shadow), compared(shadow, live)
    assert (one.only_live, one.only_shadow) == (other.only_shadow, other.only_live)


@given(live=spans(), shadow=spans(), gap=st.tuples(st.integers(0, 40_000), st.integers(1, 5000)))
def test_every_event_is_counted_once(live: Events, shadow: Events, gap: tuple[int, int]) -> None:
    counts = compared(live, shadow, (gap[0], gap[0] + gap[1]))
    agreed_of_shadow = (
        len(shadow) - counts.only_shadow - (counts.not_compared - (len(live) - counts.both - counts.only_live))
    )
    assert counts.both + counts.only_live <= len(live)
    assert 0 <= agreed_of_shadow <= len(shadow)
    assert bool(counts.both) == bool(agreed_of_shadow)


@given(live=spans(), shadow=spans(), steps=st.lists(st.integers(1, 5000), min_size=1, max_size=30))
def test_judged_piece_by_piece_is_judged_as_at_the_end(live: Events, shadow: Events, steps: list[int]) -> None:
    found, now, confirm = ModelComparison(GROUPS, RATE_HZ), 0, round(CONFIRM_S * RATE_HZ)
    for step in [*steps, FAR]:
        before, now = now, now + step
        for side, events in zip(SIDES, (live, shadow), strict=True):
            for onset, _ in events:  # each is told when it is confirmed, or is over
                if before <= max(onset + confirm, 0) < now:
                    found.onset(side, "continuous", onset)
            for onset, end in events:
                if before <= max(end, onset + confirm) < now:
                    found.end(side, "continuous", onset, end)
        found.compare(now)
    assert asdict(found.counts["continuous"]) == asdict(compared(live, shadow))
