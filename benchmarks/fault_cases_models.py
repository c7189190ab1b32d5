# SPDX-License-Identifier: MIT
"""Questions, arrays, datasets, checkpoints and training options that are wrong or unusual."""

# A table: a line for each case, whatever its length
# fmt: off

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.transform import from_origin

from fault_inputs import (
    NORTH,
    QUESTIONS,
    WEST,
    Array,
    checkpoint,
    filled,
    good_release,
    linear,
    predictor,
    reflectance,
    release,
    same,
    scene,
    tif,
    without,
)
from fault_run import GOOD, REFUSED, RIGHT, Ran, ask, call, case


def files(folder: Path) -> list[str]:
    """Write a good pair; return the options that name it."""
    optical, sar = scene()
    o, s = tif(folder / 'o.tif', optical), tif(folder / 's.tif', sar)
    return ['--optical', str(o), '--sar', str(s)]


# --- questions ------------------------------------------------------------------------

WORDS = r'question|token|word|character|text'


def asked(*questions: str) -> Callable[[Path], Ran]:
    """Ask them about a good pair, from the command line."""
    return lambda folder: ask('ask', *questions, *files(folder))


def printed(question: str) -> Callable[[Path], Ran]:
    """Ask what a terminal or a reader by lines might take for something else."""

    def run(folder: Path) -> Ran:
        ran = asked(question)(folder)
        shown = ran.out.removesuffix('\n')
        ran.right = ran.status == 0 and shown.isprintable()
        return ran

    return run


LONG = 'Is there a ' + 'very ' * 90 + 'large forest in the upper left of the image?'
case('a question of more than 77 tokens, in `ask`', '6', r'77|token|long|cut', asked(LONG), quick=True)
case('a question of 10,000 characters', 'new', r'77|token|long|cut|character', asked('water? ' * 1430))
case('an empty question', 'new', WORDS, asked(''))
case('a question of spaces', 'new', WORDS, asked('   '))
case('a question of a tab and a line break', 'new', WORDS, asked('\t\n'))
case('an empty question beside a good one', 'new', WORDS, asked('Is there water?', ''))
case('a question of emoji', 'new', WORDS, asked('\U0001f6a2\U0001f30a?'))
case('a question in Chinese', 'new', WORDS, asked('图中有多少艘船？'))
case('a question of words that training never had', 'new', WORDS, asked('Qual è la capitale della Francia?'))
case('a question of control characters', 'new', WORDS, asked('\x01\x1b[31m\x07'))
case('a question with a terminal escape sequence', 'new', WORDS, printed('Is there water?\x1b[2J\x1b]0;owned\x07'), GOOD)
case('a question of two lines', 'new', WORDS, printed('Is there water?\nIs there forest?  yes (100%)'), GOOD)
case('a question that is not Unicode (a byte of Latin-1)', 'new', rf'{WORDS}|unicode|utf|surrogate', asked('Is there caf\udce9?'))
case('a right-to-left override in a question', 'new', WORDS, printed('Is there \u202ewater\u202c?'), GOOD)


def twice(folder: Path) -> Ran:
    """One question twice: two equal answers."""
    ran = ask('ask', 'Is there water?', 'Is there water?', *files(folder))
    lines = ran.out.splitlines()
    ran.right = len(lines) == 2 and lines[0] == lines[1]
    return ran


case('a question twice', 'new', WORDS, twice, RIGHT)


def twice_in_area(folder: Path) -> Ran:
    """One question twice about an area: one answer each, counted right."""
    ran = ask('ask', 'Is there water?', 'Is there water?', *files(folder), '--output', folder / 'a.parquet')
    ran.right = ran.status == 0 and ran.out.count('no: 2') <= 1 and 'no: 1' in ran.out
    return ran


case('a question twice about an area of one patch', 'new', WORDS, twice_in_area, GOOD)


# --- arrays ---------------------------------------------------------------------------

IMAGE = r'image|shape|array|dtype|type|complex|mask|finite|valid|data|pixel|size'


