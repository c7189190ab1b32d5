# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""The same seed on the same machine gives the same result, to the bit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

#: All that is random in training: dropout, augmentation, the draw of questions.
OPTIONS = (
    *('--model', 'VQATask', '--model.model', 'tgfnet_tiny', '--model.lr', '1e-3'),
    *('--model.model_args', '{dropout: 0.3}', '--seed_everything', '3'),
    *('--data', 'OSVQADataModule', '--data.batch_size', '2'),
    *('--data.questions_per_sample', '3', '--data.augmentation.cloud', '0.5'),
    *('--data.augmentation.low_light', '0.5'),
    *('--data.augmentation.speckle', '0.5'),
    *('--trainer.accelerator', 'cpu', '--trainer.max_epochs', '2'),
    *('--trainer.enable_progress_bar', 'false'),
)


def run(*args: str) -> None:
    """Run a command line in a process of its own."""
    command = [sys.executable, '-m', *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of all files, without caches."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and '.cache' not in path.parts
    }


@pytest.fixture(scope='module', params=[0, 2], ids=['alone', 'two workers'])
def runs(
    request: pytest.FixtureRequest,
    release_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Path]:
    """Folders of two runs: trained, tested and predicted with."""
    folders = []
    data = '--data.root', str(release_root), '--data.num_workers', str(request.param)
    for name in ('first', 'second'):
        folder = tmp_path_factory.mktemp(name)
        options = (*OPTIONS, *data, '--trainer.default_root_dir', str(folder))
        run('torchgeo', 'fit', *options)
        (checkpoint,) = folder.rglob('*.ckpt')
        for command in ('test', 'predict'):
            run('torchgeo', command, *options, '--ckpt_path', str(checkpoint))
        folders.append(folder)
    return folders


@pytest.mark.slow
def test_fit(runs: list[Path]) -> None:
    first, second = (
        torch.load(next(folder.rglob('*.ckpt')), weights_only=True) for folder in runs
    )
    assert first['global_step'] == second['global_step'] > 2
    assert first['state_dict'].keys() == second['state_dict'].keys()
    for name, value in first['state_dict'].items():
        assert torch.equal(value, second['state_dict'][name]), name


@pytest.mark.slow
@pytest.mark.parametrize('name', ['metrics.csv', 'test_metrics.json', '*.parquet'])
def test_what_is_written(runs: list[Path], name: str) -> None:
    """Metrics of training, the report of the test, and the predictions."""
    found = [sorted(folder.rglob(name)) for folder in runs]
    assert found[0]
    names = [
        [p.relative_to(folder) for p in paths]
        for folder, paths in zip(runs, found, strict=True)
    ]
    assert names[0] == names[1]
    for one, other in zip(*found, strict=True):
        assert one.read_bytes() == other.read_bytes(), one


@pytest.mark.slow
def test_generate(maps_root: Path, tmp_path: Path) -> None:
    """Whatever the number of workers."""
    for name, num_workers in (('first', '1'), ('second', '1'), ('third', '2')):
        run(
            *('torchgeo_vqa', 'generate', '--seed', '5', '--num_workers', num_workers),
            *('--optical', str(maps_root / 'optical'), '--sar', str(maps_root / 'sar')),
            *('--labels', str(maps_root / 'labels'), '--patch_size', '32'),
            *('--classes', str(maps_root / 'classes.yaml'), '--num_patches', '24'),
            *('--block_size', '48', '--output', str(tmp_path / name)),
        )
    first = contents(tmp_path / 'first')
    assert json.loads(first['annotations/all_train_annotation.json'])
    assert first == contents(tmp_path / 'second') == contents(tmp_path / 'third')


@pytest.mark.slow
def test_convert(release_root: Path, tmp_path: Path) -> None:
    annotation = release_root / 'annotations/all_train_annotation.json'
    for name in ('first', 'second'):
        run(
            *('torchgeo_vqa', 'convert', str(annotation), '--seed', '5'),
            *('--optical', str(release_root / 'images/rgb')),
            *('--output', str(tmp_path / name)),
        )
    assert contents(tmp_path / 'first') == contents(tmp_path / 'second')
    assert contents(tmp_path / 'first')


@pytest.mark.slow
def test_sample(tmp_path: Path) -> None:
    """The embedded sample, whatever the number of workers."""
    script = """
import sys
from pathlib import Path
from torchgeo_vqa.synthetic.mini import generate
generate(Path(sys.argv[1]), num_scenes={'train': 24, 'val': 4, 'test': 4},
         num_workers=int(sys.argv[2]), progress=False)
"""
    for name, num_workers in (('first', '1'), ('second', '1'), ('third', '2')):
        path = tmp_path / 'make_sample.py'
        path.write_text('if __name__ == "__main__":' + script.replace('\n', '\n    '))
        command = [sys.executable, str(path), str(tmp_path / name), num_workers]
        subprocess.run(command, check=True, capture_output=True)
    assert contents(tmp_path / 'first')
    assert contents(tmp_path / 'first') == contents(tmp_path / 'second')
    assert contents(tmp_path / 'first') == contents(tmp_path / 'third')
