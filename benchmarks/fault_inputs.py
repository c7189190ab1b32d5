# SPDX-License-Identifier: MIT
"""Images, releases and checkpoints to spoil, and the ways into the package."""

import functools
import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin

from fault_run import Ran, call

Array = NDArray[Any]
SIZE, WEST, NORTH = 64, 400_000.0, 5_000_000.0

#: Asked about every pair: many, so that a wrong pixel shows.
QUESTIONS = (
    'How many ships are there?',
    'Is there water?',
    'What is the main land cover?',
    'Is it a rural or an urban area?',
    'How much of the area is forest?',
    'Which image is more reliable?',
    'What is in the upper left?',
    'Are there more buildings than ships?',
)


@functools.cache
def scene(size: int = SIZE) -> tuple[Array, Array]:
    """Return an optical (3, H, W) uint8 and a SAR image (2, H, W) in dB, as trained on."""
    from torchgeo_vqa.synthetic import write_area

    with tempfile.TemporaryDirectory() as folder:
        write_area(folder, size=max(size, 128), cloud_cover=0.0, seed=1)
        images = []
        for name in ('sentinel2', 'sentinel1'):
            with rasterio.open(f'{folder}/{name}.tif') as file:
                images.append(file.read()[:, :size, :size])
    # no pixel has a value that is often no data
    return images[0].clip(1, 254), images[1]


