# SPDX-License-Identifier: MIT
"""The same seed on the same machine gives the same result, to the bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

#: Everything that draws random numbers, in one process. In training these are dropout,
#: augmentation and the draw of questions.
SCRIPT = """
import sys
from pathlib import Path

release, maps, folder, num_workers = *map(Path, sys.argv[1:4]), int(sys.argv[4])


def train(name, loader_workers):
    from torchgeo.main import main

    root = folder / name
    options = [
        *('--model', 'VQATask', '--model.model', 'tgfnet_tiny', '--model.lr', '1e-3'),
        *('--model.model_args', '{dropout: 0.3}', '--seed_everything', '3'),
        *('--data', 'OSVQADataModule', '--data.batch_size', '2'),
        *('--data.root', str(release), '--data.num_workers', loader_workers),
        *('--data.questions_per_sample', '3', '--data.augmentation.cloud', '0.5'),
        *('--data.augmentation.low_light', '0.5'),
        *('--data.augmentation.speckle', '0.5'),
        *('--trainer.accelerator', 'cpu', '--trainer.max_epochs', '2'),
        *('--trainer.enable_progress_bar', 'false'),
        *('--trainer.default_root_dir', str(root)),
    ]
    main(['fit', *options])
    (checkpoint,) = root.rglob('*.ckpt')
    for command in ('test', 'predict'):
        main([command, *options, '--ckpt_path', str(checkpoint)])


def make_datasets():
    from torchgeo_vqa.cli import main
    from torchgeo_vqa.synthetic.mini import generate

    main([
        *('generate', '--seed', '5', '--num_workers', '1'),
        *('--optical', str(maps / 'optical'), '--sar', str(maps / 'sar')),
        *('--labels', str(maps / 'labels'), '--patch_size', '32'),
        *('--classes', str(maps / 'classes.yaml'), '--num_patches', '24'),
        *('--block_size', '48', '--output', str(folder / 'generated')),
    ])
    main([
        *('convert', str(release / 'annotations/all_train_annotation.json')),
        *('--optical', str(release / 'images/rgb'), '--seed', '5'),
        *('--output', str(folder / 'converted')),
    ])
    scenes = {'train': 24, 'val': 4, 'test': 4}
    generate(
        folder / 'sample', num_scenes=scenes, num_workers=num_workers,
        progress=False,
    )


if __name__ == '__main__':
    train('alone', '0')
    train('two workers', '2')
    make_datasets()
"""


@pytest.fixture(scope='module')
def runs(
    release_root: Path, maps_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Folders of two runs: new processes whose hashes, and numbers of workers, differ."""
    script = tmp_path_factory.mktemp('script') / 'script.py'
    script.write_text(SCRIPT)
    folders = []
    for num_workers in ('1', '2'):
        folder = tmp_path_factory.mktemp('run')
        roots = map(str, (release_root, maps_root, folder))
        done = subprocess.run(
            [sys.executable, str(script), *roots, num_workers],
            env={**os.environ, 'PYTHONHASHSEED': num_workers},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        folders.append(folder)
    return folders


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of all files, without caches."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and '.cache' not in path.parts
    }


@pytest.mark.parametrize('name', ['alone', 'two workers'])
def test_fit(runs: list[Path], name: str) -> None:
    first, second = (
        torch.load(next((run / name).rglob('*.ckpt')), weights_only=True)
        for run in runs
    )
    assert first['global_step'] == second['global_step'] > 2
    assert first['state_dict'].keys() == second['state_dict'].keys()
    for key, value in first['state_dict'].items():
        assert torch.equal(value, second['state_dict'][key]), key


@pytest.mark.parametrize('name', ['alone', 'two workers'])
@pytest.mark.parametrize('file', ['metrics.csv', 'test_metrics.json', '*.parquet'])
def test_what_is_written(runs: list[Path], name: str, file: str) -> None:
    """Metrics of training, the report of the test, and the predictions."""
    found = [sorted((run / name).rglob(file)) for run in runs]
    assert found[0]
    names = [
        [path.relative_to(run) for path in paths]
        for run, paths in zip(runs, found, strict=True)
    ]
    assert names[0] == names[1]
    for one, other in zip(*found, strict=True):
        assert one.read_bytes() == other.read_bytes(), one


@pytest.mark.parametrize('name', ['generated', 'converted', 'sample'])
def test_datasets(runs: list[Path], name: str) -> None:
    """The sample whatever the number of workers; for `generate` see its own tests."""
    first, second = (contents(run / name) for run in runs)
    assert json.loads(first['annotations/all_train_annotation.json'])
    assert first == second
