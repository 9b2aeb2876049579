"""A table of texts, one line per system, as Markdown, LaTeX and HTML: the layout of the course reports' tables."""

from collections.abc import Collection
from dataclasses import dataclass, field

from bnstudy.tables.formats import md, pipe, templates, tex


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a text per column, the verdict, which colours it, and the `key` of its cell."""

    cells: tuple[str, ...]
    verdict: str = ""
    hint: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A table as it is shown. `columns` holds (title, True if its texts are numbers)."""

    id: str
    title: str
    caption: str
    columns: tuple[tuple[str, bool], ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = field(default=())


def markdown(listing: Listing) -> str:
    """Title, caption, a pipe table, notes."""
    titles = [md(title) for title, _ in listing.columns]
    rules = ["---:" if number else "---" for _, number in listing.columns]
    rows = [titles, rules, *([md(text) for text in line.cells] for line in listing.lines)]
    head = f"**Table {md(listing.id)}: {md(listing.title)}.** {md(listing.caption)}"
    return "\n".join([head, "", *map(pipe, rows), "", *(f"- {md(note)}" for note in listing.notes), ""])


def latex(listing: Listing) -> str:
    """A `longtable` environment, with ragged columns of words; needs longtable, array and booktabs."""
    words = sum(not number for _, number in listing.columns[1:])
    wide = rf">{{\raggedright\arraybackslash}}p{{{0.6 / max(1, words):.2f}\linewidth}}"
    kinds = "l" + "".join("r" if number else wide for _, number in listing.columns[1:])
    body = [" & ".join(map(tex, line.cells)) + r" \\" for line in listing.lines]
    titles = " & ".join(tex(title) for title, _ in listing.columns) + r" \\"
    notes = (rf"\par\smallskip\raggedright {tex(note)}" for note in listing.notes)
    return "\n".join(
        [
            r"{\scriptsize\setlength{\tabcolsep}{3pt}", rf"\begin{{longtable}}{{{kinds}}}",
            rf"\caption{{{tex(listing.title)}. {tex(listing.caption)}}}"
            rf"\label{{tab:{tex(listing.id).lower().replace('.', '-')}}}\\",
            r"\toprule", titles, r"\midrule", r"\endhead", *body, r"\bottomrule", r"\end{longtable}", *notes, "}", "",
        ]
    )  # fmt: skip


def html(listing: Listing, linked: Collection[str] = ()) -> str:
    """A <table> fragment, every text escaped. `linked`: keys of cells that have a page, cells/KEY.html; our numbers of
    these cells link there."""
    return templates("bnstudy.tables").get_template("listing.html.j2").render(listing=listing, linked=linked)
