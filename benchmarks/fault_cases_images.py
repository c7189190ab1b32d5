# SPDX-License-Identifier: MIT
"""Images that are wrong or unusual: no data, units, bands, places and sizes."""

# A table: a line for each case, whatever its length
# fmt: off

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_origin

from fault_inputs import (
    NORTH,
    QUESTIONS,
    WEST,
    Array,
    filled,
    linear,
    predictor,
    reflectance,
    release,
    scene,
    tell_notes,
    through_doors,
    tif,
    without,
)
from fault_run import GOOD, RIGHT, TOLD, Ran, ask, call, case

#: Rows without data, of an image of 64.
ROWS = slice(3, 19)
ALL = slice(None)
Made = tuple[Path | None, Path | None, Mapping[str, Array] | None]


def pair(
    name: str,
    row: str,
    about: str,
    make: Callable[[Path], Made],
    accept: Sequence[str] = RIGHT,
    doors: str = 'pair area upload dataset',
    **options: Any,
) -> None:
    """Add a case of two files: every door must be right, or say what is wrong."""

    def run(folder: Path) -> list[Ran]:
        return through_doors(*make(folder), doors=doors)

    case(name, row, about, run, accept, **options)


EVERY = 'pair area upload dataset statistics'
NODATA = r'no.?data|shows nothing|without data|valid|missing|finite|fill'


# --- no data --------------------------------------------------------------------------


def sar_nodata(
    folder: Path, value: float, declared: float | None, rows: slice = ROWS, **how: Any
) -> Made:
    """A value in some rows of the SAR image."""
    optical, sar = scene()
    dtype = how.pop('dtype', 'float32')
    bands = how.pop('bands', ALL)
    image = filled(sar, rows, value, bands).astype(dtype)
    expected = {'optical': optical, 'sar': without(sar, rows, bands)}
    if dtype != 'float32':
        expected['sar'] = without(image, rows, bands)
    if rows == ALL:
        del expected['sar']
    o = tif(folder / 'o.tif', optical)
    return o, tif(folder / 's.tif', image, nodata=declared, **how), expected


def optical_nodata(
    folder: Path, value: float, declared: float | None, rows: slice = ROWS, **how: Any
) -> Made:
    """A value in some rows of the optical image."""
    optical, sar = scene()
    image = filled(optical.astype(how.pop('dtype', 'uint8')), rows, value)
    expected = {'optical': without(optical, rows), 'sar': sar}
    if rows == ALL:
        del expected['optical']
    o = tif(folder / 'o.tif', image, nodata=declared, **how)
    return o, tif(folder / 's.tif', sar), expected


def masked(folder: Path, how: str, rows: slice = ROWS, suffix: str = '.tif') -> Made:
    """The optical image's rows are hidden by alpha or by a mask; garbage lies below."""
    optical, sar = scene()
    place: Any = {} if suffix == '.tif' else {'crs': None, 'transform': None}
    image = filled(optical, rows, 201)
    shown = np.full((1, *optical.shape[1:]), 255, np.uint8)
    shown[:, rows] = 0
    expected = {'optical': without(optical, rows), 'sar': sar}
    if rows == ALL:
        del expected['optical']
    o = folder / f'o{suffix}'
    if how == 'alpha':
        tif(o, np.concatenate([image, shown]), alpha=True, **place)
    elif how == 'mask':
        tif(o, image, mask=shown[0], **place)
    elif how == 'sidecar':
        tif(o, image)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(o, 'r+') as file:
            file.write_mask(shown[0])
    return o, tif(folder / 's.tif', sar, **place), expected


LOWEST = float(np.finfo('float32').min)
pair('SAR of which 16 of 64 rows are -9999, declared', '1', NODATA,
     lambda f: sar_nodata(f, -9999, -9999), doors=EVERY, quick=True)
pair('SAR with declared no-data of -3.4e38', '1', NODATA,
     lambda f: sar_nodata(f, LOWEST, LOWEST), doors=EVERY, quick=True)
pair('SAR of nothing but declared -9999', '1', NODATA,
     lambda f: sar_nodata(f, -9999, -9999, ALL), GOOD)
pair('SAR with declared NaN', '1+', NODATA, lambda f: sar_nodata(f, np.nan, np.nan), doors=EVERY)
pair('SAR with NaN that nobody declared', '1+', NODATA,
     lambda f: sar_nodata(f, np.nan, None), doors=EVERY)
