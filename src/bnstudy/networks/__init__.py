"""What a network is made of: models, norms, activations, initial weights, losses, optimizers, random streams."""
