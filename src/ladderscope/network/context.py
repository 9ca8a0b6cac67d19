"""Lateral context: inputs that show the surroundings of the patch, and padding that fits both."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class LateralContext(nn.Module):
    """Where a lateral-context input joins the bottom-up pass.

    The input has as many pixels as the patch and is twice as wide as the one before. The features
    of the bottom-up pass, which cover half of its width, are padded with zeros to its full width
    and merged with its own features.

    Parameters
    ----------
    first : torch.nn.Module
        Computes the feature maps of the input.
    merge : torch.nn.Module
        Merges the features of the bottom-up pass with these, as `Merge` does.
    """

    def __init__(self, first: nn.Module, merge: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.merge = merge

    def forward(
        self,
        features: Float[Tensor, "batch channels *half_space"],
        view: Float[Tensor, "batch inputs *space"],
    ) -> Float[Tensor, "batch channels *space"]:
        """Extend the features by those of the surroundings."""
        wide = self.first(view)
        height, width = (a - b for a, b in zip(wide.shape[-2:], features.shape[-2:], strict=True))
        margins = (width // 2, width - width // 2, height // 2, height - height // 2)
        return self.merge(functional.pad(features, margins), wide)


def centre(
    features: Float[Tensor, "batch channels *space"], size: tuple[int, int]
) -> Float[Tensor, "batch channels *centre"]:
    """Crop a map to its central (Y, X)."""
    height, width = size
    top, left = (features.shape[-2] - height) // 2, (features.shape[-1] - width) // 2
    return features[..., top : top + height, left : left + width]


def pad_far_ends(
    image: Float[Tensor, "batch channels *space"], multiple: int
) -> Float[Tensor, "batch channels *padded_space"]:
    """Pad Y and X at their far ends, by reflection, up to a multiple."""
    bottom, right = (-side % multiple for side in image.shape[-2:])
    return _pad(image, (0, right, 0, bottom))


def pad_around(
    image: Float[Tensor, "batch channels *space"], multiple: int
) -> Float[Tensor, "batch channels *padded_space"]:
    """Pad Y and X on both sides, by reflection, up to a multiple.

    Views keep their common centre, because each is padded by the same number of its own pixels.
    Where that number is odd, the far end gets one pixel more, and view k is shifted by
    2^(k−1) − ½ pixels relative to the patch.
    """
    height, width = (-side % multiple for side in image.shape[-2:])
    return _pad(image, (width // 2, width - width // 2, height // 2, height - height // 2))


def _pad(image: Tensor, margins: tuple[int, int, int, int]) -> Tensor:
    if not any(margins):
        return image
    height, width = image.shape[-2:]
    mode = "reflect" if max(margins[:2]) < width and max(margins[2:]) < height else "replicate"
    depth = (0, 0) * (image.ndim - 4)
    return functional.pad(image, (*margins, *depth), mode=mode)
