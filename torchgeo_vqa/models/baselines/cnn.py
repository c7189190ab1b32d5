# SPDX-License-Identifier: MIT
"""Convolutional networks of timm as image encoders, with early fusion.

If you use a network of timm in your research, please cite:

* https://doi.org/10.5281/zenodo.4414861
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import adapt_input_conv, load_state_dict
from torch import Tensor, nn

from ...sample import MODALITIES
from ..modality import channels_of, fill_absent

# B pairs, H/W pixels, C channels, h x w grid of features, D width

#: Side of the images of a network whose configuration names none, such as
#: ``tgfnet_tiny_conv``.
IMAGE_SIZE = 64


class CNNEncoder(nn.Module):
    """Feature map of a CNN that sees the modalities as channels of one image.

    This is early fusion. To the CNN, an absent image is one of zeros, the mean after
    normalisation.
    """

    def __init__(
        self, cnn: nn.Module, channels: Mapping[str, int], image_size: int
    ) -> None:
        """Initialize an encoder on a network of timm, for images of a size in pixels.

        *channels* are those of each modality's image, in the order the CNN takes them.
        """
        super().__init__()
        self.cnn = cnn
        self.channels = dict(channels)
        self.image_size = image_size
        with torch.no_grad():
            size = (1, sum(channels.values()), image_size, image_size)
            training = self.training
            _, self.width, *self.grid = self.eval()._features(torch.zeros(size)).shape
            self.train(training)

    def _features(self, x: Tensor) -> Tensor:
        """Return the last feature map."""
        (features,) = self.cnn.forward_intermediates(  # type: ignore[operator]
            x, indices=1, norm=True, intermediates_only=True, output_fmt='NCHW'
        )
        return features

    def forward(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> Tensor:
        """Encode pairs of normalised images (B, C, H, W) as a feature map (B, D, h, w).

        Raise a ValueError if there is no image that the model uses.
        """
        images = fill_absent(image_optical, image_sar, self.channels)
        return self._features(torch.cat(list(images.values()), dim=1))


def cnn_encoder(
    backbone: str = 'resnet152',
    pretrained: str | os.PathLike[str] | None = None,
    modalities: Sequence[str] = MODALITIES,
    sar_channels: int = 2,
    image_size: int | None = None,
) -> CNNEncoder:
    """Build a CNN encoder on any network of timm, *backbone* of ``timm.list_models()``.

    *pretrained* is 'timm' for the weights that timm downloads, a local file of timm weights,
    or None for random weights, which a UserWarning tells. The first layer's weights are
    repeated over the channels of the *modalities*, of 'optical' and 'sar'. The *image_size*
    in pixels defaults to the network's own.

    Raises:
        ValueError: If *backbone* is unknown, *pretrained* is neither 'timm' nor a file
            that fits, or *modalities* holds anything but 'optical' and 'sar'.
    """
    if not timm.is_model(backbone):
        raise ValueError(
            f'backbone must be one of timm.list_models(), got {backbone!r}'
        )
    if pretrained is None and timm.is_model_pretrained(backbone):
        warnings.warn(
            f'{backbone} starts from random weights. To start from pretrained ones, set '
            "pretrained to 'timm' or to a local file of timm weights.",
            UserWarning,
            stacklevel=3,
        )
    channels = channels_of(modalities, sar_channels)
    cnn: Any = timm.create_model(
        backbone, pretrained=pretrained == 'timm', in_chans=sum(channels.values())
    )
    cnn.prune_intermediate_layers(1, prune_head=True)
    if pretrained is not None and pretrained != 'timm':
        _load_weights(cnn, Path(pretrained))
    if image_size is None:
        image_size = cnn.default_cfg.get('input_size', (3, IMAGE_SIZE, IMAGE_SIZE))[-1]
    return CNNEncoder(cnn, channels, image_size)


def _load_weights(cnn: nn.Module, path: Path) -> None:
    """Load a file of weights, for any number of input channels and without a head."""
    if not path.is_file():
        raise ValueError(
            "pretrained must be 'timm' or a local file of timm weights, got "
            f'{str(path)!r}'
        )
    weights = load_state_dict(str(path), weights_only=True)
    name, conv = next(
        (f'{n}.weight', m) for n, m in cnn.named_modules() if isinstance(m, nn.Conv2d)
    )
    if name in weights and weights[name].shape[1] != conv.in_channels:
        weights[name] = adapt_input_conv(conv.in_channels, weights[name])
    missing = cnn.load_state_dict(weights, strict=False).missing_keys
    if missing:
        raise ValueError(
            f'pretrained={str(path)!r} does not fit the backbone: it has no {missing[0]}'
        )
