# SPDX-License-Identifier: MIT
"""Tests of the package as a whole: what it declares and what it makes known."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
import torchgeo.models
from torchgeo.datamodules import BaseDataModule
from torchgeo.tasks import BaseTask

import torchgeo_vqa

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
SOURCES = sorted((ROOT / 'torchgeo_vqa').rglob('*.py'))
OURS = {'torchgeo_vqa', '_torchgeo_vqa_autoload'}
HEADER = '# SPDX-License-Identifier: MIT\n"""'


def normalized(name: str) -> str:
    """Return a distribution's name as package indexes compare it."""
    return re.sub(r'[-_.]+', '-', name).lower()


def test_version() -> None:
    assert torchgeo_vqa.__version__ == PROJECT['version']


def test_dependencies_are_what_is_imported() -> None:
    imported: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(str(node.module).split('.')[0])
    distributions = packages_distributions()
    needed = {
        # what is optional need not be installed
        normalized(distributions.get(name, [name])[0])
        for name in imported - sys.stdlib_module_names - OURS
    }
    extras = PROJECT['optional-dependencies']
    optional = [*extras['generate'], *extras['app']]
    declared = {
        normalized(re.split(r'[^\w.-]', dependency)[0])
        for dependency in [*PROJECT['dependencies'], *optional]
    }
    assert declared == needed


def test_dependencies_have_floors_and_no_ceilings() -> None:
    extras = PROJECT['optional-dependencies'].values()
    for dependency in chain(PROJECT['dependencies'], *extras):
        assert '>=' in dependency
        assert '<' not in dependency
        assert '==' not in dependency


def test_public_names_are_documented() -> None:
    """A page of the reference for every module that says what is public."""
    for path in SOURCES:
        module = path.parent if path.name == '__init__.py' else path
        if module.parent == ROOT / 'torchgeo_vqa' and '__all__' in path.read_text():
            page = ROOT / f'docs/api/{module.stem}.rst'
            assert f'automodule:: torchgeo_vqa.{module.stem}' in page.read_text()
            assert f'api/{module.stem}\n' in (ROOT / 'docs/index.md').read_text()


def test_files_have_headers() -> None:
    others = [
        path
        for folder in ('tests', 'docs', 'benchmarks')
        for path in (ROOT / folder).rglob('*.py')
    ]
    for path in [ROOT / '_torchgeo_vqa_autoload.py', *SOURCES, *others]:
        if path.stat().st_size:
            assert path.read_text().startswith(HEADER), path


@pytest.mark.parametrize('name', ['tgfnet', 'tgfnet_tiny'])
def test_models_are_in_the_zoo(name: str) -> None:
    assert name in torchgeo.models.list_models()


@pytest.mark.parametrize('name', ['tgfnet', 'VQATask'])
def test_tasks_are_known(name: str) -> None:
    assert name in names(BaseTask)


@pytest.mark.parametrize('name', ['OSVQADataModule', 'OSVQAMiniDataModule'])
def test_data_modules_are_known(name: str) -> None:
    assert name in names(BaseDataModule)


def names(cls: type) -> set[str]:
    """Return the names of all subclasses, where LightningCLI looks short names up."""
    subclasses: list[type] = cls.__subclasses__()
    return {x.__name__ for x in subclasses}.union(*map(names, subclasses))
