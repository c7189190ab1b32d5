# SPDX-License-Identifier: MIT
"""Tests of the page to ask on, in a browser and without."""

import json
import re
import shutil
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio.shutil

gradio = pytest.importorskip('gradio')
from torchgeo_vqa import app
from torchgeo_vqa.prediction import Predictor

WriteImage = Callable[..., None]


class TestUploads:
    def test_pair(self, tmp_path: Path, write_image: WriteImage) -> None:
        optical = np.full((4, 16, 16), 200, np.uint8)
        write_image(tmp_path / 'o.png', optical)
        sar = np.full((2, 16, 16), -9, np.float32)
        write_image(tmp_path / 's.tif', sar)
        paths = {
            m: str(tmp_path / n) for m, n in (('optical', 'o.png'), ('sar', 's.tif'))
        }
        images = app.read_uploads(paths)
        assert images['optical'].shape == (3, 16, 16)  # without alpha
        np.testing.assert_array_equal(images['sar'], sar)

    def test_wrong_files(self, tmp_path: Path, write_image: WriteImage) -> None:
        text = tmp_path / 'text.png'
        text.write_text('no image')
        (tmp_path / 'program.exe').write_text('')
        with pytest.raises(OSError, match=r'text\.png is no Optical image'):
            app.read_uploads({'optical': str(text), 'sar': None})
        with pytest.raises(ValueError, match=r'program\.exe is no image.*\.tif'):
            app.read_uploads({'sar': str(tmp_path / 'program.exe')})
        with pytest.raises(ValueError, match='upload an optical image'):
            app.read_uploads({'optical': None, 'sar': None})

    def test_file_that_names_another(
        self, tmp_path: Path, write_image: WriteImage
    ) -> None:
        """GDAL reads other files through some formats, whatever their name."""
        secret = tmp_path / 'secret.tif'
        write_image(secret, np.zeros((3, 8, 8), np.uint8), 0.0)
        upload = tmp_path / 'upload.tif'
        rasterio.shutil.copy(secret, upload, driver='VRT')
        with rasterio.open(upload) as file:
            assert file.read().shape == (3, 8, 8)
        with pytest.raises(OSError, match=r'upload\.tif is no Optical image'):
            app.read_uploads({'optical': str(upload)})

    def test_many_bands(self, tmp_path: Path, write_image: WriteImage) -> None:
        write_image(tmp_path / 's.tif', np.zeros((17, 8, 8), np.uint8))
        with pytest.raises(ValueError, match='in 17 bands'):
            app.read_uploads({'sar': str(tmp_path / 's.tif')})

    def test_too_large(
        self, tmp_path: Path, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / 'o.tif'
        write_image(path, np.zeros((3, 20, 30), np.uint8))
        monkeypatch.setattr(app, 'MAX_PIXELS', 599)
        with pytest.raises(
            ValueError, match=r'o\.tif has 30 x 20 pixels in 3 bands, at most 599'
        ):
            app.read_uploads({'optical': str(path)})
        monkeypatch.setattr(app, 'MAX_BYTES', 2**20)
        path.write_bytes(bytes(2**20 + 1))
        with pytest.raises(ValueError, match='larger than 1 MiB'):
            app.read_uploads({'optical': str(path)})


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


class TestPage:
    @pytest.fixture(scope='class')
    def page(self) -> app.Page:
        return app.Page(Predictor.from_weights(device='cpu'))

    def test_answer_about_a_pair(self, page: app.Page) -> None:
        """Beside the answer of the model stands the true one."""
        title, pair = next(iter(page.pairs.items()))
        arguments: Any = app.SOURCES[0], title, None, None, 0.0, 1.0, pair.example
        text, figure = page.answer(*arguments)
        answer = page.predictor.ask(
            pair.images['optical'], pair.images['sar'], [pair.example]
        )[0]
        assert text.splitlines()[0] == f'## {answer.answer}'
        truth = f'the true answer is **{pair.questions[pair.example]}**'
        assert text.splitlines()[1] == f'{answer.probability:.0%} sure; {truth}'
        assert figure.axes

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

    def test_no_question(self, page: app.Page) -> None:
        title = next(iter(page.pairs))
        with pytest.raises(gradio.Error, match='type a question'):
            page.answer(app.SOURCES[0], title, None, None, 0.0, 1.0, ' ')


@pytest.fixture(scope='module')
def page_url(start_python: Callable[..., Any]) -> Iterator[str]:
    """Start the page as a user does."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    url = f'http://127.0.0.1:{port}'
    process = start_python('-m', 'torchgeo_vqa', 'app', '--port', port)
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=1):
                break
        except OSError:
            assert process.poll() is None, process.wait().stderr
            time.sleep(0.2)
    yield url
    process.send_signal(signal.SIGTERM)
    process.wait()


def test_only_this_machine_is_served(page_url: str) -> None:
    port = int(page_url.rsplit(':')[-1])
    addresses = {a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None)}
    for address in addresses - {'127.0.0.1', '127.0.1.1', '::1'}:
        with socket.socket() as client:
            client.settimeout(2)
            assert client.connect_ex((address, port)) != 0


def status(url: str, data: bytes | None = None, **headers: str) -> int:
    """Ask for an address, and return the status of the answer."""
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    'path',
    [
        'file=/etc/passwd',
        'file=../../../../etc/passwd',
        'file=%2e%2e/%2e%2e/%2e%2e/etc/passwd',
        'file=file:///etc/passwd',
        f'file={Path(app.__file__)}',
        'static/../../../../etc/passwd',
    ],
)
def test_no_file_of_this_machine_is_shown(page_url: str, path: str) -> None:
    for prefix in ('', 'gradio_api/'):
        assert 400 <= status(f'{page_url}/{prefix}{path}') < 500


def test_no_file_of_this_machine_is_read(
    page_url: str, tmp_path: Path, write_image: WriteImage
) -> None:
    """Only what was uploaded: a path in its place is refused."""
    write_image(tmp_path / 'o.tif', np.zeros((3, 8, 8), np.uint8))
    with urllib.request.urlopen(f'{page_url}/config') as response:
        config = json.load(response)
    (asking,) = {d['api_name'] for d in config['dependencies'] if len(d['inputs']) == 7}
    upload = {'path': str(tmp_path / 'o.tif'), 'meta': {'_type': 'gradio.FileData'}}
    values = ['upload', None, upload, None, 0, 1, 'Is there water?']
    url = f'{page_url}/gradio_api/call/{asking}'
    body = json.dumps({'data': values}).encode()
    kind = {'Content-Type': 'application/json'}
    with urllib.request.urlopen(urllib.request.Request(url, body, kind)) as response:
        event = json.load(response)['event_id']
    with urllib.request.urlopen(f'{url}/{event}', timeout=60) as response:
        said = response.read().decode()
    assert said.startswith('event: error')


def test_name_that_leads_elsewhere(page_url: str) -> None:
    """An upload lands in the page's own folder, whatever it is called."""
    lines = [
        '--x',
        'Content-Disposition: form-data; name="files"; filename="../../../evil.tif"',
        '',
        'data',
        '--x--',
        '',
    ]
    request = urllib.request.Request(
        f'{page_url}/gradio_api/upload',
        '\r\n'.join(lines).encode(),
        {'Content-Type': 'multipart/form-data; boundary=x'},
    )
    with urllib.request.urlopen(request) as response:
        (path,) = json.load(response)
    assert Path(path).resolve() == Path(path)
    assert Path(path).name == 'evil.tif'
    assert len(Path(path).parents) > 3
    assert Path(path).parents[1].name.startswith('tmp')


def test_upload_that_is_too_large(page_url: str) -> None:
    head = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.tif"\r\n\r\n'
    )
    body = head + bytes(app.MAX_BYTES + 2**20) + b'\r\n--x--\r\n'
    kind = {'Content-Type': 'multipart/form-data; boundary=x'}
    assert status(f'{page_url}/gradio_api/upload', body, **kind) == 413


