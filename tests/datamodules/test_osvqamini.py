# SPDX-License-Identifier: MIT
"""The synthetic data module makes its data, and every training answer is true."""

from collections import Counter
from pathlib import Path

import torch
from lightning.pytorch import seed_everything
from open_clip import decode, tokenize
from torch import Tensor

from torchgeo_vqa.datamodules import OSVQAMiniDataModule
from torchgeo_vqa.datasets.osvqamini import OSVQAMini
from torchgeo_vqa.questions import candidates

NUM_SCENES = {'train': 24, 'val': 5, 'test': 3}


def text_of(tokens: Tensor) -> str:
    """Read a tokenized question."""
    special = (0, 49406, 49407)
    return decode(
        torch.tensor([t for t in tokens.tolist() if t not in special])
    ).strip()


def test_prepare_data_makes_all_splits(tmp_path: Path) -> None:
    dm = OSVQAMiniDataModule(str(tmp_path), seed=5, size=32, num_scenes=NUM_SCENES)
    dm.prepare_data()
    (folder,) = tmp_path.iterdir()
    assert folder.name.endswith('_seed5_32px_24-5-3')
    before = {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
    for split, number in NUM_SCENES.items():
        assert len(dm.dataset_for(split)) == number  # type: ignore[arg-type]
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob('*')}


def test_every_training_answer_is_true(tmp_path: Path) -> None:
    """Answers of augmented batches match a re-derivation from the flipped scene."""
    dm = OSVQAMiniDataModule(
        str(tmp_path), num_scenes=NUM_SCENES, batch_size=8, questions_per_sample=None
    )
    dm.setup('fit')
    dataset = dm.dataset_for('train')
    assert isinstance(dataset, OSVQAMini)
    seed_everything(0, verbose=False)
    truths: dict[tuple[str, int], dict[str, str]] = {}
    checked: Counter[str] = Counter()
    for _ in range(6):
        for raw in dm.train_dataloader():
            batch = dm.paired_augmentation(raw)
            assert dm.paired_augmentation.geometry is not None
            elements = dm.paired_augmentation.geometry._params['dihedral'].tolist()
            for i, element in enumerate(elements):
                real = batch['question_id'][i] >= 0
                (name,) = set(dataset.location(batch['question_id'][i][real]))
                if (name, element) not in truths:
                    turned = candidates(dataset.scene(name).dihedral(element))
                    texts = [text_of(tokenize([q.question])[0]) for q in turned]
                    truths[name, element] = {
                        f'{q.question_type}: {text}': q.answer
                        for q, text in zip(turned, texts, strict=True)
                    }
                kinds = batch['question_type'][i][real].tolist()
                labels = batch['label'][i][real].tolist()
                for kind, label, tokens, old in zip(
                    *(
                        kinds,
                        labels,
                        batch['question'][i][real],
                        raw['question'][i][real],
                    ),
                    strict=True,
                ):
                    kind = dm.question_types[kind]
                    key = f'{kind}: {text_of(tokens)}'
                    assert truths[name, element][key] == dm.answers[label]
                    checked['rewritten' if not torch.equal(tokens, old) else kind] += 1
    assert checked['rewritten'] > 200
    assert sum(checked.values()) > 3000
