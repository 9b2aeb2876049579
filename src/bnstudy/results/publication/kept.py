"""Which epochs of a run are published. Stdlib only."""

EVERY_EPOCH_TO, THEN_EVERY = 20, 5


def kept_epochs(epochs_run: int) -> list[int]:
    """Return the epochs whose layer statistics are published: all up to the 20th, then every fifth, and the last."""
    return [e for e in range(1, epochs_run + 1) if e <= EVERY_EPOCH_TO or e % THEN_EVERY == 0 or e == epochs_run]
