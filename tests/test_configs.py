# SPDX-License-Identifier: MIT
"""Tests that run the configurations, and the README's Python, on a smaller sample."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import open_clip
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from torchgeo.main import main

import torchgeo_vqa.datasets.osvqamini
from torchgeo_vqa.datasets import OSVQAMini
from torchgeo_vqa.quickstart import QUICKSTART, with_quickstart

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / 'README.md', ROOT / 'docs' / 'user' / 'quickstart.md')
DEGRADATION = QUICKSTART.parent / 'degradation.yaml'
# those that say all that `fit` needs
CONFIGS = sorted(set(QUICKSTART.parent.glob('*.yaml')) - {DEGRADATION})
BEST = 'lightning_logs/version_0/checkpoints/best.ckpt'
NUM_SCENES = {'train': 32, 'val': 8, 'test': 8}

pytestmark = pytest.mark.slow


def torchgeo(command: str) -> str:
    """Run a ``torchgeo`` command in this process; return what it prints."""
    out = StringIO()
    with redirect_stdout(out):
        main(with_quickstart(shlex.split(command)[1:]))
    return out.getvalue()


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Work in an empty folder, with a smaller sample and a cache folder of its own."""
    folder = tmp_path_factory.mktemp('runs')
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv('TORCHGEO_VQA_CACHE', str(folder / 'cache'))
        monkeypatch.setattr(torchgeo_vqa.datasets.osvqamini, 'NUM_SCENES', NUM_SCENES)
        monkeypatch.chdir(folder)
        threads = torch.get_num_threads()
        yield folder
        torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def fitted(folder: Path) -> str:
    """Run the quickstart for an epoch; return what it prints."""
    return torchgeo('torchgeo fit --model tgfnet --trainer.max_epochs 1')


@pytest.fixture(scope='module')
def num_questions(folder: Path) -> int:
    """Count the questions of the test split."""
    return len(OSVQAMini(split='test').table)


def test_fit_ends_with_validation_and_command(fitted: str, folder: Path) -> None:
    assert (folder / BEST).is_file()
    assert fitted.index('Validation') < fitted.index('torchgeo test')


def test_printed_command_tests(fitted: str, folder: Path, num_questions: int) -> None:
    (command,) = re.findall(r'torchgeo test .*', fitted)
    check_test(torchgeo(command), num_questions)


@pytest.mark.usefixtures('fitted')
def test_short_command_tests(num_questions: int) -> None:
    out = torchgeo(f'torchgeo test --model tgfnet --ckpt_path {BEST}')
    check_test(out, num_questions)


def check_test(out: str, num_questions: int) -> None:
    """Check what a test prints and writes."""
    (path,) = re.findall(r'\S+test_metrics\.json', out)
    metrics = json.loads(Path(path).read_text())
    keys = {'OA', 'AA', 'per_type', 'groups', 'blind_OA', 'coverage', 'num_questions'}
    assert keys <= set(metrics)
    assert metrics['num_questions'] == num_questions
    assert f'{metrics["OA"]:.4f}' in out


@pytest.mark.usefixtures('fitted')
@pytest.mark.parametrize(
    'option',
    [
        f'--config {DEGRADATION}',
        '--trainer.callbacks+=torchgeo_vqa.callbacks.DegradationTest',
    ],
    ids=('config', 'callback'),
)
def test_degradation(option: str, num_questions: int) -> None:
    config = 'lightning_logs/version_0/config.yaml'
    out = torchgeo(f'torchgeo test --config {config} {option} --ckpt_path {BEST}')
    check_test(out, num_questions)
    (path,) = re.findall(r'\S+degradation_metrics\.json', out)
    report = json.loads(Path(path).read_text())
    severities: dict[str, list[float | str]] = {}
    for row in report['degradations']:
        severities.setdefault(row['kind'], []).append(row['severity'])
    assert severities == {
        'cloud': [0, 0.2, 0.4, 0.6, 0.8, 1],
        'low_light': [1, 0.5, 0.25, 0.1, 0.05],
        'speckle': [8, 4, 2, 1],
        'blank': ['optical', 'sar', 'both'],
        'shuffle': ['optical', 'sar', 'both'],
    }
    assert report['restricted_to'] == ['clear']
    assert 0 < report['num_questions'] < num_questions
    assert 'without modality_quality' in out


