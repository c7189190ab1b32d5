# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of reading large JSON files item by item."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchgeo_vqa.datasets import json_items as module
from torchgeo_vqa.datasets.json_items import json_items

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    data=st.dictionaries(st.text(), values),
    chunk=st.integers(1, 9),
    indent=st.sampled_from([None, 1]),
    ensure_ascii=st.booleans(),
)
def test_any_object_in_chunks_of_any_size(
    tmp_path_factory: pytest.TempPathFactory,
    data: dict[str, Any],
    chunk: int,
    indent: int | None,
    ensure_ascii: bool,
) -> None:
    path = tmp_path_factory.mktemp('json') / 'data.json'
    text = json.dumps(data, indent=indent, ensure_ascii=ensure_ascii)
    path.write_text(text, encoding='utf-8')
    expected = []
    for key, value in data.items():
        expected += (
            [(key, v) for v in value] if isinstance(value, list) else [(key, value)]
        )
    longest = len(text)
    with pytest.MonkeyPatch.context() as patch:
        # An item must fit in a chunk, but where a chunk ends is anywhere
        patch.setattr(module, '_CHUNK', max(chunk, longest // 3))
        assert list(json_items(path)) == expected


@pytest.mark.parametrize(
    'content',
    [
        '',
        '[]',
        '{',
        '{"a"',
        '{"a": [1, 2}',
        '{"a": [1 2]}',
        '{"a": 1,}',
        '{"a": 1} 2',
        '{a: 1}',
        '{"a": "b',
        '{"a": nonsense}',
    ],
)
def test_invalid(tmp_path: Path, content: str) -> None:
    path = tmp_path / 'data.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=r'data\.json is not a valid JSON object'):
        list(json_items(path))


def test_not_unicode(tmp_path: Path) -> None:
    path = tmp_path / 'data.json'
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ValueError, match=r'data\.json'):
        list(json_items(path))


def test_a_broken_file_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'data.json'
    path.write_text('{"a": [{"b": nonsense}' + ', {}' * 10_000 + ']}')
    read: list[None] = []
    monkeypatch.setattr(module, '_CHUNK', 100)
    monkeypatch.setattr(module._Text, '_fill', _counting(module._Text._fill, read))
    with pytest.raises(ValueError, match='not a valid JSON object'):
        list(json_items(path))
    assert len(read) < 6


def _counting(function: Any, calls: list[None]) -> Any:
    """Count the calls of a method."""

    def counted(self: Any) -> None:
        calls.append(None)
        function(self)

    return counted
