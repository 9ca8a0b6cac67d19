"""The part of every batch that one of several processes takes."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ladderscope.network import Features, LadderVAE


@dataclass(frozen=True)
class Share:
    """Every `count`-th patch of a batch, from patch `number` on.

    Examples
    --------
    >>> list(range(8))[Share(1, 2).rows]
    [1, 3, 5, 7]
    """

    number: int = 0
    count: int = 1

    @property
    def rows(self) -> slice:
        """Which patches."""
        return slice(self.number, None, self.count)

    def noise(self, network: LadderVAE, features: Features) -> tuple[Float[Tensor, "..."], ...]:
        """Draw the latent noise of a whole batch, and give that of this part.

        All processes so draw the same random numbers, and a batch gets those that it gets in a
        single process.
        """
        whole = network.standard_noise(features, parts=self.count)
        return tuple(level[self.rows] for level in whole)
