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
    """Title, caption, a pipe table with up to three lines per row (published, ours, difference), notes."""
    labels = [f"{name} {column}" for name, column in zip(_spread(grid), grid.columns, strict=True)]
    out = [f"**Table {_md(grid.id)}: {_md(grid.title)}.** {_md(grid.caption)}", ""]
    out += [_pipe([_md(grid.corner), "", *map(_md, labels)]), _pipe(["---", "---", *["---:"] * len(labels)])]
    group = None
    for row in grid.rows:
        if row.group != group:
            group = row.group
            out.append(_pipe([f"**{_md(group)}**", *[""] * (len(labels) + 1)]))
        for i, (what, texts) in enumerate(lines(grid, row, {v: v for v in VERDICT_LETTERS})):
            out.append(_pipe([_md(row.label) if i == 0 else "", what, *map(_md, texts)]))
    return "\n".join([*out, "", *(f"- {_md(note)}" for note in grid.notes), ""])


def latex(grid: Grid) -> str:
    """A `table` environment; needs only the package booktabs."""
    head = " & ".join(rf"\multicolumn{{{n}}}{{c}}{{{_tex(name)}}}" for name, n in grid.head)
    ends = [2 + sum(n for _, n in grid.head[: i + 1]) for i in range(len(grid.head))]
    rules = "".join(rf"\cmidrule(lr){{{end - n + 1}-{end}}}" for (_, n), end in zip(grid.head, ends, strict=True))
    body, group = [], None
    for row in grid.rows:
        if row.group != group:
            body.append(r"\midrule")
            body.append(rf"\multicolumn{{{len(grid.columns) + 2}}}{{l}}{{\textit{{{_tex(row.group)}}}}} \\")
            group = row.group
        for i, (what, texts) in enumerate(lines(grid, row, VERDICT_LETTERS)):
            body.append(" & ".join([_tex(row.label) if i == 0 else "", what, *map(_tex, texts)]) + r" \\")
    notes = (
        [*grid.notes, "Verdicts: r reproduced, d differs, u undecided, b broken as published."]
        if grid.judged
        else grid.notes
    )
    return "\n".join(
        [
            r"\begin{table}[htbp]", r"\centering\scriptsize\setlength{\tabcolsep}{2.5pt}",
            rf"\caption{{{_tex(grid.title)}. {_tex(grid.caption)}}}", rf"\label{{tab:{_slug(grid.id)}}}",
            rf"\begin{{tabular}}{{ll{'r' * len(grid.columns)}}}", r"\toprule",
            rf" & & {head} \\", rules, " & ".join([_tex(grid.corner), "", *map(_tex, grid.columns)]) + r" \\",
            *body, r"\bottomrule", r"\end{tabular}", "",
            *(rf"\par\smallskip\raggedright {_tex(note)}" for note in notes), r"\end{table}", "",
        ]
    )  # fmt: skip


def html(grid: Grid, linked: Collection[str] = ()) -> str:
    """A <table> fragment, every text escaped. `linked`: keys of cells that the page it goes into has a `#cell-KEY` of;
    our numbers of these are links there."""
    environment = Environment(
        loader=PackageLoader("bnstudy.tables", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template("table.html.j2").render(grid=grid, groups=_grouped(grid), linked=linked)


def lines(grid: Grid, row: Row, words: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """(what, texts) of each line a row takes: published only where some number is printed, and so on."""
    out = [("published", [e.published for e in row.entries])] if grid.compared else []
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


def _pipe(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _md(text: str) -> str:
    return " ".join(text.translate(MARKDOWN).split())


def _tex(text: str) -> str:
    return text.translate(LATEX)


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text.lower())
