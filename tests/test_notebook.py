"""The notebook reads the published records and draws; its code runs from top to bottom, as a kernel would run it."""

import base64
import json
import os
import warnings
from pathlib import Path

import notebooks
from command_line import ROOT

PNG = b"\x89PNG"


def outputs(text: dict) -> list[dict]:
    return [cell["outputs"][0]["data"] for cell in text["cells"] if cell["cell_type"] == "code"]


def test_its_outputs_are_of_the_published_records_and_it_only_reads():
    """A reader of the file alone sees them. Figures may differ by a pixel from machine to machine."""
    before, kept = _files(), outputs(json.loads(notebooks.NOTEBOOK.read_text()))
    with warnings.catch_warnings(action="error"):
        anew = outputs(notebooks.executed())
    assert [set(data) for data in kept] == [set(data) for data in anew]
    tables = [data["text/plain"] for data in kept if "text/html" in data]
    assert tables == [data["text/plain"] for data in anew if "text/html" in data]
    assert len(tables) == 2
    figures = [base64.b64decode(data["image/png"]) for data in (*kept, *anew) if "image/png" in data]
    assert len(figures) == 6
    assert all(figure.startswith(PNG) and len(figure) > 10_000 for figure in figures)
    assert _files() == before


def _files() -> set[str]:
    return {str(Path(at) / file) for at, _, files in os.walk(ROOT / "results") for file in files}
