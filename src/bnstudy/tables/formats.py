"""A table as CSV, Markdown, LaTeX and HTML."""

from collections.abc import Collection, Mapping

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from bnstudy.tables.layout import Grid, Row

VERDICT_LETTERS = {"reproduced": "r", "differs": "d", "undecided": "u", "broken as published": "b"}
LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", "±": r"$\pm$", "−": r"$-$", "†": r"$\dagger$", "‡": r"$\ddagger$", "–": "--",
    }
)  # fmt: skip
MARKDOWN = str.maketrans({c: "\\" + c for c in "\\|*_`[]<>#"})


def csv(content: pd.DataFrame) -> str:
    """The tidy content, one number per line, full precision."""
    return content.to_csv(index=False, lineterminator="\n")


def markdown(grid: Grid) -> str:
    """Title, caption, a pipe table with up to three lines per row (printed, ours, difference), notes."""
    labels = [f"{name} {column}" for name, column in zip(_spread(grid), grid.columns, strict=True)]
    out = [f"**Table {md(grid.id)}: {md(grid.title)}.** {md(grid.caption)}", ""]
    out += [pipe([md(grid.corner), "", *map(md, labels)]), pipe(["---", "---", *["---:"] * len(labels)])]
    group = None
    for row in grid.rows:
        if row.group != group:
            group = row.group
            out.append(pipe([f"**{md(group)}**", *[""] * (len(labels) + 1)]))
        for i, (what, texts) in enumerate(lines(grid, row, {v: v for v in VERDICT_LETTERS})):
            out.append(pipe([md(row.label) if i == 0 else "", what, *map(md, texts)]))
    return "\n".join([*out, "", *(f"- {md(note)}" for note in grid.notes), ""])


def latex(grid: Grid) -> str:
    """A `table` environment; needs only the package booktabs."""
    head = " & ".join(rf"\multicolumn{{{n}}}{{c}}{{{tex(name)}}}" for name, n in grid.head)
    ends = [2 + sum(n for _, n in grid.head[: i + 1]) for i in range(len(grid.head))]
    rules = "".join(rf"\cmidrule(lr){{{end - n + 1}-{end}}}" for (_, n), end in zip(grid.head, ends, strict=True))
    body, group = [], None
    for row in grid.rows:
        if row.group != group:
            body.append(r"\midrule")
            body.append(rf"\multicolumn{{{len(grid.columns) + 2}}}{{l}}{{\textit{{{tex(row.group)}}}}} \\")
            group = row.group
        for i, (what, texts) in enumerate(lines(grid, row, VERDICT_LETTERS)):
            body.append(" & ".join([tex(row.label) if i == 0 else "", what, *map(tex, texts)]) + r" \\")
    notes = (
        [*grid.notes, "Verdicts: r reproduced, d differs, u undecided, b broken as published."]
        if grid.judged
        else grid.notes
    )
    return "\n".join(
        [
            r"\begin{table}[htbp]", r"\centering\scriptsize\setlength{\tabcolsep}{2.5pt}",
            rf"\caption{{{tex(grid.title)}. {tex(grid.caption)}}}", rf"\label{{tab:{_slug(grid.id)}}}",
            rf"\begin{{tabular}}{{ll{'r' * len(grid.columns)}}}", r"\toprule",
            rf" & & {head} \\", rules, " & ".join([tex(grid.corner), "", *map(tex, grid.columns)]) + r" \\",
            *body, r"\bottomrule", r"\end{tabular}", "",
            *(rf"\par\smallskip\raggedright {tex(note)}" for note in notes), r"\end{table}", "",
        ]
    )  # fmt: skip


def html(grid: Grid, linked: Collection[str] = ()) -> str:
    """A <table> fragment, every text escaped. `linked`: keys of cells that have a page, cells/KEY.html; our numbers of
    these cells link there."""
    template = templates("bnstudy.tables").get_template("table.html.j2")
    return template.render(grid=grid, groups=_grouped(grid), linked=linked)


def lines(grid: Grid, row: Row, words: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """(what, texts) of each line of a row: printed, ours and difference, as far as the table has them."""
    out = [("printed", [e.printed for e in row.entries])] if grid.compared else []
    out.append(("ours", [e.own for e in row.entries]))
    if grid.judged:
        out.append(("difference", [" ".join(filter(None, (e.difference, words.get(e.verdict)))) for e in row.entries]))
    return out


def _grouped(grid: Grid) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in grid.rows:
        groups.setdefault(row.group, []).append(row)
    return list(groups.items())


def _spread(grid: Grid) -> list[str]:
    return [name for name, n in grid.head for _ in range(n)]


def templates(package: str) -> Environment:
    """The templates of this package. Values are escaped unless they are markup already."""
    return Environment(
        loader=PackageLoader(package, "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def pipe(cells: list[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def md(text: str) -> str:
    """A text on one line of Markdown, escaped."""
    return " ".join(text.translate(MARKDOWN).split())


def tex(text: str) -> str:
    """A text in LaTeX, escaped."""
    return text.translate(LATEX)


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text.lower())
