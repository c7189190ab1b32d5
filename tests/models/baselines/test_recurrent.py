# SPDX-License-Identifier: MIT
"""Tests of the recurrent encoder."""

import open_clip
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torchgeo_vqa.models.baselines.recurrent import RecurrentEncoder


@pytest.mark.parametrize('kind', [nn.GRU, nn.LSTM])
def test_equals_packed_sequences(kind: type[nn.GRU | nn.LSTM]) -> None:
    """Padding that is read is as good as padding that is cut off text by text."""
    torch.manual_seed(0)
    encoder = RecurrentEncoder(kind(8, 12, batch_first=True))
    tokens = open_clip.tokenize(['Is there a ship?', 'How many ships are there?', ''])
    x, summary = encoder(tokens)
    lengths = (tokens != 0).sum(1)
    packed = pack_padded_sequence(
        encoder.embedding(tokens), lengths, batch_first=True, enforce_sorted=False
    )
    expected, _ = pad_packed_sequence(encoder.rnn(packed)[0], batch_first=True)
    assert encoder.width == 12
    for text, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(x[text, :length], expected[text, :length])
        torch.testing.assert_close(summary[text], expected[text, length - 1])
