# SPDX-License-Identifier: MIT
"""Files, options, signals and surroundings of the commands that are wrong or unusual."""

# A table: a line for each case, whatever its length
# fmt: off

import contextlib
import hashlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.transform import from_origin

from fault_inputs import NORTH, WEST, maps, scene, tif
from fault_run import (
    GOOD,
    REFUSED,
    RIGHT,
    TOLD,
    Damage,
    Ran,
    ask,
    call,
    case,
    command,
    end,
    interpreter,
    interrupted,
    one_line,
    start,
)


def area(folder: Path, tiles: int = 2) -> list[str]:
    """Write an area; return the options of ``ask`` that name it."""
    optical, sar = scene()
    o = tif(folder / 'o.tif', np.tile(optical, (1, tiles, tiles)))
    s = tif(folder / 's.tif', np.tile(sar, (1, tiles, tiles)))
    return ['Is there water?', '--optical', str(o), '--sar', str(s)]


def contents(folder: Path) -> dict[str, str]:
    """Return a checksum of every file, of a link where it leads, of a folder that it is one."""
    found = {}
    for path in sorted(folder.rglob('*')):
        if path.name in ('.printed', '.cache') or '.cache' in path.parts:
            continue
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f'-> {os.readlink(path)}'
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = 'folder'
    return found


def kept(folder: Path, run: Callable[[], Ran], *may_change: str) -> Ran:
    """Run something; raise Damage if a file or folder that was there has changed."""
    before = contents(folder)
    ran = run()
    after = contents(folder)
    lost = [n for n, digest in before.items() if after.get(n) != digest and n not in may_change]
    if lost:
        raise Damage(f'{", ".join(lost[:4])} changed or lost, exit {ran.status}')
    return ran


def is_layer(path: Path, rows: int) -> bool:
    """Tell whether there is a complete layer of so many rows."""
    import geopandas

    read = geopandas.read_parquet if path.suffix == '.parquet' else geopandas.read_file
    return path.exists() and len(read(path)) == rows


# --- ask --output ---------------------------------------------------------------------

OUTPUT = r'output|exist|cannot be written|\.parquet|\.gpkg|input|folder|directory|in use|another'


def beside(name: str, output: str = 'x.parquet') -> Callable[[Path], Ran]:
    """Write a layer beside a file of the user's."""

    def run(folder: Path) -> Ran:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text('mine')
        options = [*area(folder), '--output', str(folder / output)]
        ran = kept(folder, lambda: ask('ask', *options))
        ran.right = ran.status == 0 and is_layer(folder / output, 4)
        return ran

    return run


for mine, output in (
    *(('part-x.parquet', 'x.parquet'), ('x.parquet.part', 'x.parquet')),
    *(('x.gpkg.parquet', 'x.gpkg'), ('x.parquet.tmp', 'x.parquet')),
    ('.x.torchgeo-vqa-old.parquet', 'x.parquet'),
):
    case(f'`ask --output {output}` beside a file {mine}', '8', OUTPUT, beside(mine, output), GOOD)


def over(name: str, make: Callable[[Path], None]) -> Callable[[Path], Ran]:
    """Write a layer where something of the user's is."""

    def run(folder: Path) -> Ran:
        options = area(folder)
        make(folder)
        return kept(folder, lambda: ask('ask', *options, '--output', folder / name))

    return run


