# SPDX-License-Identifier: MIT
"""Tests of the page to ask on, without a server."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

gradio = pytest.importorskip('gradio')
import open_clip

from torchgeo_vqa.page import app
from torchgeo_vqa.page.line import Line
from torchgeo_vqa.prediction import Predictor

WriteImage = Callable[..., None]


def test_degrade() -> None:
    images = {'optical': np.full((3, 8, 8), 100, np.float32)}
    assert (app.degrade(images, 0.0, 1.0, 255.0)['optical'] == 100).all()
    assert app.degrade(images, 0.0, 0.1, 255.0)['optical'].mean() < 20
    assert app.degrade(images, 1.0, 1.0, 255.0)['optical'].mean() > 180
    sar = {'sar': np.zeros((2, 8, 8), np.float32)}
    assert app.degrade(sar, 1.0, 0.1, 255.0) == sar


def test_sample_pairs() -> None:
    """Pairs of all kinds, with their questions."""
    pairs = app.sample_pairs()
    assert len(pairs) == app.NUM_PAIRS
    assert {p.title.split(': ')[1] for p in pairs} == {'clear', 'cloudy', 'dark'}
    assert all(len(p.questions) > 5 for p in pairs)


@pytest.fixture(scope='module')
def page() -> app.Page:
    return app.Page(Predictor.from_weights(device='cpu'))


class TestAnswer:
    def test_answer_about_a_pair(self, page: app.Page) -> None:
        """Beside the answer of the model stands the true one."""
        title, pair = next(iter(page.pairs.items()))
        arguments: Any = app.SOURCES[0], title, None, None, 0.0, 1.0, pair.example
        text, plot = page.answer(*arguments)
        answer = page.predictor.ask(
            pair.images['optical'], pair.images['sar'], [pair.example]
        )[0]
        assert text.splitlines()[0] == f'## {answer.answer}'
        truth = f'the true answer is **{pair.questions[pair.example]}**'
        assert text.splitlines()[1] == f'{answer.probability:.0%} sure; {truth}'
        assert plot.plot.startswith('data:image')

    def test_answer_about_an_upload(
        self, page: app.Page, tmp_path: Path, write_image: WriteImage
    ) -> None:
        """Nobody knows the true answer, whatever pair was picked before."""
        title, pair = next(iter(page.pairs.items()))
        path = tmp_path / 'o.tif'
        write_image(path, np.full((3, 64, 64), 90, np.uint8))
        arguments: Any = app.SOURCES[1], title, str(path), None, 0.0, 1.0, pair.example
        text, _ = page.answer(*arguments)
        assert 'true answer' not in text
        assert 'Relied on' not in text


#: Text that is markup in one language or another.
MARKUP = r'$\frac{$ <script>alert(1)</script> **bold** |a|b| `code` {} \alpha'


class TestQuestion:
    def test_text_is_kept(self) -> None:
        for text in (
            MARKUP,
            'Wie groß ist das Gebäude?',
            '水はありますか',
            'is it 5 × 5?',
        ):
            assert app.read_question(f' {text}\n', 77) == text

    def test_what_cannot_be_shown(self) -> None:
        """Control characters, what turns text round, and half a character."""
        assert (
            app.read_question('a\0b\x1b[31m\r\nc\u202ed\ud800e', 77) == 'a b [31m c d e'
        )
        for text in ('', ' \t', '\0\u200b', None, 3, ['a'], {'a': 1}):
            with pytest.raises(ValueError, match='type a question'):
                app.read_question(text, 77)

    def test_too_long(self) -> None:
        with pytest.raises(ValueError, match='301 characters, at most 300'):
            app.read_question('a' * 301, 77)
        assert app.read_question(' '.join(['a'] * 75), 77)
        with pytest.raises(ValueError, match='more than 75 tokens'):
            app.read_question(' '.join(['a'] * 76), 77)

    def test_refusal_takes_no_time(self, page: app.Page) -> None:
        """Megabytes are refused before they are read, and the worst word is short."""
        for text in ('a' * 3_000_000, 'ab' * 150, '水' * 300, '\u0301' * 300):
            start = time.perf_counter()
            try:
                app.read_question(text, 77)
            except ValueError:
                pass
            assert time.perf_counter() - start < (0.001 if len(text) > 300 else 0.1)

    def test_words_that_are_kept_in_mind(
        self, page: app.Page, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = open_clip.tokenizer._tokenizer.cache
        monkeypatch.setattr(app, 'MAX_WORDS', len(words) + 3)
        for number in range(10):
            app.read_question(f'x{"qzx"[number % 3] * number}y', 77)
        assert len(words) <= app.MAX_WORDS


def asking(page: app.Page, values: list[Any]) -> Any:
    """Ask as Gradio does."""
    ask: Any = page.ask
    return ask(*values, SimpleNamespace(client=None))


def asked(page: app.Page, *values: Any) -> list[Any]:
    """Ask, and return what was shown in turn."""

    async def ask() -> list[Any]:
        return [shown async for shown in asking(page, [*values])]

    return asyncio.run(ask())


@pytest.fixture
def example(page: app.Page) -> list[Any]:
    """Values of the page's elements, the last of them a question."""
    title = next(iter(page.pairs))
    return [app.SOURCES[0], title, None, None, 0.0, 1.0, 'Is there water?']


