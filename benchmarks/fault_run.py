# SPDX-License-Identifier: MIT
"""What a fault of the table is, and how it is run and judged."""

import atexit
import contextlib
import io
import json
import os
import re
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

#: What a caller of the package is told may be raised.
DOCUMENTED = (
    FloatingPointError,
    ImportError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)

#: Verdicts that may be acceptable, the best first; sets of them.
GOOD = ('right', 'warned', 'refused')
RIGHT, REFUSED, TOLD = ('right',), ('refused',), ('refused', 'warned')

#: Verdicts that never are, the worst first.
BAD = ('DAMAGE', 'SILENT', 'HANG', 'CRASH', 'TRACEBACK', 'UNCLEAR')

# Two threads must not fork at once
_FORKING = threading.Lock()

# A refusal is a sentence, not a page
_MAX_LINES, _MAX_CHARS = 9, 900

# Bytes that a case may use: a machine is not to die of it
_MAX_MEMORY = 10 * 2**30


class Damage(Exception):
    """A file that is the user's was changed or lost."""


@dataclass
class Ran:
    """What a program or a function did: exit status, what it printed, what is wrong or right.

    *right* tells whether the answer equals that of another way to it, None if there is none.
    """

    status: int
    out: str = ''
    err: str = ''
    right: bool | None = None
    door: str = ''


@dataclass(frozen=True)
class Case:
    """An input that is wrong or unusual.

    Attributes:
        name: What is unusual, in words.
        row: Row of the catalogue of faults, or 'new'.
        run: Does the real thing in a folder, in a process of its own.
        about: Expression that a refusal or a warning must match: it names the problem.
        accept: Verdicts that are no fault.
        limit: Seconds it may take.
        quick: Whether it belongs to the tests.
        prepare: What is done before, in the process that all cases share.
    """

    name: str
    row: str
    run: Callable[[Path], 'Ran | list[Ran]']
    about: str
    accept: tuple[str, ...] = ('refused', 'warned')
    limit: float = 60
    quick: bool = False
    prepare: Callable[[], object] | None = None


#: All cases.
CASES: list[Case] = []


def case(
    name: str,
    row: str,
    about: str,
    run: Any,
    accept: Sequence[str] = TOLD,
    **options: Any,
) -> None:
    """Add a case."""
    CASES.append(Case(name, row, run, about, tuple(accept), **options))


def call(function: Callable[[], bool | None], door: str = '') -> Ran:
    """Call a function of the package, as a program that shows warnings and errors.

    It returns whether the answer is right, None if nobody knows.
    """
    with warnings.catch_warnings(record=True) as caught, _printed() as (out, err):
        warnings.simplefilter('always')
        try:
            ran = Ran(0, right=function(), door=door)
        except Damage:
            raise
        except DOCUMENTED as error:
            ran = Ran(1, err=f'error: {type(error).__name__}: {error}', door=door)
        except Exception:  # noqa: BLE001
            ran = Ran(1, err=traceback.format_exc(), door=door)
    said = [f'Warning: {w.message}\n' for w in caught if w.category is UserWarning]
    ran.out, ran.err = out.getvalue(), ''.join([err.getvalue(), *said]) + ran.err
    return ran


def command(main: Callable[[Sequence[str]], object], *args: object) -> Ran:
    """Run a command line in this process; what it does not catch is a traceback."""
    status = 0
    with warnings.catch_warnings(), _printed() as (out, err):
        warnings.simplefilter('default', UserWarning)
        try:
            main([str(a) for a in args])
        except SystemExit as end:
            status = (
                end.code if isinstance(end.code, int) else int(end.code is not None)
            )
        except BaseException:  # noqa: BLE001
            status = 1
            traceback.print_exc()
    return Ran(status, out.getvalue(), err.getvalue())


def ask(*args: object) -> Ran:
    """Run ``torchgeo-vqa <args>`` in this process."""
    from torchgeo_vqa.cli import main

    return command(main, *args)


class Process:
    """A command in a process of its own: forked, so that it need not import anything."""

    def __init__(
        self, module: str, args: Sequence[str], env: Mapping[str, str]
    ) -> None:
        """Start ``python -m <module> <args>`` with some environment variables."""
        self._printed = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115
        with _FORKING:
            self.pid = os.fork()
        self.status: int | None = None
        if self.pid:
            return
        os.setsid()
        for number, file in enumerate(self._printed, 1):
            os.dup2(file.fileno(), number)
        sys.stdout, sys.stderr = (open(number, 'w') for number in (1, 2))  # noqa: SIM115
        os.environ.update(env)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = [module, *args]
        status = 0
        try:
            runpy.run_module(module, run_name='__main__', alter_sys=True)
        except SystemExit as done:
            status = (
                done.code if isinstance(done.code, int) else int(done.code is not None)
            )
        except BaseException:  # noqa: BLE001
            status = 1
            traceback.print_exc()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        if self.status is None:
            done, code = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(code) if done else None
        return self.status

    def end(self) -> Ran:
        """Wait for it; return what it did."""
        while self.poll() is None:
            time.sleep(0.02)
        texts = []
        for file in self._printed:
            file.seek(0)
            texts.append(file.read().decode(errors='replace'))
        assert self.status is not None
        return Ran(self.status, *texts)


def start(*args: object, module: str = 'torchgeo_vqa', **env: str) -> Process:
    """Start a command in a process of its own."""
    return Process(module, [*map(str, args)], env)


