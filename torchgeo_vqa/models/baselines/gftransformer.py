# SPDX-License-Identifier: MIT
"""GFTransformer: a transformer with gated attention and mutual fusion.

If you use this model in your research, please cite the following paper:

* https://doi.org/10.1016/j.isprsjprs.2024.06.002
"""

import math
from typing import Any, NamedTuple, cast, override

import torch
import torch.nn.functional as F
from einops import rearrange
from timm.layers import Mlp
from torch import Tensor, nn

from ..options import options_of, take_options
from ..renamed_keys import rename_keys
from ..vqa import EncodedQuestions, trim
from .cnn import CNNEncoder, cnn_encoder
from .recurrent import RecurrentEncoder
from .single_head import CNNModel

# B pairs, Q questions in all, U unique questions, h x w grid of patches, N = h * w,
# L tokens, D width, k heads, d = D / k, F width of the fusion, A answers


class EncodedPatches(NamedTuple):
    """Encoded pairs of images."""

    #: Patches, (B, N, D).
    patches: Tensor
    #: How far patches are apart, (N, N, 3).
    offsets: Tensor


class GatedAttention(nn.Module):
    """Self-attention of patches, a gated mix of attention by content and by position.

    It is the gated positional self-attention of https://doi.org/10.48550/arXiv.2103.10697.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        """Initialize a new GatedAttention instance of width D with k heads."""
        super().__init__()
        self.num_heads = num_heads
        self.inputs = nn.Linear(width, 3 * width)
        self.position = nn.Linear(3, num_heads, bias=False)
        self.gate = nn.Parameter(torch.ones(num_heads))
        self.output = nn.Linear(width, width)
        # At first, each head looks to another side: the squared distance from a point
        # beside the patch is, but for a constant, linear in the offsets
        angle = torch.arange(num_heads) * 2 * math.pi / num_heads
        sides = torch.stack([angle.sin(), angle.cos(), torch.full_like(angle, -0.5)], 1)
        self.position.weight.data.copy_(2 * sides)

    def forward(self, patches: Tensor, offsets: Tensor) -> Tensor:
        """Attend: patches (B, N, D) and offsets (N, N, 3) to (B, N, D)."""
        query, key, value = rearrange(
            self.inputs(patches), 'b n (t k d) -> t b k n d', t=3, k=self.num_heads
        )
        by_content = F.scaled_dot_product_attention(query, key, value)
        shares = rearrange(self.position(offsets), 'n m k -> k n m').softmax(-1)
        by_position = shares @ value
        gate = self.gate.sigmoid()[:, None, None]
        mixed = (1 - gate) * by_content + gate * by_position
        return cast(Tensor, self.output(rearrange(mixed, 'b k n d -> b n (k d)')))


class WordAttention(nn.Module):
    """Attention to words.

    PyTorch's ``nn.MultiheadAttention`` gives the same, but fails if there is no question.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        """Initialize a new WordAttention instance of width D with k heads."""
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.inputs = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """Let *x* (Q, N, D) attend to words (Q, L, D) of mask (Q, L)."""
        query = rearrange(self.query(x), 'q n (k d) -> q k n d', k=self.num_heads)
        key, value = rearrange(
            self.inputs(words), 'q l (t k d) -> t q k l d', t=2, k=self.num_heads
        )
        found = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[:, None, None]
        )
        return cast(Tensor, self.output(rearrange(found, 'q k n d -> q n (k d)')))


class EncoderLayer(nn.Module):
    """Encoder layer: self-attention of the words, an MLP."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        """Initialize a new EncoderLayer instance of width D with k heads."""
        super().__init__()
        self.attention = WordAttention(width, num_heads)
        self.mlp = relu_mlp(width, 4 * width, width, dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """Let words (U, L, D) of mask (U, L) attend to each other."""
        found = self.attention(words, words, mask)
        words = self.norms[0](words + self.dropout(found))
        return cast(Tensor, self.norms[1](words + self.dropout(self.mlp(words))))


class DecoderLayer(nn.Module):
    """Decoder layer: gated self-attention, attention to the words, an MLP."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        """Initialize a new DecoderLayer instance of width D with k heads."""
        super().__init__()
        self.gated = GatedAttention(width, num_heads)
        self.guided = WordAttention(width, num_heads)
        self.mlp = relu_mlp(width, 4 * width, width, dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def look(self, patches: Tensor, offsets: Tensor) -> Tensor:
        """First part, without the question: patches (B, N, D) and offsets (N, N, 3)."""
        found = self.dropout(self.gated(patches, offsets))
        return cast(Tensor, self.norms[0](patches + found))

    def read(self, patches: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """Second part: patches (Q, N, D) attend to words (Q, L, D) of mask (Q, L)."""
        found = self.guided(patches, words, mask)
        patches = self.norms[1](patches + self.dropout(found))
        return cast(Tensor, self.norms[2](patches + self.dropout(self.mlp(patches))))


class AttentionPooling(nn.Module):
    """Weighted mean whose weights come from what is pooled."""

    def __init__(self, width: int, out: int, dropout: float) -> None:
        """Initialize a new AttentionPooling instance, from width D to width F."""
        super().__init__()
        self.score = relu_mlp(width, width, 1, dropout)
        self.output = nn.Linear(width, out)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool patches or words, (Q, N, D) of mask (Q, N), to (Q, F)."""
        score = self.score(x)[..., 0]
        if mask is not None:
            score = score.masked_fill(~mask, -torch.inf)
        pooled = score.softmax(-1)[:, None] @ x
        return cast(Tensor, self.output(pooled[:, 0]))


