"""The names of a cell: its setting (a row of the tables), its reading, and its name for people.

`SETTINGS` are the rows of tables B.1 and B.2 plus the other batch sizes (7.1.5) and the norm after the
nonlinearity (7.1.1). `READINGS` are the ways to understand a sentence of the source: each flips one point
of the default reading, and two bundles follow the text and the author's code throughout.
"""

from collections.abc import Iterator
from typing import Any

from bnstudy.design.cell import Cell, Run, make_cell
from bnstudy.design.fields import FIELDS
from bnstudy.design.rules import inert

SETTINGS: dict[str, dict[str, Any]] = {
    "sigmoid": {"activation": "sigmoid", "init": "xavier"},
    "relu": {},
    "elu": {"activation": "elu"},
    "lr_high": {"lr": 0.1},
    "lr_low": {"lr": 0.001},
    "init_high": {"init": "normal", "init_std": 1.0},
    "init_low": {"init": "normal", "init_std": 1e-4},
    "dropout": {"dropout": 0.5},
    "weight_decay": {"penalty": "l2", "penalty_strength": 5e-4},
    "batch_32": {"batch_size": 32},
    "batch_128": {"batch_size": 128},
    "batch_256": {"batch_size": 256},
    "batch_512": {"batch_size": 512},
    "batch_1024": {"batch_size": 1024},
    "relu_norm_after": {"norm_placement": "post_activation"},
}

ALL_SETTINGS = tuple(name for name in SETTINGS if name != "relu_norm_after")
"""The settings of `setting: all`; it does not include those of extensions."""

CODE = {"split": "last", "kaiming_gain": 1, "dense_layers": 1, "penalty_factor": 0.5, "penalty_on": "all"}

READINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "standardization_channel": {"standardization": "channel"},
    "standardization_dimension": {"standardization": "dimension"},
    "standardization_train_set": {"standardization_from": "train_set"},
    "split_last": {"split": "last"},
    "split_stratified": {"split": "stratified"},
    "split_per_run": {"split_seed": "run"},
    "mnist_resize": {"mnist_size": "resize"},
    "mnist_native": {"mnist_size": "native"},
    "svhn_digit": {"svhn_labels": "digit"},
    "kaiming_gain_1": {"kaiming_gain": 1},
    "init_uniform": {"init_distribution": "uniform"},
    "fan_channels": {"fan": "channels"},
    "init_std_hidden": {"init_std_on": "hidden"},
    "gamma_ones": {"gamma_init": "ones"},
    "population_exact": {"population": "exact"},
    "no_norm_bias": {"norm_bias": False},
    "output_norm": {"output_norm": True},
    "dense_1": {"dense_layers": 1},
    "dropout_last": {"dropout_at": "last"},
    "dropout_pairs": {"dropout_at": "pairs"},
    "dropout_every": {"dropout_at": "every"},
    "dropout_maps": {"dropout_kind": "maps"},
    "penalty_half": {"penalty_factor": 0.5},
    "penalty_all": {"penalty_on": "all"},
    "nesterov_torch": {"nesterov": "torch"},
    "last_batch_kept": {"last_batch": "keep"},
    "shuffle_once": {"shuffle": "once"},
    "decay_plateau": {"decay_counter": "plateau"},
    "improve_equal": {"improvement": "equal"},
    "improve_previous": {"improvement": "previous"},
    "no_lr_floor": {"lr_min": 0.0},
    "no_stop": {"stop_patience": 0},
    "best_weights": {"tested_weights": "best"},
    "nan_stop": {"on_nan": "stop"},
    # bundles last: if only one of their switches has an effect in a cell, the cell belongs to that switch's reading
    "text": {"standardization": "dimension", "gamma_init": "ones", "lr_min": 0.0, "last_batch": "keep"},
    "code": CODE,
    # the program decays all weights unless told otherwise; without another penalty this is the row weight decay of code
    "code_decay": {**CODE, "penalty": "l2", "penalty_strength": 5e-4},
}

THESIS_DATASETS = ("mnist", "svhn", "cifar10", "cifar100")
"""In order of difficulty, as in the thesis (6.1)."""
NORMS = ("none", "batch")
"""The norms that the thesis compares: vanilla and batch norm."""
BATCH_SIZES = (32, 64, 128, 256, 512, 1024)
"""The batch sizes of section 7.1.5, which are the rows of tables B.3 and B.4."""

IDENTITY = ("dataset", "model", "norm", "recipe")
SIZE = ("width", "epochs", "train_size")


def switches() -> set[str]:
    """Return the fields that a reading changes and no setting, of this package or of an extension."""
    return {field for flips in READINGS.values() for field in flips} - {f for want in SETTINGS.values() for f in want}


def _parts(flipped: set[str]) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, Any]]]]:
    """Yield each reading with the fields that it adds to every setting, and with its switches."""
    for reading, want in READINGS.items():
        added = {n: v for n, v in want.items() if n not in flipped}
        yield reading, (added, {n: v for n, v in want.items() if n in flipped})


def cell_of(values: dict[str, Any], setting: str = "relu", reading: str = "default") -> Cell:
    """Return the cell with the fields of a setting, those of a reading that have an effect in it, and `values`.

    Raises UsageError as `make_cell` does.
    """
    added, flips = dict(_parts(switches()))[reading]
    return make_cell(SETTINGS[setting] | added | values, {n: v for n, v in flips.items() if n not in values})


def axes() -> tuple[str, ...]:
    """Return the fields that settings consist of: all but identity, size and switches."""
    others = {*IDENTITY, *SIZE, *switches()}
    return tuple(field for field in FIELDS if field not in others)


def labels(cell: Cell) -> tuple[str, str]:
    """Return (setting, reading) of a cell; `adhoc` if no row or no reading fits exactly.

    The setting follows from the axis fields alone, the reading from the switches; a cell smaller than the
    full protocol has the reading `reduced`, and `adhoc` with a switch, so that it never enters the thesis's own tables.
    """
    changed, flipped = cell.non_default(), switches()
    apart = {*IDENTITY, *SIZE, *flipped}
    varied = {n: v for n, v in changed.items() if n not in apart}
    read = {n: v for n, v in changed.items() if n in flipped}
    setting = next((s for s, want in SETTINGS.items() if want == varied), "adhoc")
    fitting = {r: added for r, (added, flips) in _parts(flipped) if acting(cell, flips) == read}
    reading = next((r for r, added in fitting.items() if not added), "adhoc")
    if setting == "adhoc":
        both = ((s, r) for r, added in fitting.items() for s, want in SETTINGS.items() if want | added == varied)
        setting, reading = next(both, (setting, reading))
    if any(n in changed for n in SIZE):
        reading = "reduced" if reading == "default" else "adhoc"
    return setting, reading


def acting(cell: Cell, switches: dict[str, Any]) -> dict[str, Any]:
    """Return the switches of a reading that have an effect in this cell."""
    return {n: v for n, v in switches.items() if not inert(cell, n, v)}


def name(cell: Cell) -> str:
    """`<dataset>-<model>-<norm>-<setting>-<key>`, for people and file names."""
    return f"{cell.dataset}-{cell.model}-{cell.norm}-{labels(cell)[0]}-{cell.key}"


def run_name(run: Run) -> str:
    """`<name of the cell> seed <seed>`, for people."""
    return f"{name(run.cell)} seed {run.seed}"
