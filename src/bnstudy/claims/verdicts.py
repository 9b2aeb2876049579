"""The verdict on each claim, from measured runs and from the printed tables.

The rules and their error rates: docs/claims.md.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bnstudy.claims.catalogue import PER_SEED, PRINTED, REDRAWN, TIMING, Claim, Part, Predicate
from bnstudy.claims.evidence import of_print
from bnstudy.claims.measured import Measured
from bnstudy.claims.terms import NotGiven, Place

HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "fails", "undecided", "not run"
OTHER_HARDWARE = "other hardware"
"""The verdict on seconds that were not measured on the thesis's GPU: what ours show is given, and decides nothing."""
COMPLETE, PARTIAL = "complete", "partial"
YES, NO, NOT_IN_TABLES = "yes", "no", "not in tables"
SURE = 0.95
"""The share of redraws in which a predicate must be true to hold; it fails below 1 - SURE."""
ENOUGH_SEEDS = 3


@dataclass(frozen=True)
class PartVerdict:
    """The verdict on one part of a claim.

    places    the models and data sets it was judged on
    true_in   judged on redraws: {"redraws": share in which it is true}; per seed: {seed: True or False}
    numbers   what the predicate read: cell means, or one value per seed
    alone     of a part that asks the same of several places: the share of redraws in which it is true of each alone
    cells     the key of the cell that each number is of, if it is of one cell
    """

    kind: str
    check: str
    verdict: str
    places: tuple[Place, ...] = ()
    true_in: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[tuple[Any, ...], Any] = field(default_factory=dict)
    alone: Mapping[Place, float] = field(default_factory=dict)
    cells: Mapping[tuple[Any, ...], str] = field(default_factory=dict)

    @property
    def weakest(self) -> tuple[Place, float] | None:
        """The place that decides, and its share of redraws: the one with the lowest. None if one place is asked."""
        return min(self.alone.items(), key=lambda item: item[1]) if self.alone else None


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim's verdict (holds, fails, undecided, other hardware, not run), its state (complete, partial, not run) and
    its parts."""

    verdict: str
    state: str
    parts: tuple[PartVerdict, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """The models and data sets on which every judged part was judged."""
        judged = [part.places for part in self.parts if part.verdict != NOT_RUN]
        return tuple(p for p in judged[0] if all(p in places for places in judged)) if judged else ()

    @property
    def cells(self) -> frozenset[str]:
        """The keys of all cells whose numbers it is judged on."""
        return frozenset(key for part in self.parts for key in part.cells.values())


def printed_support(
    claim: Claim, numbers: Callable[[Collection[Any]], Any] = of_print, silent: str = NOT_IN_TABLES
) -> str:
    """Return whether printed numbers support the claim: yes, no, or `silent`. Parts that need curves are ignored.

    numbers   the evidence of the source, by default tables B.1 to B.4
    """
    parts = [part for part in claim.parts if part.kind in PRINTED]
    try:
        answers = [bool(part.predicate(numbers(claim.places))) for part in parts]
    except NotGiven:
        return silent
    return silent if not answers else YES if all(answers) else NO


def verdict(claim: Claim, measured: Measured | None) -> ClaimVerdict:
    """Return the verdict of the measured runs; without any, only claims that need no training are judged."""
    parts = tuple(_part(claim, part, measured) for part in claim.asked)
    combined = together([part.verdict for part in parts])
    if combined == NOT_RUN:
        return ClaimVerdict(NOT_RUN, NOT_RUN, parts)
    return ClaimVerdict(combined, COMPLETE if _complete(claim, parts, measured) else PARTIAL, parts)


def together(verdicts: Collection[str]) -> str:
    """Return the verdict of a claim from those of its parts: it holds if all hold and fails if one fails; if all
    others hold, seconds of other hardware keep it from holding."""
    if all(v == NOT_RUN for v in verdicts):
        return NOT_RUN
    if FAILS in verdicts:
        return FAILS
    if set(verdicts) <= {HOLDS, OTHER_HARDWARE} and OTHER_HARDWARE in verdicts:
        return OTHER_HARDWARE
    return HOLDS if all(v == HOLDS for v in verdicts) else UNDECIDED


def decide(share: float) -> str:
    """Return the verdict on a predicate that is true in this share of redraws."""
    return HOLDS if share >= SURE else FAILS if share <= 1 - SURE + 1e-12 else UNDECIDED


def _complete(claim: Claim, parts: Collection[PartVerdict], measured: Measured | None) -> bool:
    if any(set(part.places) != set(claim.places) and part.kind in (*REDRAWN, *PER_SEED) for part in parts):
        return False
    asked = {at for part in parts for at in part.numbers if part.kind != TIMING}
    return measured is None or not measured.lacks(asked)


def _part(claim: Claim, part: Part, measured: Measured | None) -> PartVerdict:
    if part.kind not in (*REDRAWN, *PER_SEED):
        return _computed(part)
    if measured is None:
        return PartVerdict(part.kind, part.check, NOT_RUN)
    judge = _redrawn if part.kind in REDRAWN else _by_seed
    with np.errstate(all="ignore"):  # a diverged run has infinite losses; inf - inf compares as false
        return judge(claim, part, measured)


def _computed(part: Part) -> PartVerdict:
    numbers: dict[str, float] = {}
    answer = bool(part.predicate(numbers))
    shown = {(name,): value for name, value in numbers.items()}
    return PartVerdict(part.kind, part.check, HOLDS if answer else FAILS, numbers=shown)


def _redrawn(claim: Claim, part: Part, measured: Measured) -> PartVerdict:
    """Judge a part by the share of redraws of the cell means in which its predicate is true."""
    means = measured.means(part.kind)
    found = _on_what_is_there(part.predicate, claim.places, lambda places: measured.evidence(part.kind, places))
    if found is None:
        return PartVerdict(part.kind, part.check, NOT_RUN)
    answer, ev = found
    share = float(np.mean(answer))
    decided = decide(share) if all(means[at].known for at in ev.used) else UNDECIDED
    if part.kind == TIMING and not measured.on_thesis_gpu:
        decided = OTHER_HARDWARE
    numbers = {at: means[at].value for at in ev.used}
    alone = _alone(part, ev.places, measured, share)
    cells = {} if part.kind == TIMING else measured.cells(numbers)
    return PartVerdict(part.kind, part.check, decided, ev.places, {"redraws": share}, numbers, alone, cells)


def _alone(part: Part, places: Collection[Place], measured: Measured, share: float) -> dict[Place, float]:
    """Return the share of redraws in which a part is true of each place alone, if it is true in `share` of all.

    {} if it is of one place, or is more than the sum of its places: if it compares them or takes a mean over them.
    """
    if len(places) < 2:
        return {}
    try:
        found = {at: float(np.mean(part.predicate(measured.evidence(part.kind, [at])))) for at in places}
    except NotGiven:
        return {}
    return found if share <= min(found.values()) else {}


def _by_seed(claim: Claim, part: Part, measured: Measured) -> PartVerdict:
    """Judge a part by its predicate on each seed that has all the runs it needs."""

    def ask(seed: int, places: Collection[Place]):
        return _on_what_is_there(part.predicate, places, lambda p: measured.history(p, seed))

    first = {seed: found for seed in measured.histories.seeds if (found := ask(seed, claim.places))}
    places = _common([ev.places for _, ev in first.values()])
    wide = [seed for seed, (_, ev) in first.items() if set(places) <= set(ev.places)]
    asked = {seed: found for seed in wide if (found := ask(seed, places))}
    if not asked:
        return PartVerdict(part.kind, part.check, NOT_RUN)
    answers = {str(seed): bool(answer) for seed, (answer, _) in asked.items()}
    used = [ev.used for _, ev in asked.values()]
    numbers = {at: [of.get(at) for of in used] for at in dict.fromkeys(at for of in used for at in of)}
    decided = unanimous(list(answers.values()))
    if decided == HOLDS and not all(answer for answer, _ in first.values()):
        decided = UNDECIDED  # a seed contradicts it at a place that too few seeds have
    if any(at[0] == "seconds" for at in numbers) and not measured.on_thesis_gpu:
        decided = OTHER_HARDWARE
    return PartVerdict(part.kind, part.check, decided, places, answers, numbers, cells=measured.cells(numbers))


def unanimous(answers: Collection[bool]) -> str:
    """Return the verdict on a predicate with these answers, one per seed."""
    if len(answers) < ENOUGH_SEEDS or len(set(answers)) > 1:
        return UNDECIDED
    return HOLDS if all(answers) else FAILS


def _common(of_seeds: Collection[tuple[Place, ...]]) -> tuple[Place, ...]:
    """Return the places to judge: those that at least ENOUGH_SEEDS seeds have; if none, those that most have."""
    seeds = Counter(place for places in of_seeds for place in places)
    needed = min(ENOUGH_SEEDS, max(seeds.values(), default=0))
    return tuple(place for place, count in seeds.items() if count >= needed)


def _on_what_is_there(
    predicate: Predicate, places: Collection[Place], evidence: Callable[[Collection[Place]], Any]
) -> tuple[Any, Any] | None:
    """Return the predicate's answer, and its evidence, on the places that have all it reads; None if none has."""
    places = tuple(places)
    while places:
        ev = evidence(places)
        try:
            return predicate(ev), ev
        except NotGiven as lack:
            places = _without(places, lack.place)
    return None


def _without(places: tuple[Place, ...], lacking: Place | None) -> tuple[Place, ...]:
    """Return the places without the lacking one; if that is a place of another model, without its data set."""
    if lacking is None:
        return ()
    if lacking in places:
        return tuple(place for place in places if place != lacking)
    return tuple(place for place in places if place[1] != lacking[1])
