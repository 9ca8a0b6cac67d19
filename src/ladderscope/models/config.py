"""The settings of a restorer, checked."""

from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ladderscope.errors import LadderscopeError
from ladderscope.models.whole import whole_number
from ladderscope.untrusted import shown

NO_BUDGET = {"minutes": None, "steps": None, "epochs": None}
# Far beyond what is of use, and near enough that no file can ask for hours or terabytes.
MOST_LEVELS, MOST_BLOCKS, MOST_FILTERS, LARGEST_KERNEL = 10, 8, 1024, 31
MOST_CHANNELS = 64  # that an image is split into
LARGEST_PATCH, MOST_DEPTH = 4096, 1024
MOST_PARAMETERS = 250_000_000  # a gigabyte of weights
_LONGEST = 10**9  # steps, epochs or minutes
_LARGEST_TILE, _LARGEST_MARGIN = 2**20, 1024
_STRENGTHS = (1e-6, 1e6)


Method = Literal["musplit", "denoisplit", "microsplit"]


class RestorerSettings(BaseModel):
    """The settings of a restorer: its network, its training, its tiles.

    Parameters
    ----------
    levels, filters, latent_channels, blocks, first_kernel, batch_norm, dropout, activation
        The network: see `ladderscope.network.LadderVAE`. Latent channels are those of each level.
    blind_levels
        Number of finest levels that never see the image, so that no level can encode structured
        noise (lines, patterns); 0 for noise without structure.
    context
        Lateral context: the number of views of each position, including the patch. Each view is
        twice as wide as the one before.
    dimensions
        2 restores plane by plane; 3 uses neighbouring planes too.
    patch, depth, batch
        Side of a training patch in pixels, its number of planes in 3 dimensions, and patches per
        batch.
    optimizer, learning_rate, warmup_steps, rate
        The optimizer, its highest learning rate, the steps of the warm-up, and the schedule after
        it: ``"cosine"`` falls to zero over the budget, ``"plateau"`` halves the rate when the
        validation loss stalls.
    free_bits
        KL in nats per level and patch that carries no penalty.
    kl_weight, kl_annealing_steps
        Final weight of the KL, and the steps over which it rises to it from zero.
    gradient_clip
        Largest norm of the gradient.
    minutes, steps, epochs
        The budget: exactly one of the three.
    tile_core, tile_margin, tile_depth, tile_depth_margin
        The geometry of prediction: see `ladderscope.prediction.Geometry`.

    Notes
    -----
    Values have generous limits: 10 levels, 8 blocks, 1,024 filters and latent channels, a first
    kernel of 31, patches of 4,096 pixels and 1,024 planes, batches of 4,096, a budget of 10⁹. A
    network has at most 250 million parameters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: int = Field(default=4, ge=1, le=MOST_LEVELS)
    filters: int = Field(default=32, ge=1, le=MOST_FILTERS)
    latent_channels: int = Field(default=16, ge=1, le=MOST_FILTERS)
    blocks: int = Field(default=1, ge=1, le=MOST_BLOCKS)
    first_kernel: int = Field(default=3, ge=1, le=LARGEST_KERNEL)
    batch_norm: bool = False
    dropout: float = Field(default=0.0, ge=0, lt=1)
    activation: Literal["elu", "relu", "leaky_relu", "silu"] = "elu"
    blind_levels: int = Field(default=0, ge=0, lt=MOST_LEVELS)
    context: int = Field(default=1, ge=1, le=MOST_LEVELS + 1)
    dimensions: Literal[2, 3] = 2

    patch: int = Field(default=64, ge=8, le=LARGEST_PATCH)
    depth: int = Field(default=8, ge=2, le=MOST_DEPTH)
    batch: int = Field(default=16, ge=1, le=4096)
    optimizer: Literal["muon", "adamax"] = "muon"
    learning_rate: float = Field(default=1.2e-2, gt=0, allow_inf_nan=False)
    warmup_steps: int = Field(default=100, ge=0, le=_LONGEST)
    rate: Literal["cosine", "plateau"] = "cosine"
    free_bits: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    kl_weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    kl_annealing_steps: int = Field(default=0, ge=0, le=_LONGEST)
    gradient_clip: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    minutes: float | None = None
    steps: int | None = None
    epochs: float | None = None

    tile_core: int = Field(default=496, ge=16, le=_LARGEST_TILE)
    tile_margin: int = Field(default=32, ge=0, le=_LARGEST_MARGIN)
    tile_depth: int = Field(default=16, ge=1, le=_LARGEST_TILE)
    tile_depth_margin: int = Field(default=4, ge=0, le=MOST_DEPTH)

    @property
    def judged_free_bits(self) -> tuple[str, float]:
        """The free bits by which the levels are judged, and their name."""
        return "free_bits", self.free_bits

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        given = {name: value for name in NO_BUDGET if (value := getattr(self, name)) is not None}
        if len(given) != 1:
            found = f"{' and '.join(given)} are given: " if given else ""
            raise ValueError(f"{found}give exactly one of minutes, steps or epochs")
        ((name, value),) = given.items()
        if not 0 < value <= _LONGEST:
            raise ValueError(
                f"{name}={value}: give a positive number, such as minutes=5, of at most "
                f"{_LONGEST:,}"
            )
        return self

    @model_validator(mode="after")
    def _odd_kernel(self) -> Self:
        if self.first_kernel % 2 == 0:
            raise ValueError(f"first_kernel must be odd, not {self.first_kernel}")
        return self

    @model_validator(mode="after")
    def _a_level_sees_the_image(self) -> Self:
        if self.blind_levels >= self.levels:
            raise ValueError(
                f"with blind_levels={self.blind_levels} and levels={self.levels}, no level sees "
                "the image: give fewer blind levels, or more levels"
            )
        return self

    @model_validator(mode="after")
    def _patch_holds_the_levels(self) -> Self:
        if self.patch % self.patch_multiple:
            of = "levels + 1, with lateral context" if self.context > 1 else "levels"
            raise ValueError(f"patch must be a multiple of {self.patch_multiple} (2^{of})")
        return self

    @model_validator(mode="after")
    def _a_level_for_every_view(self) -> Self:
        if self.context > self.levels + 1:
            raise ValueError(
                f"context={self.context} is too large for levels={self.levels}: give at most "
                f"context={self.levels + 1}, one lateral-context input per level"
            )
        return self

    def widest_view(self, patch: int) -> int:
        """Give the side of the widest view of a patch of this side, in pixels."""
        return int(patch * 2 ** (self.context - 1))

    @property
    def patch_multiple(self) -> int:
        """The number of which the side of a patch must be a multiple.

        The latents of every level then cover it exactly; with lateral context, as the centre of a
        map.
        """
        return int(2 ** (self.levels + (self.context > 1)))


class DenoiserSettings(RestorerSettings):
    """Settings of a denoiser: those of every restorer, and whether frames are averaged.

    Parameters
    ----------
    repeats
        Axis along which the frames show the same scene, ``"T"`` or ``"S"``: their average is
        trained on and restored, with the noise of the average. None restores every frame.
    """

    repeats: Literal["S", "T"] | None = None


class SplitterSettings(RestorerSettings):
    """Settings of a splitter: those of every restorer, and how channels are mixed.

    Parameters
    ----------
    method
        ``"musplit"``: a Gaussian around each channel, for recordings with little noise;
        ``"denoisplit"``: the camera's noise model around each, which removes the noise;
        ``"microsplit"``: the weighted mean of both.
    channels
        Number of structures to unmix.
    denoisplit_weight
        Weight of denoiSplit's terms in MicroSplit's objective; the rest is µSplit's.
    variance
        Variance of µSplit's Gaussian, relative to the variance of the channel: ``"fitted"`` is
        the mean squared error per channel and batch, ``"predicted"`` is per pixel, or a number.
    free_bits, musplit_free_bits
        Free bits of denoiSplit's terms and of µSplit's, in nats per level and patch.
    balance
        ``"std"`` scales the channels to equal standard deviation, that of the strongest, before
        they are added; ``"none"`` adds them as they were recorded.
    ratios
        Range from which the strength of each channel in a mixed image is drawn.
    foreground
        Whether patches with background alone are drawn less often.
    """

    method: Method = "microsplit"
    channels: int = Field(default=2, ge=2, le=MOST_CHANNELS)
    denoisplit_weight: float = Field(default=0.9, gt=0, lt=1)
    variance: Literal["predicted", "fitted"] | float = "fitted"
    musplit_free_bits: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    balance: Literal["none", "std"] = "none"
    ratios: tuple[float, float] = (1.0, 1.0)
    foreground: bool = True

    @model_validator(mode="after")
    def _positive_numbers(self) -> Self:
        if isinstance(self.variance, float) and not 0 < self.variance < float("inf"):
            raise ValueError(
                f'variance must be positive, "predicted" or "fitted", not {self.variance}'
            )
        low, high = self.ratios
        least, most = _STRENGTHS
        if not least <= low <= high <= most:
            raise ValueError(
                "ratios must be two positive numbers, the smaller first, from "
                f"{least:g} to {most:g}, not {self.ratios}"
            )
        return self

    @property
    def weight_of_denoisplit(self) -> float:
        """The weight of denoiSplit's terms in the objective."""
        return {"musplit": 0.0, "denoisplit": 1.0}.get(self.method, self.denoisplit_weight)

    @property
    def judged_free_bits(self) -> tuple[str, float]:
        """The free bits of the method's larger term, and their name."""
        if self.weight_of_denoisplit < 0.5:
            return "musplit_free_bits", self.musplit_free_bits
        return "free_bits", self.free_bits


