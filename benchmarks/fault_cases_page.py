# SPDX-License-Identifier: MIT
"""What visitors may send to the page."""

# A table: a line for each case, whatever its length
# fmt: off

import contextlib
import json
import os
import re
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from fault_inputs import linear, scene, tif
from fault_run import GOOD, REFUSED, RIGHT, TOLD, Process, Ran, case, one_line, start

JSON = {'Content-Type': 'application/json'}


def visit(
    name: str, row: str, about: str, run: Any, accept: Sequence[str] = RIGHT, **options: Any
) -> None:
    """Add a case of a page that is served."""
    case(name, row, about, run, accept, **{'limit': 90, 'prepare': SERVER.ensure, **options})


class Page:
    """The page at an address, seen by a visitor whose address is like no other's."""

    def __init__(self, url: str) -> None:
        """Initialize a page that is served."""
        self.port, self.visitor = int(url.rpartition(':')[2]), f'127.1.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}'
        functions = json.loads(self.get('/config')[1])
        owner = next(d for d in functions['dependencies'] if len(d['inputs']) == 7)
        values = {c['id']: c['props'].get('value') for c in functions['components']}
        self.api, self.values = owner['api_name'], [values[i] for i in owner['inputs']]

    def get(self, path: str, body: bytes | None = None, limit: float = 60, **headers: str) -> tuple[int, str, Any]:
        """Send a request, a POST if it has a body; return status, text and headers of the answer."""
        source = self.visitor, 0
        connection = HTTPConnection('127.0.0.1', self.port, limit, source)
        try:
            with contextlib.suppress(ConnectionError):  # the answer may be there all the same
                connection.request('GET' if body is None else 'POST', path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors='replace'), answer.headers
        except (ConnectionError, HTTPException) as error:
            return 499, f'connection closed: {error}', {}
        finally:
            connection.close()

    def ask(self, question: Any, limit: float = 60, **changed: Any) -> str:
        """Ask about the first pair; return the text of the answer or of the refusal."""
        values = [*self.values[:6], question]
        for place, value in changed.items():
            values[int(place.removeprefix('at'))] = value
        body = json.dumps({'data': values}).encode()
        path = f'/gradio_api/call/{self.api}'
        status, text, _ = self.get(path, body, limit, **JSON)
        if status != 200:
            return f'error: {status} {text}'
        _, said, _ = self.get(f'{path}/{json.loads(text)["event_id"]}', None, limit)
        kind = re.findall(r'^event: (\w+)\ndata: (.*)$', said, re.MULTILINE)[-1]
        return f'{"error: " if kind[0] == "error" else ""}{kind[1]}'


