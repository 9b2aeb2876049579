"""Verbs on data sets: fetch, import, check, classes."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bnstudy import console, paths
from bnstudy.cli.options import DataOption, JsonOption
from bnstudy.errors import DataError

app = typer.Typer(no_args_is_help=True, help="Fetch, import, check or count data sets.", rich_markup_mode=None)


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...")],
    data: DataOption = None,
    note: Annotated[Path | None, typer.Option("--note", hidden=True)] = None,
) -> None:
    """Download data sets from their official places, once."""
    from bnstudy import datasets, disk

    for dataset in [datasets.spec_of(name).name for name in names]:  # all are known before the first is fetched
        try:
            row = datasets.ensure(dataset, paths.data_root(data)) | {"state": "present"}
        except DataError as error:
            if note is None or paths.dataset(paths.data_root(data), dataset).exists():
                raise
            row = {"name": dataset, "state": "absent", "reason": error.cause, "remedy": error.remedy}
        if note is not None:
            disk.write(note, json.dumps(row, sort_keys=True, default=str).encode() + b"\n")
        console.say(
            f"{dataset}: {row['state']}" + (f", {row['digest'][:12]}" if "digest" in row else f" ({row['reason']})")
        )


@app.command("import")
def import_(
    dataset: Annotated[str, typer.Argument(metavar="NAME")],
    file: Annotated[Path, typer.Argument(metavar="FILE.npz")],
    data: DataOption = None,
) -> None:
    """Take in an .npz with train_images, train_labels, test_images and test_labels."""
    from bnstudy import datasets

    row = datasets.import_npz(dataset, file, paths.data_root(data))
    console.say(f"{dataset}: imported, {row['digest'][:12]}; records will say that these are not the official files")


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which data sets are there and whether they verify. A damaged one, or a named one that is absent: exit 65."""
    from bnstudy import datasets

    with console.waiting("comparing data sets with their digests"):
        rows = [datasets.check(dataset, paths.data_root(data)) for dataset in names or datasets.REGISTRY]
    if as_json:
        console.put_json(rows)
    else:
        shown = ("name", "state", "source", "digest", "path")
        cut = {"digest": 12}
        console.put_table("", shown, [[str(r.get(c) or "")[: cut.get(c)] for c in shown] for r in rows])
    bad = [r for r in rows if r["state"] == "damaged" or (names and r["state"] == "absent")]
    if bad:
        raise DataError("; ".join(r["problem"] for r in bad), bad[0]["remedy"])


@app.command()
def classes(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count the training and test images of each class of these data sets. Without a name: the smallest and the largest
    class of each data set that is there."""
    from bnstudy import datasets

    root = paths.data_root(data)
    asked = [datasets.spec_of(name) for name in names or datasets.REGISTRY]
    with console.waiting("counting images"):
        there = [spec for spec in asked if names or datasets.check(spec.name, root)["state"] in ("present", "embedded")]
        counts = {spec.name: datasets.load(spec.name, root).balance(spec.classes) for spec in there}
    rows = [
        {"name": name, "class": label, "train": train, "test": test}
        for name, found in counts.items()
        for label, (train, test) in enumerate(found)
    ]
    if as_json:
        console.put_json(rows)
    elif names:
        console.put_table("", ("name", "class", "train", "test"), [list(row.values()) for row in rows])
    else:
        console.put_table("", BALANCE, [_balance(*each) for each in counts.items()])


BALANCE = ("name", "classes", "train: smallest", "largest", "test: smallest", "largest")


def _balance(name: str, counts: list[tuple[int, int]]) -> list[str]:
    """Return the row of a data set: the smallest and the largest class of each part, as its index and its share."""
    row = [name, str(len(counts))]
    for part in zip(*counts, strict=True):
        ends = (part.index(pick(part)) for pick in (min, max))
        row += [f"{part[label]:,} ({100 * part[label] / sum(part):.1f} %, class {label})" for label in ends]
    return row
