# SPDX-License-Identifier: MIT
"""Tests of the tutorials: their notebooks are run, on less data than a reader's."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / 'docs/tutorials'

#: What the cell tagged 'parameters' is replaced by.
SCENES = "num_scenes = {'train': 40, 'val': 8, 'test': 12}"
SMALL = {
    'explanations': 'num_locations = 6',
    'first_answer': 'location = 5',
    'many_gpus': "num_scenes, max_epochs = '{train: 40, val: 8, test: 5}', 1",
    'osvqa': f'from pathlib import Path\nroot, max_epochs = Path("data"), 1\n{SCENES}',
    'own_area': 'from pathlib import Path\narea, length, max_epochs = Path("area"), 32, 1',
    'own_project': f'max_epochs = 1\n{SCENES}',
    'robustness': SCENES,
}


#: Notes of libraries that nobody who runs a command can act on.
USELESS = (
    'tensorboardX',
    'litlogger',
    'LeafSpec',
    'dirpath has changed',
    'DeprecationWarning',
    'FutureWarning',
)


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    """Cells of a notebook that have a tag."""
    return [c for c in notebook.cells if tag in c.metadata.get('tags', [])]


def test_every_tutorial_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob('*.ipynb')} == set(SMALL)


@pytest.mark.parametrize('name', SMALL)
def test_tutorial_shows_a_whole_run(name: str) -> None:
    notebook = nbformat.read(FOLDER / f'{name}.ipynb', as_version=4)
    cells = [c for c in notebook.cells if c.cell_type == 'code']
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    outputs = [output for c in cells for output in c.outputs]
    assert 'error' not in {output.output_type for output in outputs}
    pictures = ['image/jpeg' in output.get('data', {}) for output in outputs]
    assert any(pictures) or name == 'many_gpus'
    # Nothing of the machine it was run on, and no library's advertisements
    assert '://' not in str(outputs)
    assert str(Path.home()) not in str(outputs)
    assert '/site-packages/' not in str(outputs)


@pytest.fixture(scope='module')
def kernel() -> Iterator[NotebookClient]:
    """One kernel for all notebooks, since a new one imports PyTorch for seconds."""
    client = NotebookClient(nbformat.v4.new_notebook(), timeout=600)
    with client.setup_kernel():
        yield client


@pytest.mark.parametrize('name', SMALL)
def test_tutorial_runs(name: str, kernel: NotebookClient, tmp_path: Path) -> None:
    notebook = nbformat.read(FOLDER / f'{name}.ipynb', as_version=4)
    (parameters,) = tagged(notebook, 'parameters')
    names = {line.split(' =')[0] for line in parameters.source.splitlines()}
    assert all(parameter in SMALL[name] for parameter in names)
    parameters.source = SMALL[name]
    # As in a new kernel: an empty folder, no open figures, no names
    fresh = f"""
import os
from matplotlib import pyplot
os.chdir({str(tmp_path)!r})
pyplot.close('all')
%reset -f
"""
    notebook.cells.insert(0, nbformat.v4.new_code_cell(fresh))
    kernel.nb = notebook
    kernel.reset_execution_trackers()
    for index, cell in enumerate(notebook.cells):
        kernel.execute_cell(cell, index)
    check_screens({path.stem: path.read_text() for path in tmp_path.glob('*.log')})


def check_screens(screens: dict[str, str]) -> None:
    """Check what commands have shown, each in a process of its own."""
    for name, screen in screens.items():
        assert [note for note in USELESS if note in screen] == [], name
        # One process reports, however many there are
        assert screen.count('OA, all questions') == (name != 'predict'), name
    if 'fit' in screens:
        assert screens['fit'].count('torchgeo test') == 1
        assert 'is smaller than the logging interval' in screens['fit']