def array(
    optical: Any, sar: Any, questions: Any = QUESTIONS, expected: Any = None
) -> Callable[[Path], Ran]:
    """Ask about arrays, which functions make of the good ones."""

    def run(folder: Path) -> Ran:
        def answered() -> bool | None:
            model, (o, s) = predictor(), scene()
            answers = model.ask(optical(o), sar(s), questions)
            print([f'{a.answer} ({a.probability:.0%})' for a in answers[:4]])
            return None if expected is None else same(answers, model.ask(*expected(o, s), questions))

        return call(answered)

    return run


def keep(x: Array) -> Array:
    return x


def hidden(x: Array) -> Any:
    """A masked array, as rasterio reads with masked=True."""
    mask = np.zeros(x.shape, bool)
    mask[:, 3:19] = True
    return np.ma.MaskedArray(filled(x, slice(3, 19), -9999), mask)


GAP = slice(3, 19)
case('a masked array of NumPy', 'new', IMAGE, array(keep, hidden, expected=lambda o, s: (o, without(s, GAP))), GOOD, quick=True)
case('a masked array of which all is masked', 'new', IMAGE, array(keep, lambda s: np.ma.masked_all(s.shape, np.float32), expected=lambda o, s: (o, None)), GOOD)
case('an array of complex numbers', '4+', IMAGE, array(keep, lambda s: s * (1 + 1j)))
case('an array of SAR in linear power', '3+', r'dB|linear|scale|unit|statistic|range|far', array(keep, linear))
case('an array of reflectance', '3+', r'reflectance|scale|unit|statistic|range|far', array(reflectance, keep))
case('an array of nothing but NaN', '1+', IMAGE, array(keep, lambda s: np.full_like(s, np.nan), expected=lambda o, s: (o, None)), GOOD)
case('arrays of nothing but NaN, both', '1+', IMAGE, array(lambda o: np.full(o.shape, np.nan), lambda s: np.full_like(s, np.nan)))
case('an array with a pixel of 1e38', '2', r'finite|e\+?38|far|statistic|range|valid', array(keep, lambda s: filled(s, slice(0, 1), 1e38)))
case('an array of shape (H, W, 3)', 'new', IMAGE, array(lambda o: np.moveaxis(o, 0, -1), keep), REFUSED)
case('an array of no pixels', 'new', IMAGE, array(lambda o: o[:, :0, :0], keep), REFUSED)
case('two optical arrays and three of SAR', 'new', IMAGE, array(lambda o: np.stack([o] * 2), lambda s: np.stack([s] * 3)), REFUSED)
case('one optical array and three of SAR', 'new', IMAGE, array(keep, lambda s: np.stack([s] * 3)), REFUSED)
case('an array of texts', 'new', IMAGE, array(keep, lambda s: s.astype(str), expected=lambda o, s: (o, s)), GOOD)
case('an array of objects (None)', 'new', IMAGE, array(keep, lambda s: np.full(s.shape, None)))
case('an array of bool', 'new', rf'{IMAGE}|bool|range|statistic', array(lambda o: o > 99, keep))
case('a path in place of an array', 'new', rf'{IMAGE}|o.tif|ask_pair|path', array(lambda _: 'o.tif', keep), REFUSED)
case('optical and SAR arrays that do not show the same (128 and 64 pixels)', 'new', IMAGE,
     array(lambda o: np.tile(o, (1, 2, 2)), keep, expected=lambda o, s: (np.tile(o, (1, 2, 2)), s)), GOOD)
case('a question that is a number', 'new', WORDS, array(keep, keep, [5]), REFUSED)
case('a question that is None', 'new', WORDS, array(keep, keep, [None]), REFUSED)
case('questions that are one text', 'new', WORDS, array(keep, keep, 'Is there water?'), REFUSED)
case('an empty question, in Python', 'new', WORDS, array(keep, keep, ['']))


def at(east: float) -> Any:
    """Return a place some metres further east."""
    return from_origin(WEST + east, NORTH, 10, 10)


# --- datasets -------------------------------------------------------------------------


