"""The restoration in one pass as a module of torch alone, which other programs can run."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import Calibration
from ladderscope.models.architecture import unfilled_network_of
from ladderscope.models.file import Model
from ladderscope.network import LadderVAE
from ladderscope.prediction import limits, of_posterior, of_prediction
from ladderscope.prediction.spread import decoder_variance


class OnePass(nn.Module):
    """What ``predict(samples=0)`` computes of an image, in camera units.

    Values are limited and normalised, the posterior means are decoded once, and the result is
    scaled back; the standard deviation is calibrated as the model says. Y and X may have any size.
    What is left out is what surrounds the network: tiles, the first look (padding, hot pixels),
    and the last look at the result.

    Parameters
    ----------
    model : Model
        As `Denoiser.model` and `Splitter.model` are. The weights are copied.

    Attributes
    ----------
    dimensions : int
        2 for Y X, 3 for Z Y X.
    channels, outputs : int
        Channels of an image and of its restoration.
    has_spread : bool
        Whether the standard deviation is predicted.
    multiple : int
        The number to multiples of which Y and X are padded inside.

    Raises
    ------
    LadderscopeError
        The network cannot restore an image that is given to it alone.

    Examples
    --------
    >>> from ladderscope import Denoiser
    >>> noisy = torch.rand(40, 40).numpy()
    >>> denoiser = Denoiser("tiny", noise="gaussian").fit(noisy, steps=2, progress=False)
    >>> one_pass = OnePass(denoiser.model)
    >>> mean, std = one_pass(torch.rand(1, 1, 37, 50))
    >>> mean.shape, std.shape
    (torch.Size([1, 1, 37, 50]), torch.Size([1, 1, 37, 50]))
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        _check(model)
        self.network = _network_of(model)
        self.splits = model.mixture is not None
        shown = model.statistics if model.mixture is None else (model.mixture.statistics,)
        self.dimensions, self.multiple = self.network.dimensions, self.network.multiple
        self.channels, self.outputs = len(shown), len(model.statistics)
        self.decoded = self.outputs if self.splits else 1  # in a run of the network
        law = of_prediction if self.splits else of_posterior
        self.has_spread = law(self.network, self.decoded, 0).decoder
        self.calibration = model.calibration if self.has_spread else ()
        lowest, highest = zip(*(limits(one) for one in shown), strict=True)
        for name, values in {
            "mean": [one.mean for one in shown],
            "std": [one.std for one in shown],
            "lowest": lowest,
            "highest": highest,
            "output_mean": [one.mean for one in model.statistics],
            "output_std": [one.std for one in model.statistics],
        }.items():
            self.register_buffer(
                name, torch.tensor(values).view(1, -1, *(1,) * self.dimensions), persistent=False
            )

    def forward(
        self, image: Float[Tensor, "batch channels *space"]
    ) -> tuple[Float[Tensor, "batch outputs *space"], ...]:
        """Restore images: the mean and, if it is predicted, the standard deviation."""
        shown = image.clamp(self.get_buffer("lowest"), self.get_buffer("highest"))
        std = self.get_buffer("std")
        normalised = torch.where(std > 0, (shown - self.get_buffer("mean")) / std, 0.0)
        space = image.shape[2:]
        runs = normalised if self.splits else normalised.reshape(-1, 1, *space)
        features = self.network.encode(_padded(runs, self.multiple))
        means = [torch.zeros((1,) * level.ndim) for level in features.levels]
        decoded = self.network.decode(features, means, priors=False, variance=True)
        height, width = space[-2:]

        def of_image(values: Tensor) -> Tensor:
            return values[..., :height, :width].reshape(-1, self.outputs, *space)

        output_std = self.get_buffer("output_std")
        mean = of_image(decoded.output[:, : self.decoded]) * output_std
        mean = mean + self.get_buffer("output_mean")
        if not self.splits:
            mean = mean + (image - shown)
        if not self.has_spread:
            return (mean,)
        spread = of_image(decoder_variance(decoded, self.decoded, 0)).sqrt() * output_std
        return mean, self._calibrated(spread, mean)

    def _calibrated(self, spread: Tensor, mean: Tensor) -> Tensor:
        if not self.calibration:
            return spread
        return torch.cat(
            [
                calibrated(spread[:, channel : channel + 1], mean[:, channel : channel + 1], one)
                for channel, one in enumerate(self.calibration)
            ],
            dim=1,
        )


def calibrated(
    spread: Float[Tensor, "*shape"], mean: Float[Tensor, "*shape"], calibration: Calibration
) -> Float[Tensor, "*shape"]:
    """Calibrate standard deviations as `Calibration.std` does.

    Examples
    --------
    >>> calibration = Calibration(predicted=(1.0, 2.0), calibrated=(1.5, 2.0))
    >>> calibrated(torch.tensor([0.0, 0.5, 1.5, 4.0]), torch.zeros(4), calibration)
    tensor([0.0000, 0.7500, 1.7500, 4.0000])
    """
    knots, values = calibration.predicted, calibration.calibrated
    result = _between(spread, spread * (values[0] / knots[0]), knots, values)
    result = torch.where(spread > knots[-1], spread * (values[-1] / knots[-1]), result)
    if not calibration.factors:
        return result
    knots, values = calibration.intensities, calibration.factors
    factor = _between(mean, torch.full_like(mean, values[0]), knots, values)
    return result * torch.where(mean > knots[-1], values[-1], factor)


def _between(
    where: Tensor, before: Tensor, knots: Sequence[float], values: Sequence[float]
) -> Tensor:
    """Interpolate between knots; before the first, take other values."""
    result = before
    for (low, first), (high, last) in pairwise(zip(knots, values, strict=True)):
        line = first + (where - low) * ((last - first) / (high - low))
        result = torch.where(where > low, line, result)
    return result


def _padded(
    image: Float[Tensor, "batch channels *space"], multiple: int
) -> Float[Tensor, "batch channels *padded_space"]:
    """Pad the far ends of Y and X up to a multiple as the network does, but without a branch.

    Every size takes the same operations, so that a recording of them holds for all sizes.
    """
    sizes = [torch.as_tensor(side, device=image.device) for side in image.shape[-2:]]
    height, width = (-size % multiple < size for size in sizes)
    for axis, size in zip((-2, -1), sizes, strict=True):
        length = (image.shape[axis] + multiple - 1) // multiple * multiple
        position = torch.arange(length, device=image.device)
        last = size - 1
        beyond = torch.where(height & width, 2 * last - position, last).clamp(min=0)
        image = image.index_select(axis, torch.where(position < size, position, beyond))
    return image


def _network_of(model: Model) -> LadderVAE:
    """Make the network in evaluation mode, whatever the mode of the one that was trained."""
    network = unfilled_network_of(model.architecture)
    network.load_state_dict(model.weights)
    for weight in network.parameters():
        weight.data = weight.data.contiguous()
    return network.eval().requires_grad_(False)


def _check(model: Model) -> None:
    architecture = model.architecture
    if architecture.views > 1:
        raise LadderscopeError(
            f"the model has lateral context ({architecture.views} views): for each tile it takes "
            "the surroundings, up to "
            f"{2 ** (architecture.views - 1)} times as wide, which programs that cut an image into "
            "tiles do not give it. Predict with Ladderscope, or train with context=1"
        )
    if architecture.dimensions == 3 and architecture.decoder_dimensions == 2:
        raise LadderscopeError(
            "the model restores the middle plane of a stack, so that one run of its network does "
            "not restore a stack: predict with Ladderscope"
        )
