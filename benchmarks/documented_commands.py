# SPDX-License-Identifier: MIT
"""Do the commands of the README and of the documentation run?

Runs each of them once, with the programs of a fresh environment, on a synthetic area:

    python3 -m venv /tmp/env && /tmp/env/bin/pip install '.[app,generate,tensorboard]'
    .venv/bin/python benchmarks/documented_commands.py /tmp/env

Trainings are cut to two batches, without weights to download. What needs another machine is left out, and listed.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from torchgeo_vqa.synthetic.area import write_area

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md')))
BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.MULTILINE | re.DOTALL)

#: Why a command that holds a text is not run.
NOT_RUN = {
    's3://': 'needs a bucket',
    'num_nodes 2': 'needs two machines',
    'data/rsvqa': 'needs a dataset to download',
    'data/ben ': 'needs a dataset to download',
    'benchmarks/': 'measures for an hour',
    'make ': 'a target of the Makefile',
    'pip install': 'made the environment',
    'python3 -m venv': 'made the environment',
    'source ': 'made the environment',
}

SHORT = {
    'fit': '--trainer.max_epochs 1 --trainer.limit_train_batches 2 '
    '--trainer.limit_val_batches 2',
    'test': '--trainer.limit_test_batches 2',
    'predict': '--trainer.limit_predict_batches 2',
}

#: What a command that holds a text is given besides: random weights instead of a download,
#: processes of the CPU instead of GPUs, and a small model for four of them.
BESIDES = {
    'pretrained openai': '--model.pretrained null',
    'configs/osvqa.yaml': '--model.pretrained null --data.num_workers 0 '
    '--data.batch_size 2 --data.questions_per_sample 2',
    'OSVQADataModule': '--data.batch_size 2 --data.questions_per_sample 2',
    'MapVQADataModule': '--data.batch_size 2 --data.questions_per_sample 2 --data.length 4',
    'devices 4': '--trainer.accelerator cpu --model.model tgfnet_tiny '
    '--model.model_args null',
}

#: Programs that run until they are ended, and what they print when they are ready.
SERVERS = {'torchgeo-vqa app': 'The page is at', 'tensorboard': 'http'}


def commands() -> list[str]:
    """Return the commands of all pages, each once."""
    lines = [
        line.removeprefix('$ ')
        for page in PAGES
        for language, block in BLOCK.findall(page.read_text())
        for line in block.splitlines()
        if (language == 'console' and line.startswith('$ '))
        or (language == 'sh' and line and not line.startswith('#'))
    ]
    return list(dict.fromkeys(lines))


def block(language: str) -> str:
    """Return the first block in a language of the page about one's own data."""
    page = (ROOT / 'docs/user/own_data.md').read_text()
    return next(text for name, text in BLOCK.findall(page) if name == language)


