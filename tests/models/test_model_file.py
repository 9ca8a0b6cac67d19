"""The model file: everything comes back, nothing in it is code, damage is told by name."""

import io
import json
import math
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib import image as png

from ladderscope import Denoiser, load
from ladderscope.models import ModelFileError
from ladderscope.models.architecture import Architecture
from ladderscope.models.file import read_model, write_model
from ladderscope.noise import Gaussian


@pytest.fixture(scope="module")
def saved(denoiser, tmp_path_factory):
    return denoiser.save(tmp_path_factory.mktemp("model") / "dna.ladder")


def entries_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_a_model_predicts_the_same_to_the_bit_when_opened_again(denoiser, saved, crops):
    opened = load(saved)
    for samples in (0, 3):
        one, other = (model.predict(crops[0], samples=samples) for model in (denoiser, opened))
        assert np.array_equal(one.mean, other.mean)
        assert samples == 0 or np.array_equal(one.std, other.std)


def test_everything_known_of_a_model_comes_back(denoiser, saved):
    one, other = denoiser.model, load(saved).model
    assert other.weights.keys() == one.weights.keys()
    assert all(torch.equal(other.weights[name], value) for name, value in one.weights.items())
    for name in one.__dataclass_fields__.keys() - {"weights"}:
        assert getattr(other, name) == getattr(one, name), name


def test_two_channels_and_their_noise_come_back(of_two_channels, tmp_path):
    opened = load(of_two_channels.save(tmp_path / "two.ladder")).model
    assert opened.noise_models == of_two_channels.model.noise_models
    assert opened.statistics == of_two_channels.model.statistics
    assert opened.axes == "CYX"


def test_saving_an_opened_model_gives_the_same_bytes(saved, tmp_path):
    assert load(saved).save(tmp_path / "copy.ladder").read_bytes() == saved.read_bytes()


def test_it_holds_tensors_text_and_a_picture_and_no_pickle(saved):
    found = entries_of(saved)
    assert {name.rsplit(".", 1)[1] for name in found} == {"json", "safetensors", "png"}
    for name, content in found.items():
        if name.endswith(".json"):
            json.loads(content, parse_constant=pytest.fail)
    assert found["thumbnail.png"].startswith(b"\x89PNG")


def test_the_thumbnail_shows_a_detail_before_and_after(denoiser, saved, crops):
    picture = png.imread(io.BytesIO(entries_of(saved)["thumbnail.png"]))
    restored = denoiser.predict(crops[0], samples=0).mean
    shown = np.hstack([crops[0], restored]).clip(*np.percentile(restored, (0.5, 99.8)))
    assert picture.shape == shown.shape
    assert np.corrcoef(picture.ravel(), shown.ravel())[0, 1] > 0.99


def test_the_thumbnail_can_be_left_out(denoiser, tmp_path):
    path = denoiser.save(tmp_path / "private.ladder", thumbnail=False)
    assert not any(name.endswith("png") for name in entries_of(path))
    assert load(path).model.thumbnail is None


def test_a_file_that_exists_is_kept_unless_told(denoiser, tmp_path):
    path = tmp_path / "kept.ladder"
    path.write_text("precious")
    with pytest.raises(Exception, match="exists"):
        denoiser.save(path, overwrite=False)
    assert path.read_text() == "precious"
    denoiser.save(path)
    load(path)


def refused(path, *words):
    with pytest.raises(ModelFileError) as error:
        load(path)
    assert str(path) in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "none.ladder", "no such file")
    refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK", b"\x80\x04."], ids=repr)
def test_what_is_no_zip_is_refused(tmp_path, content):
    path = tmp_path / "x.ladder"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.99, 0.9999])
def test_a_file_cut_short_anywhere_is_refused(saved, tmp_path, share):
    content = saved.read_bytes()
    path = tmp_path / "cut.ladder"
    path.write_bytes(content[: int(share * len(content))])
    refused(path)


@pytest.mark.parametrize(
    "entry", ["config.json", "noise.json", "history.json", "model.safetensors", "thumbnail.png"]
)
def test_a_flipped_byte_in_any_entry_is_refused(saved, tmp_path, entry):
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        place = content.index(archive.read(entry))
        middle = place + archive.getinfo(entry).file_size // 2
    content[middle] ^= 0xFF
    path = tmp_path / "flipped.ladder"
    path.write_bytes(content)
    refused(path)