def text(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text('mine') and None


def others_layers(folder: Path) -> None:
    """A GeoPackage with a layer of the user's own."""
    import geopandas
    import shapely

    frame = geopandas.GeoDataFrame({'a': [1]}, geometry=[shapely.Point(1, 2)], crs='EPSG:32633')
    frame.to_file(folder / 'x.gpkg', layer='my work of a year', driver='GPKG')


def others_table(folder: Path) -> None:
    import pandas as pd

    pd.DataFrame({'mine': [1, 2]}).to_parquet(folder / 'x.parquet')


def linked(folder: Path) -> None:
    (folder / 'far').mkdir()
    (folder / 'far/mine.parquet').write_text('mine')
    (folder / 'x.parquet').symlink_to('far/mine.parquet')


case('`ask --output` over a GeoPackage with other layers', 'new', OUTPUT, over('x.gpkg', others_layers))
case("`ask --output` over somebody's Parquet file", 'new', OUTPUT, over('x.parquet', others_table))
case('`ask --output` over a symbolic link', 'new', OUTPUT, over('x.parquet', linked))
case('`ask --output` that is a folder', 'new', OUTPUT, over('x.parquet', lambda f: (f / 'x.parquet').mkdir()))
case('`ask --output` below a file', 'new', OUTPUT, over('o.tif/x.parquet', lambda f: None))
case('`ask --output` in a folder that nobody may write (/proc)', '8', OUTPUT, lambda f: early(f, '/proc/x.parquet'), limit=90)
case('`ask --output` in a folder that cannot be made (/dev/null/x)', '8', OUTPUT, lambda f: early(f, '/dev/null/x/a.parquet'))
case('`ask --output` of another ending', 'new', OUTPUT, lambda f: early(f, str(f / 'a.shp')))
case('`ask --output A.PARQUET`', 'new', OUTPUT, lambda f: early(f, str(f / 'A.PARQUET')), GOOD)
case('`ask --output` with an empty name', 'new', rf'{OUTPUT}|empty|name', lambda f: early(f, ''))


def early(folder: Path, output: str) -> Ran:
    """An output that cannot be: it must be said before a patch is asked about."""
    from torchgeo_vqa.prediction import Predictor

    forward = Predictor._forward
    number = []

    def counting(*args: Any, **kwargs: Any) -> Any:
        number.append(1)
        return forward(*args, **kwargs)

    Predictor._forward = counting  # type: ignore[method-assign]
    ran = ask('ask', *area(folder), '--output', output)
    if number and ran.status:
        ran.err = f'error: said after {len(number)} batches only'
    return ran


def full(option: str) -> Callable[[Path], Ran]:
    """Files may grow to some bytes only: a full disk."""

    def run(folder: Path) -> Ran:
        options = [*area(folder), '--output', str(folder / f'x{option}')]
        with limited(2000):
            ran = ask('ask', *options)
        if [p for p in folder.iterdir() if 'x' in p.name]:
            raise Damage('a part of a file is left')
        return ran

    return run


@contextlib.contextmanager
def limited(size: int) -> Any:
    """Limit the size of files."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


case('a full disk in `ask --output x.parquet`', 'new', r'x\.parquet', full('.parquet'))
case('a full disk in `ask --output x.gpkg`', 'new', r'x\.gpkg', full('.gpkg'))


def as_input(folder: Path) -> Ran:
    """The checkpoint, or an image with the ending of a layer, is the output."""
    options = area(folder)
    image = (folder / 's.tif').rename(folder / 's.gpkg')
    options[-1] = str(image)
    return kept(folder, lambda: ask('ask', *options, '--output', image))


def as_checkpoint(folder: Path) -> Ran:
    from fault_inputs import checkpoint

    path = checkpoint(folder / 'best.ckpt').rename(folder / 'best.parquet')
    return kept(folder, lambda: ask('ask', *area(folder), '--ckpt_path', path, '--output', path))


case('`ask --output` that is an input image', '8', OUTPUT, as_input)
case('`ask --output` that is the checkpoint', '8', OUTPUT, as_checkpoint)


def raster_input(folder: Path) -> Ran:
    """A GeoPackage of raster tiles as image, its layer as output."""
    import rasterio.shutil

    options = area(folder)
    tile = tif(folder / 't.tif', scene()[0])
    rasterio.shutil.copy(tile, folder / 'o.gpkg', driver='GPKG')
    options[2] = str(folder / 'o.gpkg')
    return kept(folder, lambda: ask('ask', *options, '--output', folder / 'o.gpkg'))


case('`ask --output` that is a GeoPackage of the optical image', '8', OUTPUT, raster_input)


def two_at_once(args: Callable[[Path], Sequence[str]], good: Callable[[Path], bool]) -> Callable[[Path], Ran]:
    """Start a command twice: one does it, the other says so and stops, or both end well."""

    def run(folder: Path) -> Ran:
        options = args(folder)
        processes = [start(*options) for _ in range(2)]
        first, second = (process.end() for process in processes)
        ran = max(first, second, key=lambda r: r.status)
        if min(first.status, second.status) != 0:
            ran.err += f'\nerror: both failed: {first.err[-200:]} {second.err[-200:]}'
        elif not good(folder):
            raise Damage('the output is not whole')
        ran.right = first.status == second.status == 0
        return ran

    return run


case('two runs of `ask` on one output', '8', rf'{OUTPUT}|another', two_at_once(
    lambda f: ['ask', *area(f, 4), '--output', str(f / 'x.parquet')], lambda f: is_layer(f / 'x.parquet', 16)), REFUSED, limit=120)
case('two runs of `generate` on one output', '9', r'another|in use|running|exists', two_at_once(
    lambda f: ['generate', *maps(f / 'maps'), '--output', str(f / 'D')], lambda f: (f / 'D/report.json').exists() and not (f / 'D.partial').exists()), REFUSED, limit=180)


# --- ask: options ---------------------------------------------------------------------


def option(*options: str) -> Callable[[Path], Ran]:
    """Ask about an area with an option."""
    return lambda folder: ask('ask', *area(folder), '--output', folder / 'a.parquet', *options)


for name, values in {
    'batch_size': ('0', '-1', '1.5', 'all'),
    'patch_size': ('0', '-64', '1000000', '64.5', '10**9'),
    'stride': ('0', '-1'),
    'max_nodata': ('2', '-1', 'nan', 'half'),
    'optical_bands': ('0 1 2', '1 2', '1 2 9', '-1 2 3'),
}.items():
    for value in values:
        known = '13' if (name, value) in {('batch_size', '0'), ('patch_size', '1000000'), ('max_nodata', '2')} else 'new'
        case(f'`ask --{name} {value}`', known, rf'{name}|patch of|invalid', option(f'--{name}', *value.split()))
case('`ask --batch_size 1000000000`', 'new', 'batch_size', option('--batch_size', '1000000000'), GOOD)
case('`ask` with an option that there is none of', 'new', 'max_cloud|unrecognized', option('--max_cloud', '1'))
case('`ask` of no image', 'new', 'nothing|image|optical', lambda f: ask('ask', 'Is there water?'))
case('`ask` of no question', 'new', 'question', lambda f: ask('ask', *area(f)[1:]))
case('`ask` of a file that does not exist', 'new', 'no such|neither|cannot read', lambda f: ask('ask', 'Is there water?', '--optical', f / 'no.tif'))
case('`ask` of a file that is no image', 'new', 'cannot read', lambda f: ask('ask', 'Is there water?', '--optical', _text(f / 'a.tif')))
case('`ask` of an image that is cut off', 'new', 'cannot read', lambda f: ask('ask', 'Is there water?', '--optical', _cut(f)))
case('`ask` of a folder without --output', 'new', 'folder', lambda f: ask('ask', 'Is there water?', '--optical', f))
case('`ask` of an empty folder', 'new', 'raster|folder', lambda f: ask('ask', 'Is there water?', '--optical', f, '--output', f / 'a.parquet'))
case('`ask` of a folder with images and a text with the ending .tif', 'new', 'cannot read', lambda f: _folder_with_text(f))
case('`ask --config` that does not exist', 'new', 'no.yaml|config|not', lambda f: ask('ask', '--config', f / 'no.yaml'))
case('`ask --config` with an unknown key', 'new', 'oops|config|key', lambda f: ask('ask', *area(f), '--config', _text(f / 'c.yaml', 'oops: 1\n')))
case('`ask --config` that is no YAML', 'new', 'yaml|config|pars', lambda f: ask('ask', *area(f), '--config', _text(f / 'c.yaml', '{[: \x00')))


def _text(path: Path, content: str = 'no image') -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def _cut(folder: Path) -> Path:
    path = tif(folder / 'o.tif', scene()[0])
    path.write_bytes(path.read_bytes()[:6000])
    return path


def _folder_with_text(folder: Path) -> Ran:
    tif(folder / 'o/a.tif', scene()[0])
    _text(folder / 'o/b.tif')
    return ask('ask', 'Is there water?', '--optical', folder / 'o', '--output', folder / 'a.parquet')


def mixed_bands(folder: Path) -> Ran:
    """Files of 3 and of 5 bands in one folder."""
    optical, sar = scene()
    tif(folder / 'o/a.tif', optical)
    five = np.concatenate([optical, optical[:2]])
    tif(folder / 'o/b.tif', five, transform=from_origin(WEST + 320, NORTH, 10, 10))
    s = tif(folder / 's.tif', np.tile(sar, (1, 2, 2)))
    return ask('ask', 'Is there water?', '--optical', folder / 'o', '--sar', s, '--output', folder / 'a.parquet')


case('mixed band counts in a folder', '13', 'band', mixed_bands, quick=True)


def loop(folder: Path) -> Ran:
    """A link in a folder of images that leads back to it."""
    optical, sar = scene()
    tif(folder / 'o/a.tif', optical)
    tif(folder / 's/a.tif', sar)
    (folder / 'o/loop').symlink_to('.')
    ran = ask('ask', 'Is there water?', '--optical', folder / 'o', '--sar', folder / 's', '--output', folder / 'a.parquet')
    ran.right = ran.status == 0 and is_layer(folder / 'a.parquet', 1)
    return ran


case('a folder of images with a link to itself', 'new', 'link|folder', loop, GOOD)


# --- generate and convert -------------------------------------------------------------


def generating(*options: str, before: Callable[[Path], None] | None = None) -> Callable[[Path], Ran]:
    """Generate, beside what is there before."""

    def run(folder: Path) -> Ran:
        arguments = maps(folder / 'maps')
        if before is not None:
            before(folder)
        args = ['generate', *arguments, '--output', str(folder / 'D'), *options]
        ran = kept(folder, lambda: ask(*args))
        ran.right = ran.status == 0 and (folder / 'D/report.json').exists()
        return ran

    return run


def foreign(folder: Path, name: str = 'D.partial') -> None:
    """A folder of the user's, with a name that is ours."""
    (folder / name / 'photos').mkdir(parents=True)
    (folder / name / 'photos/holiday.jpg').write_text('mine')


def foreign_link(folder: Path) -> None:
    foreign(folder, 'elsewhere')
    (folder / 'D.partial').symlink_to('elsewhere')


def foreign_inside(folder: Path) -> None:
    """Names as of the run's own parts."""
    for name in ('dataset/annotations/mine.json', 'questions/mine.txt', 'dataset/images/rgb/mine.tif'):
        _text(folder / 'D.partial' / name)


case('`generate` beside a foreign folder D.partial', '9', r'D\.partial|exist', generating(before=foreign), GOOD, quick=True)
case('`generate` where D.partial is a link to a foreign folder', '9', r'D\.partial|exist|link', generating(before=foreign_link), GOOD)
case('`generate` where D.partial is a file', '9+', r'D\.partial|exist', generating(before=lambda f: _text(f / 'D.partial') and None), GOOD)
case('`generate` where D.partial has names like its own, of the user', '9+', r'D\.partial|exist', generating(before=foreign_inside), GOOD)
case('`generate` where D is a link to nowhere', '9+', r'exist', generating(before=lambda f: (f / 'D').symlink_to('nowhere')))
case('`generate` where D is a foreign folder', '9+', r'exist', generating(before=lambda f: foreign(f, 'D')))
case('`generate` where D is an empty folder', '9+', r'exist', generating(before=lambda f: (f / 'D').mkdir()), GOOD)


def again(change: Callable[[Path], None], beside: bool = False) -> Callable[[Path], Ran]:
    """Generate, change the dataset, generate again."""

    def run(folder: Path) -> Ran:
        args = ['generate', *maps(folder / 'maps'), '--output', str(folder / 'D')]
        first = ask(*args)
        assert first.status == 0, first.err
        change(folder)
        ran = kept(folder, lambda: ask(*args))
        ran.right = ran.status == 0 and (folder / 'D/report.json').exists()
        return ran

    return run


case('`generate` on a complete dataset without report.json', '9', r'report|complete|exist', again(lambda f: (f / 'D/report.json').unlink()), GOOD)
case('`generate` on a complete dataset with a foreign D.partial', '9', r'D\.partial|exist', again(foreign), GOOD)
case('`generate` on a complete dataset that lacks an image', '9+', r'image|complete|lack|missing|exist', again(lambda f: next((f / 'D/images/rgb').iterdir()).unlink()))
case('`generate` on a complete dataset with a damaged report.json', '9+', r'report|complete|exist', again(lambda f: _text(f / 'D/report.json', '{') and None), GOOD)
case('`generate` on a complete dataset with a damaged manifest', '9+', r'exist|manifest', again(lambda f: _text(f / 'D/manifest.json', '{') and None))


def generate_full(folder: Path) -> Ran:
    args = ['generate', *maps(folder / 'maps'), '--output', str(folder / 'D')]
    with limited(1500):
        return ask(*args)


case('a full disk in `generate`', '10', r'(/D|\.tif|\.json|\.parquet).*', generate_full)
for words, about in (
    ('--patch_size 0', 'patch_size'), ('--patch_size 1000000', 'patch|block|large'), ('--num_patches 0', 'num_patches'),
    ('--stride 0', 'stride'), ('--block_size 1', 'block_size'), ('--seed -1', 'seed'),
    ('--fractions 0.5 0.5 0.5', 'fraction'), ('--fractions nan 0 0', 'fraction'), ('--fractions -1 1 1', 'fraction'),
    ('--questions_per_patch 0', 'questions_per_patch'), ('--num_workers 0', 'num_workers'),
    ('--max_nodata 2', 'max_nodata'), ('--max_nodata -1', 'max_nodata'), ('--max_nodata nan', 'max_nodata'),
    ('--question_types nonsense', 'question type|nonsense'),
    ('--urban_classes Atlantis', 'urban_classes|Atlantis'),
    ('--scheduler nowhere:1', 'scheduler|nowhere|connect'),
):
    case(f'`generate {words}`', 'new', about, generating(*words.split()), TOLD, limit=120)


def spoiled_maps(how: str) -> Callable[[Path], Ran]:
    """Maps that do not say what they should."""

    def run(folder: Path) -> Ran:
        arguments = maps(folder / 'maps')
        path = folder / 'maps/classes.json'
        if how == 'unknown':
            path.write_text('{"200": "water", "201": "trees"}')
        elif how == 'nodata':
            import rasterio

            with rasterio.open(folder / 'maps/sentinel1.tif', 'r+') as file:
                file.nodata = -9999
                file.write(np.full(file.shape, -9999, np.float32), 1)
                file.write(np.full(file.shape, -9999, np.float32), 2)
        elif how == 'float':
            import rasterio

            with rasterio.open(folder / 'maps/land_cover.tif') as file:
                labels, profile = file.read().astype(np.float32) + 0.5, file.profile
            with rasterio.open(folder / 'maps/land_cover.tif', 'w', **{**profile, 'dtype': 'float32'}) as file:
                file.write(labels)
        elif how == 'output':
            return kept(folder, lambda: ask('generate', *arguments, '--output', folder / 'maps'))
        elif how == 'inside':
            return kept(folder, lambda: ask('generate', *arguments, '--output', folder / 'maps/sentinel2.tif'))
        return ask('generate', *arguments, '--output', folder / 'D')

    return run


case('`generate` with names of codes that the map has not', 'new', r'class|code|question', spoiled_maps('unknown'), TOLD)
case('`generate` with SAR of nothing but no-data', '1+', r'data', spoiled_maps('nodata'), TOLD)
case('`generate` with a map of numbers and a half', 'new', r'class|code|whole|float|integer', spoiled_maps('float'), TOLD)
case('`generate --output` that is the folder of its inputs', '8+', r'exist', spoiled_maps('output'))
case('`generate --output` that is an input', '8+', r'exist', spoiled_maps('inside'))


def converting(spoil: Callable[[Path], None] = lambda _: None, *options: str, questions: str = 'q.csv', output: str = 'D') -> Callable[[Path], Ran]:
    """Convert a table of questions."""

    def run(folder: Path) -> Ran:
        optical, sar = scene()
        for name in ('a', 'b'):
            tif(folder / f'o/{name}.tif', optical)
            tif(folder / f's/{name}.tif', sar)
        rows = ['image,question_type,question,answer,split', 'a,presence,Is there water?,yes,train', 'b,presence,Is there water?,no,test']
        (folder / 'q.csv').write_text('\n'.join(rows) + '\n')
        spoil(folder)
        args = ['convert', str(folder / questions), '--output', str(folder / output), '--optical', str(folder / 'o'), '--sar', str(folder / 's'), *options]
        args = [arg.replace('{}', str(folder)) for arg in args]
        ran = kept(folder, lambda: ask(*args))
        if ran.status == 0 and 'rejected' in ran.out:
            ran.err += f'Warning: {ran.out}'
        else:
            ran.right = ran.status == 0 and (folder / 'D/images/rgb').exists()
        return ran

    return run


def row(line: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        with (folder / 'q.csv').open('a') as file:
            file.write(line + '\n')

    return spoil


case('a good `convert`', 'control', 'x', converting(), RIGHT)
case('`convert` of "yes" and "Yes" to one question', '6', r'answer|contradict|duplicate|differ', converting(row('a,presence,Is there water?,Yes,train')), TOLD)
case('`convert` of "yes" and "no" to one question', '6+', r'answer|contradict|duplicate|differ', converting(row('a,presence,Is there water?,no,train')), TOLD)
case('`convert` of an image in two splits', 'new', r'split', converting(row('a,presence,Is there snow?,no,test')), TOLD)
case('`convert --output` that is the folder of images', '8+', 'exist', converting(output='o'))
case('`convert --output` inside the folder of images', '8+', 'inside|exist|folder', converting(output='o/D'), GOOD)
case('`convert --report` that is the question file', '8+', 'exist', converting(lambda _: None, '--report', '{}/q.csv'))
case('`convert --report` that is an image', '8+', r'exist|report', converting(lambda _: None, '--report', '{}/o/a.tif'))
case('`convert` with D a link to nowhere', '9+', 'exist', converting(lambda f: (f / 'D').symlink_to('nowhere')))
case('`convert --transfer symlink` of links that lead nowhere', 'new', r'image|cannot|missing|unreadable', converting(lambda f: ((f / 'o/a.tif').unlink(), (f / 'o/a.tif').symlink_to('no'))[0], '--transfer', 'symlink'), TOLD)
case('`convert` of a CSV with a byte order mark', 'new', 'column|header', converting(lambda f: (f / 'q.csv').write_bytes(b'\xef\xbb\xbf' + (f / 'q.csv').read_bytes()) and None), GOOD)
case('`convert` of a CSV in UTF-16', 'new', 'utf|encod|decode', converting(lambda f: (f / 'q.csv').write_bytes((f / 'q.csv').read_text().encode('utf-16')) and None))
case('`convert --fractions 0 0 0`', 'new', 'fraction', converting(lambda _: None, '--fractions', '0', '0', '0'), TOLD)


# --- Ctrl-C ---------------------------------------------------------------------------

LINE = r'interrupt|stopped|Ctrl|cancel|abort|goes on|\w'
SLOW = ['--stride', '4']


def loaded(folder: Path) -> Callable[[], bool]:
    """Tell after some seconds that a command has begun to work."""
    until = time.monotonic() + 3
    return lambda: time.monotonic() > until


case('Ctrl-C in `ask --output`', '13', LINE, lambda f: interrupted(loaded(f), 'ask', *area(f, 12), *SLOW, '--output', f / 'a.parquet'))
case('Ctrl-C while `ask` begins (imports)', '13', LINE, lambda f: _early_interrupt(f))
case('SIGTERM in `ask --output`', 'new', LINE, lambda f: _terminated(f))
case('Ctrl-C in `generate`', '13', LINE, lambda f: interrupted(lambda: any((f / 'D.partial').rglob('*.tif')), 'generate', *maps(f / 'maps', 1024), '--stride', '8', '--output', f / 'D'), limit=120)
case('Ctrl-C in `generate` with two workers', '13', LINE, lambda f: interrupted(lambda: any((f / 'D.partial').rglob('*.tif')), 'generate', *maps(f / 'maps', 1024), '--stride', '8', '--num_workers', '2', '--output', f / 'D'), limit=120)
case('Ctrl-C in `app`', '13', LINE, lambda f: interrupted(_after(6), 'app', '--port', '7911'))
case('Ctrl-C in `convert`', '13', LINE, lambda f: interrupted(lambda: any(f.glob('.D*')), 'convert', *_many(f), '--output', f / 'D'), limit=120)
case('Ctrl-C in training', '13', LINE, lambda f: interrupted(_after(8), 'fit', '--model', 'tgfnet', '--trainer.default_root_dir', f, module='torchgeo'), limit=120)


def _after(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def _early_interrupt(folder: Path) -> Ran:
    process = interpreter('ask', *area(folder), start_new_session=True)
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGINT)
    return one_line(end(process))


def _terminated(folder: Path) -> Ran:
    """SIGTERM ends it; nothing is left behind."""
    ran = kept(folder, lambda: interrupted(loaded(folder), 'ask', *area(folder, 12), *SLOW, '--output', folder / 'a.parquet', number=signal.SIGTERM), 'o.tif', 's.tif')
    return ran


def _many(folder: Path) -> list[str]:
    optical = np.tile(scene()[0], (1, 4, 4))
    lines = ['image,question_type,question,answer,split']
    for i in range(3000):
        path = folder / f'o/{i}.tif'
        if i:
            path.hardlink_to(folder / 'o/0.tif')
        else:
            tif(path, optical)
        lines.append(f'{i},presence,Is there water?,yes,train')
    (folder / 'q.csv').write_text('\n'.join(lines) + '\n')
    return [str(folder / 'q.csv'), '--optical', str(folder / 'o')]


# --- surroundings ---------------------------------------------------------------------


def files(folder: Path) -> list[str]:
    """Write a good pair; return the options of ``ask`` that name it."""
    optical, sar = scene()
    o, s = tif(folder / 'o.tif', optical), tif(folder / 's.tif', sar)
    return ['Is there water?', '--optical', str(o), '--sar', str(s)]


def surrounded(make: Callable[[Path], dict[str, str | None]], *args: str) -> Callable[[Path], Ran]:
    """Ask in a Python of other environment variables."""

    def run(folder: Path) -> Ran:
        environment = {**os.environ, **make(folder)}
        known = {k: v for k, v in environment.items() if v is not None}
        options = files(folder)
        ran = end(interpreter('ask', *(args or options), env=known))
        ran.right = ran.status == 0 and ('no (94%)' in ran.out or bool(args))
        return ran

    return run


def _home(folder: Path) -> dict[str, str | None]:
    return {'HOME': '/proc/none', 'TORCHGEO_VQA_CACHE': None, 'XDG_CACHE_HOME': None}


case('TORCHGEO_VQA_CACHE that is a file, in `ask`', '13', 'cache', surrounded(lambda f: {'TORCHGEO_VQA_CACHE': str(_text(f / 'c'))}), GOOD)
case('a home folder that nobody may write', 'new', 'cache|home|HOME', surrounded(_home), GOOD)
case('no HOME', 'new', 'cache|home|HOME', surrounded(lambda f: {'HOME': None}), GOOD)
case('a TMPDIR that does not exist', 'new', 'tmp|TMPDIR', surrounded(lambda f: {'TMPDIR': str(f / 'no')}), GOOD)
case('an ASCII terminal and a question of other letters', 'new', 'encod|ascii', surrounded(lambda f: {'PYTHONIOENCODING': 'ascii', 'LC_ALL': 'C'}, 'Is there água?', '--optical', 'o.tif'), GOOD)
case('standard output that is full (/dev/full)', 'new', 'space|write|output', lambda f: _full_output(f))
case('standard output that is closed (a pipe to `head`)', 'new', 'pipe', lambda f: _closed_pipe(f), GOOD)
case('a working folder that is gone', 'new', 'folder|directory', lambda f: _gone(f), GOOD)
case('a sample in a TORCHGEO_VQA_CACHE that is a file', '13', 'cache|CACHE', lambda f: _sample(_text(f / 'c')))
case('a sample in a cache folder that cannot be made', 'new', 'cache|CACHE|/proc', lambda f: _sample(Path('/proc/none/c')))
case('a sample whose cached image was overwritten', 'new', r'damaged|hash|checksum|sample|cannot read', lambda f: _damaged_sample(f), GOOD)


def _full_output(folder: Path) -> Ran:
    with open('/dev/full', 'w') as out:
        process = interpreter('ask', *files(folder), stdout=out)
        _, err = process.communicate()
    return Ran(process.returncode, '', err)


def _closed_pipe(folder: Path) -> Ran:
    process = interpreter('ask', *files(folder))
    process.stdout.close()
    err = process.stderr.read()
    status = process.wait()
    is_quiet = 'Traceback' not in err and 'BrokenPipe' not in err and 'Exception' not in err
    return Ran(0 if is_quiet else 1, '', err, right=is_quiet and status in (0, 1, 141, -13))


def _gone(folder: Path) -> Ran:
    (folder / 'gone').mkdir()
    options = files(folder)
    os.chdir(folder / 'gone')
    shutil.rmtree(folder / 'gone')
    ran = ask('ask', *options)
    ran.right = ran.status == 0 and 'no (94%)' in ran.out
    return ran


def _sample(cache: Path) -> Ran:
    from torchgeo_vqa.datasets import OSVQAMini

    os.environ['TORCHGEO_VQA_CACHE'] = str(cache)
    scenes = {'train': 8, 'val': 2, 'test': 2}
    return call(lambda: print(len(OSVQAMini(num_scenes=scenes).index)))


def _damaged_sample(folder: Path) -> Ran:
    """An image of the cached sample is another one's."""
    from torchgeo_vqa.datasets import OSVQAMini
    from torchgeo_vqa.samplers import TileSampler

    os.environ['TORCHGEO_VQA_CACHE'] = str(folder / 'c')
    scenes = {'train': 8, 'val': 2, 'test': 2}

    def images() -> Any:
        dataset = OSVQAMini(split='test', num_scenes=scenes)
        return [dataset[query]['image_optical'].numpy() for query in TileSampler(dataset)]

    def read() -> bool:
        first = images()
        files = sorted(p for p in (folder / 'c').rglob('test*') if p.suffix in ('.tif', '.png') and 'sar' not in p.as_posix())
        shutil.copy(files[0], files[1])
        return all(np.array_equal(a, b) for a, b in zip(first, images(), strict=True))

    return call(read)


# --- the page's command ---------------------------------------------------------------

for words in ('--port 99999', '--port -1', '--port abc', '--host 300.1.1.1'):
    case(f'`app {words}`', 'new', 'port|host|address', lambda f, w=words: start('app', *w.split()).end(), limit=90)
case('`app` on a port that is taken', 'new', 'port|in use', lambda f: _taken(f), limit=90)


def _taken(folder: Path) -> Ran:
    import socket

    with socket.socket() as own:
        own.bind(('127.0.0.1', 0))
        own.listen()
        return start('app', '--port', str(own.getsockname()[1])).end()


def config_command(*args: str) -> Callable[[Path], Ran]:
    """Run ``torchgeo`` with an option that is wrong."""

    def run(folder: Path) -> Ran:
        from torchgeo.main import main

        from torchgeo_vqa.quickstart import with_quickstart

        fixed = ['--trainer.default_root_dir', str(folder), '--trainer.fast_dev_run', 'True', '--trainer.logger', 'False']
        return command(main, *with_quickstart(['fit', '--model', 'tgfnet', *fixed, *args]))

    return run


for words, about in (
    ('--data.batch_size 0', 'batch_size'), ('--model.lr abc', 'lr'), ('--model.freeze_clip sar', 'freeze_clip'),
    ('--data.root /proc/none', '/proc/none|root'), ('--model.model gpt', 'gpt|model'), ('--data.split x', 'split'),
    ('--data.modalities [lidar]', 'lidar|modalit'), ('--ckpt_path /no.ckpt', r'no\.ckpt'),
    ('--data.batch_size 1000000000000', 'batch_size|memory'),
):
    case(f'`torchgeo fit {words}`', 'new', about, config_command(*words.split()), REFUSED, limit=120)
