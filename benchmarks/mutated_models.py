"""Is every damaged or hostile model file refused safely?

Model files (`load`, `ladderscope info`, and a prediction where they open), noise files and YAML
files: valid files with random changes. Each must be opened or refused with an exception of ours.

    python benchmarks/mutated_models.py --files 2000 --seed 0
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import multiprocessing.connection
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS / "corpus"))

KINDS = (".ladder", ".json", ".npz", ".yaml")
MODELS = ["denoiser", "splitter", "from_careamics"]
MODELS += [f"format_3/{name}" for name in MODELS]
SHARES = (0.7, 0.1, 0.1, 0.1)
NUMBERS = [0, -1, 1, 2, 3, 0.5, 1e-300, 1e308, -1e308, 2**31, 2**62, 2**64, 10**30, 10**400]
NUMBERS += [float("nan"), float("inf"), -float("inf")]
TEXTS = ["", "a", "\x1b[31mred", "\ud800", "a" * 100_000, "denoiser", "YX", "2020-01-01", "../../x"]
NESTED = [[], {}, [[]], [1.0], ["a"], {"a": 1}, [0.0] * 10_000, [[1.0, 2.0]] * 1000]
VALUES = [None, True, False, *NUMBERS, *TEXTS, *NESTED]
SLOW, HUNG = 2.0, 30.0  # seconds


def mutated(number: int, seed: int) -> tuple[str, bytes]:
    """Make one file: its suffix and content, both functions of number and seed."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choices(KINDS, SHARES)[0]
    return kind, {".ladder": model, ".json": noise, ".npz": npz, ".yaml": run}[kind](rng)


def model(rng: random.Random) -> bytes:
    from write import members_of, zipped

    members = members_of(rng.choice(MODELS))
    match rng.randrange(8):
        case 0 | 1 | 2:
            name = rng.choice(["config.json", "config.json", "noise.json", "history.json"])
            content = json.loads(members[name])
            for _ in range(rng.randint(1, 2)):
                content = replaced(rng, content)
            members[name] = json.dumps(content).encode()
        case 3:
            name = rng.choice([*members])
            members[name] = flipped(rng, members[name])
        case 4:
            members["model.safetensors"] = weights(rng, members["model.safetensors"])
        case 5:
            name = rng.choice([*members])
            match rng.randrange(4):
                case 0:
                    del members[name]
                case 1:
                    members[name] = b""
                case 2:
                    members[name] = members[name] * rng.randint(2, 50)
                case 3:
                    members[name + rng.choice(["x", "/", "\x00"])] = b"more"
        case 6:
            return flipped(rng, zipped(members), rng.choice([None, b"PK\x01\x02"]))
        case 7:
            return packed(rng, members)
    return zipped(members)