def test_a_flipped_byte_in_the_zip_s_own_records_is_refused_or_harmless(saved, tmp_path):
    content = saved.read_bytes()
    directory = content.rindex(b"PK\x01\x02")
    path = tmp_path / "flipped.ladder"
    for place in [*range(30), *range(directory, len(content))]:
        for flip in (0x01, 0xFF):
            damaged = bytearray(content)
            damaged[place] ^= flip
            path.write_bytes(damaged)
            try:
                read_model(path)
            except ModelFileError as error:
                assert str(path) in str(error)


def test_a_zip_of_somebody_else_is_refused(tmp_path):
    refused(write(tmp_path / "x.ladder", {"readme.txt": b"hello"}), "config.json")
    refused(write(tmp_path / "y.ladder", {"config.json": b'{"format": "other"}'}), "zip")
    refused(write(tmp_path / "z.ladder", {"config.json": b"[1, 2]"}), "zip")


@pytest.mark.parametrize(
    "entry", ["config.json", "noise.json", "history.json", "model.safetensors"]
)
def test_a_missing_entry_is_refused_by_name(saved, tmp_path, entry):
    found = entries_of(saved)
    del found[entry]
    refused(write(tmp_path / "x.ladder", found), entry)


def changed(saved, path, **fields):
    found = entries_of(saved)
    config = json.loads(found["config.json"]) | fields
    return write(path, found | {"config.json": json.dumps(config).encode()})


def test_the_file_says_what_the_network_is_built_from(denoiser, saved, tmp_path):
    """Settings say how it was trained: what they no longer mean changes no network."""
    config = json.loads(entries_of(saved)["config.json"])
    assert Architecture(**config["architecture"]) == denoiser.model.architecture
    settings = config["settings"] | {"filters": 12, "activation": "relu"}
    opened = read_model(changed(saved, tmp_path / "x.ladder", settings=settings))
    assert opened.architecture == denoiser.model.architecture


def test_a_newer_format_is_refused_with_the_way_to_update(saved, tmp_path):
    path = changed(saved, tmp_path / "x.ladder", format_version=4, ladderscope_version="9.1")
    refused(path, "9.1", "Update Ladderscope")


def test_another_kind_of_model_is_refused_by_its_kind(saved, tmp_path):
    refused(changed(saved, tmp_path / "x.ladder", kind="colouriser"), "colouriser")


@pytest.mark.parametrize(
    "fields",
    [
        {"settings": {"filters": -1}},
        {"settings": None},
        {"statistics": [{"mean": 1.0}]},
        {"statistics": 3},
        {"training": {}},
        {"training": None},
        {"notices": None},
    ],
    ids=str,
)
def test_a_config_that_makes_no_model_is_refused(saved, tmp_path, fields):
    refused(changed(saved, tmp_path / "x.ladder", **fields))


@pytest.mark.parametrize(
    "entry, content",
    [
        ("noise.json", b"[{}]"),
        ("noise.json", b'[{"model": {"kind": "magic"}, "fit": null}]'),
        ("noise.json", b"{"),
        ("noise.json", b"\xff\xfe"),
        ("history.json", b"[3]"),
        ("history.json", b'[{"step": 1}]'),
        ("model.safetensors", b"short"),
        ("model.safetensors", b"\x00" * 64),
    ],
)
def test_an_entry_that_is_whole_but_wrong_is_refused(saved, tmp_path, entry, content):
    refused(write(tmp_path / "x.ladder", entries_of(saved) | {entry: content}))


def test_weights_that_do_not_fit_the_network_are_refused_by_name(saved, tmp_path):
    network = json.loads(entries_of(saved)["config.json"])["architecture"] | {"filters": 12}
    refused(changed(saved, tmp_path / "x.ladder", architecture=network), "model.safetensors")


