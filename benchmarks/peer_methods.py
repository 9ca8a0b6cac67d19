"""BM3D and N2V (CAREamics), run in the environment of `peer.py`; nothing of Ladderscope is loaded.

    python peer_methods.py bm3d stabilised.npy denoised.npy [--spectrum spectrum.npy]
    python peer_methods.py n2v noisy.npy denoised.npy --seconds 300 --seed 0

Prints one line of JSON at the end: times in seconds, without loading the packages.
"""

import argparse
import json
import tempfile
import time

import numpy as np

COPIES = (
    8  # of the image in an epoch: CAREamics validates and adapts the learning rate once in each
)


def denoise_with_bm3d(image, args):
    if not hasattr(np, "trapz"):
        np.trapz = np.trapezoid  # noqa: NPY201  bm4d 4.2 asks for the name that numpy 2.4 dropped
    from bm3d import bm3d

    spectrum = np.load(args.spectrum) if args.spectrum else 1.0
    started = time.perf_counter()
    denoised = bm3d(image, spectrum)
    return denoised, {"seconds": time.perf_counter() - started}


def denoise_with_n2v(image, args):
    from careamics_side import stand_in_for_torchvision

    stand_in_for_torchvision()
    import torch
    from careamics import CAREamist
    from careamics.config.factories.n2v_factory import create_advanced_n2v_config

    torch.set_num_threads(args.threads)
    config = create_advanced_n2v_config(
        experiment_name="n2v",
        data_type="array",
        axes="YX",
        patch_size=[64, 64],
        batch_size=16,
        num_epochs=100_000,
        num_workers=0,
        seed=args.seed + 1,  # it must be positive
        trainer_params={"max_time": {"seconds": args.seconds}, "accelerator": "cpu"},
    )
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        trained = CAREamist(config, work_dir=folder, enable_progress_bar=False)
        trained.train(train_data=[image.astype(np.float32)] * COPIES)
        times = {"train_seconds": time.perf_counter() - started}
        times["steps"] = trained.trainer.global_step
        started = time.perf_counter()
        denoised = np.squeeze(trained.predict(image.astype(np.float32))[0][0])
        times["seconds"] = time.perf_counter() - started
    return denoised, times


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("method", choices=["bm3d", "n2v"])
    parser.add_argument("image")
    parser.add_argument("denoised")
    parser.add_argument("--spectrum")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    denoise = {"bm3d": denoise_with_bm3d, "n2v": denoise_with_n2v}[args.method]
    denoised, times = denoise(np.load(args.image), args)
    np.save(args.denoised, denoised)
    print(json.dumps({name: round(value, 1) for name, value in times.items()}), flush=True)


if __name__ == "__main__":
    main()
