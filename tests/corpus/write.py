"""Writes hostile files into a folder, the same bytes each time; each is small on disk.

    python tests/corpus/write.py FOLDER

Each begins with a valid file and changes one thing in it. Its name is what is wrong with it, and
its suffix what it pretends to be: a model, noise, a run's settings, a network's configuration, or
weights.
"""

import argparse
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

FIXTURES = Path(__file__).parents[1] / "models" / "fixtures"
VALID = FIXTURES / "format_3" / "denoiser.ladder"
UNPACKED = 6 * 10**7
NETWORK = {
    "input_shape": [32, 32],
    "output_channels": 1,
    "multiscale_count": 1,
    "z_dims": [2, 2],
    "encoder_n_filters": 4,
    "decoder_n_filters": 4,
    "encoder_conv_strides": [2, 2],
    "decoder_conv_strides": [2, 2],
    "encoder_dropout": 0.1,
    "decoder_dropout": 0.1,
    "nonlinearity": "ELU",
    "predict_logvar": None,
    "analytical_kl": True,
}
NOISE_HEAD = {"format": "ladderscope noise model", "format_version": 1}
BELL = "\x1b]0;owned\x07\x1b[31m"


def members_of(name: str = "format_3/denoiser") -> dict[str, bytes]:
    """Read the members of a valid model file."""
    with zipfile.ZipFile(FIXTURES / f"{name}.ladder") as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def zipped(members: Mapping[str, bytes], **options: Any) -> bytes:
    """Write a zip file, every member at one date."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, **options)
    return file.getvalue()


def bomb(name: str, method: int) -> bytes:
    """Write a valid model, but for one member that unpacks to many megabytes of zeros."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for other, content in members_of().items():
            if other != name:
                archive.writestr(zipfile.ZipInfo(other), content)
        info = zipfile.ZipInfo(name)
        info.compress_type = method
        with archive.open(info, "w", force_zip64=True) as member:
            for _ in range(UNPACKED // 10**7):
                member.write(bytes(10**7))
    return file.getvalue()


def lying_bomb(name: str) -> bytes:
    """Write a deflated member of many megabytes, whose size the directory gives as a valid one."""
    members = members_of()
    size = len(members[name])
    packed = zlib.compress(bytes(UNPACKED), 9)[2:-4]
    members[name] = packed
    content = bytearray(zipped(members))
    for signature, method, sizes in ((b"PK\x03\x04", 8, 22), (b"PK\x01\x02", 10, 24)):
        place = content.index(signature)
        while name.encode() not in content[place : place + 46 + len(name)]:
            place = content.index(signature, place + 1)
        struct.pack_into("<H", content, place + method, zipfile.ZIP_DEFLATED)
        struct.pack_into("<L", content, place + sizes, size)
    return bytes(content)


def directory_changed(offset: int, layout: str, value: int, member: int = 0) -> bytes:
    """Write a valid model, but for one field of a member's entry in the directory."""
    content = bytearray(VALID.read_bytes())
    place = -1
    for _ in range(member + 1):
        place = content.index(b"PK\x01\x02", place + 1)
    struct.pack_into(layout, content, place + offset, value)
    return bytes(content)


def many_members() -> bytes:
    """Write a directory of fifty thousand empty members."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 9, 1, *[0] * 6) + b"a"
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 50_000, 50_000, 50_000 * len(entry), 0, 0)
    return 50_000 * entry + end


def zip64() -> bytes:
    """Write a valid model with a directory of the format for large files, of absurd size."""
    content = VALID.read_bytes()
    start = content.index(b"PK\x01\x02")
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 5, 5, 2**40, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(content) - 22, 1)
    return content[:-22] + record + locator + content[-22:]


def with_twins() -> bytes:
    """Write a model with two members of one name."""
    content = zipped(members_of() | {"config.jsom": b"{}"})
    return content.replace(b"config.jsom", b"config.json")


def changed(member: str, change: Callable[[Any], Any], model: str = "format_3/denoiser") -> bytes:
    """Write a model with one JSON member changed: in place, or replaced by what is returned."""
    members = members_of(model)
    content = json.loads(members[member])
    result = change(content)
    members[member] = json.dumps(content if result is None else result).encode()
    return zipped(members)


def config_with(path: str, value: Any, model: str = "format_3/denoiser") -> bytes:
    """Write a model with one entry of its config replaced."""

    def change(config: Any) -> None:
        *parents, last = path.split(".")
        for name in parents:
            config = config[name]
        config[last] = value

    return changed("config.json", change, model)


def history_with(name: str, value: Any) -> bytes:
    """Write a model with one entry of its first validation replaced."""

    def change(history: Any) -> None:
        history[0][name] = value

    return changed("history.json", change)


def noise_with(name: str, value: Any, part: str = "model") -> bytes:
    """Write a model with one entry of its noise replaced."""

    def change(noise: Any) -> None:
        noise[0][part][name] = value

    return changed("noise.json", change)


def header_with(change: Callable[[dict[str, Any]], None]) -> bytes:
    """Write a model whose weights have another header."""
    members = members_of()
    weights = members["model.safetensors"]
    (length,) = struct.unpack("<Q", weights[:8])
    header = json.loads(weights[8 : 8 + length])
    change(header)
    start = json.dumps(header).encode()
    members["model.safetensors"] = struct.pack("<Q", len(start)) + start + weights[8 + length :]
    return zipped(members)


def weights_with(value: float) -> bytes:
    """Write a model one of whose weights is another."""
    members = members_of()
    weights = members["model.safetensors"]
    members["model.safetensors"] = weights[:-4] + struct.pack("<f", value)
    return zipped(members)


def _first_shape(header: dict[str, Any], shape: list[int]) -> None:
    next(entry for name, entry in header.items() if name != "__metadata__")["shape"] = shape


def models() -> dict[str, bytes]:
    """Make hostile model files, by name."""
    deep = "[" * 20_000 + "]" * 20_000
    files = {
        "empty": b"",
        "text": b"not a model",
        "bomb of deflate": bomb("config.json", zipfile.ZIP_DEFLATED),
        "bomb of bzip2": bomb("noise.json", zipfile.ZIP_BZIP2),
        "bomb of weights": bomb("model.safetensors", zipfile.ZIP_DEFLATED),
        "bomb unknown": bomb("more.bin", zipfile.ZIP_DEFLATED),
        "bomb that lies": lying_bomb("history.json"),
        "lzma": zipped(members_of(), compress_type=zipfile.ZIP_LZMA),
        "many members": many_members(),
        "zip64": zip64(),
        "twins": with_twins(),
        "unknown member": zipped(members_of() | {"run.py": b"import os"}),
        "behind the end": VALID.read_bytes() + b"more",
        "before the start": b"#!/bin/sh\n" + VALID.read_bytes(),
        "encrypted": directory_changed(8, "<H", 1),
        "overlapping": directory_changed(42, "<L", 0, member=1),
        "size of 4 GB": directory_changed(24, "<L", 2**32 - 2),
        "packed size of 4 GB": directory_changed(20, "<L", 2**32 - 2),
        "nested": zipped(members_of() | {"config.json": deep.encode()}),
        "nested history": zipped(members_of() | {"history.json": deep.encode()}),
        "many lists": zipped(members_of() | {"noise.json": b"[" + b"[]," * 10**6 + b"[]]"}),
        "name twice": zipped(
            members_of()
            | {"config.json": members_of()["config.json"].replace(b"{", b'{"seed": 1,', 1)}
        ),
        "huge number": config_with("seed", 10**400),
        "surrogates": config_with("kind", "\ud800"),
        "thumbnail of text": zipped(members_of() | {"thumbnail.png": b"hello"}),
        "thumbnail of 4 gigapixels": zipped(
            members_of()
            | {
                "thumbnail.png": b"\x89PNG\r\n\x1a\n"
                + struct.pack(">I4sII", 13, b"IHDR", 2**16, 2**16)
            }
        ),
        "header of 2 GB": zipped(
            members_of() | {"model.safetensors": struct.pack("<Q", 2**31) + bytes(30_000)}
        ),
        "shape of 2 to the 62": header_with(lambda header: _first_shape(header, [2**62, 4])),
        "shape of text": header_with(lambda header: _first_shape(header, ["4"])),
        "no tensors": header_with(lambda header: header.clear()),
        "one tensor more": header_with(
            lambda header: header.update(
                more={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
            )
        ),
        "fewer channels": config_with("statistics", [], "format_3/splitter"),
        "weights of one channel": config_with("mixture.mixing.weights", [1.0], "format_3/splitter"),
        "no mixture": config_with("mixture", None, "format_3/splitter"),
        "another network": config_with("careamics.z_dims", [2, 3], "from_careamics"),
        "a network of format 3 in format 1": config_with("architecture", {}, "denoiser"),
        "imported in format 1": config_with("trained_by", "CAREamics", "denoiser"),
        "neither network": config_with("format_version", 3, "denoiser"),
        "both networks": config_with("careamics", NETWORK),
        "levels without validation": history_with("level_kl", [1.0]),
        "noise of nobody": changed("noise.json", lambda noise: []),
        "noise of two": changed("noise.json", lambda noise: noise * 2),
        "unknown noise": noise_with("kind", BELL),
        "noise with more": noise_with("magic", 1),
        "fit with notices of numbers": noise_with("notices", 5, "fit"),
        "fit of text": changed("noise.json", lambda noise: [{"model": {}, "fit": "x"}]),
    }
    for value in (float("nan"), float("inf"), float("-inf")):
        files[f"weight {value}"] = weights_with(value)
    for std in (0, -1.0, 1e-300, 1e308, "1", None, True, [1.0]):
        files[f"std {std}"] = config_with("statistics", [{"mean": 1.0, "std": std}])
    for name, value in {
        "blocks": 20_000,
        "filters": 1_000_000,
        "latent_channels": 2**62,
        "first_kernel": 100_001,
        "levels": 10**30,
        "tile_margin": 10**9,
        "context": 2**40,
        "steps": "10",
        "batch_norm": 1,
        "patch": 64.5,
    }.items():
        files[f"{name} {value}"] = config_with(f"settings.{name}", value)
    wrong: dict[str, list[Any]] = {
        "format_version": [True, 1.0, "1", 0, -3, 2, 4],
        "ladderscope_version": [None, 3, "9" * 1000],
        "created": [None, 5, "", "yesterday", "0001-01-01", "9999-12-31T23:59:59-23:59"],
        "kind": [None, 3, BELL, ["denoiser"], {}],
        "settings": [None, [], {"filters": {}}],
        "statistics": [None, {}, 3, [[]], [{"mean": 1.0}], [{"mean": None, "std": 1.0}]],
        "axes": [None, "", "X", "YXX", "QYX", ["Y", "X"]],
        "channel_names": [3, "a", [3], ["a", "b"], ["a" * 10_000]],
        "seed": [None, -1, 1.5, True, 2**63],
        "notices": [None, "text", [3], ["a" * 10**6], ["a"] * 10_000],
        "training": [None, {}, 3],
        "training.seconds": [None, "1", -1.0, 1e300],
        "training.interrupted": [None, 1, "yes"],
        "mixture": [{}, 3],
        "careamics": [3, {}, {"z_dims": [2**40]}],
        "trained_by": [None, 3, "", BELL],
        "architecture": [None, 3, {}, [], {"latent_channels": [2, 2]}],
        "architecture.output_channels": [None, 0, 3, 2**40, 1.0],
        "architecture.latent_channels": [None, [], [2], [2, 3], [2, 2**40], [2] * 10**4],
        "architecture.filters": [0, 5, 1024, 2**40],
        "architecture.blocks": [0, 2, 10**9],
        "architecture.first_kernel": [2, 5, -1, 10**6 + 1],
        "architecture.batch_norm": [True, 1, None],
        "architecture.dropout": [0.5, -0.1, 1.5, "1"],
        "architecture.activation": [None, "os.system", BELL],
        "architecture.variance": [None, "eval", 1],
        "architecture.dimensions": [1, 3, 4, "2"],
        "architecture.decoder_dimensions": [1, 3],
        "architecture.views": [0, 2, 2**31],
        "architecture.posterior_scales": [[], [1.0], [0.0, 1.0], [1e300, 1.0], [1.0] * 10**5],
        "architecture.top_prior_size": [[], [1], [4096, 4096], [2**40, 1], [1, 1, 1]],
        "architecture.blind_levels": [1, 2, -1],
        "architecture.unknown": [1],
        "pixel_size": [1.0, [1.0], [0.0, 1.0], ["a", "b"]],
        "unknown": [1],
    }
    for path, values in wrong.items():
        for number, value in enumerate(values):
            files[f"{path} {number}"] = config_with(path, value)
    for name in ("step", "seconds", "loss", "level_kl"):
        for number, value in enumerate(["1", {}, [[]], True, -1 if name == "step" else "x"]):
            files[f"history {name} {number}"] = history_with(name, value)
    return files


def noise_texts() -> dict[str, str]:
    """Make hostile noise files in JSON, by name."""

    def text(entries: Any) -> str:
        return json.dumps(NOISE_HEAD | {"noise": entries})

    triangle = [0.0, 1.0, 0.0]
    histogram = {
        "kind": "histogram",
        "signals": [0.0],
        "deviations": [1.0],
        "densities": [triangle],
        "reach": 2.0,
    }
    return {
        "nested": text(None).replace("null", "[" * 50_000 + "]" * 50_000),
        "huge number": text({"kind": "gaussian", "sigma": 10**400}),
        "large number": text({"kind": "gaussian", "sigma": 10**19}),
        "huge gain": text({"kind": "poisson_gaussian", "gain": 10**350, "intercept": 1}),
        "infinite": text({"kind": "gaussian", "sigma": 1}).replace("1}", "1e999}"),
        "not a number": text({"kind": "gaussian", "sigma": 1}).replace('": 1}', '": NaN}'),
        "texts among numbers": text(histogram | {"signals": ["a" * 10**6, *["b"] * 10_000]}),
        "nested numbers": text(histogram | {"densities": [[[[[triangle]]]]]}),
        "huge numbers among numbers": text(histogram | {"signals": [1.0, 10**19, 10**400]}),
        "ragged": text(histogram | {"densities": [triangle, [1.0]]}),
        "a million numbers": text(histogram | {"densities": [[0.0] * 1_100_000]}),
        "of an object": text(histogram | {"signals": {"a": 1}}),
        "of truth": text({"kind": "gaussian", "sigma": True}),
        "kind of a list": text({"kind": [], "sigma": 1.0}),
        "list of numbers": text([1, 2]),
        "escape": text({"kind": BELL}),
    }


def noise_archives() -> dict[str, bytes]:
    """Make hostile noise files in .npz, by name."""
    arrays = {
        "trained_weight": np.zeros((6, 2)),
        "min_signal": np.zeros(1),
        "max_signal": np.ones(1),
        "min_sigma": np.array(2.0),
    }

    def entries(**changed: bytes) -> dict[str, bytes]:
        members = {}
        for name, array in arrays.items():
            file = io.BytesIO()
            np.save(file, array)
            members[f"{name}.npy"] = file.getvalue()
        return members | {f"{name}.npy": content for name, content in changed.items()}

    def header(shape: str, dtype: str = "<f8") -> bytes:
        text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
        text = text.ljust(117) + "\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()

    file = io.BytesIO()
    np.save(file, np.zeros((3, UNPACKED // 24)))
    return {
        "empty": b"",
        "bomb": zipped(entries(trained_weight=file.getvalue()), compress_type=zipfile.ZIP_DEFLATED),
        "shape of 10 to the 12": zipped(entries(trained_weight=header("(1000000, 1000000)"))),
        "shape below zero": zipped(entries(trained_weight=header("(-1, -6)") + bytes(48))),
        "shape of nested brackets": zipped(entries(trained_weight=header("(" * 30 + ")" * 30))),
        "items of a gigabyte": zipped(entries(trained_weight=header("(6,)", "|V1000000000"))),
        "objects": zipped(entries(trained_weight=header("(6,)", "|O"))),
        "not finite": zipped(entries(min_sigma=header("()") + struct.pack("<d", float("nan")))),
        "cut": zipped(entries(trained_weight=header("(6, 2)"))),
        "many members": zipped(entries()) + many_members(),
    }


def yaml_texts() -> dict[str, str]:
    """Make hostile YAML files, by name."""
    laughs = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))
    return {
        "nested": "[" * 40_000,
        "nested mappings": "{a: " * 10_000,
        "laughs": f"a0: &a0 [lol, lol]\n{laughs}\n",
        "itself": "noise: &a [*a]\n",
        "huge number": f"seed: 0x{'f' * 10_000}\n",
        "large": "minutes: 5 # " + "a" * 200_000,
        "code": "!!python/object/apply:os.system ['true']\n",
        "wrong tag": "minutes: !!int ''\n",
        "wrong date": "minutes: !!timestamp x\n",
        "twice": "minutes: 5\nminutes: 6\n",
        "list": "- 1\n- 2\n",
        "escape": f'"{BELL.encode("unicode_escape").decode()}": 1\n',
        "binary": "\x00\x01\x02",
        "object as a key": "? {a: 1}\n: 2\n",
    }


def networks() -> dict[str, str]:
    """Make hostile configurations of CAREamics' network, by name."""
    changes: dict[str, dict[str, Any]] = {
        "levels": {"z_dims": [2] * 5000},
        "latent channels": {"z_dims": [2**62, 2]},
        "filters": {"encoder_n_filters": 10**6, "decoder_n_filters": 10**6},
        "patch": {"input_shape": [2**40, 2**40]},
        "views": {"multiscale_count": 2**40},
        "outputs": {"output_channels": 10**9},
        "too many parameters": {
            "z_dims": [1024] * 10,
            "encoder_n_filters": 1024,
            "decoder_n_filters": 1024,
            "input_shape": [4096, 4096],
        },
        "no shape": {"input_shape": None},
    }
    texts = {name: json.dumps(NETWORK | change) for name, change in changes.items()}
    return texts | {"enclosed too deeply": "{model: " * 30 + "{}" + "}" * 30}


def checkpoints() -> dict[str, bytes]:
    """Make hostile weights, by name with suffix."""
    return {
        "packed.ckpt": zipped(
            {"archive/data.pkl": b"\x80\x02}.", "archive/data/0": bytes(10**7)},
            compress_type=zipfile.ZIP_DEFLATED,
        ),
        "bytearray of 1.5 GB.ckpt": zipped(
            {
                "archive/data.pkl": b"\x80\x02cbuiltins\nbytearray\nJ\x00\x00\x00\x60\x85R.",
                "archive/version": b"3\n",
            }
        ),
        "text.pth": b"hello",
        "empty.ckpt": b"",
        "many members.pth": b"PK\x03\x04" + many_members(),
        "header of 2 GB.safetensors": struct.pack("<Q", 2**31) + b"{}",
        "nested header.safetensors": struct.pack("<Q", 40_000) + b"[" * 40_000,
        "shape.safetensors": (lambda text: struct.pack("<Q", len(text)) + text)(
            b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}'
        ),
        "empty.safetensors": b"",
    }


def special(folder: Path, suffix: str) -> None:
    """Make what is no regular file under that suffix: a folder, a pipe, a link to itself."""
    (folder / f"folder{suffix}").mkdir()
    (folder / f"loop{suffix}").symlink_to(f"loop{suffix}")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / f"pipe{suffix}")


def write(folder: Path) -> None:
    """Write all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in models().items():
        (folder / f"{name}.ladder").write_bytes(content)
    for name, text in noise_texts().items():
        (folder / f"{name}.json").write_text(text)
    for name, content in noise_archives().items():
        (folder / f"{name}.npz").write_bytes(content)
    for name, text in yaml_texts().items():
        (folder / f"{name}.yaml").write_text(text)
    for name, text in networks().items():
        (folder / f"{name}.yml").write_text(text)
    for name, content in checkpoints().items():
        (folder / name).write_bytes(content)
    for suffix in (".ladder", ".json", ".npz", ".yaml", ".yml", ".ckpt", ".safetensors"):
        special(folder, suffix)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    write(parser.parse_args().folder)
