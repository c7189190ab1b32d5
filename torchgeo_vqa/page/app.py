# SPDX-License-Identifier: MIT
"""A page to ask on."""

import asyncio
import html
import logging
import unicodedata
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import gradio as gr
import open_clip
import torch

from ..datasets import OSVQAMini
from ..prediction import Explanation, Predictor, plot_explanation
from ..rasters.image_file import DRIVERS
from ..sample import MODALITIES, TITLES
from ..samplers import TileSampler
from ..transforms import Degradation
from .limits import (
    ANSWER_SECONDS,
    MAX_QUESTION,
    MAX_SESSIONS,
    MAX_WAITING,
    MAX_WORDS,
    UPLOAD_SECONDS,
    WAIT_SECONDS,
)
from .line import Line, LineError
from .uploads import Images, read_uploads

#: How many pairs of the sample there are to pick from.
NUM_PAIRS = 12

#: Where images come from.
SOURCES = ('a pair of the sample', 'upload')

#: Type of the question to begin with: one that the optical image answers better.
EXAMPLE = 'area_share'

#: Pixels of the longer side of a plotted image.
_PLOTTED = 512


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
    if answer.note:
        lines += ['', f'**Note:** {answer.note}.']
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


class _Words(dict[str, str]):
    """Tokens of words, which open_clip would keep of every word that anybody types."""

    def __setitem__(self, word: str, tokens: str) -> None:
        """Keep the tokens of a word, if there is room."""
        if len(self) < MAX_WORDS:
            super().__setitem__(word, tokens)


def read_question(text: object, context_length: int) -> str:
    """Return a question as one line of printable text.

    Raise a ValueError if it is none, or has too many characters or tokens, of which the model
    reads *context_length*.
    """
    if not isinstance(text, str):
        text = ''
    if len(text) > MAX_QUESTION:
        raise ValueError(
            f'the question has {len(text):,} characters, at most {MAX_QUESTION} can be '
            'taken: ask a shorter one'
        )
    # Control characters, half characters, and marks that turn the text around
    shown = (' ' if unicodedata.category(c).startswith('C') else c for c in text)
    question = ' '.join(''.join(shown).split())
    if not question:
        raise ValueError('type a question, or pick one')
    if open_clip.tokenize([question], context_length + 1)[0, -1]:
        raise ValueError(
            f'the question has more than {context_length - 2} tokens, and the model would '
            'not read its end: ask a shorter one'
        )
    return question


class Page:
    """What the page shows: pairs to pick from, and answers."""

    def __init__(self, predictor: Predictor, optical_max: float = 255.0) -> None:
        """Initialize a page on a predictor, of whose optical images *optical_max* stands for 1."""
        self.predictor, self.optical_max = predictor, optical_max
        self.pairs = {pair.title: pair for pair in sample_pairs()}
        self.line = Line(MAX_WAITING, WAIT_SECONDS)
        self._worker = ThreadPoolExecutor(1)
        self._plot = gr.Plot(render=False)
        words = open_clip.tokenizer._tokenizer
        words.cache = _Words(words.cache)

    def list_questions(self, title: str) -> Any:
        """List the questions about a pair."""
        pair = self.pairs[title]
        return gr.Dropdown(choices=list(pair.questions), value=pair.example)

    async def ask(
        self,
        source: str,
        title: str,
        optical: str | None,
        sar: str | None,
        clouds: float,
        light: float,
        question: str,
        request: gr.Request,
    ) -> AsyncIterator[tuple[str, Any]]:
        """Yield how many wait before, and then the answer as :meth:`answer`.

        One question is answered at a time; a question that nobody may ask does not wait.
        """
        pair = source, title, optical, sar, clouds, light
        loop = asyncio.get_running_loop()
        try:
            asked = read_question(question, self.predictor.model.context_length)
            place = self.line.join(request.client.host if request.client else '')
            job = None
            try:
                async for before in self.line.wait(place):
                    visitors = (
                        '1 visitor is' if before == 1 else f'{before} visitors are'
                    )
                    yield f'{visitors} before you.', gr.skip()
                yield 'Your question is being answered.', gr.skip()
                job = self._worker.submit(self.answer, *pair, asked)
                # A thread cannot be stopped: the next one waits until it has ended
                done = partial(loop.call_soon_threadsafe, self.line.leave, place)
                job.add_done_callback(lambda _: done())
                answer = asyncio.wrap_future(job)
                yield await asyncio.wait_for(answer, ANSWER_SECONDS)
                return
            finally:
                if job is None:
                    self.line.leave(place)
        except TimeoutError:
            failure = f'the answer took longer than {ANSWER_SECONDS:.0f} s: take a smaller image'
        except (OSError, ValueError, LineError) as error:
            failure = str(error)
        except Exception:
            logging.getLogger(__name__).exception('a question could not be answered')
            failure = 'the server failed on this question, and its log says why'
        yield '', None
        # Gradio takes the text for HTML
        text = html.escape(failure, quote=False)
        raise gr.Error(text, title='This does not work', print_exception=False)

    def answer(
        self,
        source: str,
        title: str,
        optical: str | None,
        sar: str | None,
        clouds: float,
        light: float,
        question: str,
    ) -> tuple[str, Any]:
        """Answer a question, and plot what the model looked at.

        Raise an OSError or a ValueError if the images are no pair that can be asked about.
        """
        if source == SOURCES[0]:
            _, images, truths, _ = self.pairs[title]
        else:
            images, truths = read_uploads({'optical': optical, 'sar': sar}), {}
        images = degrade(images, clouds, light, self.optical_max)
        pair = images.get('optical'), images.get('sar')
        explanation = self.predictor.explain(*pair, question)
        steps = [1 if x is None else -(-max(x.shape) // _PLOTTED) for x in pair]
        shown = [
            None if x is None else torch.from_numpy(x[:, ::step, ::step])
            for x, step in zip(pair, steps, strict=True)
        ]
        figure = plot_explanation(explanation, *shown)
        # Drawn here, and not by Gradio, where all visitors would wait for it
        plotted = self._plot.postprocess(figure)
        return as_markdown(explanation, truths.get(question)), plotted


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
            page.ask,
            [source, title, optical, sar, clouds, light, question],
            [answer, figure],
            api_name='answer',
            concurrency_limit=None,  # the line decides
        )
    app.state_session_capacity = MAX_SESSIONS
    # Every one who waits takes a thread of Gradio's, so to speak
    app.max_threads = 2 * MAX_WAITING
    return app.queue(max_size=MAX_WAITING, api_open=False)
