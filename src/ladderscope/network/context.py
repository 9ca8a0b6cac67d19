"""What lies around the patch: wider views of the same centre, and the padding that fits both."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class WiderView(nn.Module):
    """Where one wider view joins the bottom-up pass.

    The view has as many pixels as the patch, each twice as wide as those of the view before. The
    features that come up, which cover half of its width, are padded with zeros to the whole of
    it, and merged with the features of the view.

    Parameters
    ----------
    first : torch.nn.Module
        Makes feature maps of the view.
    merge : torch.nn.Module
        Merges two maps into one, as `Merge` does: what comes up, and these.
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
        """Widen the features by what the view shows."""
        wide = self.first(view)
        height, width = (a - b for a, b in zip(wide.shape[-2:], features.shape[-2:], strict=True))
        margins = (width // 2, width - width // 2, height // 2, height - height // 2)
        return self.merge(functional.pad(features, margins), wide)


def centre(
    features: Float[Tensor, "batch channels *space"], size: tuple[int, int]
) -> Float[Tensor, "batch channels *centre"]:
    """Cut the centre of this (Y, X) out of a map."""
    height, width = size
    top, left = (features.shape[-2] - height) // 2, (features.shape[-1] - width) // 2
    return features[..., top : top + height, left : left + width]


def pad_far_ends(
    image: Float[Tensor, "batch channels *space"], multiple: int
) -> Float[Tensor, "batch channels *padded_space"]:
    """Pad Y and X behind their ends, by reflection, up to a multiple."""
    bottom, right = (-side % multiple for side in image.shape[-2:])
    return _pad(image, (0, right, 0, bottom))


def pad_around(
    image: Float[Tensor, "batch channels *space"], multiple: int
) -> Float[Tensor, "batch channels *padded_space"]:
    """Pad Y and X on both sides, by reflection, up to a multiple.

    Views of one centre stay so, because each is padded by as many of its own pixels. Where the
    margin is odd, the far end gets one pixel more, and view k is shifted by 2^(k−1) − ½ pixels
    against the patch.
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