def weights(rng: random.Random, content: bytes) -> bytes:
    """Change the header of weights, or some of the numbers."""
    (length,) = struct.unpack("<Q", content[:8])
    if rng.random() < 0.5:
        header = replaced(rng, json.loads(content[8 : 8 + length]))
        start = json.dumps(header).encode()
        return struct.pack("<Q", len(start)) + start + content[8 + length :]
    changed = bytearray(content)
    for _ in range(rng.randint(1, 20)):
        value = rng.choice([np.nan, np.inf, 1e38, -1e38, 1e30, 1e10, 1e-45, 0.0, 100.0])
        place = 8 + length + 4 * rng.randrange((len(content) - 8 - length) // 4)
        struct.pack_into("<f", changed, place, value)
    return bytes(changed)


def packed(rng: random.Random, members: dict[str, bytes]) -> bytes:
    """Pack a member by some method, and make it large."""
    file = io.BytesIO()
    name = rng.choice([*members, "more"])
    method = rng.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    large = rng.random() < 0.5
    with zipfile.ZipFile(file, "w") as archive:
        for other, content in (members | {name: members.get(name, b"")}).items():
            if other != name:
                archive.writestr(zipfile.ZipInfo(other), content)
            elif large:
                archive.writestr(zipfile.ZipInfo(name), content + bytes(10**8), method)
            else:
                archive.writestr(zipfile.ZipInfo(name), content, method)
    content = bytearray(file.getvalue())
    if large and method == zipfile.ZIP_DEFLATED and rng.random() < 0.5:  # the directory lies
        place = content.rindex(b"PK\x01\x02")
        honest = zlib.crc32(members.get(name, b"")), len(members.get(name, b""))
        struct.pack_into("<L", content, place + 16, honest[0])
        struct.pack_into("<L", content, place + 24, honest[1])
    return bytes(content)


def noise(rng: random.Random) -> bytes:
    from ladderscope.noise import Gaussian, PoissonGaussian
    from ladderscope.noise.histogram import Histogram
    from ladderscope.noise.mixture import GaussianMixture

    models = [
        Gaussian(3.0),
        PoissonGaussian(2.0, 9.0),
        GaussianMixture([[0.0, 1.0], [2.0, 3.0], [0.0, 0.0]], 10.0, 200.0, 0.5),
        Histogram((0.0, 100.0), (2.0, 4.0), ((0.0, 1.0, 0.0),) * 2, reach=2.0),
    ]
    head = {"format": "ladderscope noise model", "format_version": 1}
    content = head | {"noise": rng.choice(models).to_dict()}
    for _ in range(rng.randint(1, 2)):
        content = replaced(rng, content)
    text = json.dumps(content).encode()
    if rng.random() < 0.2:
        text = text.replace(b"0", b"[" * rng.choice([10, 2000, 100_000]), 1)
    return flipped(rng, text) if rng.random() < 0.3 else text


def npz(rng: random.Random) -> bytes:
    file = io.BytesIO()
    arrays = {
        "trained_weight": np.zeros((6, 2)),
        "min_signal": np.zeros(1),
        "max_signal": np.ones(1),
        "min_sigma": np.array(2.0),
    }
    name = rng.choice([*arrays])
    other = [np.array("a"), np.full(3, np.nan), np.zeros((0, 3)), np.float32(1e38), np.zeros(10**7)]
    arrays[name] = rng.choice(other) if rng.random() < 0.5 else arrays[name]
    rng.choice([np.savez, np.savez_compressed])(file, **arrays)
    content = file.getvalue()
    if rng.random() < 0.4:
        shapes = [b"(999999999999,)", b"(6, 2), (6, 2)", b"(-1,)", b"((),)", b"(True,)"]
        content = content.replace(b"(6, 2)", rng.choice(shapes), 1)
    return flipped(rng, content[:100_000]) if rng.random() < 0.6 else content


def run(rng: random.Random) -> bytes:
    lines = ["preset: tiny", "minutes: 5", "filters: 8", "noise: gaussian:3", "seed: 1"]
    parts = ["[", "{a: ", "&a ", "*a", "!!int ", "!!python/name:os.system ", "- ", "? ", "'", "\t"]
    parts += ["0x" + "f" * 9000, "1:" * 9000, "~", ".nan", "2001-13-45", "\x1b[31m", "\x00"]
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(lines))
        part = rng.choice(parts) * rng.choice([1, 1, 3, 3000])
        name, _, value = lines[place].partition(": ")
        lines[place] = rng.choice([f"{name}: {part}", f"{part}{name}: {value}", part])
    return (
        flipped(rng, "\n".join(lines).encode()) if rng.random() < 0.3 else "\n".join(lines).encode()
    )


def replaced(rng: random.Random, content: object) -> object:
    """Replace, remove or add one value in JSON, at any depth."""
    if not isinstance(content, dict | list) or not content or rng.random() < 0.15:
        return rng.choice(VALUES)
    copy = dict(content) if isinstance(content, dict) else list(content)
    name = rng.choice([*copy]) if isinstance(copy, dict) else rng.randrange(len(copy))
    chance = rng.random()
    if chance < 0.08:
        del copy[name]
    elif chance < 0.16 and isinstance(copy, dict):
        copy[rng.choice(["more", "\x1b[31m", name * 2])] = copy[name]
    elif chance < 0.2 and isinstance(copy, list):
        copy += [copy[name]] * rng.choice([1, 10_000])
    else:
        copy[name] = replaced(rng, copy[name])
    return copy


