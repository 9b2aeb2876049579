"""From runs to records: engines, checkpoints, devices, and the timing of epochs."""
