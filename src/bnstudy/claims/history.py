"""Evidence for the predicates of layer statistics: the curves of one seed, and its gradients and activations by layer.

A gradient that is NaN counts as infinite: the network has diverged. Gradients are mean absolute values per step over
all weight entries (layers weighted by size; no biases, gamma, beta), averaged over the sampled steps of an epoch.
"""

from collections.abc import Mapping

import numpy as np

from bnstudy.claims.curves import Curves, infinite, recorded, spread
from bnstudy.claims.terms import NotGiven, Slot, rank_correlation
from bnstudy.results.publication.kept import EVERY_EPOCH_TO
from bnstudy.verdicts.mean_gradient import mean_gradient

FIRST = LAST = 3
"""Number of epochs that count as the first, and as the last, of a training."""

EARLY = 10
"""Number of epochs in which a peak counts as early: in the thesis the loss jumps near epoch 5 (7.1.2)."""


class History(Curves):
    """The trained runs of one seed at the `places` to judge; accessors raise NotGiven if a run is missing."""

    # one value per epoch from 1

    def gradient(self, model: str, setting: str, dataset: str, norm: str) -> np.ndarray:
        """Mean absolute weight gradient."""
        layers = self._layers(model, setting, dataset, norm)
        return infinite(mean_gradient(layers["weight_grad.mean_abs"], layers["size"]))

    def hidden(self, *at: str) -> np.ndarray:
        """Return a layer column (model, setting, dataset, norm, column) without the output layer: (epochs, layers).

        Raises NotGiven also if it was not recorded."""
        model, setting, dataset, norm, column = at
        values = self._layers(model, setting, dataset, norm)[column][:, :-1].astype(float)
        if np.isnan(values).all():
            raise NotGiven((model, dataset))
        return values

    # single numbers, recorded as evidence

    @recorded
    def early_gradient(self, *slot: str) -> float:
        return self.gradient(*slot)[:FIRST].mean()

    @recorded
    def peak_gradient(self, *slot: str) -> float:
        """Return the largest gradient of the first EARLY epochs."""
        return self.gradient(*slot)[:EARLY].max()

    @recorded
    def peak_step_gradient(self, *slot: str) -> float:
        """Return the largest gradient of the recorded steps of the first epoch and of the epochs to EARLY."""
        steps = self._source.early(slot, self._seed)  # type: ignore[arg-type]
        means = infinite(mean_gradient(steps["weight_grad.mean_abs"], steps["size"]))
        return max(means.max(), self.gradient(*slot)[:EARLY].max())

    @recorded
    def first_gradient(self, *slot: str) -> float:
        """Return the mean absolute weight gradient of the hidden layers at the first step. Raises NotGiven also if the
        record has no early steps."""
        try:
            steps = self._source.early(slot, self._seed)  # type: ignore[arg-type]
        except KeyError:
            raise NotGiven((slot[0], slot[2])) from None
        return mean_gradient(infinite(steps["weight_grad.mean_abs"][:1, :-1]), steps["size"][:-1])[0]

    def peak_gradients(self, *slots: Slot) -> list[float]:
        """Return the largest early gradient of each slot: over single steps if all of them have such, else over means
        of epochs, as in records of earlier versions."""
        peak = self.peak_step_gradient if all(map(self._has_steps, slots)) else self.peak_gradient
        return [peak(*slot) for slot in slots]

    def _has_steps(self, slot: Slot) -> bool:
        try:
            return bool(self._source.early(slot, self._seed))
        except KeyError:
            return False

    @recorded
    def late_gradient(self, *slot: str) -> float:
        return self.gradient(*slot)[-LAST:].mean()

    @recorded
    def mean_gradient(self, *slot: str) -> float:
        return self.gradient(*slot).mean()

    @recorded
    def gradient_fall(self, *slot: str) -> float:
        """Return the gradient of the first epochs divided by that of the last."""
        gradient = self.gradient(*slot)
        return gradient[:FIRST].mean() / max(gradient[-LAST:].mean(), 1e-30)

    @recorded
    def gradient_variation(self, model: str, setting: str, dataset: str, norm: str, after: int = 0) -> float:
        """Return standard deviation over mean of the gradient after epoch `after`; infinity if one is not finite."""
        gradient = self.gradient(model, setting, dataset, norm)[after:]
        finite = gradient.size and np.isfinite(gradient).all()
        return spread(gradient) / max(gradient.mean(), 1e-30) if finite else np.inf

    @recorded
    def peak_epoch(self, *slot: str) -> float:
        """Return the epoch of the largest gradient."""
        return 1 + int(self.gradient(*slot).argmax())

    @recorded
    def gradient_follows_loss(self, *slot: str) -> float:
        """Return the correlation of the changes of loss and of gradient from epoch to epoch, over the initial epochs
        whose layers are all published; 0 if either is constant."""
        loss, gradient = (np.diff(curve(*slot)[:EVERY_EPOCH_TO]) for curve in (self.loss, self.gradient))
        if len(loss) < 2 or not spread(loss) or not spread(gradient) or not self._finite(*slot):
            return 0.0
        return float(np.corrcoef(loss, gradient)[0, 1])

    @recorded
    def early_layers_gradient(self, *slot: str) -> float:
        """Return the mean absolute gradient of the first half of the hidden layers, over all epochs."""
        values = infinite(self._layers(*slot)["weight_grad.mean_abs"][:, :-1].astype(float))
        return float(values[:, : max(1, values.shape[1] // 2)].mean())

    @recorded
    def saturated(self, *slot: str) -> float:
        """Return the share of sigmoid outputs within 0.05 of 0 or 1, mean over hidden layers and epochs."""
        return float(np.nanmean(self.hidden(*slot, "saturated_share")))

    @recorded
    def dead(self, *slot: str) -> float:
        """Return the share of hidden units inactive on a whole fixed batch after the last epoch, mean over layers."""
        return float(np.nanmean(self.hidden(*slot, "dead_share")[-1]))

    @recorded
    def trend_with_depth(self, model: str, setting: str, dataset: str, norm: str, column: str) -> float:
        """Return Spearman's correlation of a layer column after the last epoch with depth; 0 if it is constant."""
        last = self.hidden(model, setting, dataset, norm, column)[-1]
        return float(rank_correlation(last))

    def _finite(self, *slot: str) -> bool:
        return bool(np.isfinite(self.loss(*slot)).all() and np.isfinite(self.gradient(*slot)).all())

    def _layers(self, model: str, setting: str, dataset: str, norm: str) -> Mapping[str, np.ndarray]:
        try:
            return self._source.layers((model, setting, dataset, norm), self._seed)
        except KeyError:
            raise NotGiven((model, dataset)) from None
