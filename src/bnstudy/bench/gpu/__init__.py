"""What must be known of this program on a GPU, in 12 minutes: `python -m bnstudy.bench.gpu --out DIR`.

The most telling parts come first: the tests that need a GPU, epochs of the CNN on random pixels (an epoch's time does
not depend on them) and, with --data and --cells, real runs until --minutes are over. What no time was left for, another
call does. Without --out it prints the plan, on any machine.

DIR/gpu.json is written after every part, DIR/tests.txt holds the output of the tests, DIR/results the records, and
DIR/records.tar.gz the same records in one file. A part whose result is in DIR is not repeated, so the next call
continues, also on another machine with the same DIR.
"""
