# SPDX-License-Identifier: MIT
"""Tests of the server of the page, in a browser and without."""

import http.client
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

pytest.importorskip('gradio')
from torchgeo_vqa.page import guard, limits, server
from torchgeo_vqa.storage import cache_folder

WriteImage = Callable[..., None]

JSON = {'Content-Type': 'application/json'}


class Server:
    """The page, started as a user does."""

    def __init__(
        self, start_python: Callable[..., Any], *options: str, **env: str
    ) -> None:
        """Start the page, and wait until it answers."""
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.port = free.getsockname()[1]
        self.url = f'http://127.0.0.1:{self.port}'
        arguments = '-m', 'torchgeo_vqa', 'app', '--port', self.port, *options
        self.process = start_python(*arguments, **env)
        for _ in range(600):
            try:
                with urllib.request.urlopen(self.url, timeout=1):
                    break
            except OSError:
                assert self.process.poll() is None, self.process.wait().stderr
                time.sleep(0.2)

    def request(
        self, path: str, body: Any = None, method: str | None = None, **headers: str
    ) -> tuple[int, str]:
        """Send a request, and return status and text of the answer."""
        client = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        named = {k.replace('_', '-'): v for k, v in headers.items()}
        client.request(method or ('GET' if body is None else 'POST'), path, body, named)
        response = client.getresponse()
        return response.status, response.read().decode()

    def upload(self, name: str, content: bytes) -> tuple[int, str]:
        """Upload a file."""
        head = f'Content-Disposition: form-data; name="files"; filename="{name}"'
        body = f'--x\r\n{head}\r\n\r\n'.encode() + content + b'\r\n--x--\r\n'
        kind = 'multipart/form-data; boundary=x'
        return self.request(guard.UPLOAD_PATH, body, Content_Type=kind)

    def ask(self, *values: Any) -> str:
        """Ask over the API, and return all events."""
        url, body = '/gradio_api/call/answer', json.dumps({'data': values})
        status, text = self.request(url, body, Content_Type='application/json')
        assert status == 200
        return self.request(f'{url}/{json.loads(text)["event_id"]}')[1]

    def stop(self, number: int) -> Any:
        """End the page by a signal, while somebody listens, and return its result."""
        if self.process.poll() is not None:
            return None
        listening = http.client.HTTPConnection('127.0.0.1', self.port, timeout=20)
        listening.request('GET', '/gradio_api/heartbeat/abc')
        assert listening.getresponse().status == 200
        self.process.send_signal(number)
        return self.process.wait()


@pytest.fixture(scope='module')
def page(start_python: Callable[..., Any]) -> Iterator[Server]:
    page = Server(start_python)
    yield page
    page.stop(signal.SIGTERM)


def test_only_this_machine_is_served(page: Server) -> None:
    addresses = {a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None)}
    for address in addresses - {'127.0.0.1', '127.0.1.1', '::1'}:
        with socket.socket() as client:
            client.settimeout(2)
            assert client.connect_ex((str(address), page.port)) != 0


def test_hosts(page: Server) -> None:
    """A page elsewhere that gives this machine a name of its own cannot ask."""
    for name in (
        '127.0.0.1',
        'localhost',
        'LOCALHOST',
        f'localhost:{page.port}',
        '[::1]',
    ):
        assert page.request('/', Host=name)[0] == 200
    for name in (
        'evil.example',
        'localhost.evil.example',
        '127.0.0.1.evil.example',
        '',
    ):
        assert page.request('/', Host=name)[0] == 400


def test_host_names() -> None:
    own = ['127.0.0.1', '[::1]', 'localhost']
    assert server.host_names('127.0.0.1') == own
    assert server.host_names('10.0.0.7') == sorted([*own, '10.0.0.7'])
    assert '[fe80::1]' in server.host_names('fe80::1')
    assert {*own, socket.gethostname()} <= {*server.host_names('0.0.0.0')}


@pytest.mark.parametrize(
    'path',
    [
        'file=/etc/passwd',
        'file=../../../../etc/passwd',
        'file=%2e%2e/%2e%2e/%2e%2e/etc/passwd',
        'file=file:///etc/passwd',
        f'file={Path(server.__file__)}',
        'static/../../../../etc/passwd',
    ],
)
def test_no_file_of_this_machine_is_shown(page: Server, path: str) -> None:
    for prefix in ('', 'gradio_api/'):
        assert 400 <= page.request(f'/{prefix}{path}')[0] < 500


