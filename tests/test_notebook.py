"""The notebook reads the published records and draws; its code runs from top to bottom, as a kernel would run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from command_line import ROOT, environment

NOTEBOOK = ROOT / "notebooks" / "results.ipynb"
SAVE = """
for name in ("baseline", "accuracy", "gradients"):
    globals()[name].savefig(f"{sys.argv[1]}/{name}.png", dpi=60)
    print(name, sum(len(axes.lines) > 0 for axes in globals()[name].axes))
"""


def cells() -> list[dict]:
    return json.loads(NOTEBOOK.read_text())["cells"]


def test_its_outputs_are_stripped():
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert len(code) >= 4
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_its_cells_run_in_order_and_draw_three_figures(tmp_path):
    code = "\n".join("".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code")
    before = _files()
    environs = environment(tmp_path, MPLBACKEND="agg") | {"BNSTUDY_RESULTS": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", f"import sys\n{code}\n{SAVE}", tmp_path]
    done = subprocess.run(command, cwd=NOTEBOOK.parent, env=environs, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    drawn = dict(line.split() for line in done.stdout.splitlines())
    assert set(drawn) == {"baseline", "accuracy", "gradients"}
    assert all(int(count) >= 1 for count in drawn.values())
    assert all((tmp_path / f"{name}.png").stat().st_size > 5000 for name in drawn)
    assert _files() == before  # it only reads


def _files() -> set[str]:
    return {str(Path(at) / file) for at, _, files in os.walk(ROOT / "results") for file in files}
