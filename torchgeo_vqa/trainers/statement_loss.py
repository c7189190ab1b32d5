# SPDX-License-Identifier: MIT
"""What is said about pairs, and the loss that contrasts it with the pairs."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchgeo.datasets.utils import Sample

from ..annotations.statement import statement_tokens
from ..models.vqa import trim
from ..sample import CONTEXT_LENGTH

# B pairs, K questions per pair (padded), Q questions in all, S unique statements, L tokens


class Statements(NamedTuple):
    """What is known about the pairs of a batch."""

    #: Token ids of the unique statements, (S, L).
    tokens: Tensor
    #: Statements known to be true of a pair, (B, S).
    true: Tensor
    #: Statements known to be false of a pair, (B, S).
    false: Tensor
    #: Pair of each question whose answer is known, (Q,).
    pair: Tensor
    #: Statement of each of these questions, (Q,).
    statement: Tensor
    #: Statements that answer the same question, the true one among them, (Q, S).
    choices: Tensor


def make_statements(batch: Sample, answers: Sequence[str]) -> Statements:
    """Turn the questions and answers of a batch into statements.

    The statement of a question and its answer is true of the pair; statements of other
    answers to the same question, which come from the other pairs of the batch, are
    false. Of all others nothing is known: that a pair was not asked about ships does
    not mean that it has none. One statement can be true of many pairs.

    They are made from the batch's own tokens and labels, since augmentation may have
    rewritten what the dataset says: ``question`` (B, K, L), ``question_id`` and ``label``
    (B, K). Labels outside the vocabulary *answers* make no statement.
    """
    question, label = batch['question'], batch['label']
    pair, slot = (batch['question_id'] >= 0).nonzero(as_tuple=True)
    texts, asked = torch.unique(question[pair, slot], dim=0, return_inverse=True)
    label = label[pair, slot]

    # Which pair was asked what, whether or not the answer is in the vocabulary
    was_asked = torch.zeros(len(question), len(texts), device=question.device)
    was_asked[pair, asked] = 1

    known = label < len(answers)
    pair, asked, label = pair[known], asked[known], label[known]
    said, statement = torch.unique(asked * len(answers) + label, return_inverse=True)
    rows = [tuple(text[text != 0].tolist()) for text in texts.cpu()]
    spoken = [
        statement_tokens(rows[code // len(answers)], answers[code % len(answers)])
        for code in said.tolist()
    ]
    # Different questions may come to the same statement
    order = {tokens: i for i, tokens in enumerate(dict.fromkeys(spoken))}
    tokens = question.new_tensor(list(order)).reshape(-1, CONTEXT_LENGTH)
    statement = question.new_tensor([order[tokens] for tokens in spoken])[statement]

    answers_to = torch.zeros(len(texts), len(tokens), device=question.device)
    answers_to[asked, statement] = 1
    true = torch.zeros(
        len(question), len(tokens), dtype=torch.bool, device=question.device
    )
    true[pair, statement] = True
    false = (was_asked @ answers_to > 0) & ~true
    return Statements(trim(tokens), true, false, pair, statement, answers_to[asked] > 0)


def contrastive_loss(similarity: Tensor, true: Tensor, false: Tensor) -> Tensor:
    """Contrast what is true of a pair with what is false of it, and the other way round.

    As CLIP's loss, a cross-entropy over the statements of a pair and one over the pairs
    of a statement. Each positive stands against all negatives, and not against other
    positives, of which a pair and a statement may have many; what is neither counts not.
    open_clip's losses know only one positive, and take all others for negatives.

    Similarities and masks are (B, S). The loss is 0 if no positive meets a negative.
    """
    losses = []
    for axis in (1, 0):
        negatives = similarity.masked_fill(~false, -torch.inf)
        against = negatives.logsumexp(axis, keepdim=True)
        counts = true & false.any(axis, keepdim=True)
        loss = F.softplus(against - similarity)[counts].sum()
        losses.append(loss / counts.sum().clamp(min=1))
    return torch.stack(losses).mean()


def hits(similarity: Tensor, statements: Statements) -> Tensor:
    """Tell for which questions the true statement is the nearest to the pair.

    This is recall at 1, question by question, among the statements that answer the same
    question; or in other words, the accuracy of CLIP as it is, with no head for answers.
    Similarities are (B, S); only questions to which the batch has other answers count.
    """
    _, _, _, pair, statement, choices = statements
    several = choices.sum(1) > 1
    pair, statement, choices = pair[several], statement[several], choices[several]
    scores = similarity[pair].masked_fill(~choices, -torch.inf)
    # In a tie none is the nearest, or a model that tells nothing apart would score best
    return (scores >= similarity[pair, statement][:, None]).sum(1) == 1