def flipped(rng: random.Random, content: bytes, near: bytes | None = None) -> bytes:
    """Change, cut or double some bytes, anywhere or near a signature."""
    changed = bytearray(content)
    start = content.find(near) if near else 0
    for _ in range(rng.choice([1, 1, 3, 30])):
        if len(changed) < 2:
            break
        place = min(start + rng.randrange(200 if near else len(changed)), len(changed) - 1)
        match rng.randrange(4):
            case 0 | 1:
                changed[place] = rng.randrange(256)
            case 2:
                del changed[place : place + rng.randrange(100)]
            case 3:
                changed[place:place] = changed[place : place + 50]
    return bytes(changed)


def opened(path: Path) -> str:
    """Open a file as a user would, and return the outcome."""
    from ladderscope import load
    from ladderscope.cli.info import info
    from ladderscope.cli.options import Training
    from ladderscope.cli.setup import make_restorer
    from ladderscope.errors import LadderscopeError
    from ladderscope.models import Denoiser
    from ladderscope.noise import load_noise_model

    quiet = io.TextIOWrapper(io.BytesIO(), "utf-8")
    try:
        with contextlib.redirect_stdout(quiet):
            if path.suffix == ".ladder":
                restorer = load(path, device="cpu")
                info(path)
                image = np.random.default_rng(0).normal(200, 50, (32, 32))
                space = restorer.settings.dimensions
                image = image if space == 2 else np.stack([image] * 4)
                mean = restorer.predict(image, "ZYX"[-space:], samples=0).mean
                return "opened" if np.isfinite(mean).all() else "not finite"
            if path.suffix == ".yaml":
                make_restorer(Denoiser, Training(device="cpu", config=path))
            else:
                load_noise_model(path)
        return "opened"
    except LadderscopeError as error:
        name_is_told = path.name in str(error) or path.suffix == ".yaml"
        return "refused" if name_is_told else f"nameless: {error}"
    except Exception:
        return traceback.format_exc()


def work(connection: multiprocessing.connection.Connection) -> None:
    """Open the files whose paths come through the connection."""
    import logging

    import torch

    torch.set_num_threads(1)
    logging.getLogger("ladderscope").setLevel(logging.CRITICAL)
    for path in iter(connection.recv, None):
        before, started = megabytes(), time.monotonic()
        result = opened(path)
        connection.send((result, time.monotonic() - started, before, megabytes()))


def megabytes() -> float:
    """Return the peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    rows = []

    def start() -> tuple[multiprocessing.Process, multiprocessing.connection.Connection, float]:
        ours, theirs = context.Pipe()
        worker = context.Process(target=work, args=(theirs,), daemon=True)
        worker.start()
        theirs.close()
        ours.send(TESTS / "models" / "fixtures" / "denoiser.ladder")
        return worker, ours, ours.recv()[3]

    worker, connection, base = start()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.first, args.first + args.files):
            suffix, content = mutated(number, args.seed)
            path = Path(folder, f"m{suffix}")
            path.write_bytes(content)
            connection.send(path)
            try:
                found = connection.recv() if connection.poll(HUNG) else None
            except EOFError:
                found = None
            if found is None:
                how = "hung" if worker.is_alive() else f"died ({worker.exitcode})"
                found = (how, HUNG, 0.0, 0.0)
                worker.kill()
                worker, connection, base = start()
            rows.append((suffix, *found))
            result, seconds, before, after = found
            if (
                result not in ("opened", "refused")
                or seconds > SLOW
                or after > max(before, base + 20)
            ):
                print(
                    f"file {number}{suffix}: {seconds:.2f} s, {after:.0f} MB: {result}", flush=True
                )
    connection.send(None)
    worker.join()

    print("| files | opened | refused | anything else | longest, s | peak memory, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for suffix in (*KINDS, "all"):
        chosen = [row for row in rows if suffix in (row[0], "all")]
        if chosen:
            counts = [sum(row[1] == what for row in chosen) for what in ("opened", "refused")]
            # the memory of a process only grows: what counts is the file during which it grew
            grown = [after for *_, before, after in chosen if after > before]
            print(
                f"| {len(chosen)} {suffix} | {counts[0]} | {counts[1]} | "
                f"{len(chosen) - sum(counts)} | {max(row[2] for row in chosen):.2f} | "
                f"{max(grown, default=base):.0f} |"
            )
    print(f"A process that has opened a valid model holds {base:.0f} MB.")


if __name__ == "__main__":
    main()
