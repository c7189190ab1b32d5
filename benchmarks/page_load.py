# SPDX-License-Identifier: MIT
"""Does the page hold when many ask at once, and some ask too much?

Starts the page as a user does, and lets visitors ask over its API, of whom some send large
questions and bodies again and again:

    python benchmarks/page_load.py

Every visitor has an address of its own, as behind a reverse proxy. What is measured, and the
limits of the page, are tables of the documentation.
"""

import argparse
import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from side_by_side import ROOT, write
from torchgeo_vqa.page import limits

#: What the others send.
KINDS = ('', 'questions of 1 MB', 'bodies of 60 MB')

QUESTIONS = ('Is there water in the image?', 'How many buildings are there?')

CALL = '/gradio_api/call/answer'


def start() -> tuple[subprocess.Popen[bytes], str]:
    """Start the page, and return its process and address."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    command = [sys.executable, '-m', 'torchgeo_vqa', 'app', '--port', str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f'http://127.0.0.1:{port}'
    while True:
        try:
            httpx.get(url)
            return process, url
        except httpx.TransportError:
            if process.poll() is not None:
                raise RuntimeError('the page does not start') from None
            time.sleep(0.2)


def memory(process: subprocess.Popen[bytes]) -> float:
    """Most memory that a process had since the last call, in MB."""
    folder = Path(f'/proc/{process.pid}')
    found = re.search(r'VmHWM:\s+(\d+)', (folder / 'status').read_text())
    assert found
    (folder / 'clear_refs').write_text('5')
    return int(found[1]) / 1024


async def ask(client: httpx.AsyncClient, values: list[Any]) -> tuple[str, int]:
    """Ask, and return how it ended, and how many visitors were said to be before."""
    before = 0
    response = await client.post(CALL, json={'data': values})
    if response.status_code in (429, 503):
        return 'told to wait', 0
    if response.status_code != 200:
        return f'failed: HTTP {response.status_code}', 0
    event = response.json()['event_id']
    text = (await client.get(f'{CALL}/{event}')).text
    said = re.findall(r'(\d+) visitors? (?:is|are) before you', text)
    before = max(map(int, said), default=0)
    if 'event: complete' in text:
        return 'answered', before
    return 'told to wait' if 'come back' in text else f'failed: {text[-200:]}', before


async def visit(url: str, number: int, pair: str, found: list[dict[str, Any]]) -> None:
    """Ask proper questions, one after the other, with a pause in between."""
    headers = {'X-Forwarded-For': f'10.0.0.{number}'}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=300) as client:
        await asyncio.sleep(number / 50)
        for question in QUESTIONS:
            began = time.monotonic()
            values = ['a pair of the sample', pair, None, None, 0.2, 1, question]
            try:
                ended, before = await ask(client, values)
            except httpx.TransportError as error:
                ended, before = f'failed: {error!r}', 0
            seconds = time.monotonic() - began
            found.append({'ended': ended, 'before': before, 'seconds': seconds})
            await asyncio.sleep(1)


async def send_too_much(url: str, number: int, kind: str, found: Counter[str]) -> None:
    """Send what the page does not take, again and again."""
    size = 10**6 if 'questions' in kind else 60 * 10**6
    values = ['a pair of the sample', '', None, None, 0, 1, 'abcdefgh' * (size // 8)]
    body = json.dumps({'data': values}).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 2**16):
            yield body[start : start + 2**16]

    headers = {
        'X-Forwarded-For': f'10.0.1.{number}',
        'Content-Type': 'application/json',
    }
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=300) as client:
        for turn in count():
            try:
                # Every other body does not say how large it is
                content: Any = chunks() if turn % 2 else body
                status = (await client.post(CALL, content=content)).status_code
                found[f'HTTP {status}'] += 1
            except httpx.TransportError:
                found['cut off'] += 1
            await asyncio.sleep(0.2)


async def measure(url: str, pair: str, proper: int, others: int, kind: str) -> Any:
    """Let visitors ask, and return what became of their questions."""
    found: list[dict[str, Any]] = []
    refused: Counter[str] = Counter()
    senders = [
        asyncio.create_task(send_too_much(url, number, kind, refused))
        for number in range(others)
    ]
    await asyncio.gather(*(visit(url, n, pair, found) for n in range(proper)))
    for sender in senders:
        sender.cancel()
    await asyncio.gather(*senders, return_exceptions=True)
    ended = Counter(one['ended'].partition(':')[0] for one in found)
    return {
        'proper visitors': proper,
        'others': f'{others} send {kind}' if others else '',
        'questions': len(found),
        **{name: ended[name] for name in ('answered', 'told to wait', 'failed')},
        'failures': sorted({one['ended'] for one in found if 'failed' in one['ended']}),
        'median seconds': median(one['seconds'] for one in found),
        'most seconds': max(one['seconds'] for one in found),
        'most before': max(one['before'] for one in found),
        'refused': dict(refused),
    }


def limit_table() -> list[str]:
    """Return the limits of the page, as lines of a table."""
    mib = 2**20
    rows = [
        ('characters of a question', limits.MAX_QUESTION),
        ('tokens of a question', 'what the model reads, 75 for CLIP'),
        ('body of a request', f'{limits.MAX_BODY // 2**10} KiB'),
        ('uploaded image', f'{limits.MAX_UPLOAD // mib} MiB'),
        ('pixels of an image', f'{limits.MAX_PIXELS:,}'),
        ('values of all bands', f'{limits.MAX_VALUES:,} in {limits.MAX_BANDS} bands'),
        ('uploads kept', f'{limits.MAX_STORED // mib:,} MiB'),
        ('an upload is removed after', f'{limits.UPLOAD_SECONDS} s'),
        ('questions that wait', limits.MAX_WAITING),
        ('a question waits', f'{limits.WAIT_SECONDS:.0f} s'),
        ('an answer takes', f'{limits.ANSWER_SECONDS:.0f} s'),
        ('a body arrives in', f'{limits.BODY_SECONDS:.0f} s'),
        ('connections', limits.MAX_CONNECTIONS),
        ('requests of an address a minute', limits.REQUESTS['']),
        ('uploads of an address a minute', limits.REQUESTS['/upload']),
    ]
    return ['| limit | at most |', '|---|---|', *(f'| {a} | {b} |' for a, b in rows)]


def load_table(scenes: list[dict[str, Any]]) -> list[str]:
    """Return what was measured, as lines of a table."""
    names = (
        'proper visitors',
        'others',
        'questions',
        'answered',
        'told to wait',
        'failed',
    )
    head = [*names, 'median', 'longest', 'most before', 'memory']
    rows = [
        [
            *(str(scene[name]) for name in names),
            f'{scene["median seconds"]:.1f} s',
            f'{scene["most seconds"]:.1f} s',
            str(scene['most before']),
            f'{scene["megabytes"]:,.0f} MB',
        ]
        for scene in scenes
    ]
    lines = [head, ['---'] * len(head), *rows]
    return [f'| {" | ".join(line)} |' for line in lines]


def main() -> None:
    """Measure and write numbers and tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--visitors', type=int, default=50)
    parser.add_argument('--others', type=int, default=5, help='how many ask too much')
    parser.add_argument('--output', type=Path, default=ROOT / 'docs/_static/page')
    args = parser.parse_args()
    process, url = start()
    try:
        config = httpx.get(f'{url}/config').json()
        boxes = [c['props'] for c in config['components']]
        pair = next(box['value'] for box in boxes if box.get('label') == 'Pair')
        asyncio.run(measure(url, pair, 1, 0, ''))  # the first answer takes longer
        at_rest, proper = memory(process), args.visitors - args.others
        scenes = []
        for kind in KINDS:
            others = args.others if kind else 0
            scene = asyncio.run(measure(url, pair, proper, others, kind))
            scenes.append({**scene, 'megabytes': memory(process)})
            print(scenes[-1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    ratios = [s['median seconds'] / scenes[0]['median seconds'] for s in scenes[1:]]
    content = {'scenes': scenes, 'ratios': ratios, 'megabytes at rest': at_rest}
    write('load', content, args.output)
    (args.output / 'load.md').write_text('\n'.join(load_table(scenes)) + '\n')
    (args.output / 'limits.md').write_text('\n'.join(limit_table()) + '\n')
    failed = sum(scene['failed'] for scene in scenes)
    sys.exit(failed > 0 or max(ratios) > 3)


if __name__ == '__main__':
    main()