def changed_table(folder: Path) -> Ran:
    """Another question in a file of the same size and time."""
    from torchgeo_vqa.datasets import OSVQA

    root = good_release(folder, 1)

    def read() -> bool:
        path = root / 'annotations/all_train_annotation.json'
        OSVQA(str(root))
        stat = path.stat()
        path.write_text(path.read_text().replace('"no"', '"oh"'))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert path.stat().st_size == stat.st_size
        return 'oh' in OSVQA(str(root)).answers

    return call(read)


case('a question table whose contents change, not its size and time', '5', 'cache', changed_table, RIGHT)


def corrected_partner(folder: Path) -> Ran:
    """BigEarthNet's file says another partner than before; its folder keeps its time."""
    from torchgeo_vqa.datasets import RSVQAxBEN
    from torchgeo_vqa.samplers import TileSampler

    optical, sar = scene()
    names = [f'S2A_MSIL2A_2017061{i}T09302{i}_{i}_{i}' for i in range(2)]
    partners: list[Path] = []
    for i, name in enumerate(names):
        for j, band in enumerate(('B02', 'B03', 'B04')):
            image, place = optical[j : j + 1].astype(np.uint16) * 9, at(2000 * i)
            tif(folder / f'BigEarthNet-v1.0/{name}/{name}_{band}.tif', image, transform=place)
        radar = f'S1A_IW_GRDH_1SDV_2017062{i}T165043_33UUP_{i}_{i}'
        for j, band in enumerate(('VV', 'VH')):
            path = folder / f'BigEarthNet-S1-v1.0/{radar}/{radar}_{band}.tif'
            tif(path, np.tile(sar[j : j + 1], (1, 1, 5)) - 5 * i)  # covers both
        partners.append(path.parent / f'{radar}_labels_metadata.json')
    for split in ('train', 'val', 'test'):
        entries = {
            str(i): {'type': 'presence', 'question': 'Is there water?', 'answer': 'yes', 'S2_name': name}
            for i, name in enumerate(names)
        }
        (folder / f'RSVQAxBEN_QA_{split}.json').write_text(json.dumps(entries))

    def mean() -> float:
        dataset = RSVQAxBEN(str(folder), split='test')
        tiles = sorted(TileSampler(dataset), key=lambda query: query[0].start)
        return float(dataset[tiles[0]]['image_sar'].nanmean())

    def read() -> bool:
        means = []
        for turned in (names, names[::-1]):
            for path, name in zip(partners, turned, strict=True):
                path.write_text(json.dumps({'labels': [], 'corresponding_s2_patch': name}))
            means.append(mean())
        print(means)
        return abs(means[0] - means[1] - 5) < 0.1

    return call(read)


case('a corrected *_labels_metadata.json', '5', 'cache|partner', corrected_partner, RIGHT)


def opened(rows: Sequence[Sequence[str]]) -> Callable[[Path], Ran]:
    """Open a release with these rows about pair 'a', and take its statistics."""

    def run(folder: Path) -> Ran:
        from torchgeo_vqa.datamodules import OSVQADataModule

        optical, sar = scene()
        files = tif(folder / 'o.tif', optical), tif(folder / 's.tif', sar)
        root = release(folder / 'OSVQA_1.0', {'a': files}, rows)

        def read() -> None:
            dm = OSVQADataModule(str(root), batch_size=1)
            dm.setup('fit')
            dm.setup('test')
            print(dm.answers, dm.statistics)

        return call(read)

    return run


ROW = ['a', 'presence', 'Is there water?']
LABELS = r'answer|label|contradict|twice|duplicate|spell|same question'
case('"yes" and "Yes" to one question', '6', LABELS, opened([[*ROW, 'yes'], [*ROW, 'Yes']]))
case('"yes" and "no" to one question about one image', '6', LABELS, opened([[*ROW, 'yes'], [*ROW, 'no']]))
case('"yes" and "yes " (a space) as answers', 'new', LABELS, opened([[*ROW, 'yes'], ['a', 'presence', 'Is there a ship?', 'yes ']]))
case('answers that differ in Unicode form only', 'new', LABELS, opened([[*ROW, '\u00e1gua'], ['a', 'LC', 'What is there?', 'a\u0301gua']]))
case('an answer of spaces', 'new', LABELS, opened([[*ROW, '  ']]))
case('a question of spaces in a dataset', 'new', WORDS, opened([['a', 'presence', '  ', 'yes']]))


