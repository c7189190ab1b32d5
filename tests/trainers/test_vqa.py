# SPDX-License-Identifier: MIT
"""Tests of the trainer."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import Tensor

from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.models import VQAOutput
from torchgeo_vqa.prediction import Predictor
from torchgeo_vqa.trainers import VQATask
from torchgeo_vqa.trainers.vqa import answer_loss
from torchgeo_vqa.transforms import Augmentation

STILL = Augmentation(geometry=False)


def make(root: Path, **kwargs: Any) -> OSVQADataModule:
    """Data module of the few pairs of a fixture."""
    kwargs = {'batch_size': 3, 'questions_per_sample': 4} | kwargs
    return OSVQADataModule(root=str(root), **kwargs)


def trainer(folder: Path, **kwargs: Any) -> Trainer:
    """Trainer of two steps that says little."""
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
def trained(release_root: Path, folder: Path) -> tuple[VQATask, Path]:
    """A trained task and its checkpoint."""
    seed_everything(0)
    task = VQATask('tgfnet_tiny', lr=1e-3, clip_lr=1e-3)
    runner = trainer(folder)
    runner.fit(task, datamodule=make(release_root))
    checkpoint: Any = runner.checkpoint_callback
    return task.eval(), Path(checkpoint.best_model_path)


class TestVQATask:
    def test_learns_the_data_by_itself(self, trained: tuple[VQATask, Path]) -> None:
        task, _ = trained
        assert task.metadata is not None
        # most frequent first, ties by text
        assert task.metadata.answers[0] == 'yes'
        assert set(task.metadata.answers) >= {'no', '2', 'upper left', 'SAR'}
        assert task.metadata.sar_channels == 2
        assert task.metadata.image_size == 64
        assert task.model is not None
        assert task.model.num_answers == len(task.metadata.answers)

    def test_mixed_precision(self, release_root: Path, tmp_path: Path) -> None:
        losses = {}
        for precision in ('32-true', 'bf16-mixed'):
            seed_everything(0)
            task = VQATask('tgfnet_tiny', lr=1e-3, clip_lr=1e-3)
            runner = trainer(tmp_path, precision=precision, gradient_clip_val=1.0)
            runner.fit(task, datamodule=make(release_root))
            losses[precision] = float(runner.callback_metrics['val_loss'])
            assert {p.dtype for p in task.model.parameters()} == {torch.float32}
        assert losses['bf16-mixed'] == pytest.approx(losses['32-true'], rel=0.02)

    @pytest.mark.slow
    def test_compiled(self, release_root: Path, tmp_path: Path) -> None:
        """Training ends at the same weights, and its checkpoint needs no compiler."""
        states: list[dict[str, Tensor]] = []
        for compiled in (False, 'eager'):
            seed_everything(0)
            task = VQATask('tgfnet_tiny', lr=1e-3, clip_lr=1e-3, compile=compiled)
            runner = trainer(tmp_path, limit_train_batches=1, limit_val_batches=0)
            runner.fit(task, datamodule=make(release_root))
            assert hasattr(task.model.answer, 'get_compiler_config') is bool(compiled)
            states.append(task.state_dict())
        assert states[0].keys() == states[1].keys()
        for name, value in states[0].items():
            torch.testing.assert_close(value, states[1][name], msg=name)

    def test_checkpoint_answers_in_words(self, trained: tuple[VQATask, Path]) -> None:
        task, path = trained
        pair = np.full((3, 50, 60), 9.0), np.zeros((2, 50, 60))
        questions = ['Is there a ship?', 'How many ships are there?']
        answers = task.predictor().ask(*pair, questions)
        loaded = VQATask.load_from_checkpoint(path)
        assert loaded.metadata == task.metadata
        assert loaded.predictor().ask(*pair, questions) == answers
        assert Predictor.from_checkpoint(path, 'cpu').ask(*pair, questions) == answers

    def test_predictor_without_data(self) -> None:
        with pytest.raises(RuntimeError, match='load_from_checkpoint'):
            VQATask('tgfnet_tiny').predictor()

    def test_metrics_equal_a_recount_of_predictions(
        self,
        trained: tuple[VQATask, Path],
        release_root: Path,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        _, path = trained
        runner = trainer(folder)
        runner.test(VQATask('tgfnet_tiny'), make(release_root), ckpt_path=path)
        report = json.loads(
            (Path(str(runner.log_dir)) / 'test_metrics.json').read_text()
        )
        assert 'OA, all questions' in capsys.readouterr().out

        runner = trainer(folder)
        runner.predict(VQATask('tgfnet_tiny'), make(release_root), ckpt_path=path)
        rows = pd.read_parquet(Path(str(runner.log_dir)) / 'predictions.parquet')
        assert not list(Path(str(runner.log_dir)).glob('*.part'))
        annotation = release_root / 'annotations/all_test_annotation.json'
        true = pd.DataFrame(
            json.loads(annotation.read_text()),
            columns=['location', 'question_type', 'question', 'target'],
        )
        columns = list(true.columns)
        pd.testing.assert_frame_equal(
            rows[columns].sort_values(columns).reset_index(drop=True),
            true.sort_values(columns).reset_index(drop=True),
            check_dtype=False,
        )
        experts = [c for c in rows.columns if str(c).startswith('expert_weight_')]
        np.testing.assert_allclose(rows[experts].sum(axis=1), 1, rtol=1e-5)

        right = rows.answer == rows.target
        per_type = right.groupby(rows.question_type).mean()
        assert report['OA'] == pytest.approx(right.mean())
        assert report['AA'] == pytest.approx(per_type.mean())
        assert report['per_type'] == pytest.approx(per_type.to_dict())
        groups = json.loads(
            (release_root / 'annotations/image_groups.json').read_text()
        )
        per_group = right.groupby(rows.location.map(groups)).mean()
        assert report['groups'] == pytest.approx(per_group.to_dict())
        assert report['num_questions'] == len(true)
        assert report['coverage'] == 1

        annotation = release_root / 'annotations/all_train_annotation.json'
        train = pd.DataFrame(json.loads(annotation.read_text()), columns=columns)
        frequency = train.target.value_counts()
        usual = train.groupby('question').target.agg(
            lambda x: max(sorted(x.unique()), key=lambda a: (sum(x == a), frequency[a]))
        )
        blind = true.question.map(usual) == true.target
        ties = train.groupby('question').target.agg(
            lambda x: x.value_counts().head(2).nunique() == 1 and x.nunique() > 1
        )
        clear = ~true.question.map(ties)
        assert abs(report['blind_OA'] - blind.mean()) <= (~clear).mean()

    def test_unknown_answers_count_as_wrong(
        self, release_root: Path, folder: Path
    ) -> None:
        task = VQATask('tgfnet_tiny')
        runner = trainer(folder, limit_train_batches=1)
        runner.fit(task, datamodule=make(release_root, num_answers=1))
        runner.test(task, make(release_root, num_answers=1), verbose=False)
        report = json.loads(
            (Path(str(runner.log_dir)) / 'test_metrics.json').read_text()
        )
        # it can only say yes, and is right where that is so
        annotation = release_root / 'annotations/all_test_annotation.json'
        answers = [row[3] for row in json.loads(annotation.read_text())]
        share = answers.count('yes') / len(answers)
        assert report['OA'] == pytest.approx(share)
        assert report['coverage'] == pytest.approx(share)
        assert report['num_questions'] == len(answers)

    @pytest.mark.parametrize('stage', ['validate', 'test', 'predict'])
    def test_pretrained_weights_may_be_gone(
        self,
        stage: str,
        trained: tuple[VQATask, Path],
        release_root: Path,
        tmp_path: Path,
    ) -> None:
        """What a checkpoint replaces is neither looked for nor downloaded."""
        task = VQATask('tgfnet_tiny', pretrained=str(tmp_path / 'gone.ckpt'))
        run = getattr(trainer(tmp_path, logger=False), stage)
        run(task, datamodule=make(release_root), ckpt_path=trained[1])
        for name, value in trained[0].model.state_dict().items():
            assert torch.equal(value, task.model.state_dict()[name]), name

    @pytest.mark.parametrize('loaded', [True, False], ids=['loaded', 'ckpt_path'])
    def test_checkpoint_keeps_its_vocabulary_on_other_data(
        self,
        trained: tuple[VQATask, Path],
        release_root: Path,
        folder: Path,
        loaded: bool,
    ) -> None:
        task, path = trained
        # Its own are others, and known before the checkpoint is read
        own_statistics = {
            'optical': {'mean': [1.0] * 3, 'std': [2.0] * 3},
            'sar': {'mean': [3.0] * 2, 'std': [4.0] * 2},
        }
        dm = make(release_root, num_answers=2, statistics=own_statistics)
        if loaded:
            own = VQATask.load_from_checkpoint(path)
            trainer(folder).test(own, dm, verbose=False)
        else:
            own = VQATask('tgfnet_tiny')
            trainer(folder).test(own, dm, ckpt_path=path, verbose=False)
        assert task.metadata is not None
        assert dm.answers == task.metadata.answers
        assert dm.statistics == task.metadata.statistics != own_statistics

    def test_single_modality(self, release_root: Path, folder: Path) -> None:
        task = VQATask('tgfnet_tiny')
        dm = make(release_root, modalities=['sar'])
        trainer(folder, limit_train_batches=1).fit(task, datamodule=dm)
        assert task.model is not None
        assert task.model.expert_names == ('sar',)
        predictor = task.predictor()
        answer = predictor.ask(None, np.zeros((2, 32, 32)), ['Is there a ship?'])[0]
        assert answer.expert_weights == {'sar': 1}
        both = np.zeros((3, 40, 32)), np.zeros((2, 32, 32))
        assert predictor.ask(*both, ['Is there a ship?'])[0] == answer

    def test_same_seed_same_weights(self, release_root: Path, tmp_path: Path) -> None:
        states = []
        for _ in range(2):
            seed_everything(3)
            task = VQATask('tgfnet_tiny')
            trainer(tmp_path, max_epochs=2).fit(task, datamodule=make(release_root))
            states.append(task.state_dict())
        assert len(states[0]) > 300
        for name, value in states[0].items():
            assert torch.equal(value, states[1][name]), name

    @pytest.mark.parametrize(
        ('freeze', 'frozen'),
        [
            (True, ('image_encoders', 'text_encoder')),
            ('image', ('image_encoders',)),
            ('text', ('text_encoder',)),
        ],
    )
    def test_freeze(
        self, release_root: Path, folder: Path, freeze: Any, frozen: tuple[str, ...]
    ) -> None:
        seed_everything(0)
        task = VQATask('tgfnet_tiny', freeze_clip=freeze, lr=1e-2, clip_lr=1e-2)
        runner = trainer(folder, max_steps=0)
        runner.fit(task, datamodule=make(release_root))
        before = {k: v.clone() for k, v in task.model.state_dict().items()}  # type: ignore[union-attr]
        task.train()
        trainer(folder, limit_train_batches=1).fit(task, datamodule=make(release_root))
        assert {n for n, m in task.model.named_children() if not m.training} == set(
            frozen
        )
        after = task.model.state_dict()  # type: ignore[union-attr]
        same = {k for k, v in before.items() if torch.equal(v, after[k])}
        assert {k for k in before if k.startswith(frozen)} <= same
        assert not any(k.startswith('experts.fusion.pool') for k in same)

    def test_freeze_needs_clip(self, release_root: Path, folder: Path) -> None:
        args = {'backbone': 'tgfnet_tiny_conv'}
        task = VQATask('rsvqa', model_args=args, freeze_clip=True)
        with pytest.raises(ValueError, match='RSVQAModel has no CLIP'):
            trainer(folder).fit(task, datamodule=make(release_root))

    def test_loss_that_is_not_finite(self, release_root: Path, folder: Path) -> None:
        task = VQATask('tgfnet_tiny', lr=1e30, clip_lr=1e30, warmup=0.0)
        runner = trainer(folder, max_epochs=5)
        with pytest.raises(
            FloatingPointError, match=r'loss is nan in epoch .*lr=1e\+30'
        ):
            runner.fit(task, datamodule=make(release_root))

    @pytest.mark.parametrize('weight', [0.0, 0.5])
    def test_routing_loss(
        self, release_root: Path, folder: Path, weight: float
    ) -> None:
        """What the step returns is the answers' loss and so much of the routers'."""
        seed_everything(0)
        task = VQATask('tgfnet_tiny', routing_loss_weight=weight)
        runner = trainer(folder, max_steps=0)
        runner.fit(task, datamodule=make(release_root))
        dm = make(release_root)
        dm.image_size = task.model.image_size  # type: ignore[union-attr]
        dm.setup('fit')
        batch = dm.on_after_batch_transfer(next(iter(dm.train_dataloader())))
        task.train()
        output = task(batch)
        label = batch['label'][batch['question_id'] >= 0]
        expected = answer_loss(output, label, 0.0, 0.3, 0.0)
        assert output.routing_loss is not None
        assert output.routing_loss.mean() > 0
        expected = expected + weight * output.routing_loss.mean()
        task.log = lambda *args, **kwargs: None  # type: ignore[assignment]
        assert float(task.training_step(batch, 0)) == pytest.approx(float(expected))

    def test_two_learning_rates_warm_up_and_decay(
        self, release_root: Path, folder: Path
    ) -> None:
        task = VQATask('tgfnet_tiny', lr=1e-3, clip_lr=1e-4, warmup=0.5)
        runner = trainer(folder, max_epochs=4, limit_val_batches=0)
        runner.fit(task, datamodule=make(release_root))
        metrics = runner.optimizers[0].param_groups
        rates = {id(p): g['initial_lr'] for g in metrics for p in g['params']}
        for name, parameter in task.model.named_parameters():
            if not parameter.requires_grad:
                continue
            is_clip = name.startswith(('image_encoders.', 'text_encoder.'))
            assert rates[id(parameter)] == (1e-4 if is_clip else 1e-3), name
        scheduler: Any = runner.lr_scheduler_configs[0].scheduler
        factor = scheduler.lr_lambdas[0]
        steps = int(runner.estimated_stepping_batches)
        assert steps == 8
        values = [factor(i) for i in range(steps + 1)]
        np.testing.assert_allclose(values[:4], [0.25, 0.5, 0.75, 1])
        cosine = [(1 + math.cos(math.pi * i / 4)) / 2 for i in range(5)]
        np.testing.assert_allclose(values[4:], cosine, atol=1e-12)

    def test_metrics_of_an_epoch_are_its_own(
        self, release_root: Path, folder: Path
    ) -> None:
        counted: list[list[int]] = []

        class Count(Callback):
            def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
                metrics = pl_module.metrics['val'], pl_module.metrics['val_blind']
                counted.append([int(metric.total.sum()) for metric in metrics])

        runner = trainer(folder, max_epochs=3, callbacks=[Count()])
        dm = make(release_root)
        runner.fit(VQATask('tgfnet_tiny'), datamodule=dm)
        assert counted[-3:] == [[len(dm.dataset_for('val').table)] * 2] * 3

    def test_label_smoothing(
        self, trained: tuple[VQATask, Path], release_root: Path
    ) -> None:
        """A share of the target is spread over all answers."""
        task = VQATask.load_from_checkpoint(
            trained[1], label_smoothing=0.3, expert_loss_weight=0.0
        ).eval()
        assert task.metadata is not None
        dm = make(release_root, image_size=task.metadata.image_size)
        dm.setup('fit')
        batch = dm.on_after_batch_transfer(next(iter(dm.train_dataloader())))
        with torch.no_grad():
            loss = task.training_step(batch, 0)
            output = task(batch)
        label = batch['label'][batch['question_id'] >= 0]
        log_p = output.logits.log_softmax(-1)
        own = log_p[torch.arange(len(label)), label]
        expected = -(0.7 * own + 0.3 * log_p.mean(-1)).mean()
        if output.routing_loss is not None:
            expected = expected + 0.1 * output.routing_loss.mean()
        torch.testing.assert_close(loss, expected)

    def test_loss_ignores_unknown_answers(self) -> None:
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(4, 3, generator=generator)
        experts = torch.randn(4, 2, 3, generator=generator)
        label = torch.tensor([2, 3, 0, 3])  # 3 is outside the vocabulary

        def entropy(x: Tensor) -> float:
            p = x.softmax(-1)
            return float(-(p[0, 2].log() + p[2, 0].log()) / 2)

        expected = entropy(logits)
        expected += 0.5 * (entropy(experts[:, 0]) + entropy(experts[:, 1])) / 2
        output = VQAOutput(logits, experts, torch.full((4, 2), 0.5))
        loss = answer_loss(output, label, 0.0, 0.5, 0.0)
        assert float(loss) == pytest.approx(expected)
        assert float(answer_loss(output, torch.full((4,), 3), 0.0, 0.5, 0.0)) == 0

    @pytest.mark.parametrize(
        ('args', 'match'),
        [({'model': 'resnet18'}, 'resnet18'), ({'model_args': {'depth': 3}}, 'depth')],
    )
    def test_invalid(self, args: dict[str, Any], match: str) -> None:
        with pytest.raises(ValueError, match=match):
            VQATask(**args)

    def test_other_data_module(self, folder: Path) -> None:
        loader: Any = torch.utils.data.DataLoader(range(1))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match='OSVQADataModule'):
            trainer(folder).fit(VQATask('tgfnet_tiny'), loader)

    def test_other_number_of_sar_channels(
        self, trained: tuple[VQATask, Path], png_root: Path, folder: Path
    ) -> None:
        loaded = VQATask.load_from_checkpoint(trained[1])
        with pytest.raises(ValueError, match='2 channels'):
            trainer(folder).test(loaded, make(png_root))

    def test_foreign_checkpoint(self, tmp_path: Path) -> None:
        path = tmp_path / 'foreign.ckpt'
        torch.save({'state_dict': {}, 'pytorch-lightning_version': '2.6.0'}, path)
        with pytest.raises(ValueError, match='VQATask'):
            VQATask.load_from_checkpoint(path)


def test_png_without_crs(png_root: Path, tmp_path: Path) -> None:
    """The release's own format: PNG, no CRS, SAR of one band."""
    task = VQATask('tgfnet_tiny')
    runner = trainer(tmp_path, limit_train_batches=1)
    runner.fit(task, datamodule=make(png_root))
    assert task.metadata is not None
    assert task.metadata.sar_channels == 1