pair('SAR with -inf that nobody declared', '1+', NODATA, lambda f: sar_nodata(f, -np.inf, None), doors=EVERY)
pair('SAR with declared -inf', '1+', NODATA, lambda f: sar_nodata(f, -np.inf, -np.inf))
pair('SAR with -9999 that nobody declared', '1+', rf'{NODATA}|-9,?999|statistic|far|dB',
     lambda f: (*sar_nodata(f, -9999, None)[:2], None), TOLD)
pair('SAR with -3.4e38 that nobody declared', '1+', rf'{NODATA}|e\+?38|statistic|far|dB',
     lambda f: (*sar_nodata(f, LOWEST, None)[:2], None), TOLD)
pair('SAR of float64 with declared -3.4028234663852886e+38', '1+', NODATA,
     lambda f: sar_nodata(f, LOWEST, LOWEST, dtype='float64'), doors=EVERY)
pair('SAR of float64 with declared -1.7976931348623157e+308', '1+', NODATA, lambda f: _double(f))
pair('SAR with declared -9999.9, which float32 cannot hold', '1+', NODATA,
     lambda f: sar_nodata(f, -9999.9, -9999.9))
pair('SAR with declared 0, a border of zeros', '1+', NODATA, lambda f: sar_nodata(f, 0, 0), doors=EVERY)
pair('SAR with a border of zeros that nobody declared', '1+', rf'{NODATA}|zero|\b0\b|statistic|border|constant',
     lambda f: (*sar_nodata(f, 0, None, slice(0, 40))[:2], None), TOLD)
pair('SAR whose VV alone is -9999 in some rows, declared', '1+', NODATA,
     lambda f: sar_nodata(f, -9999, -9999, bands=slice(0, 1)), doors=EVERY)
pair('SAR whose VH is nothing but -9999, declared', '1+', rf'{NODATA}|band',
     lambda f: (*sar_nodata(f, -9999, -9999, ALL, bands=slice(1, 2))[:2],
                {'optical': scene()[0], 'sar': without(scene()[1], ALL, slice(1, 2))}), GOOD)
pair('optical uint8 with declared 0, a border', '1+', NODATA,
     lambda f: optical_nodata(f, 0, 0, slice(0, 9)), doors=EVERY)
pair('optical uint8 with declared 255', '1+', NODATA, lambda f: optical_nodata(f, 255, 255))
pair('optical uint16 with declared 65535', '1+', NODATA, lambda f: optical_nodata(f, 65535, 65535, dtype='uint16'), doors=EVERY)
pair('optical of nothing but declared 0', '1+', NODATA, lambda f: optical_nodata(f, 0, 0, ALL), GOOD)
pair('optical with a border of zeros in half of it, not declared', '1+', rf'{NODATA}|zero|black|statistic|border|constant',
     lambda f: (*optical_nodata(f, 0, None, slice(0, 32))[:2], None), TOLD)
pair('optical with an alpha band that hides rows', '1+', NODATA, lambda f: masked(f, 'alpha'), doors=EVERY, quick=True)
pair('optical PNG with alpha', '1+', NODATA, lambda f: masked(f, 'alpha', suffix='.png'),
     doors='pair upload dataset')
pair('optical with an internal mask', '1+', NODATA, lambda f: masked(f, 'mask'), doors=EVERY)
pair('optical with a mask in a file beside it (.msk)', '1+', NODATA, lambda f: masked(f, 'sidecar'),
     doors='pair area dataset statistics')
pair('optical that is all transparent', '1+', NODATA, lambda f: masked(f, 'alpha', ALL), GOOD)
pair('optical that is masked everywhere', '1+', NODATA, lambda f: masked(f, 'mask', ALL), GOOD)
pair('no-data of -9999 declared by a file of uint8', '1+', NODATA, lambda f: _impossible(f), doors='pair area')


def _double(folder: Path) -> Made:
    lowest = float(np.finfo('float64').min)
    optical, sar = scene()
    image = filled(sar.astype('float64'), ROWS, lowest)
    s = tif(folder / 's.tif', image, nodata=lowest)
    return tif(folder / 'o.tif', optical), s, {'optical': optical, 'sar': without(sar, ROWS)}


def vrt(path: Path, source: Path, dtype: str, nodata: Mapping[int, float]) -> Path:
    """Write a VRT of the bands of a file, each with its own no-data."""
    with rasterio.open(source) as file:
        wkt = file.crs.to_wkt().replace('"', '&quot;')
    made = ''.join(
        f'<VRTRasterBand dataType="{dtype}" band="{i}"><NoDataValue>{value}</NoDataValue>'
        f'<SimpleSource><SourceFilename>{source}</SourceFilename>'
        f'<SourceBand>{i}</SourceBand></SimpleSource></VRTRasterBand>'
        for i, value in nodata.items()
    )
    path.write_text(
        f'<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>{wkt}</SRS><GeoTransform>'
        f'{WEST}, 10, 0, {NORTH}, 0, -10</GeoTransform>{made}</VRTDataset>'
    )
    return path


