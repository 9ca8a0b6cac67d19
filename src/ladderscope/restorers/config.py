"""The settings of a restorer, checked, and the presets that name good ones."""

from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ladderscope.errors import LadderscopeError

NO_BUDGET = {"minutes": None, "steps": None, "epochs": None}


class DenoiserSettings(BaseModel):
    """Everything that shapes a denoiser: its network, its training, its tiles.

    Parameters
    ----------
    levels, filters, latent_channels, blocks, first_kernel, batch_norm, dropout, activation
        The network: see `ladderscope.network.LadderVAE`. Latent channels are those of each level.
    blind_levels
        How many of the finest levels never see the image, so that structured noise (lines,
        patterns) finds no level to be carried by; 0 for noise without structure.
    patch, batch
        Side of a training patch in pixels, and patches in a batch.
    optimizer, learning_rate, warmup_steps, rate
        The optimizer, its highest learning rate, the steps to reach it, and what follows: a
        ``"cosine"`` to zero over the budget, or halving on a ``"plateau"`` of the validation loss.
    free_bits
        Nats per level and patch below which the KL is not pushed.
    kl_weight, kl_annealing_steps
        Final weight of the KL, and the steps over which it rises to it from zero.
    gradient_clip
        Largest norm of the gradient.
    minutes, steps, epochs
        The budget, one of the three.
    tile_core, tile_margin
        The geometry of prediction: see `ladderscope.prediction.Geometry`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: int = Field(default=4, ge=1, le=10)
    filters: int = Field(default=32, ge=1)
    latent_channels: int = Field(default=16, ge=1)
    blocks: int = Field(default=1, ge=1)
    first_kernel: int = Field(default=3, ge=1)
    batch_norm: bool = False
    dropout: float = Field(default=0.0, ge=0, lt=1)
    activation: Literal["elu", "relu", "leaky_relu", "silu"] = "elu"
    blind_levels: int = Field(default=0, ge=0)

    patch: int = Field(default=64, ge=8)
    batch: int = Field(default=16, ge=1)
    optimizer: Literal["muon", "adamax"] = "muon"
    learning_rate: float = Field(default=1.2e-2, gt=0, allow_inf_nan=False)
    warmup_steps: int = Field(default=100, ge=0)
    rate: Literal["cosine", "plateau"] = "cosine"
    free_bits: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    kl_weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    kl_annealing_steps: int = Field(default=0, ge=0)
    gradient_clip: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    minutes: float | None = None
    steps: int | None = None
    epochs: float | None = None

    tile_core: int = Field(default=448, ge=16)
    tile_margin: int = Field(default=32, ge=0)

    @model_validator(mode="after")
    def _one_budget(self) -> "DenoiserSettings":
        given = {name: value for name in NO_BUDGET if (value := getattr(self, name)) is not None}
        if len(given) != 1:
            found = f"{' and '.join(given)} are given: " if given else ""
            raise ValueError(f"{found}the budget is one of minutes, steps and epochs")
        if not all(0 < value < float("inf") for value in given.values()):
            raise ValueError("the budget must be positive, such as minutes=5")
        return self

    @model_validator(mode="after")
    def _odd_kernel(self) -> "DenoiserSettings":
        if self.first_kernel % 2 == 0:
            raise ValueError(f"first_kernel must be odd, not {self.first_kernel}")
        return self

    @model_validator(mode="after")
    def _a_level_sees_the_image(self) -> "DenoiserSettings":
        if self.blind_levels >= self.levels:
            raise ValueError(
                f"blind_levels={self.blind_levels} leaves none of the {self.levels} levels to see "
                "the image: give fewer blind levels, or more levels"
            )
        return self

    @model_validator(mode="after")
    def _patch_holds_the_levels(self) -> "DenoiserSettings":
        if self.patch % 2**self.levels:
            raise ValueError(
                f"patch must be a multiple of {2**self.levels}, 2 to the number of levels"
            )
        return self


PRESETS: MappingProxyType[str, DenoiserSettings] = MappingProxyType(
    {
        "tiny": DenoiserSettings(
            levels=2,
            filters=8,
            latent_channels=4,
            patch=32,
            batch=4,
            warmup_steps=5,
            steps=40,
            tile_core=128,
            tile_margin=16,
        ),
        "small": DenoiserSettings(minutes=5),
        "paper": DenoiserSettings(
            levels=6,
            filters=64,
            latent_channels=32,
            blocks=5,
            first_kernel=5,
            batch_norm=True,
            dropout=0.2,
            optimizer="adamax",
            learning_rate=3e-4,
            warmup_steps=0,
            rate="plateau",
            epochs=200,
            tile_margin=64,
        ),
    }
)


def settings_for(preset: str, overrides: dict[str, Any]) -> DenoiserSettings:
    """Take a preset's settings, with some of them replaced.

    Raises
    ------
    LadderscopeError
        No preset or no setting has that name, or a value is out of range.

    Examples
    --------
    >>> settings_for("small", {"steps": 200}).minutes is None
    True
    """
    if preset not in PRESETS:
        raise LadderscopeError(f"there is no preset {preset!r}: choose one of {', '.join(PRESETS)}")
    return replaced(PRESETS[preset], overrides)


def replaced(settings: DenoiserSettings, overrides: dict[str, Any]) -> DenoiserSettings:
    """Replace some of the settings; a budget replaces the budget, whichever of the three it is.

    Raises
    ------
    LadderscopeError
        There is no setting of that name, or a value is out of range.

    Examples
    --------
    >>> replaced(PRESETS["small"], {"steps": 200}).minutes is None
    True
    """
    values = settings.model_dump()
    if any(overrides.get(name) is not None for name in NO_BUDGET):
        values |= NO_BUDGET
    try:
        return DenoiserSettings(**values | overrides)
    except ValidationError as error:
        raise LadderscopeError(_in_words(error)) from error


def _in_words(error: ValidationError) -> str:
    """Say what is wrong with settings, a line each."""
    lines = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = ", ".join(DenoiserSettings.model_fields)
            lines.append(f"there is no setting {name!r}; the settings are: {known}")
        elif name:
            lines.append(f"{name}={problem['input']!r}: {problem['msg']}")
        else:
            lines.append(problem["msg"].removeprefix("Value error, "))
    return "\n".join(lines)
