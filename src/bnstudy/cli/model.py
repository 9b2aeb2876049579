"""The verb `model`: what a network is made of."""

from typing import Annotated

import typer

from bnstudy import console
from bnstudy.cli.options import JsonOption
from bnstudy.studies import selection


def add_to(app: typer.Typer) -> None:
    app.command()(model)


def model(
    which: Annotated[str, typer.Argument(metavar="MODEL", help="A network: mlp, cnn, ...")],
    values: Annotated[list[str] | None, typer.Argument(metavar="[key=value]...", help="Other fields.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Whose images it gets [cifar10].")] = None,
    norm: Annotated[str | None, typer.Option("--norm", help="none, batch, ... [none].")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the layers of a network: output shapes, parameters, multiply-adds per image; estimate a step's memory."""
    words = [f"{field}={value}" for field, value in (("dataset", dataset), ("norm", norm)) if value] + (values or [])
    known = {word.partition("=")[0] for word in words}
    words += [f"{field}={value}" for field, value in (("dataset", "cifar10"), ("norm", "none")) if field not in known]
    cell = selection.cell_of([f"model={which}", *words])
    with console.waiting("building the network"):
        from bnstudy.networks import model_summary

        rows = model_summary.rows(cell)
    if as_json:
        return console.put_json(rows)
    columns = ("layer", "modules", "output", "parameters", "multiply-adds")
    shown = [
        (r["layer"], ", ".join(r["modules"]), " x ".join(map(str, r["output"])), f"{r['parameters']:,}",
         f"{r['multiply_adds']:,}") for r in rows
    ]  # fmt: skip
    console.put_table(f"{which} on {cell.dataset}, norm {cell.norm}", columns, shown)
    total = rows[-1]
    console.put(f"{total['parameters']:,} parameters, {total['flops'] / 1e6:,.1f} MFLOPs forward for one image\n")
    sizes = [(f"{size:,}", f"{needed / 1e6:,.0f} MB") for size, needed in total.get("step_memory", {}).items()]
    if sizes:
        console.put_table("", ("batch size", "memory of a training step (estimate)"), sizes)