def interpreter(*args: object, module: str = 'torchgeo_vqa', **kwargs: Any) -> Any:
    """Start a command in a Python of its own, where its beginning and end matter."""
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
    return subprocess.Popen(
        [sys.executable, '-m', module, *map(str, args)], **{**pipes, **kwargs}
    )


def end(process: Any) -> Ran:
    """Wait for a Python of its own."""
    out, err = process.communicate()
    return Ran(process.returncode, out or '', err or '')


def interrupted(
    until: Callable[[], object],
    *args: object,
    number: int = signal.SIGINT,
    **kwargs: Any,
) -> Ran:
    """Interrupt a command once something is so; it must end at once, in a line, with 130.

    Its group of processes gets the signal, as from a terminal.
    """
    process = start(*args, **kwargs)
    while not until():
        if process.poll() is not None:
            raise AssertionError(f'too quick to interrupt: {process.end()}')
        time.sleep(0.02)
    os.killpg(process.pid, number)
    return one_line(process.end(), number)


def one_line(ran: Ran, number: int = signal.SIGINT) -> Ran:
    """Tell whether an interrupted command said so in a line, and exits as such commands do."""
    lines = [line for line in ran.err.splitlines() if _is_text(line)]
    good = ran.status in (128 + number, -number) and len(lines) <= 1
    said = f'exit {ran.status}, {len(lines)} lines: {"".join(lines[-1:])}'
    return Ran(
        1,
        '',
        f'error: {said}' if good else f'Traceback (most recent call last)\n{said}',
    )


def _is_text(line: str) -> bool:
    """Whether a line is neither empty, nor progress, nor a warning of a library."""
    progress = re.search(r'\d+%\||\dit/s|s/it|Warning|^\s+warnings\.warn', line)
    return bool(line.strip()) and not progress


@contextlib.contextmanager
def _printed() -> Any:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


def judge(ran: Ran, about: str) -> tuple[str, str]:
    """Judge what was done by rule: a verdict, and the sentence that it rests on."""
    flags = re.IGNORECASE | re.DOTALL
    if 'Traceback (most recent call last)' in ran.err:
        return 'TRACEBACK', ran.err.strip().splitlines()[-1]
    if ran.status < 0:
        return 'CRASH', signal.Signals(-ran.status).name
    if ran.status:
        _, _, sentence = ran.err.rpartition('error: ')
        sentence = sentence.strip()
        is_short = len(sentence.splitlines()) <= _MAX_LINES
        clear = re.search(about, sentence, flags) and is_short
        clear = clear and len(sentence) <= _MAX_CHARS
        return ('refused' if clear else 'UNCLEAR'), sentence
    if ran.right:
        return 'right', 'equal to the answer by another way'
    for warning in re.finditer(
        r'(\w*warning|note): [^\n]*(\n(?!\S*:)[^\n]*)*', ran.err, flags & ~re.DOTALL
    ):
        if re.search(about, warning[0], flags):
            return 'warned', warning[0].partition(': ')[2].strip()
    said = 'a wrong answer' if ran.right is False else 'an answer'
    return 'SILENT', f'{said}, no word: {ran.out.strip()[:200]}'


def run_case(case: Case, folder: Path) -> list[dict[str, Any]]:
    """Run a case in a process of its own; return verdict, sentence and door of each way."""
    folder.mkdir(parents=True)
    if case.prepare is not None:
        case.prepare()
    with _FORKING:
        pid = os.fork()
    if pid == 0:
        _child(case, folder)
    began, status = time.monotonic(), None
    while status is None and time.monotonic() - began < case.limit:
        time.sleep(0.01)
        done, code = os.waitpid(pid, os.WNOHANG)
        status = code if done else None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    result = folder / '.result.json'
    if status is None:
        os.waitpid(pid, 0)
        return [_view('HANG', f'not done after {case.limit:.0f} s')]
    if not result.exists():
        text = (folder / '.printed').read_text(errors='replace')
        return [_view('CRASH', f'exit {status}: {text.strip()[-300:]}')]
    content = json.loads(result.read_text())
    if 'damage' in content:
        return [_view('DAMAGE', content['damage'])]
    views = []
    for ran in content['ran']:
        verdict, sentence = judge(Ran(**ran), case.about)
        views.append(_view(verdict, sentence, ran['door']))
    return views


def _view(verdict: str, sentence: str, door: str = '') -> dict[str, Any]:
    return {'verdict': verdict, 'sentence': sentence, 'door': door}


def _child(case: Case, folder: Path) -> None:
    """Run a case, write what it did, and end."""
    os.setsid()
    printed = os.open(folder / '.printed', os.O_WRONLY | os.O_CREAT)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    resource.setrlimit(resource.RLIMIT_DATA, (_MAX_MEMORY, _MAX_MEMORY))
    os.chdir(folder)
    os.environ['TORCHGEO_VQA_CACHE'] = str(folder / '.cache')
    with contextlib.suppress(BaseException):
        try:
            ran = case.run(folder)
            rans = ran if isinstance(ran, list) else [ran]
            content: dict[str, Any] = {'ran': [asdict(r) for r in rans]}
        except Damage as damage:
            content = {'damage': str(damage)}
        except BaseException:  # noqa: BLE001
            os.write(2, traceback.format_exc().encode())
            os._exit(9)
        path = folder / '.result.json'
        path.with_suffix('.part').write_text(json.dumps(content))
        path.with_suffix('.part').rename(path)
        os._exit(0)
    os._exit(8)
