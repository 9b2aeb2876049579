"""All figures in one list: of the course reports, of the thesis, E1, those beside it, and those without results.

The verbs `figures` and `figure` and the page loop over it. Each entry knows which studies list it, reports how much of
it a study has run, and draws it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from bnstudy import console, figures, illustrations, printed
from bnstudy.design.labels import THESIS_DATASETS
from bnstudy.errors import listed
from bnstudy.figures import course_curves, parallel, practicals, questions, render, series, style
from bnstudy.figures import effects as figure_e1
from bnstudy.figures.writer import Drawing, Target, write
from bnstudy.illustrations.render import drawing as background_drawing
from bnstudy.printed.practicals import homes, rows
from bnstudy.questions.cells import asked_by, cells
from bnstudy.report import figure_pages
from bnstudy.report.findings import Findings
from bnstudy.tables import in_order
from bnstudy.verdicts import effects

NOT_RUN, COMPUTED = "not run", "computed"


@dataclass(frozen=True)
class Picture:
    """A figure as it is listed.

    figure   its entry in a catalogue: id, kind, title, stem, and what only its kind has
    section  the part of the page that shows it
    """

    figure: Any
    section: str

    @property
    def id(self) -> str:
        return self.figure.id

    def belongs_to(self, plan: pd.DataFrame) -> bool:
        """Return True if a study with these cells (see `tables.planned`) lists this figure."""
        return True

    def is_on_page(self, plan: pd.DataFrame) -> bool:
        """Return True if the page of such a study shows this figure."""
        return self.belongs_to(plan)

    def state(self, found: Findings) -> str:
        """complete (with every seed asked for), partial, not run, or computed: it shows no result."""
        raise NotImplementedError

    def drawing(self, found: Findings, signed: bool = False) -> Drawing:
        """What to write. `signed`: signed mean gradients, if the figure shows gradients."""
        raise NotImplementedError

    def words(self, found: Findings) -> dict[str, Any]:
        """What the page shows beside it, in addition to its catalogue entry."""
        return {}

    def cells(self, found: Findings) -> frozenset[str]:
        """The keys of the cells whose runs it shows."""
        return frozenset()

    def curves(self, drawing: Drawing) -> pd.DataFrame | None:
        """The plotted data, if they are of runs."""
        return drawing.table() if drawing.table else None

    def row(self, found: Findings) -> dict[str, str]:
        """As listed by `bnstudy figures`."""
        return {"id": self.id, "kind": self.figure.kind, "state": self.state(found), "title": self.figure.title}


class ThesisPicture(Picture):
    """Figures 7.1 to 7.40, and those that extensions add."""

    def selection(self, found: Findings, signed: bool = False) -> series.Selection:
        return _selected(self.figure, found, signed)

    def state(self, found: Findings) -> str:
        selection, own = self.selection(found), self.figure.drawn_by.function
        return own("state")(selection) if own("drawable")(selection) else NOT_RUN

    def drawing(self, found: Findings, signed: bool = False) -> Drawing:
        return render.drawing(self.selection(found, signed))

    def words(self, found: Findings) -> dict[str, Any]:
        reading, datasets = cells_of(self.figure, found.plan)
        return {"caption": self.figure.caption, "reduced": reading == "reduced", "panels": len(datasets)}

    def cells(self, found: Findings) -> frozenset[str]:
        return frozenset(self.selection(found).runs["key"])


class FamilyPicture(ThesisPicture):
    """Figures A.1, C.1, D.1, ...: of one setting, where the study has it. The page shows those of the baseline, and the
    penalty."""

    def belongs_to(self, plan: pd.DataFrame) -> bool:
        figure = self.figure
        return bool(((plan["model"] == figure.model) & plan["setting"].isin(figure.settings)).any())

    def is_on_page(self, plan: pd.DataFrame) -> bool:
        shown = self.figure.kind == "penalties" or self.figure.settings == ("relu",)
        return shown and self.belongs_to(plan)


@lru_cache(maxsize=1)
def _selected(figure: figures.Figure, found: Findings, signed: bool) -> series.Selection:
    """The runs of a figure; kept, because its state, its drawing and its cells each ask for them."""
    reading, datasets = cells_of(figure, found.plan)
    return series.select(figure, found.frames, datasets, reading, signed)


class CoursePicture(Picture):
    """Figures P.1 to P.6."""

    @property
    def module(self) -> Any:
        return practicals if self.figure.kind == "practicals" else course_curves

    def belongs_to(self, plan: pd.DataFrame) -> bool:
        return bool(plan["key"].isin(list(homes())).any())

    def state(self, found: Findings) -> str:
        return self.module.state(self.figure, found.frames)

    def drawing(self, found: Findings, signed: bool = False) -> Drawing:
        return self.module.drawing(self.figure, found.frames)

    def cells(self, found: Findings) -> frozenset[str]:
        of = {row.id: row.cell.key for row in rows()}
        return frozenset(of[row] for row in getattr(self.figure, "of", self.figure).rows)


class QuestionPicture(Picture):
    """Figures Q.1 to Q.12: of a study that asks their question."""

    def belongs_to(self, plan: pd.DataFrame) -> bool:
        return self.figure.question in asked_by(tuple(plan["key"]))

    def state(self, found: Findings) -> str:
        return questions.state(self.figure, found.frames, self._datasets(found))

    def drawing(self, found: Findings, signed: bool = False) -> Drawing:
        return questions.drawing(self.figure, found.frames, self._datasets(found))

    def cells(self, found: Findings) -> frozenset[str]:
        asked = cells(self.figure.question)
        return frozenset(cell.key for dataset in self._datasets(found) for cell in asked[dataset])

    def _datasets(self, found: Findings) -> tuple[str, ...]:
        return asked_by(tuple(found.plan["key"])).get(self.figure.question, ())


class EffectPicture(Picture):
    """Figure E1."""

    def belongs_to(self, plan: pd.DataFrame) -> bool:
        return effects.asked(plan, printed.accuracy())

    def state(self, found: Findings) -> str:
        return figure_e1.state(found.effects, found.frames.missing)

    def drawing(self, found: Findings, signed: bool = False) -> Drawing:
        return figure_e1.drawing(found.effects)

    def words(self, found: Findings) -> dict[str, Any]:
        return {"panels": found.effects["model"].nunique()}

    def cells(self, found: Findings) -> frozenset[str]:
        slots = ["model", "dataset", "setting"]
        pairs = found.numbers.merge(found.effects[slots].drop_duplicates(), on=slots)
        return frozenset(pairs["key"])


class ComputedPicture(Picture):
    """Figures of chapters 2, 3 and 6, and L1 to L3. Every study lists them; the page of the whole thesis shows them."""

    def is_on_page(self, plan: pd.DataFrame) -> bool:
        return is_whole(plan)

    def state(self, found: Findings) -> str:
        return COMPUTED

    def drawing(self, found: Findings | None = None, signed: bool = False) -> Drawing:
        return background_drawing(self.figure)

    def curves(self, drawing: Drawing) -> None:
        return None


def every() -> list[Picture]:
    """All figures, in the order in which they are listed."""
    return [
        *(CoursePicture(one, "practicals") for m in (practicals, course_curves) for one in m.REGISTRY.values()),
        *(ThesisPicture(one, "figures") for one in figures.REGISTRY.values()),
        *(QuestionPicture(one, "questions") for one in questions.REGISTRY.values()),
        EffectPicture(figure_e1.FIGURE, "effects"),
        *(FamilyPicture(one, "figures") for one in figures.FAMILIES.values()),
        *(ComputedPicture(one, "background") for one in illustrations.REGISTRY.values()),
        *(ComputedPicture(one, "layers") for one in illustrations.LAYERS.values()),
    ]


def of_study(plan: pd.DataFrame) -> list[Picture]:
    """The figures that a study with these cells lists."""
    return [picture for picture in every() if picture.belongs_to(plan)]


def find(id: str) -> Picture:
    """The figure of this id. Raises UsageError naming the nearest."""
    known = {picture.id: picture for picture in every()}
    return known[listed(id, known, "figure", "List the figures with `bnstudy figures`.")]


def remedy(picture: Picture, found: Findings) -> str:
    """What to do about a figure that is not run: train its cells, or, if their records lack what it shows, do so
    again."""
    if keys := sorted(picture.cells(found) & {*found.frames.runs["key"]}):
        return f"The records of its cells lack it; train them again: bnstudy train --fresh {' '.join(keys)}"
    return f"Train some: bnstudy run --study {found.study.name}."


def draw(found: Findings, target: Target) -> dict[str, list[dict[str, Any]]]:
    """Draw every figure of a study's page that has been run. Returns the entries of each section of the page: figure,
    state, files (ending -> address), wide and narrow (see `_image`; narrow is for a phone) and the picture's words."""
    with console.waiting(f"{found.study.name}: selecting what the figures show"):
        shown = [_Shown.of(picture, found) for picture in of_study(found.plan) if picture.is_on_page(found.plan)]
    parallel.write_all([one.drawing for one in shown if one.drawing], target)
    sections: dict[str, list[dict[str, Any]]] = {picture.section: [] for picture in every()}
    for one in shown:
        sections[one.picture.section].append(_entry(one, target))
    return sections


