"""Mixing: patches of several channels, and the mixed image to which they add up."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.utils.data import Dataset

from ladderscope.data.cuts import TURNS, Ahead, Cut, Patch, Turn, draw_turn
from ladderscope.data.fields import (
    Field,
    PatchShape,
    Position,
    cut,
    draw_position,
    validation_positions,
)
from ladderscope.data.foreground import KEPT_BACKGROUND, Foreground
from ladderscope.data.sampling import MAX_VALIDATION_PATCHES, batches_per_epoch, fractions
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
        The factor of each channel in the mixed image.
    offset : float
        The black level of the mixed image.
    ratios : (float, float)
        The range from which the ratio r_c of each channel is drawn for every patch.
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
        """Compute the mixed image of channels.

        Parameters
        ----------
        channels : array of shape (channels, ...)
            Each in its own units.
        ratio : array of shape (channels,), optional
            The ratio of each channel; 1 by default.

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
        """Describe the mixing in one sentence.

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
            ratio = f"varies from {low:g} to {high:g}" if low < high else f"is {low:g}"
            varied = f" In training, the brightness of each channel {ratio} times that."
        return f"Mixed image = {' + '.join(terms).replace('+ -', '− ')}.{varied}"

    def draw_ratio(self, rng: np.random.Generator) -> Float32[np.ndarray, " channels"]:
        """Draw the ratio of each channel."""
        low, high = self.ratios
        return rng.uniform(low, high, len(self.weights)).astype(np.float32)


def _term(name: str, weight: float, offset: float) -> str:
    """Write w × (name − offset), without a factor of 1 or an offset of 0."""
    recorded = f"({name} {'−' if offset > 0 else '+'} {abs(offset):.4g})" if offset else name
    return recorded if weight == 1 else f"{weight:.4g} × {recorded}"


class MixedBatch(NamedTuple):
    """Mixed patches with their lateral context, their channels, and the ratio of each channel.

    Attributes
    ----------
    observation : Tensor, shape (batch, views, [Z] Y X)
        The mixed image, in its own units.
    target : Tensor, shape (batch, channels, [Z] Y X)
        The channels as recorded, in their own units.
    ratio : Tensor, shape (batch, channels)
        The brightness of each channel in the mixed image, relative to its recording.
    """

    observation: Float[Tensor, "batch views *space"]
    target: Float[Tensor, "batch channels *space"]
    ratio: Float[Tensor, "batch channels"]


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels from which mixed patches are made.

    Parameters
    ----------
    fields : sequence of sequences of Field
        The fields of each channel.
    paired : bool
        Whether field k of every channel is the same field of view, so that the patches of all
        channels are cut at the same position. Otherwise they are drawn independently.
    mixed : sequence of Field, optional
        Recorded mixed images, one field for each field of the paired channels.
    foreground : sequence of Foreground, optional
        One per channel: patches that contain only background are drawn less often.
    """

    fields: Sequence[Sequence[Field]]
    paired: bool = False
    mixed: Sequence[Field] | None = None
    foreground: Sequence[Foreground] | None = None


