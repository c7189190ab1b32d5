# SPDX-License-Identifier: MIT
"""Tests of the trainer that fine-tunes CLIP."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import open_clip
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor

from torchgeo_vqa.annotations.statement import statement
from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.models import tgfnet_tiny
from torchgeo_vqa.trainers import CLIPTask, VQATask
from torchgeo_vqa.trainers.statement_loss import hits, make_statements
from torchgeo_vqa.transforms import Augmentation


def make(root: Path, **kwargs: Any) -> OSVQADataModule:
    """Data module of the few pairs of a fixture."""
    kwargs = {'batch_size': 3, 'questions_per_sample': 4} | kwargs
    return OSVQADataModule(root=str(root), **kwargs)


def trainer(folder: Path, **kwargs: Any) -> Trainer:
    """Trainer that says little."""
    kwargs = {'max_epochs': 1, 'enable_progress_bar': False} | kwargs
    return Trainer(
        accelerator='cpu',
        default_root_dir=folder,
        log_every_n_steps=1,
        enable_model_summary=False,
        **kwargs,
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('runs')


@pytest.fixture(scope='module')
def trained(release_root: Path, folder: Path) -> tuple[CLIPTask, Path]:
    """A trained task and its checkpoint."""
    seed_everything(0)
    task = CLIPTask('tgfnet-tiny', lr=1e-3)
    runner = trainer(folder, max_epochs=2)
    runner.fit(task, datamodule=make(release_root))
    checkpoint: Any = runner.checkpoint_callback
    return task.eval(), Path(checkpoint.best_model_path)


class TestCLIPTask:
    def test_gradient_reaches_all_towers(
        self, release_root: Path, folder: Path
    ) -> None:
        task = CLIPTask('tgfnet-tiny', lr=1e-3, weight_decay=0)
        dm = make(release_root, batch_size=6)
        trainer(folder, max_steps=0).fit(task, datamodule=dm)
        before = {n: p.clone() for n, p in task.model.named_parameters()}
        # at the first step, the last norm of each residual block is still 0
        trainer(folder, max_epochs=2, limit_val_batches=0).fit(task, datamodule=dm)
        after = dict(task.model.named_parameters())
        assert not [
            name for name, value in before.items() if torch.equal(value, after[name])
        ]

    @pytest.mark.slow
    def test_learns(self, release_root: Path, folder: Path) -> None:
        """It can learn a few pairs by heart."""
        seed_everything(0)
        task = CLIPTask('tgfnet-tiny', lr=3e-3)
        runner = trainer(folder, max_epochs=60, limit_val_batches=0)
        dm = make(
            release_root,
            batch_size=6,
            questions_per_sample=None,
            augmentation=Augmentation(geometry=False),
        )
        runner.fit(task, datamodule=dm)
        assert runner.callback_metrics['train_loss'] < 0.1

    def test_recall_equals_a_recount(
        self, trained: tuple[CLIPTask, Path], release_root: Path, folder: Path
    ) -> None:
        """Recall is the accuracy of the nearest statement, counted by hand."""
        _, path = trained
        dm = make(release_root, batch_size=2)
        loaded = CLIPTask.load_from_checkpoint(path).eval()
        (metrics,) = trainer(folder).validate(loaded, dm, verbose=False)
        (batch,) = [dm.on_after_batch_transfer(b) for b in dm.val_dataloader()]
        dataset = dm.dataset_for('val')
        rows = [
            [
                (dataset.question_text([i])[0], dataset.answer_text([i])[0])
                for i in pair[pair >= 0].tolist()
            ]
            for pair in batch['question_id']
        ]
        given: dict[str, set[str]] = {}
        for question, answer in itertools.chain(*rows):
            given.setdefault(question, set()).add(answer)
        right = []
        for i, pair in enumerate(rows):
            images = {m: batch[f'image_{m}'][i : i + 1] for m in ('optical', 'sar')}
            for question, answer in pair:
                if len(given[question]) > 1:
                    answers = sorted(given[question])
                    said = [statement(question, a) for a in answers]
                    with torch.no_grad():
                        similarity = loaded.model(images, open_clip.tokenize(said))
                    best = sum(similarity.values())[0].argmax()
                    right.append(answers[best] == answer)
        assert len(right) > 4
        assert metrics['val_recall'] == pytest.approx(sum(right) / len(right))
        assert {'val_loss', 'val_recall_optical', 'val_recall_sar'} <= set(metrics)

    def test_recall_of_each_modality(self, release_root: Path, folder: Path) -> None:
        """That of the pair goes by the mean of both similarities."""
        torch.manual_seed(3)
        seen: dict[str, list[Tensor]] = {'': [], 'optical': [], 'sar': []}

        class Guessing(CLIPTask):
            def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
                images, tokens = args
                found = {m: torch.randn(len(x), len(tokens)) for m, x in images.items()}
                both = torch.stack(list(found.values())).mean(0)
                statements = make_statements(self.batch, dm.answers)
                for name, similarity in {'': both, **found}.items():
                    seen[name].append(hits(similarity, statements).float())
                return found

            def validation_step(self, batch: Any, batch_idx: int) -> None:
                self.batch = batch
                super().validation_step(batch, batch_idx)

        dm = make(release_root, batch_size=2)
        (metrics,) = trainer(folder).validate(
            Guessing('tgfnet-tiny'), dm, verbose=False
        )
        expected = {
            f'val_recall_{name}'.removesuffix('_'): float(torch.cat(right).mean())
            for name, right in seen.items()
        }
        assert len(set(expected.values())) == 3
        assert {name: metrics[name] for name in expected} == pytest.approx(expected)

    def test_tgfnet_starts_from_its_checkpoint(
        self, trained: tuple[CLIPTask, Path], release_root: Path, folder: Path
    ) -> None:
        _, path = trained
        loaded = CLIPTask.load_from_checkpoint(path)
        vqa = VQATask('tgfnet_tiny', pretrained=str(path))
        runner = trainer(folder, max_steps=0)
        runner.fit(vqa, datamodule=make(release_root))
        for model in (vqa.model, tgfnet_tiny(3, pretrained=path)):
            for name in ('image_encoders', 'text_encoder'):
                expected = getattr(loaded.model, name).state_dict()
                tower = getattr(model, name).state_dict()
                assert list(tower) == list(expected)
                for key, value in tower.items():
                    assert torch.equal(value, expected[key]), key

    def test_single_modality(self, release_root: Path, folder: Path) -> None:
        task = CLIPTask('tgfnet-tiny')
        dm = make(release_root, modalities=['sar'])
        runner = trainer(folder, limit_train_batches=1)
        runner.fit(task, datamodule=dm)
        assert list(task.model.image_encoders) == ['sar']
        assert 'val_recall_optical' not in runner.callback_metrics

    def test_goes_on_from_its_checkpoint(
        self, trained: tuple[CLIPTask, Path], release_root: Path, folder: Path
    ) -> None:
        _, path = trained
        task = CLIPTask('tgfnet-tiny', lr=1e-3)
        runner = trainer(folder, max_epochs=3)
        runner.fit(task, datamodule=make(release_root), ckpt_path=path)
        assert runner.global_step > 4

    def test_printed_command(
        self, release_root: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        runner = trainer(folder, limit_train_batches=1)
        runner.fit(CLIPTask('tgfnet-tiny'), datamodule=make(release_root))
        checkpoint: Any = runner.checkpoint_callback
        path = os.path.relpath(checkpoint.best_model_path)
        assert f'--model.pretrained {path}' in capsys.readouterr().out

    def test_other_data_module(self, folder: Path) -> None:
        loader: Any = torch.utils.data.DataLoader(range(1))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match='OSVQADataModule'):
            trainer(folder).fit(CLIPTask('tgfnet-tiny'), loader)

    def test_other_number_of_sar_channels(
        self, trained: tuple[CLIPTask, Path], png_root: Path, folder: Path
    ) -> None:
        loaded = CLIPTask.load_from_checkpoint(trained[1])
        with pytest.raises(ValueError, match='2 channels'):
            trainer(folder).validate(loaded, make(png_root))

    def test_foreign_checkpoint(self, tmp_path: Path) -> None:
        path = tmp_path / 'foreign.ckpt'
        torch.save({'state_dict': {}, 'pytorch-lightning_version': '2.6.0'}, path)
        with pytest.raises(ValueError, match='CLIPTask'):
            CLIPTask.load_from_checkpoint(path)


@pytest.mark.slow
def test_command_line(
    run_python: Callable[..., CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The short names resolve in an empty folder, with no import by the user."""
    command = (
        '-m torchgeo fit --model CLIPTask --data OSVQAMiniDataModule --print_config'
    )
    monkeypatch.chdir(tmp_path)
    done = run_python(*command.split())
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'class_path: torchgeo_vqa.trainers.CLIPTask' in done.stdout


@pytest.mark.slow
def test_two_processes(
    run_python: Callable[..., CompletedProcess[str]], release_root: Path, tmp_path: Path
) -> None:
    """Every parameter that is trained takes part in every step, as DDP demands."""
    command = f"""
        -m torchgeo fit --model CLIPTask --model.clip tgfnet-tiny
        --data OSVQADataModule --data.root {release_root} --data.batch_size 2
        --trainer.accelerator cpu --trainer.devices 2 --trainer.strategy ddp_fork
        --trainer.max_epochs 2 --trainer.default_root_dir {tmp_path}
    """
    done = run_python(*command.split())
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count('--model.pretrained') == 1