class Commands:
    """Runs commands, each in a folder with the files that the pages name."""

    def __init__(self, environment: Path, folder: Path) -> None:
        """Make the files, with the programs of the environment themselves."""
        self.folder = folder
        self.path = f'{environment / "bin"}{os.pathsep}{os.environ["PATH"]}'
        self.files = folder / 'files'
        classes = write_area(self.files, 512)
        (self.files / 'classes.yaml').write_text(str(classes))
        for name in ('sentinel1', 'sentinel2'):
            (self.files / name).mkdir()
            shutil.copy(self.files / f'{name}.tif', self.files / name)
        for name, file in {
            'optical': 'sentinel2',
            'sar': 'sentinel1',
            'labels': 'land_cover',
        }.items():
            (self.files / 'maps' / name).mkdir(parents=True)
            shutil.copy(self.files / f'{file}.tif', self.files / 'maps' / name)
            if name != 'labels':
                (self.files / 'images' / name).mkdir(parents=True)
                for i in (1, 2, 3):
                    target = self.files / 'images' / name / f'field_{i}.tif'
                    shutil.copy(self.files / f'{file}.tif', target)
        (self.files / 'questions.csv').write_text(block('text'))
        shutil.copytree(
            ROOT / 'torchgeo_vqa/configs', self.files / 'torchgeo_vqa/configs'
        )
        maps = '--optical maps/optical --sar maps/sar --labels maps/labels'
        self.run(
            f'torchgeo-vqa generate {maps} --classes classes.yaml --patch_size 32 '
            '--num_patches 40 --num_workers 1 --output data/OSVQA_1.0',
            self.files,
        )
        for name in ('rgb', 'sar'):
            images = self.files / 'data/OSVQA_1.0/images' / name
            shutil.make_archive(str(self.files / name), 'zip', images)
        for name in ('fields', 'generated'):
            release = self.files / 'data/OSVQA_1.0'
            shutil.copytree(release, self.files / 'data' / name)
        # The runs whose checkpoints the pages name
        self.runs = {}
        for name, options in {
            'best.ckpt': '--model tgfnet',
            'clip.ckpt': '--config torchgeo_vqa/configs/clip.yaml',
        }.items():
            self.runs[name] = own = folder / name
            shutil.copytree(self.files, own)
            self.run(f'torchgeo fit {options} {SHORT["fit"]}', own)
            run = own / 'lightning_logs/version_0'
            shutil.copy(run / 'checkpoints' / name, own / name)

    def run(self, command: str, cwd: Path) -> None:
        """Run a command; raise a RuntimeError with what it printed if it fails."""
        log = cwd / 'log.txt'
        env = {**os.environ, 'PATH': self.path, 'CUDA_VISIBLE_DEVICES': ''}
        with log.open('w') as file:
            program = subprocess.Popen(
                shlex.split(command, comments=True),
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=env,
            )
            ready = next((r for s, r in SERVERS.items() if command.startswith(s)), None)
            if ready is not None:
                stop = time.monotonic() + 120
                while ready not in log.read_text() and time.monotonic() < stop:
                    if program.poll() is not None:
                        break
                    time.sleep(0.5)
                program.terminate()
            code = program.wait(900)
        text = log.read_text()
        failed = code and ready is None
        if failed or 'Traceback' in text or (ready and ready not in text):
            raise RuntimeError(f'exit {code}: {text[-2000:]}')

    def run_documented(self, command: str) -> None:
        """Run a command of the documentation in a folder of its own."""
        template = next((r for n, r in self.runs.items() if n in command), self.files)
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            cwd = Path(folder) / 'user'
            shutil.copytree(template, cwd, symlinks=True)
            if 'tensorboard' in command:
                (cwd / 'lightning_logs').mkdir(exist_ok=True)
            for made in ('data/fields', 'data/generated'):
                if f'--output {made}' in command:
                    shutil.rmtree(cwd / made)
            words = command.split()
            if words[0] == 'torchgeo' and 'help' not in command:
                command += f' {SHORT[words[1]]}'
                if words[1] == 'fit' and '--ckpt_path' in words:
                    command += ' --trainer.max_epochs 2'
                command += ''.join(f' {b}' for t, b in BESIDES.items() if t in command)
            self.run(command, cwd)


def main() -> None:
    """Run the commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('environment', type=Path, help='virtual environment')
    parser.add_argument(
        '--only',
        nargs='+',
        default=[''],
        help='run commands that hold one of these texts',
    )
    args = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        programs = Commands(args.environment.absolute(), Path(folder))
        for command in commands():
            if not any(text in command for text in args.only):
                continue
            reason = next((r for text, r in NOT_RUN.items() if text in command), None)
            if reason is not None:
                print(f'not run, {reason}: {command}', flush=True)
                continue
            start = time.monotonic()
            try:
                programs.run_documented(command)
                outcome = 'runs'
            except RuntimeError as error:
                outcome, failures = f'FAILS, {error}', failures + 1
            print(f'{outcome}, {time.monotonic() - start:.0f} s: {command}', flush=True)
    sys.exit(failures > 0)


if __name__ == '__main__':
    main()