class TestAsk:
    def test_markup_is_text(self, page: app.Page, example: list[Any]) -> None:
        """Nothing of a question is markup to Matplotlib."""
        (*_, (text, plot)) = asked(page, *example[:-1], MARKUP)
        assert text.startswith('## ')
        assert 'script' not in text
        assert plot.plot.startswith('data:image')

    def test_refusal_does_not_wait(
        self, page: app.Page, example: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(page, 'line', None)
        with pytest.raises(gradio.Error, match='60,000 characters'):
            asked(page, *example[:-1], 'a' * 60_000)

    def test_error_is_plain_text(self, page: app.Page, tmp_path: Path) -> None:
        path = tmp_path / '<img onerror=x>.png'
        path.write_text('no image')
        upload = [app.SOURCES[1], None, str(path), None, 0.0, 1.0]
        with pytest.raises(
            gradio.Error, match=r'^"&lt;img onerror=x&gt;\.png is no'
        ) as e:
            asked(page, *upload, 'Is there water?')
        assert str(tmp_path) not in str(e.value)
        assert not e.value.print_exception
        assert page.line.join('a').before == 0  # its place is free
        page.line = Line(8, 60)

    def test_unexpected_error(
        self, page: app.Page, example: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It says nothing about the inside of the server."""

        def fail(*args: Any) -> None:
            raise RuntimeError('/secret/path')

        monkeypatch.setattr(page.predictor, 'explain', fail)
        with pytest.raises(gradio.Error, match='its log says why') as error:
            asked(page, *example)
        assert 'secret' not in str(error.value)

    def test_slow_answer(
        self, page: app.Page, example: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The visitor is told; the next one waits until the work has ended."""
        monkeypatch.setattr(app, 'ANSWER_SECONDS', 0.05)
        monkeypatch.setattr(page, 'answer', lambda *args: time.sleep(0.5))

        async def two() -> tuple[list[Any], int | None]:
            waiting = asking(page, example)
            shown = [(await anext(waiting))[0], (await anext(waiting))[0]]
            with pytest.raises(gradio.Error, match='took longer than'):
                await anext(waiting)
            place = page.line.join('b')
            before = place.before
            await asyncio.wait_for(place.called.wait(), 5)
            page.line.leave(place)
            return shown, before

        shown, before = asyncio.run(two())
        assert shown == ['Your question is being answered.', '']
        assert before == 1

    def test_who_waits_is_told(
        self, page: app.Page, example: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who leaves makes room; who finds no room is told to come back."""
        monkeypatch.setattr(page, 'line', Line(2, 60))

        async def wait() -> list[str]:
            served, _ = page.line.join('a'), page.line.join('b')
            waiting = asking(page, example)
            found = [(await anext(waiting))[0]]
            refused = asking(page, example)
            with pytest.raises(gradio.Error, match='come back in a minute'):
                [shown async for shown in refused]
            await waiting.aclose()
            page.line.leave(served)
            late = asking(page, example)
            return [*found, (await anext(late))[0]]

        assert asyncio.run(wait()) == [
            '2 visitors are before you.',
            '1 visitor is before you.',
        ]