@dataclass(frozen=True)
class _Shown:
    """A picture on the page of a study. `drawing`, None if it is not run, and `words` are as the picture returns
    them."""

    picture: Picture
    state: str
    drawing: Drawing | None
    cells: frozenset[str]
    words: dict[str, Any]

    @classmethod
    def of(cls, picture: Picture, found: Findings) -> "_Shown":
        state = picture.state(found)
        drawing = None if state == NOT_RUN else picture.drawing(found)
        return cls(picture, state, drawing, picture.cells(found) if drawing else frozenset(), picture.words(found))


def _entry(one: _Shown, target: Target) -> dict[str, Any]:
    figure, drawing = one.picture.figure, one.drawing
    made = write(drawing, target) if drawing else []
    table = one.picture.curves(drawing) if drawing else None
    files = {path.name.removeprefix(figure.stem).lstrip("."): path for path in made}
    narrow = files.pop("_narrow.svg", None)
    addresses = {ending: f"figures/{path.name}" for ending, path in files.items()}
    images = {"wide": _image(files["svg"]), "narrow": _image(narrow)} if narrow else {}
    return {
        "figure": figure, "state": one.state, "files": addresses, "cells": one.cells, "table": table,
        "page": figure_pages.address(figure, table), **images, **one.words,
    }  # fmt: skip


def _image(svg: Path) -> dict[str, Any]:
    """Address, width and height (pixels) of an SVG: with them a page keeps its place free before it is loaded."""
    with svg.open(encoding="utf-8") as file:
        found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', file.read(1_000))
    assert found, svg
    width, height = (round(float(side)) for side in found.groups())
    return {"src": f"figures/{svg.name}", "width": width, "height": height}


def is_whole(plan: pd.DataFrame) -> bool:
    """Return True for a study of the whole thesis: both models on its four data sets, by the full protocol."""
    cells = plan[plan["reading"] == "default"]
    return {*product(style.MODELS, THESIS_DATASETS)} <= {*zip(cells["model"], cells["dataset"], strict=True)}


def cells_of(figure: figures.Figure, plan: pd.DataFrame) -> tuple[str, list[str]]:
    """(reading, data sets) that a figure of this study shows: the full protocol where the study has it."""
    own = plan[plan["model"] == figure.model]
    reading = "default" if (own["reading"] == "default").any() or not (own["reading"] == "reduced").any() else "reduced"
    return reading, in_order(own[own["reading"] == reading]["dataset"]) or list(THESIS_DATASETS)