@pytest.mark.usefixtures('fitted')
def test_predict(folder: Path, num_questions: int) -> None:
    config = 'lightning_logs/version_0/config.yaml'
    torchgeo(f'torchgeo predict --config {config} --ckpt_path {BEST}')
    (path,) = folder.glob('lightning_logs/*/predictions.parquet')
    table = pq.read_table(path)
    assert len(table) == num_questions
    assert {'location', 'question', 'answer', 'probability'} <= set(table.column_names)


@pytest.mark.usefixtures('fitted')
@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_python_runs(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(
        r'^```python\n(.*?)^```', page.read_text(), re.MULTILINE | re.DOTALL
    )
    assert blocks
    images = {'optical': torch.rand(3, 64, 64) * 255, 'sar': torch.rand(2, 64, 64) - 20}
    for block in blocks:
        # one name space a block: each stands by itself
        exec(block, dict(images))  # noqa: S102  # our own documentation
    assert capsys.readouterr().out


@pytest.fixture(scope='module')
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a CLIP that is ViT-B-16 with two narrow layers in each tower."""
    config = {
        'embed_dim': 64,
        'vision_cfg': {'image_size': 224, 'layers': 2, 'width': 64, 'patch_size': 16},
        'text_cfg': {'context_length': 77, 'width': 64, 'heads': 2, 'layers': 2},
    }
    path = tmp_path_factory.mktemp('clip') / 'small-ViT-16.json'
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)
    return path.stem


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_configs_run(folder: Path, path: Path, small_clip: str) -> None:
    options = '--trainer.fast_dev_run 1 --data.batch_size 1'
    if path.stem == 'osvqa':
        OSVQAMini()
        (root,) = (folder / 'cache').glob('osvqa_mini*')
        options += f' --data.root {root} --data.num_workers 0'
        # no weights, which a test cannot download
        options += f' --model.pretrained null --model.model_args.clip {small_clip}'
    torchgeo(f'torchgeo fit --config {path} {options}')


def test_full_size(run_python: Callable[..., CompletedProcess[str]]) -> None:
    """In a process of its own, and in half the bytes of its 250 million parameters."""
    config = yaml.safe_load((QUICKSTART.parent / 'osvqa.yaml').read_text())
    args = config['model']['init_args']['model_args']
    script = f"""
import open_clip, torch
from torchgeo_vqa.models import tgfnet
torch.set_default_dtype(torch.bfloat16)
model = tgfnet(5, **{args}).eval()
images = {{'image_optical': torch.zeros(1, 3, 224, 224)}}
images['image_sar'] = torch.zeros(1, 2, 224, 224)
question = open_clip.tokenize(['Is there a ship?', 'Is there water?'])[None]
with torch.no_grad():
    print(tuple(model({{**images, 'question': question}}).logits.shape))
print(sum(p.numel() for p in model.parameters()) // 10**6)
"""
    done = run_python('-c', script)
    assert done.stdout.splitlines() == ['(2, 5)', '251'], done.stderr


def test_real_pairs(
    real_root: Path, small_clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands of a newcomer with OSVQA: the whole of TGFNet but for CLIP's depth."""
    monkeypatch.chdir(tmp_path)
    data = f'--data OSVQADataModule --data.root {real_root} --data.batch_size 1'
    limits = '--trainer.max_steps 2 --trainer.num_sanity_val_steps 0'
    limits += ' --trainer.limit_val_batches 1'
    clip = f"--model.model_args '{{clip: {small_clip}}}'"
    # What a user can act on is shown, other than what only libraries can
    with pytest.warns(UserWarning, match='starts from random weights'):
        out = torchgeo(f'torchgeo fit --model tgfnet {clip} {data} {limits}')
    (command,) = re.findall(r'torchgeo test .*', out)
    out = torchgeo(f'{command} --trainer.limit_test_batches 1')
    assert 'modality_quality' in out
    command = command.replace(' test ', ' predict ')
    torchgeo(f'{command} --trainer.limit_predict_batches 1')
    (path,) = tmp_path.glob('lightning_logs/*/predictions.parquet')
    assert set(pq.read_table(path)['target'].to_pylist()) >= {'yes'}