def test_no_file_of_this_machine_is_read(
    page: Server, tmp_path: Path, write_image: WriteImage
) -> None:
    """Only what was uploaded: a path in its place is refused."""
    write_image(tmp_path / 'o.tif', np.zeros((3, 8, 8), np.uint8))
    upload = {'path': str(tmp_path / 'o.tif'), 'meta': {'_type': 'gradio.FileData'}}
    said = page.ask('upload', None, upload, None, 0, 1, 'Is there water?')
    assert said.startswith('event: error')
    assert 'Traceback' not in said


def test_name_that_leads_elsewhere(page: Server) -> None:
    """An upload lands in the page's own folder, whatever it is called."""
    _, text = page.upload('../../../evil.tif', b'data')
    (path,) = json.loads(text)
    assert Path(path).resolve() == Path(path)
    assert Path(path).name == 'evil.tif'
    assert Path(path).parents[1].name.startswith('.uploads.torchgeo-vqa-')
    assert Path(path).parents[1].stat().st_mode & 0o777 == 0o700


def test_large_bodies(page: Server) -> None:
    """Declared or not, as JSON, as an upload and as anything else."""
    for path in (
        'queue/join',
        'call/answer',
        'run/answer',
        'run/upload',
        'component_server',
    ):
        url = f'/gradio_api/{path}'
        question = json.dumps({'data': ['a' * 10**6]}).encode()
        assert page.request(url, question, **JSON)[0] == 413
        parts = iter([question] * 3)
        found = page.request(url, parts, Content_Type='application/json')[0]
        # Some say 404 before anything is read, or 400 whatever went wrong
        assert found == 413 or path in ('run/answer', 'component_server')
    assert page.upload('a.tif', bytes(limits.MAX_UPLOAD + 2**20))[0] == 413
    assert page.request('/', b'1' * 10**6, method='GET')[0] == 413


def test_questions_that_are_refused(page: Server) -> None:
    """They say so, and say nothing else."""
    pair = ['a pair of the sample', '2: clear', None, None, 0, 1]
    for question, reason in [
        ('a' * 301, 'at most 300'),
        ('a ' * 150, 'more than 75 tokens'),
        (' \u202e', 'type a question'),
        ('\ud800', 'type a question'),
        (['a'], 'type a question'),
    ]:
        said = page.ask(*pair, question)
        assert said.rpartition('event: error')[2].count(reason) == 1, said
    direct = page.request('/gradio_api/run/answer', json.dumps({'data': pair}), **JSON)
    assert direct[0] == 404  # it would not stand in line


def test_nothing_of_the_inside_is_told(page: Server) -> None:
    for body in (
        '{',
        '[' * 8000,
        '{"data": 1}',
        '{"data": [null]}',
        '"\\ud800"',
        '{"a":' * 900,
    ):
        for path in ('queue/join', 'call/answer', 'cancel', 'reset'):
            status, text = page.request(f'/gradio_api/{path}', body, **JSON)
            assert status <= 500
            assert 'Traceback' not in text
            assert 'site-packages' not in text


def test_uploads_are_gone_at_the_end(
    start_python: Callable[..., Any], tmp_path: Path
) -> None:
    """Also those of a server that was killed, and nothing else."""
    for sample in cache_folder().glob('osvqa_mini*'):
        (tmp_path / sample.name).symlink_to(sample)
    foreign = tmp_path / '.uploads.torchgeo-vqa-elsewhere-1-01234567'
    foreign.mkdir()
    options = '--allowed_hosts', 'vqa.example', '*.sub.example'
    page = Server(start_python, *options, TORCHGEO_VQA_CACHE=str(tmp_path))
    for name in ('vqa.example', 'a.sub.example'):
        assert page.request('/', Host=name)[0] == 200
    page.upload('a.tif', b'data')
    (folder,) = {*tmp_path.glob('.uploads*')} - {foreign}
    assert [path.name for path in folder.rglob('*.tif')] == ['a.tif']
    start = time.monotonic()
    result = page.stop(signal.SIGTERM)
    assert time.monotonic() - start < 20
    assert (result.returncode, result.stderr) == (128 + signal.SIGTERM, '')
    assert {*tmp_path.glob('.uploads*')} == {foreign}
    assert not [*tmp_path.glob('tmp*')]