class Server:
    """The page, served by the command for many cases."""

    def __init__(self) -> None:
        """Initialize a server that is started when it is needed."""
        self.process: Process | None = None
        self.url = ''

    def ensure(self, folder: str | None = None) -> None:
        """Start it unless it answers."""
        if self.process is not None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f'{self.url}/config', timeout=10).close()
                return
            self.stop()
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        self.url = f'http://127.0.0.1:{port}'
        self.process = start('app', '--port', port, **({'TMPDIR': folder} if folder else {}))
        while True:
            assert self.process.poll() is None, self.process.end()
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f'{self.url}/config', timeout=5).close()
                return
            time.sleep(0.1)

    def stop(self) -> None:
        """Kill it."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.end()
        self.process = None


SERVER = Server()


def on_page(run: Callable[[Page], Ran]) -> Callable[[Path], Ran]:
    """Do something as a visitor of the page."""
    return lambda _: run(Page(SERVER.url))


def as_ran(said: str, right: bool | None = None) -> Ran:
    """Take what the page says as what a program does."""
    return Ran(int(said.startswith('error: ')), said, said, right)


def said(question: Any, **changed: Any) -> Callable[[Path], Ran]:
    """Ask the page something."""
    return on_page(lambda p: as_ran(p.ask(question, **changed)))


def shown(question: str, is_right: Callable[[str], bool]) -> Callable[[Path], Ran]:
    """Ask the page something; look at what it shows."""

    def look(page: Page) -> Ran:
        text = page.ask(question)
        return as_ran(text, is_right(text))

    return on_page(look)


WORDS = r'question|token|word|character|long|413|too large|422|valid'
visit('a good question on the page', 'control', 'sure', shown('Is there water?', lambda t: 'sure' in t))
visit('a question of 60,000 characters on the page', '12', WORDS, said('water? ' * 8600), TOLD, limit=60)
visit('a question of 3 MB on the page', '12', WORDS, said('water? ' * 430_000), REFUSED, limit=60)
visit('an empty question on the page', 'control', WORDS, said('  '), REFUSED)
visit('a question on the page that is a number', 'control', rf'{WORDS}|null', said(5), REFUSED)
visit('a question on the page that is a list', 'control', rf'{WORDS}|null', said(['Is there water?'] * 3), REFUSED)
visit('a question on the page that is null', 'control', rf'{WORDS}|null', said(None), REFUSED)
visit('a pair on the page that there is none of', 'new', 'pair|choice|value', said('Is there water?', at1='no such pair'), REFUSED)
visit('clouds of 1e300 on the page', 'new', 'cloud|value|must|maximum|range', said('Is there water?', at4=1e300), REFUSED)
visit('light of NaN on the page', 'control', 'null|light|value|must|minimum|range|valid', said('Is there water?', at5='nan'), REFUSED)
visit('light of 0 on the page', 'new', 'light|value|must|minimum|range', said('Is there water?', at5=-1), REFUSED)
visit('a question of broken TeX, $\\frac{$, on the page', '12', 'sure', shown('$\\frac{$', lambda t: 'sure' in t), GOOD)
visit('a question of HTML on the page', 'new', 'sure', shown('<script>alert(1)</script>', lambda t: '<script' not in t), GOOD)
visit('a source on the page that there is none of', 'new', 'upload|source|value|choice', said('Is there water?', at0='elsewhere'), REFUSED)


def others_wait(p: Page) -> Ran:
    """While one visitor's long question is worked on, another is answered in time."""
    body = 'water? ' * 8600
    slow = threading.Thread(target=lambda: p.ask(body), daemon=True)
    slow.start()
    time.sleep(0.5)
    began = time.monotonic()
    answer = p.ask('Is there water?')
    took = time.monotonic() - began
    return as_ran(f'answered after {took:.0f} s', 'sure' in answer and took < 10)


visit('a visitor while another sends 60,000 characters', '12', 'wait', on_page(others_wait))


def body(p: Page, path: str, size: int) -> Ran:
    """Send a body of some size."""
    values = json.dumps({'data': ['x' * size]}).encode()
    status, text, _ = p.get(path.replace('{api}', p.api), values, **JSON)
    return Ran(int(status >= 400), text, f'error: {status} {text}')


visit('a JSON body of 60 MB', '12', '413|large', on_page(lambda p: body(p, '/gradio_api/call/{api}', 60_000_000)), REFUSED)
visit('a JSON body of 60 MB to the queue', '12', '413|large', on_page(lambda p: body(p, '/gradio_api/queue/join', 60_000_000)), REFUSED)
visit('a JSON body of 60 MB to an address that there is none of', 'new', '404|405|413|large', on_page(lambda p: body(p, '/no/such', 60_000_000)), REFUSED)
visit('JSON nested 100,000 deep', 'new', '4[0-9][0-9]', on_page(lambda p: _status(p.get(f'/gradio_api/call/{p.api}', b'[' * 100_000, **JSON))), REFUSED)
visit('a body that is no JSON', 'new', '4[0-9][0-9]', on_page(lambda p: _status(p.get(f'/gradio_api/call/{p.api}', b'{', **JSON))), REFUSED)


def _status(answer: tuple[int, str, Any]) -> Ran:
    return Ran(int(answer[0] >= 400), answer[1], f'error: {answer[0]} {answer[1][:300]}')


visit('another Host in the header', '12', '4[0-9][0-9]|host', on_page(lambda p: _status(p.get('/', None, Host='evil.example'))), REFUSED)
visit('another Host on the address of answers', '12', '4[0-9][0-9]|host', on_page(lambda p: _status(p.get('/config', None, Host='evil.example:80'))), REFUSED)


def headers(name: str, pattern: str) -> Callable[[Path], Ran]:
    """Look for a header of the page."""

    def look(p: Page) -> Ran:
        found = p.get('/')[2].get(name, '')
        return as_ran(f'{name}: {found or "none"}', bool(re.search(pattern, found)))

    return on_page(look)