class MixedPatches(Dataset[MixedBatch]):
    """Batches of random mixed patches; each is a function of its number and the seed.

    Parameters
    ----------
    channels : Channels
        The channels to draw from.
    mixing : Mixing
        How they add up.
    shape : PatchShape
        The shape of a patch.
    batch : int
        Patches per batch.
    seed : int
        Random seed.
    turns : sequence of (int, bool)
        As `TrainingPatches` takes them.

    Examples
    --------
    >>> channels = Channels([[Field(np.zeros((40, 50)))], [Field(np.ones((30, 30)))]])
    >>> mixing = Mixing(offsets=(0.0, 0.0), weights=(1.0, 1.0))
    >>> batch = MixedPatches(channels, mixing, PatchShape(16, views=2), batch=4, seed=0)[3]
    >>> batch.observation.shape, batch.target.shape
    (torch.Size([4, 2, 16, 16]), torch.Size([4, 2, 16, 16]))
    """

    def __init__(
        self,
        channels: Channels,
        mixing: Mixing,
        shape: PatchShape,
        batch: int,
        seed: int,
        turns: Sequence[Turn] = TURNS,
    ) -> None:
        self.channels, self.mixing, self.shape = channels, mixing, shape
        self.batch, self.seed, self.turns, self.rows = batch, seed, turns, slice(None)
        self._fractions = [fractions(fields) for fields in channels.fields]
        self._ahead = Ahead(self._plan, shape)

    def part(self, rows: slice) -> "MixedPatches":
        """Give the same batches, of which only some patches are cut, as of `TrainingPatches`."""
        chosen = copy(self)
        chosen.rows, chosen._ahead = rows, Ahead(chosen._plan, self.shape)
        return chosen

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches with as many pixels as the largest channel."""
        return max(
            batches_per_epoch(fields, self.shape, self.batch) for fields in self.channels.fields
        )

    def __getitem__(self, number: int) -> MixedBatch:
        """Draw batch `number`."""
        ratios, patches = self._ahead[number]
        parts = np.stack(patches).reshape(len(ratios), -1, *patches[0].shape)
        count = len(self.channels.fields)
        if self.channels.mixed is not None:
            return _batch([_recorded(part[count], part[:count]) for part in parts])
        of_each = zip(parts, ratios, strict=True)
        return _batch([_mixture(part, self.mixing, ratio) for part, ratio in of_each])

    def _plan(self, number: int) -> tuple[list[Float32[np.ndarray, " channels"]], list[Cut]]:
        rng = np.random.default_rng([self.seed, 0, number])
        drawn = [self._draw(rng) for _ in range(self.batch)][self.rows]
        return [ratio for ratio, _ in drawn], [one for _, cuts in drawn for one in cuts]

    def _draw(self, rng: np.random.Generator) -> tuple[Float32[np.ndarray, " channels"], list[Cut]]:
        """Draw the ratio of each channel, and where its patch is cut, and the mixed one if any."""
        ratio = self.mixing.draw_ratio(rng)
        groups = self.channels.fields
        if self.channels.paired:
            chosen, position = self._draw_position(range(len(groups)), rng)
            turn = draw_turn(rng, self.turns)
            groups = [*groups, *([] if self.channels.mixed is None else [self.channels.mixed])]
            return ratio, [Cut(fields[chosen], position, turn) for fields in groups]
        cuts = []
        for channel, fields in enumerate(groups):
            chosen, position = self._draw_position([channel], rng)
            cuts.append(Cut(fields[chosen], position, draw_turn(rng, self.turns)))
        return ratio, cuts

    def _draw_position(self, of: Sequence[int], rng: np.random.Generator) -> tuple[int, Position]:
        """Draw a field and a position in it; most positions without foreground are drawn again."""
        fields, foreground = self.channels.fields[of[0]], self.channels.foreground
        for _ in range(_TRIES):
            chosen = int(rng.choice(len(fields), p=self._fractions[of[0]]))
            position = draw_position(fields[chosen], self.shape, rng)
            if foreground is None or rng.random() < KEPT_BACKGROUND:
                break
            if any(foreground[channel].seen_in(chosen, position, self.shape) for channel in of):
                break
        return chosen, position


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


def combinations(counts: Sequence[int], *, paired: bool, most: int) -> list[tuple[int, ...]]:
    """Choose a member of every channel, each one at least once, in at most so many combinations.

    Examples
    --------
    >>> combinations([2, 2], paired=False, most=3)
    [(0, 0), (1, 1), (0, 1)]
    >>> combinations([2, 2], paired=True, most=3)
    [(0, 0), (1, 1)]
    """
    longest = max(counts)
    found = dict.fromkeys(
        tuple(
            (number + (0 if paired else channel * (number // longest))) % count
            for channel, count in enumerate(counts)
        )
        for number in range(min(most, longest if paired else math.prod(counts)))
    )
    return list(found)


def validation_mixtures(
    channels: Channels, mixing: Mixing, shape: PatchShape, seed: int
) -> MixedBatch:
    """Mix adjacent patches of the validation fields, 64 at most.

    Patches of unpaired channels are combined at random, each with several others: held-out parts
    are small, and few mixtures tell little of the errors. Ratios are drawn as in training.
    """
    rng = np.random.default_rng([seed, 2])
    positions = [
        [
            (number, position)
            for number, field in enumerate(fields)
            for position in validation_positions(field, shape)
        ]
        for fields in channels.fields
    ]
    counts = [len(of_channel) for of_channel in positions]
    orders = [rng.permutation(count) for count in counts]
    if channels.paired:
        orders = [orders[0]] * len(orders)
    mixtures = []
    for members in combinations(counts, paired=channels.paired, most=MAX_VALIDATION_PATCHES):
        chosen = [
            of_channel[order[member]]
            for of_channel, order, member in zip(positions, orders, members, strict=True)
        ]
        parts = np.stack(
            [
                cut(fields[number], position, shape)
                for fields, (number, position) in zip(channels.fields, chosen, strict=True)
            ]
        )
        if channels.mixed is not None:
            number, position = chosen[0]
            mixtures.append(_recorded(cut(channels.mixed[number], position, shape), parts))
        else:
            mixtures.append(_mixture(parts, mixing, mixing.draw_ratio(rng)))
    return _batch(mixtures)


class Intensities(NamedTuple):
    """The range of nearly all pixels: the 0.1st and the 99.9th percentile."""

    dark: float
    bright: float


def measure_mixtures(patches: MixedPatches) -> tuple[Statistics, Intensities]:
    """Measure the mean, standard deviation and range of the mixed training patches.

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
