"""The metadata of an archive as a Workflow Run RO-Crate: workflow, data, software, people, and what was made.

https://www.researchobject.org/workflow-run-crate/profiles/workflow_run_crate
"""

import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.model.creativework import CreativeWork
from rocrate.rocrate import ROCrate
from ruamel.yaml import YAML

from bnstudy import datasets
from bnstudy.design.labels import THESIS_DATASETS

CITATION = Path(__file__).resolve().parents[1] / "CITATION.cff"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
SOFTWARE = ("bnstudy", "torch", "torchvision", "numpy", "pandas", "snakemake", "matplotlib", "seaborn", "scipy")
FORMATS = {
    ".json": "application/json", ".html": "text/html", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png",
    ".pdf": "application/pdf", ".csv": "text/csv", ".md": "text/markdown", ".tex": "application/x-tex",
    ".yaml": "application/yaml", ".parquet": "application/vnd.apache.parquet",
}  # fmt: skip


def metadata(commit: str, when: int, sizes: dict[str, int]) -> bytes:
    """Return `ro-crate-metadata.json` for files of these sizes; the same input gives the same bytes."""
    made = datetime.fromtimestamp(when, UTC)
    citation = YAML(typ="safe").load(CITATION)
    crate = ROCrate(version="1.1")
    crate.name, crate.description = citation["title"], citation["abstract"]
    crate.datePublished = made
    crate.license = _add(crate, "https://spdx.org/licenses/MIT", "CreativeWork", name="MIT License")
    people = [_add(crate, "#contributors", "Organization", name=citation["authors"][0]["name"])]
    crate.root_dataset["author"] = crate.root_dataset["publisher"] = people
    crate.root_dataset["conformsTo"] = [
        crate.add(CreativeWork(crate, at, {"name": name, "version": at.rpartition("/")[2]}))
        for at, name in PROFILES.items()
    ]
    crate.root_dataset["citation"] = _thesis(crate, citation["preferred-citation"])
    software = [_software(crate, name) for name in SOFTWARE]
    workflow = crate.add_workflow(
        dest_path="sources/Snakefile", main=True, lang="snakemake", lang_version=version("snakemake"), gen_cwl=False
    )
    workflow["name"], workflow["version"] = "bnstudy", commit
    workflow["license"], workflow["softwareRequirements"] = crate.root_dataset["license"], software
    config = _file(crate, "sources/config.yaml", sizes, "the studies: every cell, its seeds and margins")
    data = [_data(crate, name) for name in THESIS_DATASETS]
    results = [_file(crate, path, sizes) for path in sizes if path.startswith(("results/", "reports/"))]
    published = _file(crate, "sources/results/published/runs.parquet", sizes, "published records of runs")
    _add(
        crate, "#run", "CreateAction", name="the runs in this archive", instrument=workflow, agent=people,
        object=[each for each in (config, *data) if each], result=[each for each in (*results, published) if each],
        endTime=made.isoformat(),
    )  # fmt: skip
    crate.root_dataset["mentions"] = crate.get("#run")
    return json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False).encode() + b"\n"


def _add(crate: ROCrate, at: str, kind: str, **properties: Any) -> Any:
    return crate.add(ContextEntity(crate, at, {"@type": kind} | properties))


def _thesis(crate: ROCrate, given: dict[str, Any]) -> Any:
    (author,) = given["authors"]
    by = _add(crate, "#schilling", "Person", name=f"{author['given-names']} {author['family-names']}")
    return _add(crate, "#thesis", "Thesis", name=given["title"], author=by, datePublished=str(given["year"]))


def _software(crate: ROCrate, name: str) -> Any:
    return _add(
        crate, f"#{name}", "SoftwareApplication", name=name, version=version(name), softwareVersion=version(name)
    )


def _data(crate: ROCrate, name: str) -> Any:
    spec = datasets.REGISTRY[name]
    return _add(crate, f"#{name}", "Dataset", name=spec.title, description=spec.source, conditionsOfAccess=spec.terms)


def _file(crate: ROCrate, path: str, sizes: dict[str, int], name: str = "") -> Any:
    """Add a file of the archive, unless it is absent."""
    if path not in sizes:
        return None
    kind = FORMATS.get(Path(path).suffix, "application/octet-stream")
    facts = {"name": name or path, "encodingFormat": kind, "contentSize": str(sizes[path])}
    return crate.add_file(dest_path=path, properties=facts)