def tif(
    path: Path,
    array: Array,
    *,
    alpha: bool = False,
    mask: Array | None = None,
    scales: Sequence[float] = (),
    offsets: Sequence[float] = (),
    names: Sequence[str] = (),
    colors: Sequence[ColorInterp] = (),
    palette: Mapping[int, tuple[int, int, int]] | None = None,
    **profile: Any,
) -> Path:
    """Write an image; a *transform* or *crs* of None leaves it out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {'crs': 'EPSG:32633', 'transform': from_origin(WEST, NORTH, 10, 10)}
    shape = dict(zip(('count', 'height', 'width'), array.shape, strict=True))
    options = {**place, **shape, 'dtype': array.dtype, **profile}
    gcps = options.pop('gcps', None)
    options = {k: v for k, v in options.items() if v is not None}
    options['driver'] = 'PNG' if path.suffix == '.png' else 'GTiff'
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        inside = rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True)
        with inside, rasterio.open(path, 'w', **options) as file:
            if alpha:
                last = (ColorInterp.alpha,)
                file.colorinterp = (*file.colorinterp[:-1], *last)
            if colors:
                file.colorinterp = tuple(colors)
            file.write(array)
            if mask is not None:
                file.write_mask(mask)
            if scales:
                file.scales = tuple(scales)
            if offsets:
                file.offsets = tuple(offsets)
            if palette:
                file.write_colormap(1, palette)
            for i, name in enumerate(names, 1):
                file.set_band_description(i, name)
            if gcps:
                file.gcps = gcps, rasterio.CRS.from_epsg(32633)
    return path


def without(array: Array, rows: slice, bands: slice = slice(None)) -> Array:
    """Return an image as float32, NaN in some rows."""
    image = array.astype(np.float32)
    image[bands, rows] = np.nan
    return image


def filled(
    array: Array, rows: slice, value: float, bands: slice = slice(None)
) -> Array:
    """Return an image with a value in some rows."""
    image = array.copy()
    image[bands, rows] = value
    return image


def linear(s: Array) -> Array:
    """Make linear power of dB."""
    return (10 ** (s / 10)).astype(np.float32)


def reflectance(o: Array) -> Array:
    """Make reflectance times 10,000 of bytes."""
    return (o.astype(np.float32) / 255 * 3500 + 200).astype(np.uint16)


def predictor() -> Any:
    """Load the weights that come with the package."""
    from torchgeo_vqa.prediction import Predictor

    return Predictor.from_weights(device='cpu')


def same(answers: Sequence[Any], expected: Sequence[Any]) -> bool:
    """Tell whether answers are the same to 1e-4."""
    return [(a.question, a.answer) for a in answers] == [
        (e.question, e.answer) for e in expected
    ] and bool(
        np.allclose(
            [a.probability for a in answers],
            [e.probability for e in expected],
            atol=1e-4,
        )
    )


def release(
    root: Path,
    pairs: Mapping[str, tuple[Path | None, Path | None]],
    rows: Sequence[Sequence[str]] | None = None,
) -> Path:
    """Write a release whose three splits have all pairs, by name, or *rows* about them."""
    for split in ('train', 'val', 'test'):
        table = [[f'{split}_{n}', 'presence', 'Is there water?', 'yes'] for n in pairs]
        table += [[f'{split}_{n}', 'presence', 'Is there a ship?', 'no'] for n in pairs]
        if rows is not None:
            table = [[f'{split}_{row[0]}', *row[1:]] for row in rows]
        path = root / f'annotations/all_{split}_annotation.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(table))
        for name, pair in pairs.items():
            for kind, image in zip(('rgb', 'sar'), pair, strict=True):
                if image is None:
                    continue
                folder = root / 'images' / kind
                folder.mkdir(parents=True, exist_ok=True)
                for file in image.parent.glob(f'{image.name}*'):  # and its masks
                    end = file.name.removeprefix(image.stem)
                    shutil.copy(file, folder / f'{split}_{name}{end}')
    return root


def good_release(folder: Path, number: int = 3) -> Path:
    """Write a release without any fault."""
    optical, sar = scene()
    pairs = {}
    for i in range(number):
        place = from_origin(WEST + 2000 * i, NORTH, 10, 10)
        pairs[f'{i}'] = (
            tif(folder / f'good/o{i}.tif', optical, transform=place),
            tif(folder / f'good/s{i}.tif', sar, transform=place),
        )
    return release(folder / 'OSVQA_1.0', pairs)


def maps(folder: Path, size: int = 192, **sar_profile: Any) -> list[str]:
    """Write an area and its map; return options of ``generate`` without the output."""
    from torchgeo_vqa.synthetic import write_area

    folder.mkdir(parents=True, exist_ok=True)
    classes = write_area(folder, size=size, cloud_cover=0.0)
    (folder / 'classes.json').write_text(json.dumps(classes))
    return [
        *('--optical', f'{folder}/sentinel2.tif', '--sar', f'{folder}/sentinel1.tif'),
        *(
            '--labels',
            f'{folder}/land_cover.tif',
            '--classes',
            f'{folder}/classes.json',
        ),
        *('--patch_size', '32', '--num_workers', '1', '--balance_by', 'patch'),
    ]


def checkpoint(
    path: Path, change: Callable[[dict[str, Any]], Any] | None = None
) -> Path:
    """Write the shipped weights as a checkpoint, changed in place or to what is returned."""
    import torch
    from lightning.pytorch import Trainer

    from torchgeo_vqa.trainers import VQATask

    task = VQATask.from_weights('TGFNet_Weights.TINY_OSVQA_MINI')
    trainer = Trainer(accelerator='cpu', logger=False, enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)
    if change is not None:
        content = torch.load(path, weights_only=True)
        changed = change(content)
        torch.save(content if changed is None else changed, path)
    return path


def through_doors(
    optical: Path | None,
    sar: Path | None,
    expected: Mapping[str, Array] | None,
    doors: str = 'pair area upload dataset',
) -> list[Ran]:
    """Ask about a pair by every door: files, area, upload, dataset, and its statistics.

    *expected* are the arrays that numpy makes of the same pixels, NaN without data; None if
    no answer is right.
    """
    model, every = predictor(), {'optical': optical, 'sar': sar}
    if expected is not None:
        wanted = model.ask(expected.get('optical'), expected.get('sar'), QUESTIONS)
    ways = {
        'pair': lambda: _pair(model, every),
        'area': lambda: _area(model, every),
        'upload': lambda: _upload(model, every),
        'dataset': lambda: _dataset(model, every),
    }

    def compare(way: Callable[[], Any]) -> bool | None:
        answers = way()
        shown = ', '.join(f'{a.answer} ({a.probability:.0%})' for a in answers[:4])
        print(shown)
        return None if expected is None else same(answers, wanted)

    rans = [
        call(functools.partial(compare, way), name)
        for name, way in ways.items()
        if name in doors.split()
    ]
    if 'statistics' in doors.split():
        assert expected is not None
        rans.append(call(lambda: _statistics(every, expected), 'statistics'))
    return rans


def _pair(model: Any, paths: Mapping[str, Path | None]) -> Any:
    from torchgeo_vqa.prediction import ask_pair

    return ask_pair(model, QUESTIONS, **paths)


def _area(model: Any, paths: Mapping[str, Path | None]) -> Any:
    from torchgeo_vqa.prediction import Answer, ask_area

    layer = ask_area(model, QUESTIONS, **paths, patch_size=SIZE, max_nodata=1.0)
    tell_notes(layer)
    rows = layer.to_dict('records')
    return [Answer(r['question'], r['answer'], r['probability'], {}) for r in rows]


def tell_notes(layer: Any) -> None:
    """Say what the column of notes says of a layer."""
    if 'note' in layer:
        for note in {n for n in layer['note'] if isinstance(n, str) and n}:
            warnings.warn(f'note of the layer: {note}', UserWarning, stacklevel=2)


def _upload(model: Any, paths: Mapping[str, Path | None]) -> Any:
    from torchgeo_vqa.page.uploads import read_uploads

    images = read_uploads({m: str(p) if p else None for m, p in paths.items()})
    return model.ask(images.get('optical'), images.get('sar'), QUESTIONS)


def _dataset(model: Any, paths: Mapping[str, Path | None]) -> Any:
    from torchgeo_vqa.datasets import OSVQA
    from torchgeo_vqa.samplers import TileSampler

    files = (paths['optical'], paths['sar'])
    modalities = [m for m, p in paths.items() if p]
    root = release(Path(tempfile.mkdtemp(dir='.')) / 'OSVQA_1.0', {'a': files})
    dataset = OSVQA(str(root), split='test', modalities=modalities)
    sample = dataset[next(iter(TileSampler(dataset)))]
    return model.ask(sample.get('image_optical'), sample.get('image_sar'), QUESTIONS)


def _statistics(
    paths: Mapping[str, Path | None], expected: Mapping[str, Array]
) -> bool:
    from torchgeo_vqa.datamodules import OSVQADataModule

    files = (paths['optical'], paths['sar'])
    modalities = [m for m, p in paths.items() if p]
    root = release(Path(tempfile.mkdtemp(dir='.')) / 'OSVQA_1.0', {'a': files})
    found = OSVQADataModule(str(root), modalities=modalities).statistics
    print(found)
    return all(
        np.allclose(found[m]['mean'], np.nanmean(expected[m], (1, 2)), rtol=1e-3)
        and np.allclose(found[m]['std'], np.nanstd(expected[m], (1, 2)), rtol=1e-3)
        for m in modalities
    )
