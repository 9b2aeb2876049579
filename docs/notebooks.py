"""The outputs of notebooks/results.ipynb, from results/published: `make docs` writes them.

A developer's own records have no say, so every clone gives the same.
"""

import ast
import base64
import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.pyplot import close

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "results.ipynb"
DPI = 72


def write() -> None:
    NOTEBOOK.write_text(json.dumps(executed(), indent=1, ensure_ascii=False) + "\n")


def executed() -> dict[str, Any]:
    """Return the notebook with the output of each code cell, run in order and in its folder, as a kernel does."""
    notebook = json.loads(NOTEBOOK.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    matplotlib.use("agg")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("config.yaml").symlink_to(ROOT / "config.yaml")
        Path("results").mkdir()
        Path("results", "published").symlink_to(ROOT / "results" / "published")
        Path("notebooks").mkdir()
        os.chdir("notebooks")
        names: dict[str, Any] = {}
        for count, cell in enumerate(code, 1):
            value = _run("".join(cell["source"]), names)
            result = {"output_type": "execute_result", "metadata": {}, "execution_count": count, "data": _shown(value)}
            cell |= {"execution_count": count, "outputs": [result]}
    close("all")
    return notebook


def _run(source: str, names: dict[str, Any]) -> Any:
    """Run the code of a cell. Returns the value of its last line, an expression."""
    *before, last = ast.parse(source).body
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(before, []), "<cell>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)


def _shown(value: Any) -> dict[str, Any]:
    """Return a figure or a frame in the forms in which a notebook shows it."""
    if isinstance(value, Figure):
        file = io.BytesIO()
        value.savefig(file, dpi=DPI, bbox_inches="tight", metadata={"Software": None})
        return {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": ["<Figure>"]}
    return {"text/html": value._repr_html_().splitlines(keepends=True), "text/plain": repr(value).splitlines(True)}