@pytest.mark.parametrize(
    "wrong",
    [
        {"latent_channels": [4, 4, 4]},
        {"dimensions": 3},
        {"views": 2},
        {"blind_levels": 1},
        {"output_channels": 3},
    ],
    ids=str,
)
def test_a_network_that_contradicts_the_settings_is_refused(saved, tmp_path, wrong):
    network = json.loads(entries_of(saved)["config.json"])["architecture"] | wrong
    refused(changed(saved, tmp_path / "x.ladder", architecture=network), "config.json")


def test_a_model_from_before_there_were_blind_levels_opens_with_none(
    denoiser, saved, tmp_path, crops
):
    settings = json.loads(entries_of(saved)["config.json"])["settings"]
    del settings["blind_levels"]
    opened = load(changed(saved, tmp_path / "x.ladder", settings=settings))
    assert opened.model.settings == denoiser.model.settings
    one, other = (model.predict(crops[0], samples=0).mean for model in (denoiser, opened))
    assert np.array_equal(one, other)


def test_a_model_with_blind_levels_predicts_the_same_when_opened_again(tmp_path, crops):
    blind = Denoiser("tiny", noise=Gaussian(8.0), blind_levels=1)
    blind.fit(crops[0], steps=4, progress=False)
    opened = load(blind.save(tmp_path / "blind.ladder"))
    assert opened.model.settings.blind_levels == 1
    one, other = (model.predict(crops[0], samples=2) for model in (blind, opened))
    assert np.array_equal(one.mean, other.mean)
    assert np.array_equal(one.std, other.std)


def test_what_would_steer_a_terminal_is_taken_out_of_texts(saved, tmp_path):
    found = json.loads(entries_of(saved)["config.json"])
    texts = {"notices": ["a\x1b[2Jb\nc", "\u202etxt.exe"], "channel_names": ["\x07dna"]}
    opened = read_model(changed(saved, tmp_path / "x.ladder", **found | texts))
    assert opened.notices == ("a\ufffd[2Jb c", "\ufffdtxt.exe")
    assert opened.channel_names == ("\ufffddna",)


def test_what_is_too_long_for_a_file_is_made_to_fit(denoiser, tmp_path):
    model = denoiser.model
    record = model.outcome.history[-1]
    history = tuple(replace(record, step=step) for step in range(12_001))
    long = replace(
        model,
        notices=("a" * 100_000,) * 1000,
        channel_names=("b" * 1000,),
        outcome=replace(model.outcome, history=history),
        thumbnail=b"\x89PNG" + bytes(20_000_000),
    )
    write_model(tmp_path / "long.ladder", long)
    opened = read_model(tmp_path / "long.ladder")
    assert 1 <= len(opened.notices) <= 500
    assert opened.notices[0].startswith("aaa")
    assert opened.channel_names[0].startswith("bbb")
    steps = [line.step for line in opened.outcome.history]
    assert 2000 < len(steps) <= 5000
    assert steps == sorted(steps)
    assert steps[-1] == 12_000
    assert opened.thumbnail is None


def test_the_size_of_a_pixel_comes_back(denoiser, tmp_path):
    write_model(tmp_path / "a.ladder", replace(denoiser.model, pixel_size=(0.5, 0.25)))
    assert read_model(tmp_path / "a.ladder").pixel_size == (0.5, 0.25)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1e10])
def test_weights_that_could_not_be_opened_again_are_not_written(denoiser, tmp_path, value):
    model = denoiser.model
    weights = model.weights | {"top_prior": torch.full_like(model.weights["top_prior"], value)}
    with pytest.raises(ModelFileError, match=r"a\.ladder.*top_prior"):
        write_model(tmp_path / "a.ladder", replace(model, weights=weights))
    assert list(tmp_path.iterdir()) == []


def test_members_may_be_deflated_as_other_programs_pack_them(saved, tmp_path):
    path = tmp_path / "packed.ladder"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries_of(saved).items():
            archive.writestr(name, content)
    assert read_model(path).created == read_model(saved).created


def test_a_model_that_is_not_fitted_cannot_be_saved(tmp_path):
    from ladderscope.errors import LadderscopeError

    with pytest.raises(LadderscopeError, match="not trained"):
        Denoiser("tiny").save(tmp_path / "x.ladder")
    assert list(tmp_path.iterdir()) == []
