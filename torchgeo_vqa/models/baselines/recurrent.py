# SPDX-License-Identifier: MIT
"""Recurrent network as a token encoder."""

import torch
from open_clip import CLIPTextCfg
from torch import Tensor, nn

# U texts, L tokens, D width


class RecurrentEncoder(nn.Module):
    """Token features and summary of a recurrent network on learned embeddings.

    It reads the tokens of open_clip's tokenizer, as all our models do.
    """

    context_length = CLIPTextCfg.context_length

    def __init__(self, rnn: nn.GRU | nn.LSTM) -> None:
        """Initialize an encoder on a network that reads forward and takes the batch first.

        Its input size is the width of the embeddings, its hidden size the width D.
        """
        super().__init__()
        self.embedding = nn.Embedding(CLIPTextCfg.vocab_size, rnn.input_size)
        self.rnn = rnn
        self.width = rnn.hidden_size

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Encode token ids (U, L), 0-padded: features of tokens (U, L, D) and of texts (U, D).

        Those of a text are those of its end token. What is read after it never reaches what
        comes before, so padding changes nothing.
        """
        x, _ = self.rnn(self.embedding(tokens))
        # The end token has the highest id
        return x, x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]
