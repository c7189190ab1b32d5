# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Names that parameters had before version 0.1, so that older checkpoints load.

To be removed with version 0.2. The functions are hooks of
:meth:`~torch.nn.Module.register_load_state_dict_pre_hook`.
"""

import re
from collections.abc import MutableMapping
from typing import Any

from torch import Tensor, nn

# Former and current names, as regular expressions
_TGFNET = {
    r'guide': r'guidance.vector',
    r'(cfar\..+\.mlp|rqaf\.mlp)\.0\.(.+)': r'\1.fc1.\2',
    r'(cfar\..+\.mlp|rqaf\.mlp)\.2\.(.+)': r'\1.fc2.\2',
    r'(experts\.\w+)\.place_gain': r'\1.pooling.position_gain',
    r'(experts\.\w+)\.((norm|focus|gate|gate_bias|pool)\..+)': r'\1.pooling.\2',
}


def rename_tgfnet_keys(
    module: nn.Module | None,
    state: MutableMapping[str, Tensor],
    prefix: str = '',
    *args: Any,
) -> None:
    """Give the parameters of a :class:`~torchgeo_vqa.models.TGFNet` their current names.

    Args:
        module: The model, not used.
        state: Parameters and buffers by name, changed in place.
        prefix: What the names start with.
        *args: What else PyTorch gives to such a hook, not used.
    """
    _rename(state, prefix, _TGFNET)


def _rename(
    state: MutableMapping[str, Tensor], prefix: str, names: dict[str, str]
) -> None:
    """Rename keys in place; their order stays."""
    for key in list(state):
        value, name = state.pop(key), key
        if key.startswith(prefix):
            name = key.removeprefix(prefix)
            for former, current in names.items():
                if re.fullmatch(former, name):
                    name = re.sub(former, current, name)
                    break
            name = prefix + name
        state[name] = value
