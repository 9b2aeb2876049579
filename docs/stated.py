"""The measured numbers that README.md and the findings state, from results/published: `make docs` writes them.

A block of a page is what stands between `<!-- measured: NAME -->` and `<!-- end -->`; BLOCKS has what makes it. A
developer's own records have no say, so every clone gives the same.
"""

import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd

import bnstudy
from bnstudy import claims, tables
from bnstudy.claims import practicals as course_claims
from bnstudy.claims import questions as asked
from bnstudy.claims.verdicts import NOT_RUN
from bnstudy.design.labels import THESIS_DATASETS
from bnstudy.figures import style
from bnstudy.printed.practicals import placed
from bnstudy.questions import registry
from bnstudy.questions.cells import asked_by
from bnstudy.report import answer as words
from bnstudy.report import many_words, run_lists
from bnstudy.report.readings import of_study
from bnstudy.results.collect import Results
from bnstudy.studies.config import load
from bnstudy.tables import practicals as course_tables
from bnstudy.verdicts import accuracies, many
from bnstudy.verdicts.accuracies import SLOT, each, half_up
from text import say, table

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "config.yaml"
PAGES = [ROOT / "README.md", ROOT / "docs" / "findings.md", *sorted((ROOT / "docs" / "findings").glob("*.md"))]
CLAIMS = ROOT / "docs" / "reference" / "claims.md"
BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.S)
STUDIES = ("thesis", "reduced_cnn", "readings", "extras", "practicals", "norms_by_batch_size", "open")
"""Those with published runs; one that several hold counts for the first."""

Lines = Iterator[str]


def write() -> None:
    for page in PAGES:
        page.write_text(renewed(page))


def renewed(page: Path) -> str:
    """The text of a page with each block made anew. Raises KeyError on a block that BLOCKS does not have."""
    text = page.read_text()
    blocks = BLOCKS | {id: partial(question, id) for id in registry()}
    blocks["links"] = lambda: links(text, os.path.relpath(CLAIMS, page.parent))
    return BLOCK.sub(lambda found: found[1] + "\n".join(blocks[found[2]]()).rstrip() + "\n" + found[3], text)


def links(text: str, target: str) -> Lines:
    """Where the claims lead that a page names in brackets."""
    for name in sorted(set(re.findall(r"\[([GMKP]\d\d)\](?!: \S+#)", text))):
        yield f"[{name}]: {target}#{name.lower()}"


@cache
def results(study: str) -> Results:
    """The published results of a study."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "published").symlink_to(ROOT / "results" / "published")
        return bnstudy.load(study, config=CONFIG, results=folder)


@cache
def plan(study: str) -> pd.DataFrame:
    chosen = results(study).study
    return tables.planned(chosen.trained, chosen.seeds)


@cache
def shown(study: str) -> list[tables.Shown]:
    """The tables of a study."""
    found = results(study)
    return tables.shown(plan(study), found.runs, found.timings, load(CONFIG).margins)


@cache
def numbers(study: str = "thesis") -> pd.DataFrame:
    """The verdict on every printed accuracy."""
    return tables.numbers(shown(study))


@cache
def verdicts(study: str) -> dict[str, str]:
    """The verdict on each claim, by its id."""
    found = results(study)
    return {row["id"]: row["verdict"] for row in claims.rows(found, found.timings, claims.reading_of(plan(study)))}


def judged(study: str) -> Counter[str]:
    """How many claims have each verdict."""
    return Counter(verdicts(study).values())


def answer() -> Lines:
    """Batch norm's gains and the counts of verdicts: the first sentences of the front page, of the thesis alone."""
    counts, left = Counter(numbers()["verdict"]), many.still_differ(numbers())["holm"]
    gained = words.of_gains(run_lists.pairs(results("thesis").runs))
    yield say(*gained, *words.of_verdicts(counts, left, judged("thesis")))


def headline() -> Lines:
    """How many printed accuracies and claims have which verdict."""
    run = numbers()[numbers()["verdict"] != "not run"]
    of, count = Counter(run["verdict"]), judged("thesis")
    where = (
        f"the {style.model(model)} on {_listed(style.dataset(d) for d in THESIS_DATASETS if d in set(part['dataset']))}"
        for model, part in run.groupby("model", sort=False)
    )
    sure, left = many.confirmed(run), many.still_differ(run)
    missing = [claim for claim, verdict in verdicts("thesis").items() if verdict == "not run"]
    beside = sum(verdicts("extras")[claim] != "not run" for claim in missing)
    yield say(
        f"Of the {len(run)} printed accuracies of {_listed(where)} **{of['reproduced']} are reproduced**",
        f"(confirmed as equal: {sure['exact']} if print is exact, {sure['one_run']} if it is one more run),",
        f"**{of['broken as published']} broken as published** (one class for every image, there and here),",
        f"**{of['differs']} different and {of['undecided']} undecided**; of the different ones {left['holm']} are so",
        f"after Holm's correction for {len(many.tested(run))} tests, {left['benjamini_hochberg']} after Benjamini and",
        "Hochberg's;",
        f"the other {len(numbers()) - len(run)} are not run.",
        *many_words.of_tables(run),
        f"Of the thesis's {sum(count.values())} claims **{count['holds']} hold, {count['fails']} fail,",
        f"{count['undecided']} are undecided**, {count['other hardware']} are about seconds of other hardware, and",
        f"{count['not run']} are not run, of which the study extras judges {beside}.",
    )


