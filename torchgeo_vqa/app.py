# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""A page to ask on."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray
from starlette.middleware import Middleware

from .datasets import OSVQAMini
from .prediction import Explanation, Predictor, plot_explanation, read_pair
from .rasters.extensions import DRIVERS
from .rasters.image_file import opened
from .rate_limit import RateLimit
from .sample import TITLES
from .samplers import TileSampler
from .transforms import Degradation

__all__ = ('make_app', 'run_app')

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 4096 * 4096
MAX_BANDS = 16

#: How many pairs of the sample there are to pick from.
NUM_PAIRS = 12

#: Requests that may wait; the next is told to come back later.
MAX_WAITING = 16

#: Requests a minute of one address, by the end of their path.
LIMITS = {'/upload': 12, '': 120}

#: Seconds after which an upload is removed.
KEPT = 600

MODALITIES = ('optical', 'sar')

#: Where images come from.
SOURCES = ('a pair of the sample', 'upload')

#: Type of the question to begin with: one that the optical image answers better.
EXAMPLE = 'area_share'

Images = dict[str, NDArray[np.float32]]


class Pair(NamedTuple):
    """A pair of the sample.

    Attributes:
        title: What it is called.
        images: Image of each modality, shape (C, H, W).
        questions: True answer to each question.
        example: The question to begin with.
    """

    title: str
    images: Images
    questions: dict[str, str]
    example: str


def sample_pairs() -> list[Pair]:
    """Return pairs of the sample's test split.

    Returns:
        The pairs: those that are clear by themselves first, then cloudy and dark ones.
    """
    scenes = {'train': 8, 'val': 8, 'test': NUM_PAIRS}
    dataset = OSVQAMini(split='test', num_scenes=scenes, modalities=MODALITIES)
    pairs: list[tuple[int, Pair]] = []
    for number, query in enumerate(TileSampler(dataset), 1):
        sample = dataset[query]
        ids = sample['question_id'][sample['question_id'] >= 0].numpy()
        texts, kinds = dataset.question_text(ids), dataset.question_type(ids)
        questions = dict(zip(texts, dataset.answer_text(ids), strict=True))
        images = {m: sample[f'image_{m}'].numpy() for m in MODALITIES}
        example = texts[kinds.index(EXAMPLE) if EXAMPLE in kinds else 0]
        group = int(sample['group'][0])
        title = f'{number}: {dataset.groups[group]}'
        pairs.append((group, Pair(title, images, questions, example)))
    return [pair for _, pair in sorted(pairs, key=lambda pair: pair[0])]


def read_uploads(paths: Mapping[str, str | None]) -> Images:
    """Read images that somebody has uploaded.

    Args:
        paths: File of each modality, or None.

    Returns:
        Image of each modality, shape (C, H, W).

    Raises:
        OSError: If a file is no image.
        ValueError: If there is none, or one is too large or of another kind.
    """
    given = {m: path for m, path in paths.items() if path}
    if not given:
        raise ValueError('upload an optical image, a SAR image, or both')
    for modality, path in given.items():
        name, suffix = Path(path).name, Path(path).suffix.lower()
        if suffix not in DRIVERS:
            raise ValueError(
                f'{name} is no image that can be read: take {", ".join(DRIVERS)}'
            )
        if os.path.getsize(path) > MAX_BYTES:
            raise ValueError(
                f'{name} is larger than {MAX_BYTES // 2**20} MiB: cut out a part of it'
            )
        try:
            with opened(path) as file:
                height, width, bands = file.height, file.width, file.count
        except OSError as error:
            # Without the path, which is nothing to the visitor
            reason = error.__cause__
            raise OSError(f'{name} is no {TITLES[modality]} image: {reason}') from error
        if height * width > MAX_PIXELS or bands > MAX_BANDS:
            raise ValueError(
                f'{name} has {width} x {height} pixels in {bands} bands, at most '
                f'{MAX_PIXELS:,} in {MAX_BANDS} can be taken: cut out a part of it'
            )
    return read_pair(given)


def spoil(images: Images, clouds: float, light: float, optical_max: float) -> Images:
    """Put clouds or darkness on the optical image.

    Args:
        images: Image of each modality.
        clouds: Share of it that clouds cover, in [0, 1].
        light: Share of the light that is left, in [0, 1].
        optical_max: Value of an optical image that stands for 1.

    Returns:
        Image of each modality.
    """
    if 'optical' not in images:
        return images
    batch = {'image_optical': torch.from_numpy(images['optical'])[None]}
    for kind, severity in (('cloud', clouds), ('low_light', light)):
        degradation = Degradation(kind, severity, optical_max=optical_max)  # type: ignore[arg-type]
        batch = degradation(batch, torch.zeros(1, dtype=torch.int64))
    return {**images, 'optical': batch['image_optical'][0].numpy()}


