"""Is every damaged or hostile TIFF file opened or refused safely?

    python benchmarks/mutated_tiffs.py --files 2000 --seed 0

Small TIFFs of all kinds are changed at random (bytes, tags, descriptions, page list, length) and
read whole and plane by plane, in worker processes that report their time and peak memory. A file
with any outcome other than an image or an error of ours is kept and named.
"""

import argparse
import io
import json
import select
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
import tifffile

_MOST_SECONDS = 30
_ADDRESS_SPACE = 6 * 2**30
_INTERESTING = (0, 1, 2, 7, 8, 255, 256, 65535, 2**16, 2**20, 2**28, 2**31 - 1, 2**31, 2**32 - 1)

_WORKER = """
import json, logging, resource, sys, time
from pathlib import Path
import numpy as np
from ladderscope.errors import LadderscopeError
from ladderscope.images import find_images, open_image, read_image

resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
logging.disable(logging.CRITICAL)

def memory():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024

def read(path, axes):
    read_image(path, axes)

def open_and_read(path, axes):
    opened = open_image(path, axes)
    opened.plane(next(opened.positions()))

def find(path, axes):
    find_images(path)

print("ready", flush=True)
for line in sys.stdin:
    path, outcomes, longest = line.strip(), [], 0.0
    Path("/proc/self/clear_refs").write_text("5")
    for attempt in (find, read, open_and_read):
        for axes in (None, "TYX", "TYXC"):
            started = time.monotonic()
            try:
                attempt(path, axes)
                outcomes.append("opened")
            except LadderscopeError as error:
                outcomes.append("refused")
            except BaseException as error:
                outcomes.append(f"{attempt.__name__}: {type(error).__name__}: {error}"[:200])
            longest = max(longest, time.monotonic() - started)
    print(json.dumps([outcomes, longest, memory()]), flush=True)
"""


class Outcome(NamedTuple):
    """The outcome of one file."""

    kind: str
    seconds: float
    megabytes: int
    words: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="where to keep files with any other outcome")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    outcomes: dict[str, list[Outcome]] = {}
    with tempfile.TemporaryDirectory() as folder, Reader() as reader:
        for number, (name, content) in enumerate(mutants(rng, args.files)):
            path = Path(folder, f"{number}.tif")
            path.write_bytes(content)
            outcome = reader(path)
            outcomes.setdefault(name, []).append(outcome)
            if outcome.kind == "other":
                print(f"{name}, file {number}: {outcome.words}")
                if args.keep:
                    args.keep.mkdir(parents=True, exist_ok=True)
                    (args.keep / path.name).write_bytes(content)
            path.unlink()
    print_table(outcomes)
    if any(one.kind == "other" for found in outcomes.values() for one in found):
        sys.exit(1)