def table_b1() -> Lines:
    """Printed and ours: a row per setting, a column per data set and norm that was run."""
    run = numbers()[(numbers()["model"] == "mlp") & (numbers()["verdict"] != "not run")]
    columns = list(run[["dataset", "norm"]].drop_duplicates().itertuples(index=False, name=None))
    found = {(row.setting, row.dataset, row.norm): _beside(row) for row in each(run)}
    rows = ([style.setting(s).label, *(found[s, *column] for column in columns)] for s in dict.fromkeys(run["setting"]))
    yield from table(["", *(f"{style.dataset(data)} {style.norm(norm).label}" for data, norm in columns)], rows)


def _beside(number: Any) -> str:
    mark = {"differs": " §", "undecided": " ?"}.get(number.verdict, "")
    return f"{number.printed:.1f} / {half_up(number.mean)}{mark}"


def unreproduced() -> Lines:
    """The printed numbers of the MLP that the default reading does not give, and what `code` gives for them: bold
    within the margin."""
    found = results("readings").runs
    code = accuracies.cell_means(found[found["reading"] == "code"]).set_index(SLOT)["mean"]

    def row(number: Any) -> list[str]:
        own = code[number.model, number.dataset, number.norm, number.setting]
        near = abs(own - number.printed) <= number.margin
        where = (style.dataset(number.dataset), style.norm(number.norm).label, style.setting(number.setting).label)
        text = f"{half_up(number.mean)} ± {half_up(number.std)}, {number.verdict}"
        return [", ".join(where), f"{number.printed:.1f}", text, f"**{half_up(own)}**" if near else half_up(own)]

    mlp = numbers()[numbers()["model"] == "mlp"]
    rows = map(row, each(mlp[mlp["verdict"].isin(["differs", "undecided"])]))
    yield from table(["MLP", "printed", "by the text (default)", "by the author's program (`code`)"], rows)


def readings() -> Lines:
    """Each reading beside the default, on the printed numbers that both have, the nearest first."""
    found = of_study(plan("readings"), results("readings").runs, numbers("readings"))
    assert found
    head = (
        "reading",
        "numbers",
        "nearer on",
        "seeds",
        "moves accuracy by",
        "deviation from print",
        "the default's",
        "difference",
        "",
    )
    keys = ("numbers", "nearer", "seeds", "moved", "deviation", "default")
    yield from table(
        head,
        (
            [f"`{r['reading']}`", *(r[key] for key in keys), f"{r['difference']} {r['interval']}", r["verdict"]]
            for r in found["rows"]
        ),
    )


def further() -> Lines:
    """Table X.1 of the study `extras`."""
    yield from _table("extras", "X.1")


def small_cnn() -> Lines:
    """Table B.2 of the study `reduced_cnn`."""
    yield from _table("reduced_cnn", "B.2 reduced")


def _table(study: str, which: str) -> Lines:
    yield next(one for one in shown(study) if one.id == which).texts()["md"]


def small_cnn_claims() -> Lines:
    count = judged("reduced_cnn")
    yield say(f"**{count['holds']} claims hold, {count['fails']} fail and {count['undecided']} are undecided.**")


def courses() -> Lines:
    """The rows of the three reports that were run: reported, ours by seed, the verdict on the number or the words."""
    found = results("practicals")
    runs = placed(found.runs).sort_values("seed")
    verdicts = {row["id"]: row["verdict"] for row in course_claims.rows(found)}

    def row(one: Any) -> list[str]:
        own = (
            "diverged" if run.outcome == "diverged" else half_up(run.test_accuracy)
            for run in each(runs[runs["key"] == one.key])
        )
        reported = one.words if pd.isna(one.printed) else f"{'about ' if one.rounded else ''}{one.printed:.1f}"
        claim = course_tables.BESIDE.get(one.row, ("", ""))[1]
        return [one.row, one.settings, reported, ", ".join(own), one.verdict or f"{claim} {verdicts[claim]}"]

    content = course_tables.content(plan("practicals"), found.runs, load(CONFIG).margins)
    yield from table(
        ["row", "settings ([assumed])", "reported", "ours, by seed", "verdict"],
        map(row, each(content[content["n"] > 0])),
    )


@cache
def questions() -> dict[str, asked.Judged]:
    """The open questions that have a section, by id: those with a verdict."""
    on = asked_by(tuple(plan("open")["key"]))
    found = {one.question.id: one for one in asked.judged(results("open"), on)}
    return {id: one for id, one in found.items() if one.verdict.verdict != NOT_RUN}


def question(id: str) -> Lines:
    """An open question, its answer, and the verdict on its statement."""
    one = questions()[id]
    yield f"**{one.question.question}** ({one.question.section})\n"
    yield say(" ".join(one.answer))
    yield say(f"*{one.question.statement}*: **{one.verdict.verdict}**.")


def cost() -> Lines:
    """Runs and hours of a core, by study."""
    published = pd.read_parquet(ROOT / "results" / "published" / "runs.parquet").assign(study="of no study")
    of_studies = (results(study).runs.assign(study=f"`{study}`") for study in STUDIES)
    every = pd.concat([*of_studies, published], join="inner").drop_duplicates(["key", "seed"])
    rows = [*every.groupby("study", sort=False), ("together", every)]
    yield from table(
        ["study", "runs", "hours of a core"],
        ([name, len(part), half_up(part["seconds"].sum() / 3600)] for name, part in rows),
    )


def _listed(words: Iterator[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


BLOCKS: dict[str, Callable[[], Lines]] = {
    "answer": answer,
    "headline": headline, "table_b1": table_b1, "unreproduced": unreproduced, "readings": readings, "further": further,
    "small_cnn": small_cnn, "small_cnn_claims": small_cnn_claims, "courses": courses, "cost": cost,
}  # fmt: skip
