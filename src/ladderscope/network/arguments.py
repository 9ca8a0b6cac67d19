"""The rules for the arguments of a ladder."""

from collections.abc import Sequence


def check_arguments(
    *,
    dimensions: tuple[int, int],
    counts: tuple[int, int, int, int],
    blocks: tuple[int, int, int],
    latent_channels: Sequence[int],
    first_kernel: int,
    views: int,
    blind_levels: int,
    posterior_scales: Sequence[float],
    top_prior_size: Sequence[int],
    variance_filters: int,
) -> None:
    """Check the arguments of `LadderVAE`.

    Parameters
    ----------
    dimensions : (int, int)
        Of the encoder and of the decoder.
    counts : (int, int, int, int)
        Input channels, output channels, filters and variances.
    blocks : (int, int, int)
        Of a level, behind the first convolution, and of a level of the decoder.
    latent_channels, first_kernel, views, blind_levels, posterior_scales, top_prior_size, \
variance_filters
        As in `LadderVAE`, with the defaults filled in.

    Raises
    ------
    ValueError
        If one of them is out of range.
    """
    encoder, decoder = dimensions
    levels = len(latent_channels)
    rules = (
        (encoder in (2, 3), f"dimensions must be 2 (Y X) or 3 (Z Y X), not {encoder}"),
        (
            decoder in (2, encoder),
            f"decoder_dimensions must be 2 or the encoder's {encoder}, not {decoder}",
        ),
        (
            levels > 0 and all(count > 0 for count in latent_channels),
            f"latent_channels needs one positive number per level, not {latent_channels!r}",
        ),
        (
            min(counts) > 0,
            "input_channels, output_channels, filters and variances must be positive, "
            f"not {counts}",
        ),
        (
            min(blocks) > 0,
            f"blocks, first_blocks and decoder_blocks must be positive, not {blocks}",
        ),
        (
            first_kernel > 0 and first_kernel % 2 == 1,
            f"first_kernel must be odd and positive, not {first_kernel}",
        ),
        (
            0 <= blind_levels < levels,
            f"blind_levels must be from 0 to {levels - 1}, because at least one of the {levels} "
            f"levels must see the image, not {blind_levels}",
        ),
        (
            1 <= views <= levels + 1,
            f"views must be from 1 to {levels + 1}, because each of the {levels} levels takes at "
            f"most one lateral-context input, not {views}",
        ),
        (
            len(posterior_scales) == levels,
            f"posterior_scales needs one number for each of {levels} levels, "
            f"not {posterior_scales!r}",
        ),
        (
            len(top_prior_size) == decoder and all(side > 0 for side in top_prior_size),
            f"top_prior_size needs {decoder} positive numbers, not {top_prior_size!r}",
        ),
        (variance_filters >= 0, f"variance_filters must not be negative, not {variance_filters}"),
    )
    for holds, rule in rules:
        if not holds:
            raise ValueError(rule)
