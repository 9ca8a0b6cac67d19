"""What a file says of how its image was acquired is read, whatever its spelling, and kept."""

from datetime import UTC, datetime
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from ladderscope.images import (
    Acquisition,
    ImageError,
    Objective,
    open_image,
    read_image,
    write_image,
)
from ladderscope.images.metadata import described
from ladderscope.images.units import in_micrometres, in_seconds

STACK = np.arange(2 * 3 * 64, dtype=np.uint16).reshape(2, 3, 8, 8)
SIZES = {"SizeX": 8, "SizeY": 8, "SizeC": 2, "SizeZ": 3, "SizeT": 1}
KNOWN = Acquisition(
    slice_spacing=0.3,
    frame_interval=2.5,
    channel_colours=((0, 255, 0), (255, 0, 255)),
    date=datetime(2024, 5, 17, 9, 30, 12, 250_000, tzinfo=UTC),
    objective=Objective('Plan "Apo" <63x>', 63.0, 1.4),
)


def ome_file(path, *images, before=""):
    """Write a TIFF with a description of our own; each image is (attributes of Pixels, inside)."""
    described = "".join(
        f'<Image ID="Image:{number}" Name="position {number}">{inside}'
        f'<Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" Type="uint16" '
        + " ".join(f'{key}="{value}"' for key, value in (SIZES | attributes).items())
        + f'>{channels}<TiffData IFD="{6 * number}" PlaneCount="6"/></Pixels></Image>'
        for number, (attributes, inside, channels) in enumerate(images)
    )
    xml = (
        f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{before}{described}</OME>'
    )
    pages = np.concatenate([STACK.reshape(6, 8, 8)] * len(images))
    tifffile.imwrite(path, pages, photometric="minisblack", description=xml.encode(), metadata=None)
    return path


# -- units


@pytest.mark.parametrize(
    ("unit", "micrometres"),
    [
        *((spelling, 1.0) for spelling in ("µm", "μm", "um", "\\u00B5m", "\\u00b5m", "\\u03BCm")),
        *((spelling, 1.0) for spelling in ("micron", "Microns", "MICROMETERS", "micrometre")),
        *((spelling, 1.0) for spelling in ("micro-metres ", "um/pixel", "microns per px", "Âµm")),
        *((spelling, 1e-3) for spelling in ("nm", "nanometers", "Nanometre")),
        *((spelling, 1e-4) for spelling in ("Å", "\u212b", "angstroms", "Ångström")),
        *((spelling, 1e3) for spelling in ("mm", "millimetres")),
        ("cm", 1e4),
        ("m", 1e6),
        ("inches", 25400.0),
    ],
)
def test_lengths_are_understood_in_every_spelling(unit, micrometres):
    assert in_micrometres(2, unit) == pytest.approx(2 * micrometres)


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [
        *((spelling, 1.0) for spelling in ("s", "sec", "sec.", "secs", "second", "Seconds")),
        *((spelling, 1e-3) for spelling in ("ms", "msec", "milliseconds")),
        *((spelling, 1e-6) for spelling in ("µs", "μs", "\\u00B5s", "microsecond")),
        *((spelling, 60.0) for spelling in ("min", "mins", "Minutes")),
        *((spelling, 3600.0) for spelling in ("h", "hr", "hrs", "hours")),
    ],
)
def test_times_are_understood_in_every_spelling(unit, seconds):
    assert in_seconds("2", unit) == pytest.approx(2 * seconds)


@pytest.mark.parametrize("unit", ["pixel", "", None, "ms", "Mm", "reference frame", "s", 3, "µ"])
def test_what_is_no_unit_of_length_is_none(unit):
    assert in_micrometres(2, unit) is None


@pytest.mark.parametrize("value", ["nan", "-1", 0, "1e400", "wide", None, 1e30, [], 10**400])
def test_what_is_no_measurement_is_unknown(value):
    assert in_micrometres(value, "µm") is None
    assert in_seconds(value, "s") is None


# -- what is written is read again


@pytest.mark.parametrize("reader", [read_image, open_image])
def test_all_of_it_is_read_again(tmp_path, reader):
    path = tmp_path / "a.ome.tif"
    names = ["GFP", "DAPI"]
    write_image(path, STACK, "CZYX", pixel_size=(0.1, 0.2), channel_names=names, acquisition=KNOWN)
    again = reader(path)
    assert (again.axes, again.pixel_size, again.channel_names) == (
        "CZYX",
        (0.1, 0.2),
        ("GFP", "DAPI"),
    )
    assert again.acquisition == KNOWN
    assert np.array_equal(again.pixels, STACK)


