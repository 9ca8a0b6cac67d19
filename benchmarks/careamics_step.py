"""CAREamics' side of `against_careamics.py`: run by the peer's interpreter, speaks JSON lines.

Every line read is a number of training steps to take; the answer is the seconds of each.
"""

import json
import sys
import time
import types

import torch
import torchmetrics.image  # noqa: F401  before the stand-in, which it would take for the real one


def center_crop(image, output_size):
    height, width = (output_size,) * 2 if isinstance(output_size, int) else output_size[:2]
    top, left = (
        (side - cut) // 2 for side, cut in zip(image.shape[-2:], (height, width), strict=True)
    )
    return image[..., top : top + height, left : left + width]


def stand_in_for_torchvision():
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
    vision, transforms, functional = (types.ModuleType(name) for name in names)
    vision.__version__, vision.transforms = "0.0.0", transforms
    transforms.functional, functional.center_crop = functional, center_crop
    sys.modules.update(zip(names, (vision, transforms, functional), strict=True))


def main():
    stand_in_for_torchvision()
    from careamics.models.lvae.lvae import LadderVAE

    torch.manual_seed(0)
    network = LadderVAE(
        input_shape=[64, 64],
        output_channels=1,
        multiscale_count=1,
        z_dims=[32] * 5,
        encoder_n_filters=64,
        decoder_n_filters=64,
        encoder_conv_strides=[2, 2],
        decoder_conv_strides=[2, 2],
        encoder_dropout=0.0,
        decoder_dropout=0.0,
        nonlinearity="ELU",
        predict_logvar=None,
        analytical_kl=True,
    )
    optimizer = torch.optim.Adamax(network.parameters(), lr=1e-3)
    image = torch.randn(16, 1, 64, 64)

    def step():
        optimizer.zero_grad()
        output, levels = network(image)
        kl = sum(level.mean() for level in levels["kl"]) / 64**2
        loss = 0.5 * (output - image).square().mean() + kl
        loss.backward()
        optimizer.step()

    step()
    print(json.dumps({"parameters": sum(p.numel() for p in network.parameters())}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            started = time.perf_counter()
            step()
            times.append(time.perf_counter() - started)
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