def two_scales(folder: Path, optical: Any, sar: Any) -> Ran:
    """A dataset of which one pair has other units."""
    from torchgeo_vqa.datamodules import OSVQADataModule

    o, s = scene()
    pairs = {
        'a': (tif(folder / 'o0.tif', o), tif(folder / 's0.tif', s)),
        'b': (tif(folder / 'o1.tif', optical(o), transform=at(2000)), tif(folder / 's1.tif', sar(s), transform=at(2000))),
    }
    root = release(folder / 'OSVQA_1.0', pairs)
    return call(lambda: print(OSVQADataModule(str(root)).statistics))


UNITS = r'dB|shows nothing|exactly 0|linear|unit|scale|reflectance|type|uint|range|mixed|far'
case('uint8 and uint16 images in one dataset', '3', UNITS, lambda f: two_scales(f, reflectance, keep))
case('SAR in dB and in linear power in one dataset', '3+', UNITS, lambda f: two_scales(f, keep, linear))
case('images of two and of three SAR bands in one dataset', '13+', 'band', lambda f: two_scales(f, keep, lambda s: np.concatenate([s, s[:1]])), REFUSED)
case('a pair of an all-zero SAR image in a dataset', '3+', rf'{UNITS}|zero|constant|blank|data', lambda f: two_scales(f, keep, np.zeros_like))
case('a complex SAR image in a dataset', '4+', r'complex|SLC', lambda f: two_scales(f, keep, lambda s: s.astype(np.complex64)), REFUSED)


def evaluated(optical: Any = keep, sar: Any = keep, answers: tuple[str, str] = ('yes', 'no'), predict: bool = False) -> Callable[[Path], Ran]:
    """Test the weights of OSVQAMini on another dataset."""

    def run(folder: Path) -> Ran:
        from lightning.pytorch import Trainer

        from torchgeo_vqa.datamodules import OSVQADataModule
        from torchgeo_vqa.trainers import VQATask

        o, s = scene()
        pair = tif(folder / 'o.tif', optical(o)), tif(folder / 's.tif', sar(s))
        rows = [[*ROW, answers[0]], ['a', 'presence', 'Is there a ship?', answers[1]]]
        root = release(folder / 'OSVQA_1.0', {'a': pair}, rows)
        path = checkpoint(folder / 'mini.ckpt')

        def test() -> None:
            trainer = Trainer(accelerator='cpu', logger=False, enable_progress_bar=False)
            dm = OSVQADataModule(str(root), batch_size=1)
            task = VQATask('tgfnet_tiny')
            trainer.predict(task, dm, ckpt_path=path) if predict else trainer.test(task, dm, ckpt_path=path)

        return call(test)

    return run


OTHER = r'OSVQAMini|dataset|trained on|vocabular|unit|scale|dB|statistic|far'
case('an OSVQAMini checkpoint tested on another dataset', '7', OTHER, evaluated())
case('an OSVQAMini checkpoint tested on linear power', '3', OTHER, evaluated(sar=linear))
case('an OSVQAMini checkpoint that predicts on reflectance', '3', OTHER, evaluated(reflectance, predict=True))
case('a checkpoint tested on answers that it does not know', 'new', rf'{OTHER}|answer', evaluated(answers=('lake', 'river')))


# --- checkpoints ----------------------------------------------------------------------

CKPT = r'\.ckpt|directory|folder|checkpoint|damaged|weights|statistic'


def loaded(change: Callable[[dict[str, Any]], Any] | None) -> Callable[[Path], Ran]:
    """Ask with a changed checkpoint."""
    return lambda folder: ask(
        'ask', *QUESTIONS[:2], *files(folder), '--ckpt_path', checkpoint(folder / 'x.ckpt', change)
    )


