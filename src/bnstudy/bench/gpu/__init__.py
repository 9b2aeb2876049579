"""All that is to be known of this program on a GPU, in under nine minutes: `python -m bnstudy.bench.gpu --out DIR`.

First the tests that need a GPU, then measurements on random pixels (the time of an epoch does not depend on them); with
--data and --cells then real runs until the time is over. DIR/gpu.json is written after every part, DIR/tests.txt holds
what the tests say, DIR/results the records, and DIR/records.tar.gz the same for the way home. What stands in DIR is not
done again, so that the next call, also on another machine with the same DIR, goes on.
"""