def tell(explanation: Explanation, truth: str | None) -> str:
    """Put an answer and what it rests on into words.

    Args:
        explanation: The explanation.
        truth: The true answer, if it is known.

    Returns:
        Markdown.
    """
    answer = explanation.answer
    lines = [f'## {answer.answer}', f'{answer.probability:.0%} sure']
    if truth is not None:
        lines[-1] += f'; the true answer is **{truth}**'
    lines += ['', '| | says | sure | weight |', '|---|---|---|---|']
    lines += [
        f'| {TITLES.get(name, name)} | {opinion.answer} | {opinion.probability:.0%} | '
        f'{opinion.weight:.0%} |'
        for name, opinion in explanation.experts.items()
    ]
    if len(explanation.quality) > 1:
        shares = [
            f'{TITLES[m]} {float(weights.mean()):.1%}'
            for m, weights in explanation.quality.items()
        ]
        lines += ['', f'Relied on: {", ".join(shares)}']
    return '\n'.join(lines)


def make_app(predictor: Predictor, optical_max: float = 255.0) -> gr.Blocks:
    """Make the page.

    Args:
        predictor: Model that answers.
        optical_max: Value of its optical images that stands for 1.

    Returns:
        The page, to be launched.
    """
    pairs = {pair.title: pair for pair in sample_pairs()}
    first = next(iter(pairs.values()))

    def ask(
        source: str,
        title: str,
        optical: str | None,
        sar: str | None,
        clouds: float,
        light: float,
        question: str,
    ) -> tuple[str, Figure]:
        try:
            if not question.strip():
                raise ValueError('type a question, or pick one')
            truth = None
            if source == SOURCES[0]:
                images = pairs[title].images
                truth = pairs[title].questions.get(question)
            else:
                images = read_uploads({'optical': optical, 'sar': sar})
            images = spoil(images, clouds, light, optical_max)
            optical_, sar_ = images.get('optical'), images.get('sar')
            explanation = predictor.explain(optical_, sar_, question)
        except (OSError, ValueError) as error:
            raise gr.Error(str(error), title='This does not work') from error
        shown = [None if x is None else torch.from_numpy(x) for x in (optical_, sar_)]
        figure = plot_explanation(explanation, *shown)
        plt.close(figure)
        return tell(explanation, truth), figure

    def pick(title: str) -> Any:
        pair = pairs[title]
        return gr.Dropdown(choices=list(pair.questions), value=pair.example)

    with gr.Blocks(
        title='Ask an optical and a SAR image',
        analytics_enabled=False,
        delete_cache=(60, KEPT),
    ) as app:
        gr.Markdown(
            '# Ask an optical and a SAR image\n'
            'Clouds and darkness hide the ground from the optical image, not from SAR.'
        )
        with gr.Row():
            with gr.Column(scale=1):
                source = gr.Radio(SOURCES, value=SOURCES[0], label='Images')
                title = gr.Dropdown(list(pairs), value=first.title, label='Pair')
                with gr.Group(visible=False) as uploads:
                    optical = gr.File(
                        label='Optical: red, green and blue', file_types=[*DRIVERS]
                    )
                    sar = gr.File(label='SAR: VV and VH in dB', file_types=[*DRIVERS])
                clouds = gr.Slider(0, 1, 0, step=0.05, label='Clouds: share covered')
                light = gr.Slider(0.05, 1, 1, step=0.05, label='Light: share left')
                question = gr.Dropdown(
                    list(first.questions),
                    value=first.example,
                    allow_custom_value=True,
                    label='Question: pick one or type your own',
                )
                button = gr.Button('Ask', variant='primary')
            with gr.Column(scale=2):
                answer = gr.Markdown(elem_id='answer')
                figure = gr.Plot(label='What it looked at')
        inputs = [source, title, optical, sar, clouds, light, question]
        outputs = [answer, figure]
        source.change(
            lambda chosen: (
                gr.Dropdown(visible=chosen == SOURCES[0]),
                gr.Group(visible=chosen == SOURCES[1]),
            ),
            source,
            [title, uploads],
        )
        title.input(pick, title, question)
        gr.on(
            [button.click, clouds.release, light.release, question.select],
            ask,
            inputs,
            outputs,
            concurrency_limit=1,
        )
    return app


def run_app(
    ckpt_path: str | os.PathLike[str] | None = None,
    host: str = '127.0.0.1',
    port: int = 7860,
) -> None:
    """Serve the page until it is interrupted.

    Args:
        ckpt_path: Checkpoint of :class:`~torchgeo_vqa.trainers.VQATask`. None: the
            weights that come with the package.
        host: Address to listen on. Others than this machine's own let everybody in the
            network ask.
        port: Port to listen on.
    """
    if ckpt_path is None:
        predictor = Predictor.from_weights()
    else:
        predictor = Predictor.from_checkpoint(ckpt_path)
    app = make_app(predictor)
    app.queue(max_size=MAX_WAITING)
    with tempfile.TemporaryDirectory() as folder:
        os.environ['GRADIO_TEMP_DIR'] = folder
        app.launch(
            server_name=host,
            server_port=port,
            max_file_size=MAX_BYTES,
            share=False,
            app_kwargs={'middleware': [Middleware(RateLimit, limits=LIMITS)]},
        )