visit('the page says a Content-Security-Policy', '12', 'x', headers('Content-Security-Policy', r'(default|script)-src'))
visit('the page says nosniff', '12', 'x', headers('X-Content-Type-Options', 'nosniff'))
visit('the page may not be framed', 'new', 'x', headers('Content-Security-Policy', 'frame-ancestors'))
for path in ('/gradio_api/file=/etc/passwd', '/gradio_api/file=../../etc/passwd', '/static/../../../../etc/passwd', '/gradio_api/file=http://127.0.0.1:22', '/gradio_api/proxy=http://127.0.0.1:22/x'):
    visit(f'GET {path}', 'control', '4[0-9][0-9]', on_page(lambda p, path=path: _status(p.get(path))), REFUSED)


def path_in_place(p: Page) -> Ran:
    """A path of this machine in the place of an upload."""
    upload = {'path': '/etc/passwd', 'meta': {'_type': 'gradio.FileData'}}
    text = p.ask('Is there water?', at0='upload', at2=upload)
    return Ran(int(text.startswith('error: ')), text, 'error: refused')


visit('a path of the machine in place of an upload', 'control', 'refused', on_page(path_in_place), REFUSED)


def sent(p: Page, path: Path) -> str:
    """Upload a file; return its path there."""
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'
    content = head.encode() + path.read_bytes() + b'\r\n--x--\r\n'
    kind = {'Content-Type': 'multipart/form-data; boundary=x'}
    status, text, _ = p.get('/gradio_api/upload', content, **kind)
    assert status == 200, text
    return str(json.loads(text)[0])


def ended(folder: Path, number: int) -> Ran:
    """Upload, end the page by a signal, look for the upload."""
    image = tif(folder / 'o.tif', scene()[0])
    server = Server()
    server.ensure(str(folder))
    assert server.process is not None
    path = Path(sent(Page(server.url), image))
    assert path.exists()
    os.killpg(server.process.pid, number)
    ran = one_line(server.process.end(), number)
    if path.exists():
        return Ran(0, f'{path.name} is still there')
    return ran if number == signal.SIGINT else as_ran('gone', True)


visit('uploads when the page ends by SIGTERM', '11', 'gone', lambda f: ended(f, signal.SIGTERM), prepare=None)
visit('uploads when the page ends by Ctrl-C', '11+', 'exit', lambda f: ended(f, signal.SIGINT), REFUSED, prepare=None)


def uploaded(optical: Any, sar: Any, about: str = '') -> Callable[[Path], Ran]:
    """Upload a pair and ask."""

    def run(folder: Path) -> Ran:
        o, s = scene()
        files = tif(folder / 'o.tif', optical(o)), tif(folder / 's.tif', sar(s))
        page = Page(SERVER.url)
        data = [{'path': sent(page, file), 'meta': {'_type': 'gradio.FileData'}} for file in files]
        text = page.ask('Is there water?', at0='upload', at2=data[0], at3=data[1])
        ran = as_ran(text)
        if re.search(r'(?i)warning|note:|\u26a0', text):
            ran.err = f'Warning: {text}'
        return ran

    return run


UNITS = r'dB|shows nothing|linear|unit|scale|statistic|range|trained|far|expect|data'
visit('an upload of SAR in linear power', '3', UNITS, uploaded(lambda o: o, linear), TOLD)
visit('an upload of SAR of nothing but zeros', '3+', UNITS, uploaded(lambda o: o, np.zeros_like), TOLD)
visit('an upload of SAR with a pixel of 1e38', '2', rf'{UNITS}|finite', uploaded(lambda o: o, lambda s: np.where(s == s.max(), np.float32(1e38), s)), TOLD)
visit('an upload of 13 bands', 'new', 'band|shape', uploaded(lambda o: np.concatenate([o] * 4 + [o[:1]]), lambda s: s), REFUSED)


def flood(p: Page) -> Ran:
    """More requests at once than may wait: each is answered or told to wait."""
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(_tried(p))) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [a for a in answers if 'sure' in a or re.search(r'wait|full|busy|later|too many', a)]
    return as_ran(f'{len(told)} of {len(answers)} answered or told to wait', len(told) == 24)


def _tried(p: Page) -> str:
    try:
        return p.ask('Is there water?')
    except OSError as error:
        return f'{error}'


visit('24 visitors at once', '12', 'wait', on_page(flood))