def test_elements_are_where_the_schema_of_ome_has_them(tmp_path):
    path = tmp_path / "a.ome.tif"
    write_image(path, STACK, "CZYX", acquisition=KNOWN, description="text")
    with tifffile.TiffFile(path) as tiff:
        root = ElementTree.fromstring(tiff.ome_metadata)
    image = root.find("{*}Image")
    assert [one.tag.split("}")[1] for one in root] == ["Instrument", "Image"]
    assert [one.tag.split("}")[1] for one in image] == [
        "AcquisitionDate",
        "Description",
        "InstrumentRef",
        "ObjectiveSettings",
        "Pixels",
    ]


def test_colours_are_written_for_every_channel_or_refused(tmp_path):
    with pytest.raises(ImageError, match="3 channels"):
        write_image(tmp_path / "a.tif", np.ones((3, 8, 8)), "CYX", acquisition=KNOWN)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wrong",
    [
        {"slice_spacing": 0.0},
        {"frame_interval": float("nan")},
        {"channel_colours": ((0, 0, 256),)},
    ],
)
def test_impossible_values_are_refused(wrong):
    with pytest.raises(ImageError, match=next(iter(wrong))):
        Acquisition(**wrong)


# -- OME


def test_units_of_ome_are_converted(tmp_path):
    attributes = {
        "PhysicalSizeX": 100,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.0001,
        "PhysicalSizeYUnit": "mm",
        "PhysicalSizeZ": 5000,
        "PhysicalSizeZUnit": "Å",
        "TimeIncrement": 1.5,
        "TimeIncrementUnit": "min",
    }
    image = read_image(ome_file(tmp_path / "a.ome.tif", (attributes, "", "")))
    assert image.pixel_size == pytest.approx((0.1, 0.1))
    assert image.acquisition.slice_spacing == pytest.approx(0.5)
    assert image.acquisition.frame_interval == pytest.approx(90)


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ({"PhysicalSizeX": 0.1}, (0.1, 0.1)),
        ({"PhysicalSizeY": 100, "PhysicalSizeYUnit": "nm"}, (0.1, 0.1)),
        ({"PhysicalSizeX": 0.1, "PhysicalSizeY": 0}, None),
        ({"PhysicalSizeX": 0.1, "PhysicalSizeY": 1, "PhysicalSizeYUnit": "pixel"}, None),
    ],
)
def test_a_pixel_size_given_along_one_axis_alone_is_that_of_both(tmp_path, attributes, size):
    image = read_image(ome_file(tmp_path / "a.ome.tif", (attributes, "", "")))
    assert image.pixel_size == (size and pytest.approx(size))


def test_malformed_values_are_unknown_and_the_others_kept(tmp_path):
    attributes = {"PhysicalSizeX": "-0.1", "PhysicalSizeZ": "thick", "TimeIncrement": "2"}
    channels = '<Channel ID="Channel:0:0" Color="green" Name="GFP"/><Channel ID="Channel:0:1"/>'
    inside = "<AcquisitionDate>last week</AcquisitionDate><ObjectiveSettings ID='Objective:7'/>"
    image = read_image(ome_file(tmp_path / "a.ome.tif", (attributes, inside, channels)))
    assert (image.pixel_size, image.channel_names) == (None, None)
    assert image.acquisition == Acquisition(frame_interval=2.0)


@pytest.mark.parametrize(
    ("reference", "model"),
    [
        ('<ObjectiveSettings ID="Objective:1"/>', "63x"),
        ('<InstrumentRef ID="Instrument:1"/>', "20x"),
        ('<InstrumentRef ID="Instrument:0"/>', None),
        ("", None),
    ],
)
def test_the_objective_is_the_one_that_the_image_refers_to(tmp_path, reference, model):
    instruments = (
        '<Instrument ID="Instrument:0"><Objective ID="Objective:0" Model="10x"/>'
        '<Objective ID="Objective:1" Model="63x" LensNA="1.4" NominalMagnification="x"/>'
        '</Instrument><Instrument ID="Instrument:1"><Objective ID="Objective:2" Model="20x"/>'
        "</Instrument>"
    )
    path = ome_file(tmp_path / "a.ome.tif", ({}, reference, ""), before=instruments)
    objective = read_image(path).acquisition.objective
    assert (objective and objective.model) == model
    if model == "63x":
        assert objective == Objective("63x", None, 1.4)


