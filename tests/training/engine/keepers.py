"""What an engine is trained under in tests."""

import io

import torch

from bnstudy.training.engine.contract import Keeper


class Saving(Keeper):
    """Keeps the state of every epoch as a checkpoint would, and gives one back."""

    def __init__(self, given: bytes | None = None):
        self.given, self.saved = given, []

    def restore(self, run):
        return None if self.given is None else torch.load(io.BytesIO(self.given), map_location="cpu", weights_only=True)

    def epoch_done(self, run, row, state):
        buffer = io.BytesIO()
        torch.save(state(), buffer)
        self.saved.append(buffer.getvalue())
