# SPDX-License-Identifier: MIT
"""Tests of the quickstart and of the configurations that come with the package."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch.utilities import rank_zero_only
from torchgeo.main import main

from torchgeo_vqa.quickstart import QUICKSTART, start_quickstart, with_quickstart

CONFIGS = sorted(QUICKSTART.parent.glob('*.yaml'))
OURS = ('--config', str(QUICKSTART))


def parse(capsys: pytest.CaptureFixture[str], args: list[str]) -> dict[str, Any]:
    """Return the configuration that TorchGeo reads from a command line."""
    with pytest.raises(SystemExit) as exit_info:
        main([*args, '--print_config'])
    captured = capsys.readouterr()
    assert exit_info.value.code == 0, captured.err
    config: dict[str, Any] = yaml.safe_load(captured.out)
    return config


@pytest.mark.parametrize(
    ('argv', 'completed'),
    [
        ('fit --model tgfnet', 'fit + --model tgfnet'),
        ('fit --model=tgfnet', 'fit + --model=tgfnet'),
        (
            'fit --model torchgeo_vqa.trainers.tgfnet',
            'fit + --model torchgeo_vqa.trainers.tgfnet',
        ),
        ('validate --model tgfnet', 'validate + --model tgfnet'),
        ('predict --model tgfnet', 'predict + --model tgfnet'),
        (
            'test --model tgfnet --ckpt_path a.ckpt',
            'test + --model tgfnet --ckpt_path a.ckpt',
        ),
        (
            'fit --trainer.max_epochs 1 --model tgfnet --model.lr 0.1',
            'fit + --trainer.max_epochs 1 --model tgfnet --model.lr 0.1',
        ),
        # the quickstart's own data with another option
        (
            'fit --model tgfnet --data.batch_size 4',
            'fit + --model tgfnet --data.batch_size 4',
        ),
        # the last one counts
        (
            'fit --model Classification --model tgfnet',
            'fit + --model Classification --model tgfnet',
        ),
    ],
)
def test_completes(argv: str, completed: str) -> None:
    expected = completed.replace('+', ' '.join(OURS)).split()
    assert with_quickstart(argv.split()) == expected


@pytest.mark.parametrize(
    'argv',
    [
        '',
        'fit',
        'fit --help',
        '--model tgfnet',
        'fit --model',
        'fit --model Classification',
        'fit --model tgfnet --model Classification',
        'fit --model VQATask',
        'fit --model.help tgfnet',
        'fit --trainer.logger tgfnet',
        'fit --model tgfnet --data OSVQADataModule --data.root data',
        'fit --model tgfnet --data=OSVQADataModule',
        'fit --model tgfnet --data.class_path OSVQADataModule',
        'fit --model tgfnet --data.class_path=OSVQADataModule',
        'fit --model tgfnet --data.help OSVQADataModule',
        'fit --model tgfnet --config a.yaml',
        'fit --model tgfnet --config=a.yaml',
        'fit --model tgfnet -c a.yaml',
        'fit --model tgfnet -c=a.yaml',
        'fit --model tgfnet -ca.yaml',
        'fit --config a.yaml --model tgfnet',
        '--config a.yaml fit --model tgfnet',
    ],
)
def test_leaves_alone(argv: str) -> None:
    assert with_quickstart(argv.split()) == argv.split()


def test_completes_once() -> None:
    once = with_quickstart(['fit', '--model', 'tgfnet'])
    assert with_quickstart(once) == once


def test_argv_is_not_changed() -> None:
    argv = ['fit', '--model', 'tgfnet']
    with_quickstart(argv)
    assert argv == ['fit', '--model', 'tgfnet']


@pytest.mark.parametrize(
    'program',
    [
        '/env/bin/torchgeo',
        'torchgeo',
        'torchgeo.exe',
        '/env/lib/site-packages/torchgeo/__main__.py',
    ],
)
def test_torchgeo_starts_quickstart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    monkeypatch.setattr(sys, 'argv', [program, 'fit', '--model', 'tgfnet'])
    start_quickstart()
    assert sys.argv == [program, 'fit', *OURS, '--model', 'tgfnet']
    captured = capsys.readouterr()
    assert captured.out == ''
    assert captured.err.count('\n') == 1
    assert str(QUICKSTART) in captured.err


@pytest.mark.parametrize(
    'argv',
    [
        [],
        [''],
        ['-c'],
        ['train.py', 'fit', '--model', 'tgfnet'],
        ['/home/torchgeo/train.py', 'fit', '--model', 'tgfnet'],
        ['other/__main__.py', 'fit', '--model', 'tgfnet'],
        ['torchgeo', 'fit', '--model', 'Classification'],
    ],
)
def test_others_do_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    monkeypatch.setattr(sys, 'argv', argv.copy())
    start_quickstart()
    assert sys.argv == argv
    assert capsys.readouterr().err == ''


def test_only_one_process_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rank_zero_only, 'rank', 1)
    monkeypatch.setattr(sys, 'argv', ['torchgeo', 'fit', '--model', 'tgfnet'])
    start_quickstart()
    assert sys.argv[2:4] == [*OURS]
    assert capsys.readouterr().err == ''


def test_quickstart(capsys: pytest.CaptureFixture[str]) -> None:
    config = parse(capsys, with_quickstart(['fit', '--model', 'tgfnet']))
    assert config['model']['class_path'] == 'torchgeo_vqa.trainers.tgfnet'
    assert config['model']['init_args']['model'] == 'tgfnet_tiny'
    data = config['data']['class_path']
    assert data == 'torchgeo_vqa.datamodules.OSVQAMiniDataModule'
    assert 0 < config['trainer']['max_epochs'] < 1000
    (checkpoint,) = config['trainer']['callbacks']
    assert checkpoint['init_args']['monitor'] == 'val_OA'
    assert checkpoint['init_args']['mode'] == 'max'


def test_user_overrides_quickstart(capsys: pytest.CaptureFixture[str]) -> None:
    argv = [
        *('fit', '--model', 'tgfnet', '--model.lr', '0.125'),
        *('--trainer.max_epochs', '1', '--data.batch_size', '3'),
    ]
    config = parse(capsys, with_quickstart(argv))
    assert config['model']['init_args']['model'] == 'tgfnet_tiny'
    assert config['model']['init_args']['lr'] == 0.125
    assert config['trainer']['max_epochs'] == 1
    data = config['data']
    assert data['class_path'] == 'torchgeo_vqa.datamodules.OSVQAMiniDataModule'
    assert data['init_args']['batch_size'] == 3


def test_full_model_is_not_the_quickstart(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ['fit', '--model', 'tgfnet', '--data', 'OSVQADataModule']
    config = parse(capsys, with_quickstart(argv))
    assert config['model']['class_path'] == 'torchgeo_vqa.trainers.tgfnet'
    assert config['model']['init_args']['model'] == 'tgfnet'
    data = config['data']['class_path']
    assert data == 'torchgeo_vqa.datamodules.OSVQADataModule'


@pytest.mark.parametrize('subcommand', ['fit', 'validate', 'test', 'predict'])
@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_configs_parse(
    capsys: pytest.CaptureFixture[str], path: Path, subcommand: str
) -> None:
    written = yaml.safe_load(path.read_text())
    config = parse(capsys, [subcommand, '--config', str(path)])
    # degradation.yaml adds to a run's own configuration
    for part in written.keys() & {'model', 'data'}:
        assert config[part]['class_path'] == written[part]['class_path']
        for name, value in written[part].get('init_args', {}).items():
            found = config[part]['init_args'][name]
            # An object is printed with its defaults
            assert found | value == found if isinstance(value, dict) else found == value