def test_of_several_images_described_it_is_the_one_whose_planes_are_in_the_file(tmp_path):
    path = tmp_path / "second.ome.tif"
    uuid = '<UUID FileName="{}.ome.tif">urn:uuid:0000000{}-0000-0000-0000-000000000000</UUID>'
    xml = "".join(
        f'<Image ID="Image:{at}" Name="{name}"><Pixels ID="Pixels:{at}" DimensionOrder="XYZCT" '
        f'Type="uint16" SizeX="8" SizeY="8" SizeC="1" SizeZ="3" SizeT="1" PhysicalSizeX="0.{at}" '
        f'PhysicalSizeZ="{at}"><TiffData IFD="0" PlaneCount="3">{uuid.format(name, at)}</TiffData>'
        "</Pixels></Image>"
        for at, name in ((1, "first"), (2, "second"))
    )
    head = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    xml = f'<OME {head} UUID="urn:uuid:00000002-0000-0000-0000-000000000000">{xml}</OME>'
    tifffile.imwrite(
        path, STACK[0], photometric="minisblack", description=xml.encode(), metadata=None
    )
    with tifffile.TiffFile(path) as tiff:
        found = described(tiff, tiff.series[-1], {"Z": 3, "Y": 8, "X": 8})
    assert (found.pixel_size, found.acquisition.slice_spacing) == ((0.2, 0.2), 2.0)


@pytest.mark.parametrize(
    ("head", "inside"),
    [
        ("", "<a>" * 20_000 + "</a>" * 20_000),
        ('<!DOCTYPE x [<!ENTITY a "' + "x" * 9999 + '">]>', "&a;" * 9999),
    ],
)
def test_hostile_xml_costs_nothing_but_the_metadata(tmp_path, head, inside):
    path = ome_file(tmp_path / "a.ome.tif", ({}, inside, ""))
    xml = tifffile.tiffcomment(path)
    tifffile.tiffcomment(path, f"{head}{xml}".encode())
    assert read_image(path, "SYX" if head else None).pixels.size == STACK.size


# -- ImageJ and tifffile


def imagej_file(path, **metadata):
    tifffile.imwrite(
        path,
        STACK.transpose(1, 0, 2, 3),
        imagej=True,
        resolution=(10, 5),
        metadata={"axes": "ZCYX", **metadata},
    )
    return read_image(path)


def test_hyperstacks_of_imagej_keep_spacing_interval_and_names(tmp_path):
    green = np.stack([np.zeros(256), np.arange(256), np.zeros(256)]).astype(np.uint8)
    image = imagej_file(
        tmp_path / "a.tif",
        unit="micron",
        spacing=0.5,
        finterval=1.5,
        tunit="min",
        zunit="mm",
        Labels=["GFP", "DAPI"] * 3,
        LUTs=[green, green[[1, 1, 1]]],
    )
    assert image.pixel_size == pytest.approx((0.2, 0.1))
    assert image.channel_names == ("GFP", "DAPI")
    assert image.acquisition == Acquisition(500.0, 90.0, ((0, 255, 0), (255, 255, 255)))


def test_a_playback_speed_is_no_interval_and_a_spacing_without_unit_no_length(tmp_path):
    image = imagej_file(tmp_path / "a.tif", fps=7.0, spacing=0.5)
    assert image.acquisition == Acquisition()


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["c:1/2 z:1/3 - GFP", "c:2/2 z:1/3 - DAPI"] * 3, ("GFP", "DAPI")),
        (["a.tif", "b.tif"] * 3, None),
        (["GFP", "GFP"] * 3, None),
        ([f"plane {number}" for number in range(6)], None),
        (["GFP", "DAPI", "RFP"], None),
        (["", ""] * 3, None),
    ],
)
def test_labels_of_planes_name_channels_only_where_they_tell_them_apart(tmp_path, labels, names):
    assert imagej_file(tmp_path / "a.tif", Labels=labels).channel_names == names


def test_what_tifffile_writes_without_a_format_is_read_in_both_vocabularies(tmp_path):
    path = tmp_path / "a.tif"
    for words in ({"unit": "um", "spacing": 0.5}, {"PhysicalSizeX": 0.1, "PhysicalSizeZ": 0.5}):
        named = {"axes": "CZYX", "Channel": {"Name": ["GFP", "DAPI"]}}
        tifffile.imwrite(
            path, STACK, resolution=(10, 10), photometric="minisblack", metadata=named | words
        )
        image = read_image(path)
        assert image.pixel_size == pytest.approx((0.1, 0.1))
        assert image.acquisition.slice_spacing == 0.5
        assert image.channel_names == ("GFP", "DAPI")


def test_a_plain_tiff_says_nothing(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", STACK[0, 0], resolution=(72, 72), resolutionunit="INCH", metadata=None
    )
    image = read_image(tmp_path / "a.tif")
    assert (image.pixel_size, image.acquisition) == (None, Acquisition())
