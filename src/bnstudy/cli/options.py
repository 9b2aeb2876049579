"""The options that several verbs share, and what they mean."""

import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bnstudy import console, paths
from bnstudy.design.study import Study
from bnstudy.errors import UsageError, nearest
from bnstudy.studies import selection

if TYPE_CHECKING:
    from bnstudy.results.collect import Results
    from bnstudy.studies.config import Config

StudyOption = Annotated[str, typer.Option("--study", help="A study of the config.")]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="KEY=VALUE...", help="Only cells that meet all of these; several are allowed."),
]
SeedsOption = Annotated[
    str | None, typer.Option("--seeds", help="A count (3 is 0, 1, 2) or a list (0,4,5; one alone: 4,).")
]
ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        callback=lambda path: paths.config_file(path),
        help="The studies; where there is no config.yaml, those that come with bnstudy.",
    ),
]
ResultsOption = Annotated[
    Path | None, typer.Option("--results", help="Folder of records [BNSTUDY_RESULTS or ./results].")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of data sets [BNSTUDY_DATA or the cache folder].")
]
ReportsOption = Annotated[
    Path | None, typer.Option("--reports", help="Folder of reports [BNSTUDY_REPORTS or ./reports].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON list on stdout.")]
EngineOption = Annotated[
    str, typer.Option("--engine", help="auto, or packed (MLP, CPU), winograd (CNN, CPU), graph (GPU), reference.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda[:n].")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Train again what has a record.")]
EstimateOption = Annotated[bool, typer.Option("--estimate", help="Only print how long it would take.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Start even if it takes days.")]
WeightsOption = Annotated[bool, typer.Option("--weights", help="Keep final weights (safetensors) beside the records.")]
ProfileOption = Annotated[
    Path | None, typer.Option("--profile", help="Where and how to run, a Snakemake profile: profiles/slurm.")
]
FormatsOption = Annotated[str, typer.Option("--formats", help="Of figures: svg, pdf, png; several by commas.")]
DEFAULT_CONFIG = Path("config.yaml")
MANY, LOOK = 200_000, 5e-5  # runs that are announced before they are looked at; seconds for one
FORMATS = ("svg", "pdf", "png")


@dataclass(frozen=True)
class Narrowing:
    """Which cells and seeds of a study, and the config that has it."""

    where: WhereOption = None
    seeds: SeedsOption = None
    config: ConfigOption = DEFAULT_CONFIG

    @cached_property
    def loaded(self) -> "Config":
        """The content of the config file, read at first use."""
        from bnstudy.studies.config import load

        return load(self.config)

    def study(self, name: str) -> Study:
        """Return the study of this name, narrowed. Raises UsageError naming the nearest."""
        return selection.narrow(self.loaded.study(name), self.where, self.seeds)

    def those(self, names: Iterable[str] | None = None) -> list[Study]:
        """Return the studies of these names, or all, narrowed, without those that have no such cell. Raises UsageError
        naming the nearest name, and if no study has such a cell."""
        found, refused = [], None
        names = self.loaded.studies if names is None else names
        for each in [self.loaded.study(name) for name in dict.fromkeys(names)]:
            try:
                found.append(selection.narrow(each, self.where, self.seeds))
            except UsageError as error:
                refused = refused or error
        if not found and refused:
            raise refused
        return found

    def studies(self) -> dict[str, Study]:
        """Return all studies of the config, whole."""
        return studies(self.config)


@dataclass(frozen=True)
class Training:
    """How runs are trained in this process."""

    engine: EngineOption = "auto"
    device: DeviceOption = "auto"
    fresh: FreshOption = False
    yes: YesOption = False
    weights: WeightsOption = False


def grouped(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Return the verb as Typer needs it, one parameter per option: a group's fields in place of the group."""
    asked = inspect.signature(verb, eval_str=True).parameters
    groups: dict[str, Any] = {name: p.annotation for name, p in asked.items() if is_dataclass(p.annotation)}
    each = [inspect.signature(groups[name]).parameters.values() if name in groups else [p] for name, p in asked.items()]

    @wraps(verb)
    def typed(**given: Any) -> Any:
        made = {name: kind(**{f.name: given.pop(f.name) for f in fields(kind)}) for name, kind in groups.items()}
        return verb(**given, **made)

    flat = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameters in each for p in parameters]
    typed.__signature__ = inspect.Signature(flat)  # pyright: ignore[reportAttributeAccessIssue]
    typed.__annotations__ = {p.name: p.annotation for p in flat}
    return typed


def studies(config: Path) -> dict[str, Study]:
    from bnstudy.studies.config import load

    return dict(load(config).studies)


def collected(study: Study, results: Path) -> "Results":
    """Return the results of a study from its records (see `collect.collect`)."""
    with console.waiting(f"reading the results of study {study.name}, {len(study.runs()):,} runs"):
        from bnstudy.results import collect

        return collect.collect(study, results, console.say)


def announce(studies: Iterable[Study]) -> None:
    """Print a line if there are so many runs that looking at each takes long."""
    for study in studies:
        if (runs := len(study.trained) * len(study.seeds)) > MANY:
            console.say(f"{study.name}: looking at {runs:,} runs, about {console.hours(runs * LOOK / 3600)}")


def processes(cores: str) -> int:
    """The number that `--cores` asks for. Raises UsageError."""
    if cores != "all" and not (cores.isdecimal() and int(cores) > 0):
        raise UsageError(f"--cores {cores or repr(cores)}: not a number of processes", "Write all, or a number from 1.")
    return (os.cpu_count() or 1) if cores == "all" else int(cores)


def formats(text: str) -> tuple[str, ...]:
    """The formats that `--formats` asks for. Raises UsageError naming the nearest."""
    words = tuple(text.split(","))
    for word in words:
        if word not in FORMATS:
            raise UsageError(f"--formats {word}: no such format{nearest(word, FORMATS)}", "Formats: svg, pdf, png.")
    return words
