"""`snakemake --lint`, with the one exception of this project: software comes from requirements.lock for the whole
workflow, not from a conda environment or container per rule."""

import re
import subprocess
import sys

ACCEPTED = ("No software deployment given.", "Specify a conda environment or container for each rule.")
CLEAN = "Congratulations"


def main() -> int:
    """Print what the linter finds beyond the exception; 1 if it finds something, or nothing it can be read from."""
    command = [sys.executable, "-m", "snakemake", "--lint"]
    words = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
    remarks, read, place = [], CLEAN in words, ""
    for line in words.splitlines():
        if line.startswith("Lints for "):
            place = line.removeprefix("Lints for ")
        elif found := re.fullmatch(r"    \* (.+):", line):
            read = True
            if found[1] not in ACCEPTED:
                remarks.append(f"{place} {found[1]}")
    if not read:
        remarks = [words]
    print("\n".join(remarks) or "snakemake --lint: clean")
    return 1 if remarks else 0


if __name__ == "__main__":
    sys.exit(main())