class MutualFusion(nn.Module):
    """Gate by which image and question together decide how much of each is kept."""

    def __init__(self, width: int, dropout: float) -> None:
        """Initialize a new MutualFusion instance of width F."""
        super().__init__()
        self.gate = relu_mlp(width, width, width, dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Tensor, question: Tensor) -> Tensor:
        """Fuse pooled patches (Q, F) with pooled words (Q, F)."""
        gate = self.gate(image + question).sigmoid()
        return cast(Tensor, self.norm(gate * image + (1 - gate) * question))


class GFTransformer(CNNModel):
    """Transformer with gated attention modules and a mutual fusion module.

    An LSTM and the encoder's layers read the question. The decoder's layers let the
    patches of a CNN's feature map attend to each other, by content and by position, and
    to the words. Both sides are pooled and fused by a gate.

    Ours differs from the paper's code in these: word embeddings and CNN learn with the
    rest, where the paper starts from GloVe and from stored features. Its gate of the
    mutual fusion is a softmax over a single number, always 1: ours weighs feature by
    feature. Attention by position starts from all sides of a patch, not at random.
    """

    def __init__(
        self,
        image_encoder: CNNEncoder,
        question_encoder: RecurrentEncoder,
        num_answers: int,
        num_heads: int = 8,
        num_layers: int = 6,
        fusion_width: int = 1024,
        dropout: float = 0.1,
    ) -> None:
        """Initialize a new GFTransformer instance.

        The transformer has the width of the question encoder (a ValueError if that is no
        multiple of *num_heads*), *num_layers* that read the question and as many that look
        at the image; *fusion_width* is the width F of the mutual fusion.
        """
        super().__init__(image_encoder, question_encoder, num_answers)
        width = question_encoder.width
        if width % num_heads:
            raise ValueError(
                f'width must be a multiple of num_heads ({num_heads}), got {width}'
            )
        self.image_projection = nn.Linear(image_encoder.width, width)
        self.encoder = nn.ModuleList(
            EncoderLayer(width, num_heads, dropout) for _ in range(num_layers)
        )
        self.decoder = nn.ModuleList(
            DecoderLayer(width, num_heads, dropout) for _ in range(num_layers)
        )
        self.image_pooling = AttentionPooling(width, fusion_width, dropout)
        self.question_pooling = AttentionPooling(width, fusion_width, dropout)
        self.fusion = MutualFusion(fusion_width, dropout)
        self.classifier = nn.Linear(fusion_width, num_answers)
        self.register_load_state_dict_pre_hook(rename_keys)

    @override
    def encode_images(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> EncodedPatches:
        """Return patches, as far as they do not depend on the question, and offsets."""
        features = self.image_encoder(image_optical, image_sar)
        patches = self.image_projection(rearrange(features, 'b d h w -> b (h w) d'))
        offsets = offsets_between(features.shape[2], features.shape[3]).to(patches)
        first = cast(DecoderLayer, self.decoder[0])
        return EncodedPatches(first.look(patches, offsets), offsets)

    @override
    def encode_questions(self, tokens: Tensor) -> EncodedQuestions:
        """Return words, pooled words (U, F) and mask; L is trimmed to the longest."""
        tokens = trim(tokens)
        mask = tokens != 0
        words, _ = self.question_encoder(tokens)
        for layer in self.encoder:
            words = layer(words, mask)
        return EncodedQuestions(words, self.question_pooling(words, mask), mask)

    @override
    def classify(
        self,
        images: EncodedPatches,
        questions: EncodedQuestions,
        pair: Tensor,
        question: Tensor,
    ) -> Tensor:
        """Return the logits, shape (Q, A)."""
        words, summary, mask = (x[question] for x in questions)
        patches = images.patches[pair]
        first, *others = (cast(DecoderLayer, layer) for layer in self.decoder)
        patches = first.read(patches, words, mask)
        for layer in others:
            patches = layer.read(layer.look(patches, images.offsets), words, mask)
        fused = self.fusion(self.image_pooling(patches), summary)
        return cast(Tensor, self.classifier(fused))


def relu_mlp(width: int, hidden: int, out: int, dropout: float) -> Mlp:
    """Build two linear layers with a ReLU between them, and dropout after it."""
    return Mlp(width, hidden, out, nn.ReLU, drop=(dropout, 0.0))


def offsets_between(rows: int, columns: int) -> Tensor:
    """Compute how far the N patches of a grid are apart, (N, N, 3).

    These are rows down, columns to the right and squared distance from each to each.
    """
    positions = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    offsets = (positions[None] - positions[:, None]).float()
    return torch.cat([offsets, offsets.square().sum(-1, keepdim=True)], dim=-1)


@options_of(cnn_encoder, GFTransformer)
def gftransformer(
    num_answers: int, word_width: int = 300, width: int = 512, **options: Any
) -> GFTransformer:
    """GFTransformer of a *width* on any CNN of timm, with word embeddings of *word_width*.

    Options are those of :class:`GFTransformer` and of
    :func:`~torchgeo_vqa.models.cnn_encoder`.
    """
    cnn = cnn_encoder(**take_options(options, cnn_encoder))
    rnn = RecurrentEncoder(nn.LSTM(word_width, width, batch_first=True))
    return GFTransformer(cnn, rnn, num_answers, **options)
