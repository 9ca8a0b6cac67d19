"""Which noise a user asks for by name: chosen by the program, or one law, measured.

The names load no torch, so that the command line can list them.
"""

from dataclasses import dataclass

LAWS = ("gaussian", "poisson_gaussian", "photon_counting")  # simplest first
CORRELATED_LAWS = LAWS[:2]  # the model of correlated noise is Gaussian, and knows no photons
_AUTO = "auto"
_CORRELATED = "correlated_"


@dataclass(frozen=True)
class Wanted:
    """What was asked for; what is None is chosen by the images.

    Parameters
    ----------
    law
        One of `LAWS`.
    correlated
        Whether the noise of neighbouring pixels is correlated.

    Examples
    --------
    >>> Wanted("gaussian", correlated=True).name
    'correlated_gaussian'
    """

    law: str | None = None
    correlated: bool | None = None

    @property
    def name(self) -> str:
        """The name by which it is asked for in Python, and stored."""
        if self.law is None:
            return _AUTO
        return f"{_CORRELATED}{self.law}" if self.correlated else self.law

    @property
    def spelling(self) -> str:
        """The name by which it is asked for on the command line."""
        return self.name.replace("_", "-")


CHOSEN = Wanted()
WANTED = (
    CHOSEN,
    *(Wanted(law, correlated=False) for law in LAWS),
    *(Wanted(law, correlated=True) for law in CORRELATED_LAWS),
)
# What is chosen or correlated: no single fit gives it.
CHOSEN_KINDS = {one.name: one for one in WANTED if one.law is None or one.correlated}


def wanted(name: str) -> Wanted | None:
    """Return what a name asks for, as Python or the command line spells it; None if unknown.

    Examples
    --------
    >>> wanted("poisson-gaussian")
    Wanted(law='poisson_gaussian', correlated=False)
    >>> wanted("auto"), wanted("poisson")
    (Wanted(law=None, correlated=None), None)
    """
    return next((one for one in WANTED if one.name == name.replace("-", "_")), None)


def spellings() -> list[str]:
    """List the names as the command line spells them.

    Examples
    --------
    >>> spellings()[3:5]
    ['photon-counting', 'correlated-gaussian']
    """
    return [one.spelling for one in WANTED]
