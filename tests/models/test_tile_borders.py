"""The borders of a model's tiles are those that its prediction goes by."""

from dataclasses import replace

from ladderscope.models import tile_borders


def test_borders_lie_where_cores_meet(denoiser):
    model = denoiser.model
    small = replace(
        model, settings=model.settings.model_copy(update={"tile_core": 32, "tile_margin": 16})
    )
    found = tile_borders(small, (120, 60))
    grid = 2 ** len(model.architecture.latent_channels)
    assert found.grid == grid
    assert found.rows and all(row % grid == 0 and 0 < row < 120 for row in found.rows)
    assert len(found.columns) < len(found.rows)


def test_an_image_of_one_tile_has_none(denoiser):
    found = tile_borders(denoiser.model, (64, 64))
    assert found.rows == found.columns == ()
