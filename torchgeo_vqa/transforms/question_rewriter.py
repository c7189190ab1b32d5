# SPDX-License-Identifier: MIT
"""Direction words of tokenized questions and of a vocabulary, rewritten."""

from collections.abc import Collection, Sequence

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from ..rasters.dihedral import ELEMENTS
from .directions import DIRECTION_WORDS, canonical, has_direction, rewrite

# L tokens, A answers, T question types

# What the answer table says where no answer of the vocabulary stays true.
IMPOSSIBLE = -2

# Rewritten questions kept in memory: some 100 MB at most.
MEMO_SIZE = 50_000


def answer_table(
    answers: Sequence[str], usual: Sequence[Collection[int]] = ()
) -> Tensor:
    """Tabulate what becomes of each of A answers under every flip and turn.

    A direction becomes the answer of the vocabulary that means the new one: an answer
    that the same type of question is known to have (*usual*) before others, the same
    wording before synonyms (*top* and *above* are both synonyms of *upper*).

    Return the new label for [element, question type, label], int64 (8, T + 1, A + 2). Type
    -1 is any other; label A (unknown) and -1 (padding) stay. Where the vocabulary lacks the
    new answer, it is ``IMPOSSIBLE``.
    """
    table = torch.arange(len(answers) + 2).repeat(len(ELEMENTS), len(usual) + 1, 1)
    table[..., -1] = -1
    directions = [i for i, answer in enumerate(answers) if has_direction(answer)]
    synonyms: dict[str, list[int]] = {}
    for i in directions:
        synonyms.setdefault(canonical(answers[i]), []).append(i)
    for element in ELEMENTS:
        for i in directions:
            new = rewrite(answers[i], element)
            if new == answers[i]:
                continue
            for question_type, known in enumerate([*usual, ()]):
                table[element, question_type, i] = min(
                    synonyms.get(canonical(new), ()),
                    key=lambda j: (
                        j not in known,
                        answers[j].casefold() != new.casefold(),
                    ),
                    default=IMPOSSIBLE,
                )
    return table


class QuestionRewriter:
    """Rewrite the direction words of tokenized questions."""

    def __init__(self) -> None:
        """Initialize a new QuestionRewriter instance."""
        self.tokenizer = SimpleTokenizer()
        # A word is given away by its first token; the text has the last say.
        self.tokens = torch.zeros(self.tokenizer.vocab_size, dtype=torch.bool)
        self.tokens[[self.tokenizer.encode(word)[0] for word in DIRECTION_WORDS]] = True
        self._memo: dict[tuple[bytes, int], Tensor | None] = {}

    def suspects(self, question: Tensor) -> Tensor:
        """Find the questions, token ids (..., L), that may hold a direction word."""
        self.tokens = self.tokens.to(question.device)
        return self.tokens[question].any(dim=-1)

    def __call__(self, question: Tensor, element: int) -> Tensor | None:
        """Rewrite a question, token ids (L,) on the CPU, for an element of D4.

        None if it is cut off, cannot be decoded, or does not fit into L tokens any more.
        """
        key = question.numpy().tobytes(), element
        if key not in self._memo:
            if len(self._memo) >= MEMO_SIZE:
                self._memo.clear()
            self._memo[key] = self._rewrite(question, element)
        return self._memo[key]

    def _rewrite(self, question: Tensor, element: int) -> Tensor | None:
        """Rewrite a question that has not been met before."""
        length = len(question)
        special = self.tokenizer.all_special_ids
        tokens = [i for i in question.tolist() if i and i not in special]
        text = self.tokenizer.decode(tokens)
        if not has_direction(text):
            return question.clone()
        # The tokenizer cuts long questions, so one that fills its row may lack its end.
        if question[-1] or self.tokenizer.encode(text) != tokens:
            return None
        text = rewrite(text, element)
        if len(self.tokenizer.encode(text)) + 2 > length:
            return None
        return self.tokenizer(text, length)[0].to(question.dtype)
