"""The noise models that there are: where each one lives, and how the command line spells it.

Files, the command line and the report look a noise model up here and name none themselves. The
table loads no torch: a noise model's own file is loaded when the model is needed.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Spelling:
    """One way to write a noise model on the command line: ``name:NUMBER,NUMBER``.

    Parameters
    ----------
    name
        What stands before the colon.
    parameters
        The numbers after it, as help names them: ``"GAIN,OFFSET,READ"``.
    example
        Such numbers: ``"2.1,100,3"``.
    note
        What help says of the parameters besides, if anything.
    maker
        The class method that takes the numbers; by default the class itself does.

    Examples
    --------
    >>> Spelling("gaussian", "SIGMA", "3.5").form
    'gaussian:SIGMA'
    """

    name: str
    parameters: str
    example: str
    note: str = ""
    maker: str = ""

    @property
    def form(self) -> str:
        """The spelling with its parameters named."""
        return f"{self.name}:{self.parameters}"


@dataclass(frozen=True)
class Kind:
    """A kind of noise model: where its class lives, and its spellings.

    Parameters
    ----------
    module, name
        Of the class.
    spellings
        None for a noise model that is only ever read from a file.
    """

    module: str
    name: str
    spellings: tuple[Spelling, ...] = ()

    def load(self) -> Any:
        """Return the class, which derives from `NoiseModel`.

        Examples
        --------
        >>> KINDS["gaussian"].load().kind
        'gaussian'
        """
        return getattr(import_module(self.module), self.name)


# By the kind that a stored model names. The order is that of help.
KINDS: dict[str, Kind] = {
    "gaussian": Kind(
        "ladderscope.noise.gaussian", "Gaussian", (Spelling("gaussian", "SIGMA", "3.5"),)
    ),
    "poisson_gaussian": Kind(
        "ladderscope.noise.poisson_gaussian",
        "PoissonGaussian",
        (
            Spelling(
                "poisson-gaussian",
                "GAIN,OFFSET,READ",
                "2.1,100,3",
                note="GAIN: grey levels per photoelectron",
                maker="from_camera",
            ),
        ),
    ),
    "photon_counting": Kind(
        "ladderscope.noise.photon_counting",
        "PhotonCounting",
        (
            Spelling(
                "photon-counting",
                "GAIN,OFFSET,READ,SHAPE",
                "16,3.5,0.6,4",
                note="SHAPE: shape parameter of the pulse heights, typically 1 to 10",
            ),
            Spelling("emccd", "GAIN,OFFSET,READ", "20,100,4", maker="emccd"),
            Spelling("camera", "GAIN,OFFSET,READ", "2.1,100,3", note="counts whole photons"),
        ),
    ),
    "coloured": Kind("ladderscope.noise.coloured", "Coloured"),
    "mixture": Kind("ladderscope.noise.mixture", "GaussianMixture"),
    "histogram": Kind("ladderscope.noise.histogram", "Histogram"),
}


def spellings() -> list[Spelling]:
    """List every way to write a noise model on the command line.

    Examples
    --------
    >>> [spelling.form for spelling in spellings()][:2]
    ['gaussian:SIGMA', 'poisson-gaussian:GAIN,OFFSET,READ']
    """
    return [spelling for kind in KINDS.values() for spelling in kind.spellings]


def usage() -> str:
    """List every way to write a noise model on the command line, as help does.

    The parameters have commas between them, so the spellings have semicolons.

    Examples
    --------
    >>> usage()[:49]
    'gaussian:SIGMA; poisson-gaussian:GAIN,OFFSET,READ'
    """
    forms = (f"{one.form} ({one.note})" if one.note else one.form for one in spellings())
    return "; ".join(forms)
