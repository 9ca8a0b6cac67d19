"""Superpositions: patches of several channels, and the mixed image that they add up to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.utils.data import Dataset

from ladderscope.data.fields import (
    Field,
    PatchShape,
    Place,
    cut,
    draw_place,
    places_to_validate,
)
from ladderscope.data.foreground import KEPT_BACKGROUND, Foreground
from ladderscope.data.sampling import (
    MAX_VALIDATION_PATCHES,
    Patch,
    batches_per_epoch,
    draw_turn,
    shares,
    turned,
)
from ladderscope.images import Statistics

_TRIES = 20
_BATCHES_MEASURED = 64
_NEARLY_ALL = (0.1, 99.9)  # percentiles


@dataclass(frozen=True)
class Mixing:
    """How channels add up to the mixed image: Σ w_c r_c (y_c − offset_c) + offset.

    Parameters
    ----------
    offsets : tuple of float
        The black level of each channel, in its own units.
    weights : tuple of float
        What a unit of each channel counts in the mixed image.
    offset : float
        The black level of the mixed image.
    ratios : (float, float)
        The range from which the strength r_c of each channel is drawn, for each patch anew.
    """

    offsets: tuple[float, ...]
    weights: tuple[float, ...]
    offset: float = 0.0
    ratios: tuple[float, float] = (1.0, 1.0)

    def mixed(
        self,
        channels: Float32[np.ndarray, "channels ..."],
        ratio: Float[np.ndarray, " channels"] | None = None,
    ) -> Float32[np.ndarray, "..."]:
        """Add channels up.

        Parameters
        ----------
        channels : array of shape (channels, ...)
            Each in its own units.
        ratio : array of shape (channels,), optional
            How strong each is; 1 by default.

        Examples
        --------
        >>> mixing = Mixing(offsets=(10.0, 0.0), weights=(1.0, 2.0), offset=5.0)
        >>> float(mixing.mixed(np.array([12.0, 3.0], np.float32)))
        13.0
        """
        result = np.full(channels.shape[1:], self.offset, np.float32)
        for number, (offset, weight) in enumerate(zip(self.offsets, self.weights, strict=True)):
            strength = weight if ratio is None else weight * float(ratio[number])
            part = channels[number] - np.float32(offset)
            part *= np.float32(strength)
            result += part
        return result

    def in_words(self, names: Sequence[str]) -> str:
        """Say how the channels add up.

        Examples
        --------
        >>> Mixing((100.0, 0.0), (1.0, 2.5), 50.0).in_words(("dna", "actin"))
        'Mixed image = (dna − 100) + 2.5 × actin + 50.'
        """
        terms = [
            _term(name, weight, offset)
            for name, weight, offset in zip(names, self.weights, self.offsets, strict=True)
        ]
        if self.offset:
            terms.append(f"{self.offset:.4g}")
        low, high = self.ratios
        varied = ""
        if self.ratios != (1, 1):
            strength = f"varies from {low:g} to {high:g}" if low < high else f"is {low:g}"
            varied = f" In training the strength of each channel {strength} times that."
        return f"Mixed image = {' + '.join(terms).replace('+ -', '− ')}.{varied}"

    def draw_ratio(self, rng: np.random.Generator) -> Float32[np.ndarray, " channels"]:
        """Draw how strong each channel is."""
        low, high = self.ratios
        return rng.uniform(low, high, len(self.weights)).astype(np.float32)


def _term(name: str, weight: float, offset: float) -> str:
    """Write w × (name − offset), without what changes nothing."""
    recorded = f"({name} {'−' if offset > 0 else '+'} {abs(offset):.4g})" if offset else name
    return recorded if weight == 1 else f"{weight:.4g} × {recorded}"


class MixedBatch(NamedTuple):
    """Mixed patches with their wider views, the channels they were made of, and how strong each is.

    Attributes
    ----------
    observation : Tensor, shape (batch, views, [Z] Y X)
        The mixed image, in its units.
    target : Tensor, shape (batch, channels, [Z] Y X)
        The channels as they were recorded, in their units.
    ratio : Tensor, shape (batch, channels)
        How strong each is in the mixed image, relative to the recording.
    """

    observation: Float[Tensor, "batch views *space"]
    target: Float[Tensor, "batch channels *space"]
    ratio: Float[Tensor, "batch channels"]


@dataclass(frozen=True, eq=False)
class Channels:
    """What mixtures are made of.

    Parameters
    ----------
    fields : sequence of sequences of Field
        For each channel its fields.
    paired : bool
        Whether field k of every channel shows the same place, so that patches are cut at one
        place of all; otherwise each channel's are drawn independently.
    mixed : sequence of Field, optional
        The superposition as it was really recorded, field by field of the paired channels.
    foreground : sequence of Foreground, optional
        One a channel: patches of background alone are drawn less often.
    """

    fields: Sequence[Sequence[Field]]
    paired: bool = False
    mixed: Sequence[Field] | None = None
    foreground: Sequence[Foreground] | None = None


class MixedPatches(Dataset[MixedBatch]):
    """Batches of random mixtures; batch number k is a function of the seed.

    Parameters
    ----------
    channels : Channels
        What to draw from.
    mixing : Mixing
        How they add up.
    shape : PatchShape
        Of a patch.
    batch : int
        Patches in a batch.
    seed : int
        Fixes every batch.

    Examples
    --------
    >>> channels = Channels([[Field(np.zeros((40, 50)))], [Field(np.ones((30, 30)))]])
    >>> mixing = Mixing(offsets=(0.0, 0.0), weights=(1.0, 1.0))
    >>> batch = MixedPatches(channels, mixing, PatchShape(16, views=2), batch=4, seed=0)[3]
    >>> batch.observation.shape, batch.target.shape
    (torch.Size([4, 2, 16, 16]), torch.Size([4, 2, 16, 16]))
    """

    def __init__(
        self, channels: Channels, mixing: Mixing, shape: PatchShape, batch: int, seed: int
    ) -> None:
        self.channels, self.mixing, self.shape = channels, mixing, shape
        self.batch, self.seed = batch, seed
        self._shares = [shares(fields) for fields in channels.fields]

    @property
    def batches_per_epoch(self) -> int:
        """How many batches hold as many pixels as the largest channel does."""
        return max(
            batches_per_epoch(fields, self.shape, self.batch) for fields in self.channels.fields
        )

    def __getitem__(self, number: int) -> MixedBatch:
        """Draw batch `number`."""
        rng = np.random.default_rng([self.seed, 0, number])
        return _batch([self._draw(rng) for _ in range(self.batch)])

    def _draw(self, rng: np.random.Generator) -> "_Mixture":
        ratio = self.mixing.draw_ratio(rng)
        if self.channels.paired:
            chosen, place = self._draw_place(range(len(self.channels.fields)), rng)
            turn = draw_turn(rng)
            parts = [
                turned(cut(fields[chosen], place, self.shape), turn)
                for fields in self.channels.fields
            ]
            if self.channels.mixed is not None:
                mixed = turned(cut(self.channels.mixed[chosen], place, self.shape), turn)
                return _recorded(mixed, np.stack(parts))
        else:
            parts = []
            for channel, fields in enumerate(self.channels.fields):
                chosen, place = self._draw_place([channel], rng)
                patch = cut(fields[chosen], place, self.shape)
                parts.append(turned(patch, draw_turn(rng)))
        return _mixture(np.stack(parts), self.mixing, ratio)

    def _draw_place(self, of: Sequence[int], rng: np.random.Generator) -> tuple[int, Place]:
        """Draw a field and a place in it; of background alone, most are drawn again."""
        fields, foreground = self.channels.fields[of[0]], self.channels.foreground
        for _ in range(_TRIES):
            chosen = int(rng.choice(len(fields), p=self._shares[of[0]]))
            place = draw_place(fields[chosen], self.shape, rng)
            if foreground is None or rng.random() < KEPT_BACKGROUND:
                break
            if any(foreground[channel].seen_in(chosen, place, self.shape) for channel in of):
                break
        return chosen, place


class _Mixture(NamedTuple):
    observation: Patch
    target: Float32[np.ndarray, "channels *space"]
    ratio: Float32[np.ndarray, " channels"]


def _mixture(
    parts: Float32[np.ndarray, "channels views *space"],
    mixing: Mixing,
    ratio: Float32[np.ndarray, " channels"],
) -> _Mixture:
    return _Mixture(mixing.mixed(parts, ratio), parts[:, 0], ratio)


def _recorded(mixed: Patch, parts: Float32[np.ndarray, "channels views *space"]) -> _Mixture:
    return _Mixture(mixed, parts[:, 0], np.ones(len(parts), np.float32))


def _batch(mixtures: Sequence[_Mixture]) -> MixedBatch:
    return MixedBatch(*(torch.from_numpy(np.stack(part)) for part in zip(*mixtures, strict=True)))


def validation_mixtures(
    channels: Channels, mixing: Mixing, shape: PatchShape, seed: int
) -> MixedBatch:
    """Mix patches of the validation fields: side by side, of many a random few.

    Unpaired channels are shuffled, so that their patches meet at random; how strong each is, is
    drawn as in training.
    """
    rng = np.random.default_rng([seed, 2])
    places = [
        [
            (number, place)
            for number, field in enumerate(fields)
            for place in places_to_validate(field, shape)
        ]
        for fields in channels.fields
    ]
    count = min(MAX_VALIDATION_PATCHES, max(len(of_channel) for of_channel in places))
    orders = [np.resize(rng.permutation(len(of_channel)), count) for of_channel in places]
    if channels.paired:
        orders = [orders[0]] * len(orders)
    mixtures = []
    for index in range(count):
        chosen = [
            of_channel[order[index]] for of_channel, order in zip(places, orders, strict=True)
        ]
        parts = np.stack(
            [
                cut(fields[number], place, shape)
                for fields, (number, place) in zip(channels.fields, chosen, strict=True)
            ]
        )
        if channels.mixed is not None:
            number, place = chosen[0]
            mixtures.append(_recorded(cut(channels.mixed[number], place, shape), parts))
        else:
            mixtures.append(_mixture(parts, mixing, mixing.draw_ratio(rng)))
    return _batch(mixtures)


class Intensities(NamedTuple):
    """Nearly all pixels lie between these two: the 0.1st and the 99.9th percentile."""

    dark: float
    bright: float


def measure_mixtures(patches: MixedPatches) -> tuple[Statistics, Intensities]:
    """Measure mean, standard deviation and range of the mixtures that training sees.

    Examples
    --------
    >>> channels = Channels([[Field(np.zeros((40, 50)))], [Field(np.ones((30, 30)))]])
    >>> mixing = Mixing(offsets=(0.0, 0.0), weights=(1.0, 2.0))
    >>> found, intensities = measure_mixtures(
    ...     MixedPatches(channels, mixing, PatchShape(16), batch=4, seed=0)
    ... )
    >>> found.mean, intensities.bright
    (2.0, 2.0)
    """
    narrow = MixedPatches(
        patches.channels,
        patches.mixing,
        replace(patches.shape, views=1),
        patches.batch,
        patches.seed,
    )
    drawn = torch.cat([narrow[number].observation for number in range(_BATCHES_MEASURED)]).double()
    dark, bright = np.percentile(drawn.numpy(), _NEARLY_ALL)
    return (
        Statistics(
            float(drawn.mean()),
            float(drawn.std(correction=0)),
            float(drawn.min()),
            float(drawn.max()),
        ),
        Intensities(float(dark), float(bright)),
    )