def _impossible(folder: Path) -> Made:
    """A value that no pixel of bytes can have."""
    optical, sar = scene()
    source = tif(folder / 'hidden/o.tif', optical)
    o = vrt(folder / 'o.vrt', source, 'Byte', {1: -9999, 2: -9999, 3: -9999})
    return o, tif(folder / 's.tif', sar), {'optical': optical, 'sar': sar}


def palette(folder: Path) -> Made:
    """Indices, of which 7 is no data."""
    optical, sar = scene()
    index = (optical[:1] // 64).astype(np.uint8)
    index[:, ROWS] = 7
    colors = {0: (20, 60, 20), 1: (90, 120, 70), 2: (150, 140, 120), 3: (220, 210, 200), 7: (255, 0, 255)}
    o = tif(folder / 'o.tif', index, palette=colors, nodata=7)
    table = np.zeros((256, 3))
    for value, color in colors.items():
        table[value] = color
    shown = np.moveaxis(table[index[0]], -1, 0).astype(np.float32)
    return o, tif(folder / 's.tif', sar), {'optical': without(shown, ROWS), 'sar': sar}


pair('palette of which an index is declared no data', '1+', NODATA, palette, GOOD, doors='pair upload dataset')


def vrt_bands(folder: Path) -> Made:
    """A VRT whose two bands declare different values."""
    optical, sar = scene()
    image = sar.copy()
    image[0, ROWS], image[1, ROWS] = -9999, -32768
    source = tif(folder / 'hidden/s.tif', image)
    path = vrt(folder / 's.vrt', source, 'Float32', {1: -9999, 2: -32768})
    return tif(folder / 'o.tif', optical), path, {'optical': optical, 'sar': without(sar, ROWS)}


pair('SAR as VRT whose bands declare different no-data', '1+', NODATA, vrt_bands, GOOD, doors='pair area')


def patch_and_tile(folder: Path) -> Ran:
    """The same pixels as a patch of a dataset and as a whole tile."""
    from torchgeo_vqa.datasets import OSVQA
    from torchgeo_vqa.samplers import TileSampler

    o, s, expected = sar_nodata(folder, -9999, -9999)
    root = release(folder / 'OSVQA_1.0', {'a': (o, s)})

    def run() -> bool:
        dataset = OSVQA(str(root), split='test')
        tile = dataset[next(iter(TileSampler(dataset)))]['image_sar'].numpy()
        x0, y0, x1, y1 = dataset.bounds[0].start, dataset.bounds[1].start, 0, 0
        del x1, y1
        part = dataset[slice(x0, x0 + 320), slice(y0 + 320, y0 + 640)]['image_sar'].numpy()
        print(part.shape, tile.shape)
        return bool(np.array_equal(part, tile[:, :32, :32], equal_nan=True) and expected is not None
                    and np.array_equal(tile, expected['sar'], equal_nan=True))

    return call(run)


case('a patch and the whole of a tile with declared no-data', '1', NODATA, patch_and_tile, RIGHT)


# --- numbers that are none ------------------------------------------------------------


def one_pixel(folder: Path, value: float) -> Made:
    optical, sar = scene()
    image = sar.copy()
    image[0, 5, 5] = value
    return tif(folder / 'o.tif', optical), tif(folder / 's.tif', image), None


pair('one SAR pixel of 1e38', '2', r'finite|e\+?38|far|statistic|range|valid', lambda f: one_pixel(f, 1e38), TOLD, quick=True)
pair('one SAR pixel of +inf', '2+', r'finite|inf|valid',
     lambda f: (*one_pixel(f, np.inf)[:2], {'optical': scene()[0], 'sar': _with_gap()}), GOOD)


def _with_gap() -> Array:
    image = scene()[1].copy()
    image[0, 5, 5] = np.nan
    return image


# --- units ----------------------------------------------------------------------------

UNITS = r'dB|no data|shows nothing|linear|unit|scale|reflectance|statistic|range|trained|far|expect'


def units(folder: Path, optical: Any = None, sar: Any = None, **how: Any) -> Made:
    """Other units: functions of the images."""
    o, s = scene()
    expected = how.pop('expected', None)
    o_how, s_how = how.pop('optical_how', {}), how.pop('sar_how', {})
    image_o = o if optical is None else optical(o)
    image_s = s if sar is None else sar(s)
    return tif(folder / 'o.tif', image_o, **o_how), tif(folder / 's.tif', image_s, **s_how), expected


pair('Sentinel-1 in linear power', '3', UNITS, lambda f: units(f, sar=linear), TOLD, quick=True)
pair('reflectance 0 to 10,000 where bytes were trained', '3', UNITS, lambda f: units(f, reflectance), TOLD, quick=True)
pair('a pair of nothing but zeros', '3', rf'{UNITS}|{NODATA}|zero|constant|blank',
     lambda f: units(f, np.zeros_like, np.zeros_like), TOLD)
pair('SAR as linear amplitude', '3+', UNITS, lambda f: units(f, sar=lambda s: np.sqrt(linear(s))), TOLD)
pair('SAR as digital numbers, uint16', '3+', UNITS,
     lambda f: units(f, sar=lambda s: (np.sqrt(linear(s)) * 1000).astype(np.uint16)), TOLD)
pair('SAR in dB times 100, int16', '3+', UNITS,
     lambda f: units(f, sar=lambda s: (s * 100).astype(np.int16)), TOLD)
pair('negative dB that wrapped round in uint8', '3+', UNITS,
     lambda f: units(f, sar=lambda s: s.round().astype(np.int64).astype(np.uint8)), TOLD)
pair('SAR stretched to 0..255', '3+', UNITS,
     lambda f: units(f, sar=lambda s: ((s + 35) / 40 * 255).clip(0, 255).astype(np.uint8)), TOLD)
pair('SAR stretched to 0..1', '3+', UNITS, lambda f: units(f, sar=lambda s: ((s + 35) / 40).clip(0, 1)), TOLD)
pair('SAR in positive dB (the sign is lost)', '3+', UNITS, lambda f: units(f, sar=lambda s: -s), TOLD)
pair('SAR in dB of intensity where 20 log10 was taken (twice)', '3+', UNITS, lambda f: units(f, sar=lambda s: 2 * s), TOLD)
pair('SAR of beta0 in nepers', '3+', UNITS, lambda f: units(f, sar=lambda s: s * np.float32(0.1151)), TOLD)
pair('optical as float 0..1', '3+', UNITS, lambda f: units(f, lambda o: (o / 255).astype(np.float32)), TOLD)
pair('optical as float -1..1', '3+', UNITS, lambda f: units(f, lambda o: (o / 127.5 - 1).astype(np.float32)), TOLD)
pair('optical as reflectance 0..10,000, float32', '3+', UNITS, lambda f: units(f, lambda o: reflectance(o).astype(np.float32)), TOLD)
pair('optical as 16-bit PNG', '3+', UNITS, lambda f: _png16(f), TOLD, doors='pair upload dataset')
pair('optical as digital numbers of 12 bits', '3+', UNITS, lambda f: units(f, lambda o: (o.astype(np.uint16) * 16)), TOLD)
pair('optical as float 0..255, as trained', '3+', UNITS,
     lambda f: units(f, lambda o: o.astype(np.float32), expected=dict(zip(('optical', 'sar'), scene(), strict=True))), RIGHT)
pair('optical all of one grey', '3+', rf'{UNITS}|constant|blank', lambda f: units(f, lambda o: np.full_like(o, 128)), TOLD)
pair('optical int16 with a GeoTIFF scale of 0.1', '3+', rf'{UNITS}|offset',
     lambda f: units(f, lambda o: (o.astype(np.int16) * 10), optical_how={'scales': [0.1] * 3},
                     expected=dict(zip(('optical', 'sar'), scene(), strict=True))), GOOD)
pair('SAR in dB times 100 with a GeoTIFF scale of 0.01', '3+', rf'{UNITS}|offset',
     lambda f: units(f, sar=lambda s: (s * 100).round().astype(np.int16), sar_how={'scales': [0.01] * 2},
                     expected={'optical': scene()[0], 'sar': (scene()[1] * 100).round() / 100}), GOOD)
pair('SAR in dB with a GeoTIFF offset of -30', '3+', rf'{UNITS}|offset',
     lambda f: units(f, sar=lambda s: s + 30, sar_how={'offsets': [-30] * 2},
                     expected=dict(zip(('optical', 'sar'), scene(), strict=True))), GOOD)


def _png16(folder: Path) -> Made:
    optical, sar = scene()
    place: Any = {'crs': None, 'transform': None}
    o = tif(folder / 'o.png', optical.astype(np.uint16) * 257, **place)
    return o, tif(folder / 's.tif', sar, **place), None


def converted(options: tuple[str, ...], optical: Any = None, sar: Any = None) -> Callable[[Path], Ran]:
    """Ask with an option that says the units; the answer is that of the units trained on."""

    def run(folder: Path) -> Ran:
        o, s, _ = units(folder, optical, sar)
        ran = ask('ask', *QUESTIONS, '--optical', o, '--sar', s, *options)
        expected = predictor().ask(*scene(), QUESTIONS)
        lines = [f'{a.question}  {a.answer} ({a.probability:.0%})' for a in expected]
        ran.right = ran.status == 0 and all(line in ran.out for line in lines)
        return ran

    return run


case('linear power with --sar_scale linear', '3', UNITS, converted(('--sar_scale', 'linear'), sar=linear), RIGHT)
case('dB with --sar_scale dB', '3', UNITS, converted(('--sar_scale', 'dB')), RIGHT)
case('dB with --sar_scale linear', '3+', UNITS, lambda f: ask('ask', *QUESTIONS, *_paths(units(f)), '--sar_scale', 'linear'))
case('linear power with --sar_scale dB', '3+', UNITS, lambda f: ask('ask', *QUESTIONS, *_paths(units(f, sar=linear)), '--sar_scale', 'dB'))
case('reflectance with --optical_scale sentinel2-l2a', '3', UNITS, lambda f: ask('ask', *QUESTIONS, *_paths(units(f, reflectance)), '--optical_scale', 'sentinel2-l2a'), ('warned', 'refused'))
case('--sar_scale that there is none of', '3+', 'scale', lambda f: ask('ask', *QUESTIONS, *_paths(units(f)), '--sar_scale', 'db10'), ('refused',))


def _paths(made: Made) -> list[str]:
    optical, sar, _ = made
    return [*(('--optical', str(optical)) if optical else ()), *(('--sar', str(sar)) if sar else ())]


def mixed_folder(folder: Path, modality: str = 'optical') -> Ran:
    """Scenes of bytes and of reflectance beside each other, one area."""
    o, s = scene()
    for i in range(2):
        place = from_origin(WEST + 640 * i, NORTH, 10, 10)
        image_o = reflectance(o) if i and modality == 'optical' else o
        image_s = linear(s) if i and modality == 'sar' else s
        tif(folder / f'o/{i}.tif', image_o, transform=place)
        tif(folder / f's/{i}.tif', image_s, transform=place)
    return _ask_area(folder, folder / 'o', folder / 's')


def _ask_area(folder: Path, o: Any, s: Any, *options: str) -> Ran:
    ran = ask('ask', *QUESTIONS[:2], '--optical', o, '--sar', s, '--output', folder / 'a.parquet', *options)
    if ran.status == 0:
        import geopandas

        layer = geopandas.read_parquet(folder / 'a.parquet')
        note = call(lambda: tell_notes(layer))
        ran.err += note.err
    return ran


case('uint8 and uint16 scenes mixed in one folder', '3', rf'{UNITS}|uint|mixed|type', mixed_folder)
case('SAR in dB and in linear power mixed in one folder', '3+', UNITS, lambda f: mixed_folder(f, 'sar'))


def speckle_linear(folder: Path) -> Ran:
    """Training with speckle, which needs dB, on linear power."""
    from lightning.pytorch import Trainer

    from torchgeo_vqa.datamodules import OSVQADataModule
    from torchgeo_vqa.trainers import VQATask
    from torchgeo_vqa.transforms import Augmentation

    def fit() -> None:
        o, s, _ = units(folder, sar=linear)
        root = release(folder / 'OSVQA_1.0', {'a': (o, s)})
        dm = OSVQADataModule(str(root), batch_size=1, augmentation=Augmentation(speckle=1.0))
        trainer = Trainer(fast_dev_run=True, accelerator='cpu', logger=False, enable_progress_bar=False)
        trainer.fit(VQATask('tgfnet_tiny'), dm)

    return call(fit)


case('training with speckle on linear power', '3', r'dB|linear|speckle', speckle_linear)


# --- complex --------------------------------------------------------------------------

COMPLEX = r'complex|SLC|imaginary'
pair('complex SLC, complex64', '4', COMPLEX, lambda f: units(f, sar=lambda s: s.astype(np.complex64) * (1 + 1j)), TOLD)
pair('complex SLC, complex128', '4+', COMPLEX, lambda f: units(f, sar=lambda s: s.astype(np.complex128) * (1 + 1j)), TOLD)
pair('complex SLC, complex_int16', '4', COMPLEX, lambda f: _complex_int(f), TOLD)


def _complex_int(folder: Path) -> Made:
    optical, sar = scene()
    s = tif(folder / 's.tif', (sar * 10).astype(np.complex64), dtype='complex_int16')
    return tif(folder / 'o.tif', optical), s, None


# --- bands ----------------------------------------------------------------------------

BANDS = r'band|shape|channel|order|red|VV|VH|HH|polari[sz]ation'


def bands(folder: Path, o: Any = None, s: Any = None, **how: Any) -> Made:
    return units(folder, o, s, **how)


pair('bands described as blue, green, red', 'new', BANDS,
     lambda f: units(f, lambda o: o[::-1], optical_how={'names': ['B2', 'B3', 'B4'], 'colors': [ColorInterp.blue, ColorInterp.green, ColorInterp.red]},
                     expected=dict(zip(('optical', 'sar'), scene(), strict=True))), GOOD)
pair('SAR bands described as VH, VV', 'new', BANDS,
     lambda f: units(f, sar=lambda s: s[::-1], sar_how={'names': ['VH', 'VV']},
                     expected=dict(zip(('optical', 'sar'), scene(), strict=True))), GOOD)
pair('SAR bands described as HH, HV', 'new', BANDS, lambda f: units(f, sar_how={'names': ['HH', 'HV']}), TOLD)
pair('SAR of one band where two were trained', 'new', BANDS, lambda f: units(f, sar=lambda s: s[:1]), TOLD)
pair('SAR of three bands where two were trained', 'new', BANDS, lambda f: units(f, sar=lambda s: np.concatenate([s, s[:1]])), TOLD)
pair('optical of 12 bands, none chosen', 'new', BANDS, lambda f: units(f, lambda o: np.concatenate([o] * 4)), TOLD, doors='pair area upload')
pair('optical of one band', 'new', BANDS, lambda f: units(f, lambda o: o[:1]), TOLD)
pair('optical and SAR interchanged', 'new', rf'{BANDS}|{UNITS}|shape', lambda f: _swapped(f), TOLD)
pair('the same file as optical and as SAR', 'new', rf'{BANDS}|{UNITS}|same file',
     lambda f: (units(f)[0], f / 'o.tif', None), TOLD)


def _swapped(folder: Path) -> Made:
    o, s, _ = units(folder)
    return s, o, None


# --- places ---------------------------------------------------------------------------

PLACE = r'rotat|north|CRS|georef|place|location|overlap|shows nothing|covers|without data|ground control|transform|common|grid|shift'


def placed(folder: Path, sar_place: Mapping[str, Any], sar: Any = None, expected: Any = None, **o_how: Any) -> Made:
    """The SAR image somewhere else."""
    o, s = scene()
    image = s if sar is None else sar(s)
    if callable(expected):
        expected = {'optical': o, 'sar': expected(s)}
    return tif(folder / 'o.tif', o, **o_how), tif(folder / 's.tif', image, **sar_place), expected


def at(west: float = WEST, north: float = NORTH, x: float = 10, y: float = 10) -> dict[str, Any]:
    return {'transform': from_origin(west, north, x, y)}


def shifted(s: Array, columns: int) -> Array:
    """What a tile sees of an image that begins some columns further east."""
    image = np.full_like(s, np.nan)
    image[:, :, columns:] = s[:, :, :-columns]
    return image


turned = Affine.translation(WEST, NORTH) @ Affine.rotation(30) @ Affine.scale(10, -10)
pair('a rotated geotransform of SAR', '6', rf'{PLACE}|{NODATA}', lambda f: placed(f, {'transform': turned}), TOLD)
pair('a rotated geotransform of both', '6+', rf'{PLACE}|{NODATA}',
     lambda f: placed(f, {'transform': turned}, transform=turned), TOLD)
pair('SAR of the same size, a pixel further east', '13+', PLACE, lambda f: placed(f, at(WEST + 10), expected=lambda s: shifted(s, 1)), GOOD, doors='pair upload dataset')
pair('SAR of the same size, 20 pixels further east', '13+', rf'{PLACE}|{NODATA}', lambda f: placed(f, at(WEST + 200), expected=lambda s: shifted(s, 20)), GOOD, doors='pair upload dataset')
pair('SAR that covers a column of the optical image', 'new', rf'{PLACE}|{NODATA}', lambda f: placed(f, at(WEST + 620)), TOLD)
pair('SAR of another place', 'new', PLACE, lambda f: placed(f, at(WEST + 64_000)), ('refused',))
pair('SAR with the same numbers in another UTM zone', '13+', PLACE, lambda f: placed(f, {'crs': 'EPSG:32631'}), ('refused',))
pair('SAR with south up', 'new', PLACE, lambda f: placed(f, {'transform': Affine(10, 0, WEST, 0, 10, NORTH - 640)}, lambda s: s[:, ::-1], lambda s: s), GOOD)
pair('SAR with east left', 'new', PLACE, lambda f: placed(f, {'transform': Affine(-10, 0, WEST + 640, 0, -10, NORTH)}, lambda s: s[:, :, ::-1], lambda s: s), GOOD)
pair('both with south up', 'new', PLACE,
     lambda f: _south_up(f), GOOD, doors='pair upload')
pair('SAR in a datum that lies 100 m off (ED50)', 'new', rf'{PLACE}|{NODATA}', lambda f: placed(f, {'crs': 'EPSG:23033'}, expected=_warped), GOOD, doors='pair upload')
pair('SAR with ground control points only', 'new', PLACE, lambda f: _gcps(f), TOLD)
pair('SAR without a CRS, of the same pixels', 'new', PLACE, lambda f: placed(f, {'crs': None, 'transform': None}, expected=lambda s: s), GOOD, doors='pair area upload')
pair('SAR without a CRS, of other proportions', 'new', rf'{PLACE}|size|shape|pixel', lambda f: placed(f, {'crs': None, 'transform': None}, lambda s: s[:, :, :32]), TOLD, doors='pair area upload')
pair('optical without a CRS, SAR with one', 'new', PLACE, lambda f: placed(f, {}, expected=lambda s: s, crs=None, transform=None), GOOD, doors='pair area upload')
pair('a pair of PNG and TIFF without a place', 'new', PLACE, lambda f: nowhere(f, '.png'), doors='pair upload dataset', quick=True)
pair('a pair of TIFFs without a place', 'new', PLACE, lambda f: nowhere(f, '.tif'), doors='pair upload dataset')
pair('neither with a CRS, SAR with a geotransform of another place', 'new', PLACE, lambda f: placed(f, {**at(WEST + 9e5), 'crs': None}, crs=None), TOLD, doors='pair area upload')
pair('SAR with pixels of a kilometre', 'new', rf'{PLACE}|resolution|pixel|coarse', lambda f: placed(f, at(WEST - 32e3, NORTH + 32e3, 1000, 1000)), TOLD)
pair('SAR whose pixels have no width', 'new', rf'{PLACE}|pixel|invert|determinant|degenerate', lambda f: placed(f, {'transform': Affine(0, 0, WEST, 0, -10, NORTH)}), TOLD)
pair('SAR whose geotransform is NaN', 'new', rf'{PLACE}|nan|finite', lambda f: placed(f, {'transform': Affine(np.nan, 0, WEST, 0, -10, NORTH)}), TOLD)
pair('optical at a latitude of 95 degrees', 'new', rf'{PLACE}|latitude|degree|bounds|range', lambda f: placed(f, {**at(0, 95, 0.01, 0.01), 'crs': 'EPSG:4326'}, crs='EPSG:4326', transform=from_origin(0, 95, 0.01, 0.01)), TOLD, doors='pair area upload')


def nowhere(folder: Path, suffix: str) -> Made:
    """A pair without CRS and geotransform."""
    (o, s), place = scene(), {'crs': None, 'transform': None}
    expected = {'optical': o, 'sar': s}
    return tif(folder / f'o{suffix}', o, **place), tif(folder / 's.tif', s, **place), expected


def _south_up(folder: Path) -> Made:
    o, s = scene()
    up = {'transform': Affine(10, 0, WEST, 0, 10, NORTH - 640)}
    return tif(folder / 'o.tif', o[:, ::-1], **up), tif(folder / 's.tif', s[:, ::-1], **up), {'optical': o, 'sar': s}


def _warped(s: Array) -> Array:
    """GDAL's own warp from ED50."""
    from rasterio.warp import Resampling, reproject

    out = np.full_like(s, np.nan)
    transform = from_origin(WEST, NORTH, 10, 10)
    reproject(s, out, src_transform=transform, src_crs='EPSG:23033', dst_transform=transform,
              dst_crs='EPSG:32633', src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling.bilinear)
    return out


def _gcps(folder: Path) -> Made:
    o, s = scene()
    points = [GroundControlPoint(r, c, WEST + 64_000 + 10 * c, NORTH - 10 * r) for r in (0, 64) for c in (0, 64)]
    return tif(folder / 'o.tif', o), tif(folder / 's.tif', s, transform=None, crs='EPSG:32633', gcps=points), None


def antimeridian(folder: Path) -> list[Ran]:
    """Optical east of 180 degrees as 180.0..., SAR as -180.0...: one place on Earth."""
    o, s = scene()
    step = 1e-4
    place = {'crs': 'EPSG:4326'}
    optical = tif(folder / 'o.tif', o, transform=from_origin(179.9968, 10, step, step), **place)
    sar = tif(folder / 's.tif', s, transform=from_origin(-180.0032, 10, step, step), **place)
    return through_doors(optical, sar, {'optical': o, 'sar': s}, 'pair area upload')


case('EPSG:4326 across 180 degrees, as 179.99 and as -180.01', '13', rf'{PLACE}|180|degree', antimeridian, GOOD)


def utm_180(folder: Path) -> list[Ran]:
    """UTM zone 60 and zone 1 meet at 180 degrees."""
    from rasterio.warp import transform

    o, s = scene()
    (x,), (y,) = transform('EPSG:4326', 'EPSG:32660', [179.999], [10.0])
    optical = tif(folder / 'o.tif', o, crs='EPSG:32660', transform=from_origin(x - 320, y, 10, 10))
    (x,), (y,) = transform('EPSG:4326', 'EPSG:32601', [179.999], [10.0])
    big = np.tile(s, (1, 3, 3))
    sar = tif(folder / 's.tif', big, crs='EPSG:32601', transform=from_origin(x - 960, y + 640, 10, 10))
    return through_doors(optical, sar, None, 'pair area upload')


case('a pair across 180 degrees in UTM zones 60 and 1', '13+', rf'{PLACE}|180', utm_180, GOOD)


# --- sizes ----------------------------------------------------------------------------

SIZES = r'pixel|size|large|small|patch|resi[zs]|shrunk|thumbnail|square|aspect'


def sized(folder: Path, height: int, width: int) -> Made:
    o, s = scene()
    tile = (1, -(-height // 64), -(-width // 64))
    o, s = (np.tile(x, tile)[:, :height, :width] for x in (o, s))
    return tif(folder / 'o.tif', o), tif(folder / 's.tif', s), None


pair('a pair of 1 x 1 pixel', 'new', SIZES, lambda f: sized(f, 1, 1), TOLD, doors='pair upload dataset')
pair('a pair of 1 x 64 pixels', 'new', SIZES, lambda f: sized(f, 1, 64), TOLD, doors='pair upload dataset')
pair('a pair of 4,096 x 16 pixels', 'new', SIZES, lambda f: sized(f, 4096, 16), TOLD, doors='pair upload dataset')
pair('a pair of 4,096 x 4,096 pixels for a model of 64', '7+', SIZES, lambda f: sized(f, 4096, 4096), TOLD, doors='pair upload')


def huge(folder: Path) -> Ran:
    """A scene of 20,000 x 20,000 pixels as one pair; sparse on disk."""
    o = folder / 'o.tif'
    options: Any = {'driver': 'GTiff', 'count': 3, 'height': 20_000, 'width': 20_000, 'dtype': 'uint8'}
    place = {'crs': 'EPSG:32633', 'transform': from_origin(WEST, NORTH, 10, 10)}
    with rasterio.open(o, 'w', **options, **place, tiled=True, SPARSE_OK=True) as file:
        file.write(scene()[0], window=rasterio.windows.Window(0, 0, 64, 64))
    return ask('ask', *QUESTIONS[:1], '--optical', o)


case('one pair of 20,000 x 20,000 pixels', '7', SIZES, huge, limit=120)


def enormous(folder: Path) -> Ran:
    o = folder / 'o.tif'
    options: Any = {'driver': 'GTiff', 'count': 3, 'height': 500_000, 'width': 500_000, 'dtype': 'uint8'}
    place = {'crs': 'EPSG:32633', 'transform': from_origin(WEST, NORTH, 10, 10)}
    with rasterio.open(o, 'w', **options, **place, tiled=True, SPARSE_OK=True, BIGTIFF='YES', blockxsize=4096, blockysize=4096):
        pass
    return ask('ask', *QUESTIONS[:1], '--optical', o, '--patch_size', '64', '--output', folder / 'a.parquet')


case('an area of 61 million patches', 'new', rf'{SIZES}|{NODATA}|memory|million|hours', enormous, limit=40)
