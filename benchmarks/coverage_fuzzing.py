# SPDX-License-Identifier: MIT
"""Fuzz the readers of text files for as long as you like, led by what code is reached.

Drives the tests of tests/faults/test_fuzzing.py by atheris, which has to be installed
(``pip install atheris``). Hypothesis alone draws blindly; atheris keeps what reaches new
lines and changes it further:

    python benchmarks/coverage_fuzzing.py test_spoiled_annotations --seconds 600
"""

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: Tests that need nothing but what they draw.
TESTS = ('test_spoiled_annotations', 'test_other_annotations', 'test_spoiled_rsvqa')


def main() -> None:
    """Fuzz one of the tests."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('test', choices=TESTS)
    parser.add_argument('--seconds', type=int, default=60)
    args = parser.parse_args()
    import atheris

    path = ROOT / 'tests/faults/test_fuzzing.py'
    spec = importlib.util.spec_from_file_location('test_fuzzing', path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with atheris.instrument_imports(include=['torchgeo_vqa', 'json']):
        spec.loader.exec_module(module)
    with tempfile.TemporaryDirectory() as corpus:
        options = [f'-max_total_time={args.seconds}', '-print_final_stats=1', corpus]
        one_input = getattr(module, args.test).hypothesis.fuzz_one_input

        def fuzz(data: bytes) -> None:
            one_input(data)

        atheris.Setup([sys.argv[0], *options], fuzz)
        atheris.Fuzz()


if __name__ == '__main__':
    main()
