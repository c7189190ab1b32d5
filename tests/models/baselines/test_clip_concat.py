# SPDX-License-Identifier: MIT
"""Tests of concatenated CLIP features."""

from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor

from torchgeo_vqa.models import clip_concat


def test_features_are_clips(tmp_path: Path, batch: dict[str, Tensor]) -> None:
    """From the weights of a file, they are what open_clip's own model gives."""
    torch.manual_seed(1)
    clip: Any = open_clip.create_model('tgfnet-tiny', force_custom_text=True).eval()
    path = tmp_path / 'clip.pt'
    torch.save(clip.state_dict(), path)
    model: Any = clip_concat(7, path, clip='tgfnet-tiny').eval()
    images = model.encode_images(batch['image_optical'])
    questions = model.encode_questions(batch['question'][0])
    expected = clip.encode_image(batch['image_optical'], normalize=True)
    torch.testing.assert_close(images[:, :128], expected, atol=1e-5, rtol=0)
    expected = clip.encode_text(batch['question'][0], normalize=True)
    torch.testing.assert_close(questions, expected, atol=1e-5, rtol=0)
    # SAR comes second
    sar = F.normalize(model.image_encoders['sar'].visual(batch['image_sar']), dim=-1)
    images = model.encode_images(None, batch['image_sar'])
    torch.testing.assert_close(images[:, 128:], sar)