Settings = TypeVar("Settings", bound=RestorerSettings)


def replaced(settings: Settings, overrides: Mapping[str, Any]) -> Settings:
    """Replace some of the settings; a budget replaces the budget, whichever of the three it is.

    Raises
    ------
    LadderscopeError
        There is no setting of that name, or a value is out of range.

    Examples
    --------
    >>> replaced(DenoiserSettings(minutes=5), {"steps": 200}).minutes is None
    True
    """
    return checked(type(settings), settings.model_dump(), overrides)


def checked(
    kind: type[Settings], values: Mapping[str, Any], overrides: Mapping[str, Any]
) -> Settings:
    """Make settings of values, with some replaced; a budget replaces any other budget.

    Raises
    ------
    LadderscopeError
        There is no setting of that name, or a value is out of range.
    """
    given = dict(overrides)
    if given.get("steps") is not None:
        given["steps"] = whole_number(given["steps"], "steps", least=1)
    budget = any(given.get(name) is not None for name in NO_BUDGET)
    try:
        return kind(**{**values, **(NO_BUDGET if budget else {}), **given})
    except ValidationError as error:
        raise LadderscopeError(_in_words(kind, error)) from error


def _in_words(kind: type[RestorerSettings], error: ValidationError) -> str:
    """Say what is wrong with settings, one line per problem."""
    lines = []
    for problem in error.errors():
        name = str(problem["loc"][0]) if problem["loc"] else ""
        if problem["type"] == "extra_forbidden":
            known = ", ".join(kind.model_fields)
            lines.append(f"there is no setting {shown(name)}; the settings are: {known}")
        elif name:
            lines.append(f"{name}={shown(problem['input'])}: {problem['msg']}")
        else:
            lines.append(problem["msg"].removeprefix("Value error, "))
    return "\n".join(dict.fromkeys(lines))
