"""The constructor arguments of a small ladder VAE of CAREamics 0.3.5."""

SMALL = {
    "input_shape": [16, 16],
    "output_channels": 1,
    "multiscale_count": 1,
    "z_dims": [2, 3],
    "encoder_n_filters": 4,
    "decoder_n_filters": 4,
    "encoder_conv_strides": [2, 2],
    "decoder_conv_strides": [2, 2],
    "encoder_dropout": 0.1,
    "decoder_dropout": 0.2,
    "nonlinearity": "ELU",
    "predict_logvar": None,
    "analytical_kl": True,
}
