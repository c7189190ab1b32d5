# SPDX-License-Identifier: MIT
"""Does a run of the quickstart reach what it is there to show?

python benchmarks/check_demo.py runs/demo
"""

import argparse
import json
import sys
from pathlib import Path

from routing import routing

#: Lower bounds of a single run, a little below what the worst of three seeds reached.
BOUNDS = {'OA': 0.83, 'AA': 0.79, 'OA above blind': 0.2, 'routing against chance': 2.0}


def main() -> None:
    """Compare the newest run's numbers with the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path)
    folder = parser.parse_args().folder

    def newest(pattern: str) -> Path:
        return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime)

    metrics = json.loads(newest('lightning_logs/*/test_metrics.json').read_text())
    checkpoint = newest('lightning_logs/*/checkpoints/best.ckpt')
    # Either modality may lead to the ship: the one that shows it best does
    found = routing(str(checkpoint))
    best = max(found[m]['hit'] / found[m]['chance'] for m in ('optical', 'sar'))
    values = {
        'OA': metrics['OA'],
        'AA': metrics['AA'],
        'OA above blind': metrics['OA'] - metrics['blind_OA'],
        'routing against chance': best,
    }
    for name, bound in BOUNDS.items():
        verdict = 'ok' if values[name] >= bound else 'TOO LOW'
        print(f'{name:>22}: {values[name]:.3f} (at least {bound}) {verdict}')
    if any(values[name] < bound for name, bound in BOUNDS.items()):
        sys.exit(1)


if __name__ == '__main__':
    main()
