# SPDX-License-Identifier: MIT
"""Tests of reading JSON piece by piece."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchgeo_vqa.annotations import json_stream
from torchgeo_vqa.annotations.json_stream import stream

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    content=st.lists(VALUES) | st.dictionaries(st.text(), VALUES),
    indent=st.sampled_from([None, 1]),
    chunk=st.integers(1, 9),
)
def test_reads_what_json_reads(
    content: Any,
    indent: int | None,
    chunk: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(content, indent=indent))
    with monkeypatch.context() as patch:
        # borders of chunks everywhere, within numbers and escapes too
        patch.setattr(json_stream, '_CHUNK', chunk)
        read = list(stream(path))
    if isinstance(content, list):
        assert read == [(None, element) for element in content]
    else:
        expected = []
        for key, value in content.items():
            elements = value if isinstance(value, list) else [value]
            expected += [(key, element) for element in elements]
        assert read == expected


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'the end of the file'),
        ('3', "got '3'"),
        ('[1, 2', 'the end of the file'),
        ('[1 2]', "expected one of , ], got '2', at character 3"),
        ('[1, nope]', 'Expecting value, at character 4'),
        ('{"a" 1}', 'expected one of :'),
        ('[1] []', 'there is more after its end'),
    ],
)
def test_bad_json(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'bad.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=r'bad\.json is not valid JSON') as info:
        list(stream(path))
    assert message in str(info.value)
