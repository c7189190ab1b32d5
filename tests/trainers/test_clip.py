# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of the trainer that fine-tunes CLIP."""

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor

from torchgeo_vqa.annotations.question_table import decode
from torchgeo_vqa.annotations.statement import statement
from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.models import tgfnet_tiny
from torchgeo_vqa.trainers import CLIPTask, VQATask
from torchgeo_vqa.trainers.clip import contrastive_loss, hits, make_statements
from torchgeo_vqa.transforms import Augmentation, PairedAugmentation

ANSWERS = ['yes', 'no', '2', 'left', 'right']


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


def as_batch(*pairs: list[tuple[str, int]]) -> dict[str, Tensor]:
    """Batch of questions and labels, without images."""
    size = max(map(len, pairs))
    question = torch.zeros(len(pairs), size, 77, dtype=torch.int64)
    label = torch.full((len(pairs), size), -1)
    for i, pair in enumerate(pairs):
        for k, (text, answer) in enumerate(pair):
            question[i, k] = open_clip.tokenize([text])[0]
            label[i, k] = answer
    ids = torch.arange(label.numel()).reshape(label.shape)
    return {
        'question': question,
        'label': label,
        'question_id': torch.where(label < 0, -1, ids),
    }


@pytest.fixture
def batch() -> dict[str, Tensor]:
    return as_batch(
        [('Is there a ship?', 0), ('How many ships are there?', 2)],
        [('Is there a ship?', 1), ('Is there any water?', 0)],
        [('Is there a ship?', 0), ('Is there any water?', 5)],  # 5 is no known answer
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


def texts(tokens: Tensor) -> list[str]:
    """Read statements back."""
    return [decode(row) for row in tokens]


class TestStatements:
    def test_true_false_and_unknown(self, batch: dict[str, Tensor]) -> None:
        statements = make_statements(batch, ANSWERS)
        known = {
            text: (
                ''.join(
                    'T' if t else 'F' if f else '?'
                    for t, f in zip(true, false, strict=True)
                )
            )
            for text, true, false in zip(
                texts(statements.tokens),
                statements.true.T,
                statements.false.T,
                strict=True,
            )
        }
        assert known == {
            # one statement, true of two pairs
            'there is a ship .': 'TFT',
            'there is no ship .': 'FTF',
            'there are 2 ships .': 'T??',
            # the third pair gives an answer outside the vocabulary: not this one
            'there is water .': '?TF',
        }

    def test_choices(self, batch: dict[str, Tensor]) -> None:
        statements = make_statements(batch, ANSWERS)
        assert statements.pair.tolist() == [0, 0, 1, 1, 2]
        names = texts(statements.tokens)
        assert [names[i] for i in statements.statement] == [
            'there is a ship .',
            'there are 2 ships .',
            'there is no ship .',
            'there is water .',
            'there is a ship .',
        ]
        assert statements.choices.sum(1).tolist() == [2, 1, 2, 1, 2]
        similarity = torch.zeros(3, len(names))
        similarity[:, names.index('there is a ship .')] = 1
        # only of ships are there other answers, and only the second pair has none
        assert hits(similarity, statements).tolist() == [True, False, True]
        assert not hits(0 * similarity, statements).any()

    def test_two_questions_one_statement(self) -> None:
        statements = make_statements(
            as_batch([('Is there a ship?', 0)], [('is there  a SHIP', 1)]), ANSWERS
        )
        assert texts(statements.tokens) == ['there is a ship .', 'there is no ship .']

    def test_made_of_augmented_questions(self) -> None:
        """Where a flip rewrites question and answer, the statement is the new one."""
        batch = as_batch(
            [('Is the ship left of the pier?', 0), ('Where is the ship?', 3)]
        )
        batch['image_optical'] = torch.rand(1, 3, 8, 8)
        augmentation = PairedAugmentation(ANSWERS)
        found = set()
        for seed in range(20):
            torch.manual_seed(seed)
            statements = make_statements(augmentation(batch), ANSWERS)
            found.add(frozenset(texts(statements.tokens)))
        assert found == {
            frozenset({'the ship is left .', 'the ship is left of the pier .'}),
            frozenset({'the ship is right .', 'the ship is right of the pier .'}),
        }

    def test_nothing_known(self) -> None:
        statements = make_statements(as_batch([('Why?', 9)], [('Why?', 9)]), ANSWERS)
        assert len(statements.tokens) == 0
        assert statements.true.shape == (2, 0)
        assert len(hits(torch.zeros(2, 0), statements)) == 0


class TestLoss:
    def test_equals_slow_reference(self) -> None:
        generator = torch.Generator().manual_seed(0)
        similarity = torch.randn(5, 7, generator=generator)
        known = torch.randint(0, 3, (5, 7), generator=generator)
        known[2] = 0  # a pair of which nothing is false
        true, false = known == 0, known == 1

        def against(positive: Tensor, negatives: list[Tensor]) -> float:
            others = sum(math.exp(float(negative)) for negative in negatives)
            return -math.log(
                math.exp(float(positive)) / (math.exp(float(positive)) + others)
            )

        by_pair, by_statement = [], []
        for i in range(5):
            for s in range(7):
                if not true[i, s]:
                    continue
                in_row = [similarity[i, t] for t in range(7) if false[i, t]]
                in_column = [similarity[j, s] for j in range(5) if false[j, s]]
                if in_row:
                    by_pair.append(against(similarity[i, s], in_row))
                if in_column:
                    by_statement.append(against(similarity[i, s], in_column))
        expected = sum(by_pair) / len(by_pair) / 2
        expected += sum(by_statement) / len(by_statement) / 2
        loss = contrastive_loss(similarity, true, false)
        assert float(loss) == pytest.approx(expected, rel=1e-5)

    def test_one_positive_each_is_the_loss_of_clip(self) -> None:
        generator = torch.Generator().manual_seed(0)
        images, texts = torch.randn(2, 4, 8, generator=generator)
        reference = open_clip.loss.ClipLoss()(images, texts, 0.7)
        eye = torch.eye(4, dtype=torch.bool)
        loss = contrastive_loss(0.7 * images @ texts.T, eye, ~eye)
        torch.testing.assert_close(loss, reference)

    def test_unknown_takes_no_part(self) -> None:
        similarity = torch.randn(3, 4, requires_grad=True)
        known = torch.tensor([[0, 1, 2, 2], [1, 0, 2, 0], [2, 2, 2, 1]])
        contrastive_loss(similarity, known == 0, known == 1).backward()
        assert similarity.grad is not None
        assert torch.equal(similarity.grad != 0, known < 2)

    def test_nothing_to_contrast(self) -> None:
        similarity = torch.randn(3, 4, requires_grad=True)
        nothing = torch.zeros(3, 4, dtype=torch.bool)
        loss = contrastive_loss(similarity, ~nothing, nothing)
        loss.backward()
        assert float(loss) == 0
        assert similarity.grad is not None
        assert not similarity.grad.any()


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
def test_command_line(tmp_path: Path) -> None:
    """The short names resolve in an empty folder, with no import by the user."""
    command = (
        '-m torchgeo fit --model CLIPTask --data OSVQAMiniDataModule --print_config'
    )
    done = subprocess.run(
        [sys.executable, *command.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'class_path: torchgeo_vqa.trainers.CLIPTask' in done.stdout


@pytest.mark.slow
def test_two_processes(release_root: Path, tmp_path: Path) -> None:
    """Every parameter that is trained takes part in every step, as DDP demands."""
    command = f"""
        -m torchgeo fit --model CLIPTask --model.clip tgfnet-tiny
        --data OSVQADataModule --data.root {release_root} --data.batch_size 2
        --trainer.accelerator cpu --trainer.devices 2 --trainer.strategy ddp
        --trainer.max_epochs 2 --trainer.default_root_dir {tmp_path}
    """
    done = subprocess.run(
        [sys.executable, *command.split()],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count('--model.pretrained') == 1