class Reader:
    """A worker process that reads files; it is restarted when a file kills it."""

    def __enter__(self) -> "Reader":
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(_ADDRESS_SPACE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._process.stdout.readline()

    def __call__(self, path: Path) -> Outcome:
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        started = time.monotonic()
        ready, _, _ = select.select([self._process.stdout], [], [], _MOST_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._process.kill()
            self._process.wait()
            self._start()
            words = "hung" if not ready else "the process was killed"
            return Outcome("other", time.monotonic() - started, 0, words)
        found, seconds, megabytes = json.loads(line)
        others = [one for one in found if one not in ("opened", "refused")]
        kind = "other" if others else "opened" if "opened" in found[3:] else "refused"
        return Outcome(kind, seconds, megabytes, "; ".join(others))


def print_table(outcomes: dict[str, list[Outcome]]) -> None:
    print("| kind | files | opened | refused | other | longest, s | peak memory, MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    whole = [one for found in outcomes.values() for one in found]
    for name, found in [*sorted(outcomes.items()), ("all", whole)]:
        count = Counter(one.kind for one in found)
        numbers = (len(found), count["opened"], count["refused"], count["other"])
        slowest, largest = max(one.seconds for one in found), max(one.megabytes for one in found)
        print(f"| {name} | {' | '.join(map(str, numbers))} | {slowest:.2f} | {largest} |")


# -- files


def mutants(rng: np.random.Generator, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield the constructed files first, then the changed ones."""
    yield from monsters()
    seeds = list(seed_files().items())
    changes: list[Callable[[np.random.Generator, bytes], bytes]] = [
        flip, cut, edit_tag, edit_tag, edit_tag, describe, relink, splice,
    ]  # fmt: skip
    for number in range(count):
        name, content = seeds[number % len(seeds)]
        for _ in range(rng.integers(1, 4)):
            content = changes[rng.integers(len(changes))](rng, content) or b"II"
        yield name, content


def seed_files() -> dict[str, bytes]:
    y, x = np.mgrid[:40, :48]
    stack = np.random.default_rng(0).poisson(60 + 40 * np.sin(x / 5) * np.cos(y / 7), (6, 40, 48))
    stack, small = stack.astype(np.uint16), stack.astype(np.uint8)
    ome = {"ome": True, "metadata": {"axes": "TCYX", "Channel": {"Name": ["a", "b"]}}}
    plain = {"metadata": None}
    kinds = {
        "plain": (stack[0], plain),
        "pages": (stack, plain),
        "shaped": (stack, {"metadata": {"axes": "TYX"}}),
        "OME": (stack.reshape(3, 2, 40, 48), ome),
        "OME, zlib": (stack.reshape(3, 2, 40, 48), ome | {"compression": "zlib"}),
        "ImageJ": (stack, {"imagej": True, "metadata": {"axes": "TYX"}}),
        "tiles": (stack, plain | {"tile": (16, 16)}),
        "tiles, zlib": (stack, plain | {"tile": (16, 16), "compression": "zlib"}),
        "LZW": (stack, plain | {"compression": "lzw", "predictor": True}),
        "zstd": (stack, plain | {"compression": "zstd"}),
        "PackBits": (small, plain | {"compression": "packbits"}),
        "LZMA": (stack, plain | {"compression": "lzma"}),
        "JPEG": (small, plain | {"compression": "jpeg"}),
        "JPEG 2000": (stack, plain | {"compression": "jpeg2000"}),
        "JPEG XL": (small, plain | {"compression": "jpegxl"}),
        "WebP": (np.stack([small] * 3, -1), plain | {"compression": "webp", "photometric": "rgb"}),
        "BigTIFF": (stack, plain | {"bigtiff": True}),
        "BigTIFF, OME": (stack.reshape(3, 2, 40, 48), ome | {"bigtiff": True}),
        "big-endian": (stack, plain | {"byteorder": ">"}),
        "float": (stack.astype(np.float32), plain | {"compression": "zlib", "predictor": True}),
        "photograph": (np.stack([small] * 3, -1), plain | {"photometric": "rgb"}),
    }
    return {name: written(pixels, **options) for name, (pixels, options) in kinds.items()}


def written(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **({"photometric": "minisblack"} | options))
    return file.getvalue()


def monsters() -> Iterator[tuple[str, bytes]]:
    """Yield files that should consume time or memory: endless lists, huge texts, huge sizes."""
    yield "long chain", chain(400_000)
    yield "loop", chain(5, back_to=2)
    yield "late loop", chain(5_000, back_to=300)
    yield "long description", written(np.eye(8), metadata=None, description="x" * 200_000_000)
    text = "<OME>" + "<Image><Pixels><TiffData/></Pixels></Image>" * 400_000 + "</OME>"
    yield "long OME description", written(np.eye(8), metadata=None, description=text)
    yield (
        "nested OME",
        written(
            np.eye(8),
            metadata=None,
            description="<OME>" + "<a>" * 500_000 + "</a>" * 500_000 + "</OME>",
        ),
    )
    bomb = '<!DOCTYPE OME [<!ENTITY a "xxxxxxxxxx">'
    for before, now in zip("abcdefghi", "bcdefghij", strict=True):
        bomb += f'<!ENTITY {now} "{"".join(f"&{before};" for _ in range(10))}">'
    yield "entities", written(np.eye(8), metadata=None, description=bomb + "]><OME>&j;</OME>")
    for size in (20_000, 60_000, 2**31 - 1):
        for compression in (None, "zlib", "jpeg", "jpeg2000", "jpegxl", "lzma", "zstd"):
            content = written(np.eye(64, dtype=np.uint8), metadata=None, compression=compression)
            for code in (256, 257, 278):
                content = with_tag(content, code, value=size)
            yield f"{size} wide, {compression}", content

    for name, stream in streams():
        content = written(
            iter([stream]),
            shape=(64, 64),
            dtype=np.uint8,
            compression=name,
            rowsperstrip=64,
            metadata=None,
        )
        yield f"{name} of more than was announced", content


def streams() -> Iterator[tuple[str, bytes]]:
    """Yield compressed images far larger than the page that contains them."""
    large = np.zeros((16_000, 16_000), np.uint8)
    large[0, 0] = 1
    yield "zlib", imagecodecs.zlib_encode(large)
    yield "zstd", imagecodecs.zstd_encode(large)
    yield "lzma", imagecodecs.lzma_encode(large[:4000])
    yield "lzw", imagecodecs.lzw_encode(large[:4000])
    yield "packbits", imagecodecs.packbits_encode(large)
    yield "jpegxl", imagecodecs.jpegxl_encode(large, effort=1)
    yield "webp", imagecodecs.webp_encode(np.zeros((16_000, 16_000, 3), np.uint8), level=0)
    jpeg = bytearray(imagecodecs.jpeg_encode(np.eye(64, dtype=np.uint8)))
    at = jpeg.find(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
    yield "jpeg", bytes(jpeg)
    jpeg2000 = bytearray(imagecodecs.jpeg2k_encode(large[:4000, :4000], level=1))
    at = jpeg2000.find(b"\xff\x51") + 6
    jpeg2000[at : at + 8] = struct.pack(">II", 60_000, 60_000)
    yield "jpeg2000", bytes(jpeg2000)


def chain(pages: int, back_to: int | None = None) -> bytes:
    """Write a list of pages that all show the same pixels."""
    tags = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    size, first = len(body) + 4, 72
    nexts = [first + size * (number + 1) for number in range(pages)]
    nexts[-1] = 0 if back_to is None else first + size * back_to
    content = struct.pack("<2sHI", b"II", 42, first) + bytes(range(64))
    return content + b"".join(body + struct.pack("<I", at) for at in nexts)


# -- changes


def flip(rng: np.random.Generator, content: bytes) -> bytes:
    changed = bytearray(content)
    most = len(changed) if rng.random() < 0.5 else min(len(changed), 400)
    for at in rng.integers(most, size=rng.integers(1, 30)):
        changed[at] = rng.integers(256)
    return bytes(changed)


def cut(rng: np.random.Generator, content: bytes) -> bytes:
    return content[: rng.integers(len(content)) + 1]


def splice(rng: np.random.Generator, content: bytes) -> bytes:
    start, end = sorted(rng.integers(len(content) + 1, size=2))
    return content[:start] + content[end:] if rng.random() < 0.5 else content + content[start:end]


def edit_tag(rng: np.random.Generator, content: bytes) -> bytes:
    tags = [(page, tag) for page in pages_of(content) for tag in page]
    if not tags:
        return content
    _, at = tags[rng.integers(len(tags))]
    order, big = layout(content)
    width = 8 if big else 4
    field = rng.integers(4)
    number = int(rng.choice(_INTERESTING)) if rng.random() < 0.7 else int(rng.integers(2**32))
    offset, form, largest = [
        (0, "H", 65535),
        (2, "H", 65535),
        (4, "Q" if big else "I", 2**32 - 1),
        (4 + width, "Q" if big else "I", 2**32 - 1),
    ][field]
    changed = bytearray(content)
    number = min(number, largest) if field != 1 else int(rng.integers(20))
    struct.pack_into(order + form, changed, at + offset, number)
    return bytes(changed)


def describe(rng: np.random.Generator, content: bytes) -> bytes:
    """Change numbers in the description, keeping its length, or letters anywhere in it."""
    start = max(content.find(b"<?xml"), content.find(b"ImageJ="), content.find(b'{"shape'))
    end = content.find(b"\0", start)
    if start < 0 or end <= start:
        return flip(rng, content)
    changed = bytearray(content)
    digits = [at for at in range(start, end) if chr(content[at]).isdigit()]
    if digits and rng.random() < 0.7:
        for at in rng.choice(digits, rng.integers(1, 6)):
            changed[at] = ord("0") + rng.integers(10)
    else:
        for at in rng.integers(start, end, rng.integers(1, 6)):
            changed[at] = rng.integers(32, 127)
    return bytes(changed)


def relink(rng: np.random.Generator, content: bytes) -> bytes:
    """Change a page's pointer to the next page: to another page, or to anywhere."""
    order, big = layout(content)
    pages = [page for page in pages_of(content) if page]
    if not pages:
        return content
    width, tag_size = (8, 20) if big else (4, 12)
    at = pages[rng.integers(len(pages))][-1] + tag_size
    target = pages[rng.integers(len(pages))][0] - (8 if big else 2)
    if rng.random() < 0.5:
        target = int(rng.integers(2**31))
    if at + width > len(content):
        return content
    changed = bytearray(content)
    struct.pack_into(order + ("Q" if big else "I"), changed, at, target)
    return bytes(changed)


def with_tag(content: bytes, code: int, value: int) -> bytes:
    changed = bytearray(content)
    order, _ = layout(content)
    for page in pages_of(content):
        for at in page:
            if struct.unpack_from(order + "H", content, at)[0] == code:
                struct.pack_into(order + "HHII", changed, at, code, 4, 1, value)
    return bytes(changed)


def layout(content: bytes) -> tuple[str, bool]:
    order = ">" if content[:2] == b"MM" else "<"
    is_big = len(content) > 4 and struct.unpack(order + "H", content[2:4])[0] == 43
    return order, is_big


def pages_of(content: bytes) -> list[list[int]]:
    """Return where the tags of each page begin, as far as the page list can be followed."""
    order, big = layout(content)
    count_form, tag_size, form = ("Q", 20, "Q") if big else ("H", 12, "I")
    found: list[list[int]] = []
    try:
        at = struct.unpack_from(order + form, content, 8 if big else 4)[0]
        while at and len(found) < 20:
            count = min(struct.unpack_from(order + count_form, content, at)[0], 40)
            start = at + struct.calcsize(count_form)
            found.append([start + number * tag_size for number in range(count)])
            at = struct.unpack_from(order + form, content, start + count * tag_size)[0]
    except struct.error:
        pass
    inside = len(content) - tag_size
    return [[at for at in page if at <= inside] for page in found]


if __name__ == "__main__":
    main()