def test_port_that_is_taken(page: Server, start_python: Callable[..., Any]) -> None:
    result = start_python('-m', 'torchgeo_vqa', 'app', '--port', page.port).wait()
    assert result.returncode == 1
    assert result.stderr.count('\n') == 1
    assert str(page.port) in result.stderr


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
    def tab(self, browser: Any, page: Server) -> Iterator[Any]:
        tab = browser.new_page(viewport={'width': 1280, 'height': 1000})
        tab.set_default_timeout(120_000)  # other tests may run beside
        requested: list[str] = []
        errors: list[str] = []
        tab.on('request', lambda request: requested.append(request.url))
        tab.on(
            'console', lambda m: errors.append(m.text) if m.type == 'error' else None
        )
        tab.on('pageerror', lambda error: errors.append(str(error)))
        tab.goto(page.url)
        yield tab
        tab.close()
        # Nothing phones home
        own = page.url, 'data:', 'blob:'
        assert [u for u in requested if not u.startswith(own)] == []
        # Nor does the page do what its policy forbids
        assert errors == []

    def ask(self, tab: Any) -> dict[str, float]:
        """Ask, and return how far the answer relied on each image, in percent."""
        answer = tab.locator('#answer')
        before = answer.inner_text()
        tab.get_by_role('button', name='Ask').click()
        for _ in range(1200):
            text = answer.inner_text()
            found = re.search(r'Optical ([\d.]+)%, SAR ([\d.]+)%', text)
            if found and text != before:
                break
            tab.wait_for_timeout(100)
        assert found
        return {'optical': float(found[1]), 'sar': float(found[2])}

    def test_clouds_move_the_weight_to_sar(self, tab: Any, tmp_path: Path) -> None:
        clear = self.ask(tab)
        assert tab.locator('#answer h2').inner_text()
        clouds = tab.get_by_label('number input for Clouds')
        clouds.fill('1')
        clouds.press('Tab')
        cloudy = self.ask(tab)
        tab.screenshot(path=tmp_path / 'cloudy.png', full_page=True)
        assert cloudy['optical'] < clear['optical']
        assert cloudy['sar'] > clear['sar']

    def test_own_question(self, tab: Any) -> None:
        box = tab.get_by_label('Question')
        box.fill('Is there a forest in the image?')
        box.press('Enter')
        self.ask(tab)
        assert tab.locator('#answer h2').inner_text() in ('yes', 'no')

    def test_wrong_file(self, tab: Any, tmp_path: Path) -> None:
        path = tmp_path / 'text.png'
        path.write_text('no image')
        tab.get_by_label('upload').check()
        tab.locator('input[type=file]').first.set_input_files(path)
        tab.get_by_text('text.png').wait_for()
        tab.get_by_role('button', name='Ask').click()
        tab.get_by_text('text.png is no Optical image').wait_for()

    def test_markup_is_text(self, tab: Any, tmp_path: Path) -> None:
        """A question and the name of a file run no script, and are not formulas."""
        markup = '<img src=x onerror=alert(1)> $\\frac{$ <script>alert(2)</script>'
        tab.on('dialog', lambda dialog: pytest.fail(dialog.message))
        box = tab.get_by_label('Question')
        box.fill(markup)
        box.press('Enter')
        self.ask(tab)
        path = tmp_path / '<img src=x onerror=alert(3)>.png'
        path.write_text('no image')
        tab.get_by_label('upload').check()
        tab.locator('input[type=file]').first.set_input_files(path)
        tab.get_by_text('.png').first.wait_for()
        tab.get_by_role('button', name='Ask').click()
        tab.get_by_text('.png is no Optical image').wait_for()

    def test_policy_stops_scripts(self, browser: Any, page: Server) -> None:
        """What gets into the page in spite of all does not run."""
        tab = browser.new_page()
        tab.goto(page.url)
        inside = (
            'document.body.innerHTML += \'<img src=data:, onerror="window.ran = 1">\''
        )
        script = "const s = document.createElement('script'); s.text = 'window.ran = 2'"
        tab.evaluate(f'() => {{ {inside}; {script}; document.body.append(s) }}')
        tab.wait_for_timeout(200)
        assert tab.evaluate('() => window.ran') is None
        tab.close()


def test_too_many_uploads(page: Server) -> None:
    """The last but one: the page does not take any more for a minute."""
    found = [
        page.request(guard.UPLOAD_PATH, b'')
        for _ in range(limits.REQUESTS['/upload'] + 1)
    ]
    assert found[0][0] != 429
    assert found[-1][0] == 429
    assert 'come back in' in found[-1][1]
    assert page.request('/')[0] == 200


def test_interrupt(page: Server) -> None:
    """The last test: Ctrl-C ends the page and its uploads, however the page was started."""
    folder = cache_folder()
    mark = f'-{page.process.process.pid}-'
    (kept,) = [path for path in folder.glob('.uploads*') if mark in path.name]
    result = page.stop(signal.SIGINT)
    assert not kept.exists()
    assert result.returncode != 0
