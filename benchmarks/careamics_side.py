"""CAREamics' side of `against_careamics.py`, run in its own environment; answers in JSON lines.

The first line on stdout says that it is ready; then every line read is a request with a "do",
and every answer is one line. Nothing of Ladderscope is loaded here.
"""

import json
import sys
import time
import types
from pathlib import Path

import numpy as np
import torch
import torchmetrics.image  # noqa: F401  before the stand-in, which it would take for the real one

CONFIG = {
    "input_shape": [64, 64],
    "output_channels": 1,
    "multiscale_count": 1,
    "z_dims": [32] * 5,
    "encoder_n_filters": 64,
    "decoder_n_filters": 64,
    "encoder_conv_strides": [2, 2],
    "decoder_conv_strides": [2, 2],
    "encoder_dropout": 0.0,
    "decoder_dropout": 0.0,
    "nonlinearity": "ELU",
    "predict_logvar": None,
    "analytical_kl": True,
}


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


def make_network(**changed):
    stand_in_for_torchvision()
    from careamics.models.lvae.lvae import LadderVAE

    torch.manual_seed(0)
    return LadderVAE(**CONFIG | changed)


def kibibytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))


@torch.no_grad()
def mmse(network, image, samples):
    """Call the whole network once per sample, and keep all samples until the end."""
    drawn = torch.stack([network(image)[0] for _ in range(samples)])
    return drawn.mean(dim=0), drawn.std(dim=0)


class Side:
    def __init__(self):
        self.network = make_network()
        self.image = torch.randn(16, 1, 64, 64)

    def of_size(self, side):
        """Give the network for larger images, its top prior repeated: that is tied to one size."""
        if side == 64:
            return self.network.eval()
        network = make_network(input_shape=[side, side])
        weights = dict(self.network.state_dict())
        name = next(name for name in weights if name.endswith("top_prior_params"))
        weights[name] = weights[name].repeat(1, 1, side // 64, side // 64)
        network.load_state_dict(weights)
        return network.eval()

    def save(self, path):
        torch.save(self.network.state_dict(), path)

    def step(self, count):
        """Times of training steps, after one that does not count."""
        if not hasattr(self, "optimizer"):
            self.optimizer = torch.optim.Adamax(self.network.train().parameters(), lr=1e-3)
            self._step()
        return [self._timed(self._step) for _ in range(count)]

    def _step(self):
        self.optimizer.zero_grad()
        output, levels = self.network(self.image)
        kl = sum(level.mean() for level in levels["kl"]) / 64**2
        loss = 0.5 * (output - self.image).square().mean() + kl
        loss.backward()
        self.optimizer.step()

    def _timed(self, function, *arguments):
        started = time.perf_counter()
        function(*arguments)
        return time.perf_counter() - started

    def forward(self, count):
        with torch.no_grad():
            self.network.eval()(self.image)
            return [self._timed(self.network, self.image) for _ in range(count)]

    def mmse(self, side, samples):
        image = torch.randn(1, 1, side, side)
        return self._timed(mmse, self.of_size(side), image, samples)

    def memory(self, side, samples):
        """Peak memory in MB over the loaded process; for a process of its own."""
        image = torch.randn(1, 1, side, side)
        network = self.of_size(side)
        before = kibibytes("VmRSS")
        mmse(network, image, samples)
        return (kibibytes("VmHWM") - before) / 1024

    def train(self, folder, seconds, gain, read_noise):
        """Train for so many seconds more, in float32, with the true noise of the images."""
        if not hasattr(self, "data"):
            self.data = [np.load(Path(folder) / f"{n}.npy").astype(np.float32) for n in (0, 1)]
            self.mean = float(np.mean([part.mean() for part in self.data]))
            self.std = float(np.mean([part.std() for part in self.data]))
            self.optimizer = torch.optim.Adamax(self.network.train().parameters(), lr=1e-3)
            self.rng = np.random.default_rng(0)
        self.network.train()
        started = time.perf_counter()
        steps = 0
        while time.perf_counter() - started < seconds:
            self._train_step(gain, read_noise)
            steps += 1
        return steps

    def _train_step(self, gain, read_noise):
        patches = []
        for _ in range(16):
            image = self.data[self.rng.integers(2)]
            top, left = (int(self.rng.integers(side - 63)) for side in image.shape)
            patch = np.rot90(image[top : top + 64, left : left + 64], self.rng.integers(4))
            patches.append(patch.T if self.rng.integers(2) else patch)
        observed = torch.from_numpy(np.ascontiguousarray(np.stack(patches)[:, None]))
        self.optimizer.zero_grad()
        output, levels = self.network((observed - self.mean) / self.std)
        signal = output * self.std + self.mean
        variance = (gain * signal + read_noise**2).clamp(min=1.0)
        reconstruction = 0.5 * ((observed - signal).square() / variance + variance.log()).mean()
        kl = sum(level.clamp(min=1.0).mean() for level in levels["kl"]) / 64**2
        (reconstruction + kl).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()

    def restore(self, folder, side, samples):
        """Restore the top left square of the second image; writes it as theirs.npy."""
        image = torch.from_numpy(self.data[1][None, None, :side, :side])
        restored, _ = mmse(self.of_size(side), (image - self.mean) / self.std, samples)
        np.save(Path(folder) / "theirs.npy", (restored * self.std + self.mean)[0, 0].numpy())


def main():
    side = Side()
    parameters = sum(p.numel() for p in side.network.parameters())
    print(json.dumps({"parameters": parameters}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(side, request.pop("do"))(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