@pytest.fixture(scope='module')
def browser() -> Iterator[Any]:
    api = pytest.importorskip('playwright.sync_api')
    path = next(filter(None, map(shutil.which, ('chromium', 'google-chrome'))), None)
    with api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=path,
                args=['--no-sandbox', '--disable-background-networking'],
            )
        except api.Error as error:
            pytest.skip(f'there is no Chromium: {error}')
        yield browser
        browser.close()


class TestBrowser:
    @pytest.fixture
    def page(self, browser: Any, page_url: str) -> Iterator[Any]:
        page = browser.new_page(viewport={'width': 1280, 'height': 1000})
        page.set_default_timeout(120_000)  # other tests may run beside
        requested: list[str] = []
        page.on('request', lambda request: requested.append(request.url))
        page.goto(page_url)
        yield page
        page.close()
        # Nothing phones home
        outside = [
            u for u in requested if not u.startswith((page_url, 'data:', 'blob:'))
        ]
        assert outside == []

    def ask(self, page: Any) -> dict[str, float]:
        """Ask, and return how far the answer relied on each image, in percent."""
        line = 'document.querySelector("#answer")?.innerText.match(/Relied on.*/)?.[0]'
        before = page.evaluate(line)
        page.get_by_role('button', name='Ask').click()
        page.wait_for_function(f'before => {line} && {line} != before', arg=before)
        found = re.search(r'Optical ([\d.]+)%, SAR ([\d.]+)%', page.evaluate(line))
        assert found
        return {'optical': float(found[1]), 'sar': float(found[2])}

    def test_clouds_move_the_weight_to_sar(self, page: Any, tmp_path: Path) -> None:
        clear = self.ask(page)
        assert page.locator('#answer h2').inner_text()
        clouds = page.get_by_label('number input for Clouds')
        clouds.fill('1')
        clouds.press('Tab')
        cloudy = self.ask(page)
        page.screenshot(path=tmp_path / 'cloudy.png', full_page=True)
        assert cloudy['optical'] < clear['optical']
        assert cloudy['sar'] > clear['sar']

    def test_own_question(self, page: Any) -> None:
        box = page.get_by_label('Question')
        box.fill('Is there a forest in the image?')
        box.press('Enter')
        self.ask(page)
        assert page.locator('#answer h2').inner_text() in ('yes', 'no')

    def test_wrong_file(self, page: Any, tmp_path: Path) -> None:
        path = tmp_path / 'text.png'
        path.write_text('no image')
        page.get_by_label('upload').check()
        page.locator('input[type=file]').first.set_input_files(path)
        page.get_by_text('text.png').wait_for()
        page.get_by_role('button', name='Ask').click()
        page.get_by_text('text.png is no Optical image').wait_for()


def test_too_many_uploads(page_url: str) -> None:
    """The last test: the page does not take any more for a minute."""
    url = f'{page_url}/gradio_api/upload'
    found = [status(url, b'') for _ in range(app.LIMITS['/upload'] + 1)]
    assert found[0] != 429
    assert found[-1] == 429
    assert status(page_url) == 200
