# SPDX-License-Identifier: MIT
"""A disk that is full: files may not grow beyond some bytes."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import geopandas
import pytest

#: Bytes that fit on the disk come first, what is run follows.
START = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from torchgeo_vqa import callbacks, conversion, datamodules, datasets, trainers, transforms
from lightning.pytorch import Trainer
size, root, folder = int(sys.argv[1]), *sys.argv[2:]
"""

FULL = """
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
"""

PREDICT = """
task = trainers.VQATask('tgfnet_tiny')
dm = datamodules.OSVQADataModule(root, batch_size=1)
writer = callbacks.PredictionWriter('answers{suffix}')
trainer = Trainer(accelerator='cpu', default_root_dir=folder, logger=False,
                  enable_progress_bar=False, callbacks=[writer])
{full}
trainer.predict(task, datamodule=dm, return_predictions=False)
"""


Run = Callable[[str, int, Path, Path], tuple[int, str]]


@pytest.fixture
def run(run_python: Callable[..., CompletedProcess[str]]) -> Run:
    """Function that runs a script where files may have some bytes at most."""

    def run(script: str, size: int, root: Path, folder: Path) -> tuple[int, str]:
        done = run_python('-c', START + script, size, root, folder)
        return done.returncode, done.stderr

    return run


@pytest.mark.parametrize('size', [0, 100, 6000])
def test_predictions(size: int, run: Run, release_root: Path, tmp_path: Path) -> None:
    script = PREDICT.format(suffix='.parquet', full=FULL)
    code, said = run(script, size, release_root, tmp_path)
    assert code == 1
    assert f'OSError: predictions cannot be written to {tmp_path}/answers' in said
    assert 'name another file' in said
    assert list(tmp_path.iterdir()) == []


def test_geopackage(run: Run, release_root: Path, tmp_path: Path) -> None:
    """It is larger than the file that it is made of, which stays."""
    script = PREDICT.format(suffix='.gpkg', full=FULL)
    code, said = run(script, 40_000, release_root, tmp_path)
    assert code == 1
    assert f'OSError: {tmp_path}/answers.gpkg cannot be written' in said
    assert 'nothing is lost' in said
    (left,) = tmp_path.iterdir()
    assert len(geopandas.read_parquet(left)) == 18


def test_features(run: Run, release_root: Path, tmp_path: Path) -> None:
    """Training goes on, and says once for each tower that it is slower."""
    script = f"""
task = trainers.VQATask('tgfnet_tiny', freeze_clip=True, feature_cache=folder)
dm = datamodules.OSVQADataModule(root, batch_size=2,
    augmentation=transforms.Augmentation(geometry=False))
trainer = Trainer(max_epochs=1, accelerator='cpu', logger=False,
                  enable_checkpointing=False, enable_progress_bar=False)
{FULL}
trainer.fit(task, datamodule=dm)
"""
    code, said = run(script, 100, release_root, tmp_path)
    assert code == 0, said
    assert said.count('features cannot be written') == 2
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]


def test_question_table(run: Run, release_root: Path, tmp_path: Path) -> None:
    """The dataset opens all the same."""
    annotation = release_root / 'annotations/all_train_annotation.json'
    path = tmp_path / annotation.name
    path.write_bytes(annotation.read_bytes())
    script = f"""
from pathlib import Path
from torchgeo_vqa.annotations.question_table import QuestionTable
{FULL}
assert len(QuestionTable.read(Path(folder) / {annotation.name!r})) == 36
"""
    code, said = run(script, 100, release_root, tmp_path)
    assert code == 0, said
    assert [p for p in tmp_path.rglob('*') if p.is_file()] == [path]


def test_sample(run: Run, release_root: Path, tmp_path: Path) -> None:
    script = f"""
{FULL}
datasets.OSVQAMini(folder, num_scenes={{'train': 8, 'val': 2, 'test': 2}})
"""
    code, said = run(script, 1000, release_root, tmp_path)
    assert code == 1
    assert 'OSError' in said
    assert list(tmp_path.iterdir()) == []


def test_conversion(run: Run, release_root: Path, tmp_path: Path) -> None:
    script = f"""
{FULL}
conversion.convert([root + '/annotations/all_train_annotation.json'],
                   folder + '/converted', optical=root + '/images/rgb')
"""
    code, said = run(script, 1000, release_root, tmp_path)
    assert code == 1
    assert 'OSError' in said
    assert list(tmp_path.iterdir()) == []
