# SPDX-License-Identifier: MIT
"""Names that parameters had before version 0.1, so that older checkpoints load.

To be removed with version 0.2.
"""

import re
from collections.abc import MutableMapping
from typing import Any

from torch import Tensor, nn

_MLPS = r'(?:en|de)coder\.\d+\.mlp|(?:image|question)_pooling\.score|fusion\.gate'

# Former and current names, as regular expressions
_RENAMED = {
    # TGFNet
    r'guide': r'guidance.vector',
    r'(cfar\..+\.mlp|rqaf\.mlp)\.0\.(.+)': r'\1.fc1.\2',
    r'(cfar\..+\.mlp|rqaf\.mlp)\.2\.(.+)': r'\1.fc2.\2',
    r'(experts\.\w+)\.place_gain': r'\1.pooling.position_gain',
    r'(experts\.\w+)\.((?:norm|focus|gate|gate_bias|pool)\..+)': r'\1.pooling.\2',
    # GFTransformer
    rf'({_MLPS})\.0\.(.+)': r'\1.fc1.\2',
    rf'({_MLPS})\.3\.(.+)': r'\1.fc2.\2',
    r'(decoder\.\d+\.gated)\.place\.weight': r'\1.position.weight',
}


def rename_keys(
    module: nn.Module | None,
    state: MutableMapping[str, Tensor],
    prefix: str = '',
    *args: Any,
) -> None:
    """Give the parameters of TGFNet and GFTransformer their current names, in place.

    It is a hook of :meth:`~torch.nn.Module.register_load_state_dict_pre_hook`.
    """
    for key in list(state):
        value, name = state.pop(key), key
        if key.startswith(prefix):
            name = key.removeprefix(prefix)
            for former, current in _RENAMED.items():
                name = re.sub(f'^{former}$', current, name)
            name = prefix + name
        state[name] = value
