# SPDX-License-Identifier: MIT
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
from .rasters.image_file import DRIVERS, opened
from .rate_limit import RateLimit
from .sample import MODALITIES, TITLES
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
UPLOAD_SECONDS = 600

#: Where images come from.
SOURCES = ('a pair of the sample', 'upload')

#: Type of the question to begin with: one that the optical image answers better.
EXAMPLE = 'area_share'

Images = dict[str, NDArray[np.float32]]


class Pair(NamedTuple):
    """A pair of the sample, the true answer to each question, and the one to begin with."""

    title: str
    images: Images
    questions: dict[str, str]
    example: str


def sample_pairs() -> list[Pair]:
    """Return pairs of the sample's test split, clear ones first."""
    scenes = {'train': 8, 'val': 8, 'test': NUM_PAIRS}
    dataset = OSVQAMini(split='test', num_scenes=scenes, modalities=MODALITIES)
    pairs: list[tuple[int, Pair]] = []
    for number, query in enumerate(TileSampler(dataset), 1):
        sample = dataset[query]
        ids = sample['question_id'][sample['question_id'] >= 0].numpy()
        texts, types = dataset.question_text(ids), dataset.question_type(ids)
        questions = dict(zip(texts, dataset.answer_text(ids), strict=True))
        images = {m: sample[f'image_{m}'].numpy() for m in MODALITIES}
        example = texts[types.index(EXAMPLE) if EXAMPLE in types else 0]
        group = int(sample['group'][0])
        title = f'{number}: {dataset.groups[group]}'
        pairs.append((group, Pair(title, images, questions, example)))
    return [pair for _, pair in sorted(pairs, key=lambda pair: pair[0])]


def read_uploads(paths: Mapping[str, str | None]) -> Images:
    """Read uploaded images, (C, H, W), of each modality that has a file.

    Raise an OSError if a file is no image, a ValueError if there is none, or one is too
    large or of another format.
    """
    given = {m: path for m, path in paths.items() if path}
    if not given:
        raise ValueError('upload an optical image, a SAR image, or both')
    for modality, path in given.items():
        name, suffix = Path(path).name, Path(path).suffix.lower()
        if suffix not in DRIVERS:
            known = ', '.join(DRIVERS)
            raise ValueError(f'{name} is no image that can be read: take {known}')
        if os.path.getsize(path) > MAX_BYTES:
            limit = f'{MAX_BYTES // 2**20} MiB'
            raise ValueError(f'{name} is larger than {limit}: cut out a part of it')
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


def degrade(images: Images, clouds: float, light: float, optical_max: float) -> Images:
    """Put clouds over a share of the optical image, and leave a share of its light."""
    if 'optical' not in images:
        return images
    batch = {'image_optical': torch.from_numpy(images['optical'])[None]}
    for kind, severity in (('cloud', clouds), ('low_light', light)):
        degradation = Degradation(kind, severity, optical_max=optical_max)  # type: ignore[arg-type]
        batch = degradation(batch, torch.zeros(1, dtype=torch.int64))
    return {**images, 'optical': batch['image_optical'][0].numpy()}


def as_markdown(explanation: Explanation, truth: str | None) -> str:
    """Format an answer, its truth if that is known, and what it rests on."""
    answer = explanation.answer
    lines = [f'## {answer.answer}', f'{answer.probability:.0%} sure']
    if truth is not None:
        lines[-1] += f'; the true answer is **{truth}**'
    lines += ['', '| | says | sure | weight |', '|---|---|---|---|']
    lines += [
        f'| {TITLES.get(name, name)} | {e.answer} | {e.probability:.0%} | {e.weight:.0%} |'
        for name, e in explanation.experts.items()
    ]
    if len(explanation.quality) > 1:
        shares = {m: float(w.mean()) for m, w in explanation.quality.items()}
        named = ', '.join(f'{TITLES[m]} {share:.1%}' for m, share in shares.items())
        lines += ['', f'Relied on: {named}']
    return '\n'.join(lines)


class Page:
    """What the page shows: pairs to pick from, and answers."""

    def __init__(self, predictor: Predictor, optical_max: float = 255.0) -> None:
        """Initialize a page on a predictor, of whose optical images *optical_max* stands for 1."""
        self.predictor, self.optical_max = predictor, optical_max
        self.pairs = {pair.title: pair for pair in sample_pairs()}

    def list_questions(self, title: str) -> Any:
        """List the questions about a pair."""
        pair = self.pairs[title]
        return gr.Dropdown(choices=list(pair.questions), value=pair.example)

    def answer(
        self,
        source: str,
        title: str,
        optical: str | None,
        sar: str | None,
        clouds: float,
        light: float,
        question: str,
    ) -> tuple[str, Figure]:
        """Answer a question, and plot what the model looked at."""
        try:
            if not question.strip():
                raise ValueError('type a question, or pick one')
            if source == SOURCES[0]:
                _, images, truths, _ = self.pairs[title]
            else:
                images, truths = read_uploads({'optical': optical, 'sar': sar}), {}
            images = degrade(images, clouds, light, self.optical_max)
            pair = images.get('optical'), images.get('sar')
            explanation = self.predictor.explain(*pair, question)
        except (OSError, ValueError) as error:
            raise gr.Error(str(error), title='This does not work') from error
        shown = [None if x is None else torch.from_numpy(x) for x in pair]
        figure = plot_explanation(explanation, *shown)
        plt.close(figure)
        return as_markdown(explanation, truths.get(question)), figure


def make_app(predictor: Predictor, optical_max: float = 255.0) -> gr.Blocks:
    """Make the page, to be launched."""
    page = Page(predictor, optical_max)
    first = next(iter(page.pairs.values()))
    with gr.Blocks(
        title='Ask an optical and a SAR image',
        analytics_enabled=False,
        delete_cache=(60, UPLOAD_SECONDS),
    ) as app:
        gr.Markdown(
            '# Ask an optical and a SAR image\n'
            'Clouds and darkness hide the ground from the optical image, not from SAR.'
        )
        with gr.Row():
            with gr.Column(scale=1):
                source = gr.Radio(SOURCES, value=SOURCES[0], label='Images')
                title = gr.Dropdown(list(page.pairs), value=first.title, label='Pair')
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
        source.change(
            lambda chosen: [gr.update(visible=chosen == s) for s in SOURCES],
            source,
            [title, uploads],
        )
        title.input(page.list_questions, title, question)
        gr.on(
            [button.click, clouds.release, light.release, question.select],
            page.answer,
            [source, title, optical, sar, clouds, light, question],
            [answer, figure],
            concurrency_limit=1,
        )
    return app


def run_app(predictor: Predictor, host: str = '127.0.0.1', port: int = 7860) -> None:
    """Serve the page until it is interrupted; other hosts than this one's own are open to all."""
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
