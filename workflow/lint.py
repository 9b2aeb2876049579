"""`snakemake --lint`, with the one exception of this project: software comes from requirements.lock for the whole
workflow, not from a conda environment or container per rule."""

import json
import subprocess
import sys

ACCEPTED = ("No software deployment given.", "Specify a conda environment or container for each rule.")


def main() -> int:
    command = [sys.executable, "-m", "snakemake", "--lint", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout or "{}")
    except ValueError:
        print(done.stdout, done.stderr, sep="\n")
        return 1
    if done.returncode and not found:
        print(done.stderr)
        return 1
    files = found.get("snakefiles", []) or []
    remarks = [
        f"{group.get('rule') or file['snakefile']}: {lint['title']}"
        for file in found.get("rules", []) + files
        for group in [file]
        for lint in group.get("lints", [])
        if lint["title"] not in ACCEPTED
    ]
    print("\n".join(remarks) or "snakemake --lint: clean")
    return 1 if remarks else 0


if __name__ == "__main__":
    sys.exit(main())