def setting(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set an entry of a checkpoint."""

    def change(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def dropping(*keys: str) -> Callable[[dict[str, Any]], None]:
    """Drop an entry of a checkpoint."""

    def change(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


def scaled(number: float, first: bool = False) -> Callable[[dict[str, Any]], None]:
    """Multiply weights, all or the last tensor."""

    def change(content: dict[str, Any]) -> None:
        state = content['state_dict']
        for name in list(state)[-1:] if first else state:
            if state[name].is_floating_point():
                state[name] = state[name] * number

    return change


NAN = float('nan')
case('a good checkpoint', 'control', CKPT, lambda f: _right(loaded(None)(f)), RIGHT)


def _right(ran: Ran) -> Ran:
    answers = predictor().ask(*scene(), QUESTIONS[:2])
    ran.right = all(f'{a.question}  {a.answer} ({a.probability:.0%})' in ran.out for a in answers)
    return ran


case('a checkpoint of NaN', '2', r'finite|NaN', loaded(scaled(NAN)), quick=True)
case('a checkpoint with one tensor of NaN', '2+', r'finite|NaN', loaded(scaled(NAN, True)))
case('a checkpoint with weights of infinity', '2+', r'finite|NaN|inf', loaded(scaled(float('inf'), True)))
case('a checkpoint whose weights overflow (1e30)', '2+', r'finite|NaN|inf', loaded(scaled(1e30)))
case('a checkpoint of a newer version', '6', r'version|newer|99', loaded(setting('torchgeo_vqa_version', value='99.0')))
case('a checkpoint of a version that is none', 'new', r'version', loaded(setting('torchgeo_vqa_version', value='next')))
case('a checkpoint without statistics', '13', CKPT, loaded(dropping('vqa', 'statistics')), REFUSED)
case('a checkpoint whose statistics are empty', '13+', CKPT, loaded(setting('vqa', 'statistics', value={})), REFUSED)
case('a checkpoint without the statistics of SAR', '13+', CKPT, loaded(dropping('vqa', 'statistics', 'sar')), REFUSED)
case('a checkpoint whose statistics have a spread of 0', '13+', CKPT, loaded(setting('vqa', 'statistics', 'sar', 'std', value=[0.0, 1.0])), REFUSED)
case('a checkpoint whose statistics are NaN', '13+', CKPT, loaded(setting('vqa', 'statistics', 'sar', 'mean', value=[NAN, NAN])), REFUSED)
case('a checkpoint whose statistics are texts', '13+', CKPT, loaded(setting('vqa', 'statistics', 'sar', 'mean', value=['a', 'b'])), REFUSED)
case('a checkpoint that is a list', '13', CKPT, loaded(lambda _: [1, 2]), REFUSED)
case('a checkpoint that is an empty dictionary', '13', CKPT, loaded(lambda _: {'state_dict': {}}), REFUSED)
case('a checkpoint whose metadata is a list', '13+', CKPT, loaded(setting('vqa', value=[1])), REFUSED)
case('a checkpoint without hyper-parameters', '13+', CKPT, loaded(dropping('hyper_parameters')), REFUSED)
case('a checkpoint of a model that there is none of', '13+', rf'{CKPT}|model', loaded(setting('hyper_parameters', 'model', value='gpt')), REFUSED)
case('a checkpoint of modality "lidar"', '13+', rf'{CKPT}|modalit', loaded(setting('vqa', 'modalities', value=['optical', 'lidar'])), REFUSED)
case('a checkpoint for images of 1,000,000 pixels', '13+', rf'{CKPT}|image_size|memory', loaded(setting('vqa', 'image_size', value=1_000_000)), REFUSED)
case('a checkpoint for images of 0 pixels', '13+', rf'{CKPT}|image_size', loaded(setting('vqa', 'image_size', value=0)), REFUSED)
case('a checkpoint of three SAR bands, weights of two', '13+', rf'{CKPT}|band|channel', loaded(setting('vqa', 'sar_channels', value=3)), REFUSED)
case('a checkpoint whose vocabulary has an answer twice', 'new', rf'{CKPT}|answer|vocabular', loaded(lambda c: c['vqa']['answers'].__setitem__(1, 'yes')))
case('a checkpoint whose vocabulary is numbers', 'new', rf'{CKPT}|answer|vocabular', loaded(lambda c: c['vqa'].__setitem__('answers', list(range(len(c['vqa']['answers']))))))
case('a checkpoint whose chunk_size is 0', 'new', rf'{CKPT}|chunk', lambda f: _right(loaded(setting('hyper_parameters', 'chunk_size', value=0))(f)), GOOD)


def spoiled(spoil: Callable[[bytes], bytes]) -> Callable[[Path], Ran]:
    """Ask with a checkpoint of other bytes."""

    def run(folder: Path) -> Ran:
        path = checkpoint(folder / 'x.ckpt')
        path.write_bytes(spoil(path.read_bytes()))
        return ask('ask', *QUESTIONS[:2], *files(folder), '--ckpt_path', path)

    return run


def flipped(data: bytes, place: float = 0.5) -> bytes:
    at = int(len(data) * place)
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]


case('a checkpoint with a flipped bit in its weights', '13+', CKPT, spoiled(flipped), REFUSED)
case('a checkpoint that is cut off', '13+', CKPT, spoiled(lambda b: b[:-1000]), REFUSED)
case('a checkpoint of 0 bytes', '13', CKPT, spoiled(lambda _: b''), REFUSED)
case('a checkpoint that is a text', '13+', CKPT, spoiled(lambda _: b'version https://git-lfs'), REFUSED)
case('a checkpoint that is a folder', '13+', CKPT, lambda f: ask('ask', 'Is there water?', *files(f), '--ckpt_path', f), REFUSED)
case('a checkpoint that does not exist', '13+', rf'{CKPT}|no such', lambda f: ask('ask', 'Is there water?', *files(f), '--ckpt_path', f / 'no.ckpt'), REFUSED)


def sar_only(folder: Path) -> Ran:
    """A model of SAR alone is asked about an optical image, too."""
    return ask('ask', 'Is there water?', *files(folder), '--ckpt_path', checkpoint(folder / 'x.ckpt', setting('vqa', 'modalities', value=['sar'])))


case('a checkpoint that says SAR alone, weights of both', 'new', rf'{CKPT}|looks at|modalit', sar_only, REFUSED)


# --- training -------------------------------------------------------------------------


def fitted(task: Any = None, data: Any = None, sar: Any = keep, optical: Any = keep, steps: int = 3, **augmentation: Any) -> Callable[[Path], Ran]:
    """Train for some steps."""

    def run(folder: Path) -> Ran:
        from lightning.pytorch import Trainer

        from torchgeo_vqa.datamodules import OSVQADataModule
        from torchgeo_vqa.trainers import VQATask
        from torchgeo_vqa.transforms import Augmentation

        o, s = scene()
        pair = tif(folder / 'o.tif', optical(o)), tif(folder / 's.tif', sar(s))
        root = release(folder / 'OSVQA_1.0', {'a': pair})

        def fit() -> None:
            own = {'batch_size': 1, **(data or {})}
            dm = OSVQADataModule(str(root), **own, augmentation=Augmentation(**augmentation))
            trainer = Trainer(max_steps=steps, accelerator='cpu', logger=False, enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False, limit_val_batches=0)
            trainer.fit(VQATask('tgfnet_tiny', **(task or {})), dm)

        return call(fit)

    return run


case('training on a SAR image with a pixel of 1e38', '2+', r'finite|far|range|e\+?38|loss|valid|no data', fitted(sar=lambda s: filled(s, slice(0, 1), 1e38)))
case('training on SAR of nothing but declared no-data', '1+', r'data|finite|valid|missing', fitted(sar=lambda s: np.full_like(s, np.nan)))
case('training whose loss becomes NaN (lr of 1e30)', '2+', r'finite|nan|loss|lr', fitted({'lr': 1e30, 'clip_lr': 1e30, 'warmup': 0.0}, steps=6))
for option, value in (
    *(('lr', -1.0), ('lr', NAN), ('clip_lr', -1.0), ('weight_decay', -1.0), ('warmup', 2.0)),
    *(('warmup', -1.0), ('label_smoothing', 2.0), ('label_smoothing', -0.5)),
    *(('expert_loss_weight', NAN), ('expert_loss_weight', -1.0), ('routing_loss_weight', -1.0)),
    *(('chunk_size', 0), ('chunk_size', -1), ('freeze_clip', 'sar')),
):
    case(f'training with {option}={value!r}', 'new', option, fitted({option: value}), REFUSED)
for option, value in (
    *(('batch_size', 0), ('batch_size', -1), ('batch_size', 2.5), ('image_size', 0)),
    *(('image_size', -64), ('num_workers', -1), ('questions_per_sample', 0)),
    *(('questions_per_sample', -1), ('num_answers', 0), ('num_answers', -1)),
    *(('length', 0), ('length', -1), ('patch_size', 1_000_000), ('modalities', ())),
    *(('modalities', ('lidar',)), ('modalities', 'sar'), ('question_types', ['no such'])),
    *(('question_types', []), ('answers', []), ('answers', ['yes', 'yes'])),
    ('statistics', {'optical': {'mean': [0], 'std': [1]}, 'sar': {'mean': [0], 'std': [1]}}),
    ('statistics', {'optical': {'mean': [NAN] * 3, 'std': [1] * 3}, 'sar': {'mean': [0] * 2, 'std': [1] * 2}}),
    ('statistics', {'optical': {'mean': [0] * 3, 'std': [float('inf')] * 3}, 'sar': {'mean': [0] * 2, 'std': [1] * 2}}),
):
    case(f'data with {option}={str(value)[:60]}', 'new', rf'{option}|statistic|modalit|of types|question type|answer|mean|std|patch', fitted(None, {option: value}), REFUSED)
for option, value in (('cloud', 2.0), ('speckle', -1.0), ('optical_max', 0.0), ('optical_max', NAN), ('missing_sar', NAN)):
    case(f'augmentation with {option}={value!r}', 'new', option, fitted(None, None, **{option: value}), REFUSED)


def degraded(kind: str, severity: Any) -> Callable[[Path], Ran]:
    from torchgeo_vqa.transforms import Degradation

    return lambda _: call(lambda: print(Degradation(kind, severity)))


for kind, severity in (('cloud', 2.0), ('cloud', NAN), ('speckle', 0), ('low_light', -1), ('fog', 0.5), ('blank', 'lidar')):
    case(f'a degradation of {kind} by {severity!r}', 'new', rf'{kind}|severity|kind|modality', lambda f, k=kind, s=severity: degraded(k, s)(f), REFUSED)


def several_zones(folder: Path) -> Ran:
    """Times of images in several zones, one after the other."""
    from torchgeo.samplers import SequentialTimestampSampler

    from torchgeo_vqa.datasets import OSVQA

    o, s = scene()
    pairs = {
        name: (tif(folder / f'o{name}.tif', o, crs=crs), tif(folder / f's{name}.tif', s, crs=crs))
        for name, crs in (('a', 'EPSG:32633'), ('b', 'EPSG:32601'))
    }
    root = release(folder / 'OSVQA_1.0', pairs)

    def read() -> None:
        dataset = OSVQA(str(root), split='test')
        for query in SequentialTimestampSampler(dataset):
            print(dataset[query]['image_sar'].shape)

    return call(read)


case('SequentialTimestampSampler over several zones', '13', r'GiB|TiB|large|zone|patch|tile', several_zones, GOOD)
case('data with patch_size=1000000 in evaluation', '13', 'patch', lambda f: _evaluated(f), REFUSED)


def _evaluated(folder: Path) -> Ran:
    from lightning.pytorch import Trainer

    from torchgeo_vqa.datamodules import OSVQADataModule
    from torchgeo_vqa.trainers import VQATask

    root = str(good_release(folder, 1))

    def test() -> None:
        dm = OSVQADataModule(root, patch_size=1_000_000)
        trainer = Trainer(accelerator='cpu', logger=False, enable_progress_bar=False)
        trainer.test(VQATask('tgfnet_tiny'), dm)

    return call(test)
