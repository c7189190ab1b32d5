# SPDX-License-Identifier: MIT
"""Statements: what a question and its answer say, as the captions that CLIP learns from."""

import re
from functools import lru_cache

import torch

from ..sample import CONTEXT_LENGTH
from .question_table import decode

_RELATION = '((?:left|right) of|above|below|near)'
_CONTACT = '(border|touch|cross|overlap)'

#: Wordings of ``question? answer`` and the statement of each; the first that fits counts.
#: An answer that the question must offer, such as one of two, is a back-reference.
RULES = tuple(
    (re.compile(pattern, re.IGNORECASE), template)
    for pattern, template in (
        (r'are there more (.+) or (.+)\? \1', r'there are more \1 than \2'),
        (r'are there more (.+) or (.+)\? \2', r'there are more \2 than \1'),
        (r'(is|are) there any (.+)\? yes', r'there \1 \2'),
        (r'(is|are) there (.+)\? yes', r'there \1 \2'),
        (r'(is|are) there (?:any |an? )?(.+)\? no', r'there \1 no \2'),
        (rf'(is|are) (.+?) {_RELATION} (.+)\? yes', r'\2 \1 \3 \4'),
        (rf'(is|are) (.+?) {_RELATION} (.+)\? no', r'\2 \1 not \3 \4'),
        (r'(is|are) (.+) (present|visible)\? yes', r'\2 \1 \3'),
        (r'(is|are) (.+) (present|visible)\? no', r'\2 \1 not \3'),
        (r'is (this|it) (an?) (.+) or (an?) (.+) (\w+)\? \3', r'\1 is \2 \3 \6'),
        (r'is (this|it) (an?) (.+) or (an?) (.+) (\w+)\? \5', r'\1 is \4 \5 \6'),
        (rf'do(?:es)? (.+) {_CONTACT} (.+)\? yes', r'\1 and \3 \2'),
        (rf'do(?:es)? (.+) {_CONTACT} (.+)\? no', r'\1 and \3 do not \2'),
        (r'how many (.+) are there\b(.*)\? (.+)', r'there are \3 \1\2'),
        (r'how much of (.+) is (.+)\? (.+)', r'\3 of \1 is \2'),
        (r'which covers more, (.+) or (.+)\? \1', r'\1 covers more than \2'),
        (r'which covers more, (.+) or (.+)\? \2', r'\2 covers more than \1'),
        (r'which (\w+) is (.+), (.+) or (.+)\? (\3|\4)', r'the \5 \1 is \2'),
        (r'which (.+) (is|are) (.+)\? (.+)', r'the \1 \3 \2 \4'),
        (r'(in|on|at) which (\w+) (is|are) (.+)\? (.+)', r'\4 \3 \1 the \5 \2'),
        (r'where (is|are) (.+) relative to (.+)\? (.+)', r'relative to \3, \2 \1 \4'),
        (r'where (is|are) (.+)\? (.+)', r'\2 \1 \3'),
        (r'what (is|are) (.+)\? (.+)', r'\2 \1 \3'),
        (r'what (\w+s) (.+)\? (.+)', r'\3 \1 \2'),
    )
)

#: Tokenized statements kept in memory: some 50 MB at most.
MEMO_SIZE = 50_000


def statement(question: str, answer: str) -> str:
    """Convert a question and its answer to one sentence.

    Different answers to a question always give different statements. Case does not
    matter, nor do the spaces that a tokenizer leaves around punctuation. For wordings that
    :data:`RULES` do not know, it is the question followed by the answer.

    Example:
        >>> statement('How many ships are there?', '3')
        'There are 3 ships.'
        >>> statement('Can a car pass?', 'yes')
        'Can a car pass? Yes.'
    """
    question, answer = (_tidy(text).rstrip(' ?.') for text in (question, answer))
    text = f'{question[:1].lower()}{question[1:]}? {answer}'
    for pattern, template in RULES:
        if match := pattern.fullmatch(text):
            return f'{_capitalize(match.expand(template))}.'
    return f'{_capitalize(question)}? {_capitalize(answer)}.'


@lru_cache(MEMO_SIZE)
def statement_tokens(question: tuple[int, ...], answer: str) -> tuple[int, ...]:
    """Tokenize the statement of a tokenized question without padding: 77 ids, padded by 0."""
    # Here, since it takes seconds to import and datasets must open without
    from open_clip import tokenize

    text = statement(decode(torch.tensor(question)), answer)
    return tuple(tokenize([text], CONTEXT_LENGTH)[0].tolist())


def _tidy(text: str) -> str:
    """Remove the spaces that a tokenizer leaves around punctuation."""
    return re.sub(r'\s*-\s*', '-', re.sub(r'\s+(?=[,.?])', '', ' '.join(text.split())))


def _capitalize(text: str) -> str:
    """Write the first letter, and no other, in upper case."""
    return text[:1].upper() + text[1:]
