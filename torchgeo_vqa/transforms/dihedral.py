# SPDX-License-Identifier: MIT
"""Random flips and quarter turns, see :mod:`torchgeo_vqa.rasters.dihedral`."""

from collections.abc import Sequence
from typing import Any, override

import torch
from kornia.augmentation import GeometricAugmentationBase2D
from torch import Tensor

from ..rasters.dihedral import ELEMENTS, dihedral, turn


class RandomDihedral(GeometricAugmentationBase2D):
    """Flip and rotate each image by a random element of D4.

    Pixels are moved, never interpolated, so the result is exact for any number of
    channels. Images that are not square only get the four elements that keep their shape
    (0, 2, 4, 6).

    Questions that stay true: all that name no direction. Those with *left*, *upper
    right*, *north* and the like need :func:`~torchgeo_vqa.transforms.rewrite`;
    :class:`~torchgeo_vqa.transforms.PairedAugmentation` does both.

    Shape:
        - Input: (C, H, W) or (B, C, H, W)
        - Output: (B, C, H, W)

    Example:
        >>> import torch
        >>> image = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
        >>> RandomDihedral(elements=[1])(image)  # a quarter turn counter-clockwise
        tensor([[[[1., 3.],
                  [0., 2.]]]])
    """

    def __init__(
        self, elements: Sequence[int] = ELEMENTS, p: float = 1.0, **kwargs: Any
    ) -> None:
        """Initialize a new RandomDihedral instance.

        Args:
            elements: Elements of D4 to draw from, with equal chance, 0 to 7 (else it is a
                ValueError). The identity (0) is one of them.
            p: Probability of drawing at all.
            **kwargs: Other arguments of Kornia's augmentations, such as *same_on_batch*.
        """
        super().__init__(p=p, **kwargs)
        if not elements or not set(elements) <= set(ELEMENTS):
            raise ValueError(
                f'elements must be a non-empty selection of {ELEMENTS}, got {elements!r}'
            )
        self.elements = tuple(elements)

    @override
    def generate_parameters(self, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw one element per sample: ``dihedral``, int64 of shape (B,)."""
        batch, height, width = batch_shape[0], batch_shape[-2], batch_shape[-1]
        elements = [k for k in self.elements if height == width or k % 2 == 0]
        if not elements:
            raise ValueError(
                f'elements {self.elements} all swap height and width, got images of '
                f'{height} x {width}: add an even element or use square images'
            )
        num = 1 if self.same_on_batch else batch
        drawn = torch.randint(len(elements), (num,), device=self.device)
        chosen = torch.tensor(elements, device=self.device)[drawn]
        return {'dihedral': chosen.expand(batch)}

    @override
    def compute_transformation(
        self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any]
    ) -> Tensor:
        linear = _linear(input)[params['dihedral'].to(input.device)]
        # Turns and flips are about the centre, and shapes stay as they are.
        centre = input.new_tensor(
            [(input.shape[-1] - 1) / 2, (input.shape[-2] - 1) / 2]
        )
        matrix = self.identity_matrix(input).clone()
        matrix[:, :2, :2] = linear
        matrix[:, :2, 2] = centre - linear @ centre
        return matrix

    @override
    def apply_transform(
        self, input: Tensor, params: dict[str, Tensor], *args: Any, **kwargs: Any
    ) -> Tensor:
        return _apply(input, params['dihedral'])

    @override
    def inverse_transform(
        self,
        input: Tensor,
        flags: dict[str, Any],
        transform: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Undo the elements that the inverse matrices *transform* tell."""
        if transform is None:
            raise TypeError(
                'inverse_transform needs the inverse matrices, got transform=None'
            )
        # Among orthogonal matrices the inner product is largest for the equal one.
        scores = torch.einsum(
            'bij,kij->bk', transform[:, :2, :2].to(input), _linear(input)
        )
        return _apply(input, scores.argmax(dim=1))


def _linear(like: Tensor) -> Tensor:
    """Return the elements' linear parts in (x, y) coordinates, (8, 2, 2)."""
    columns = [[turn(1, 0, k), turn(0, 1, k)] for k in ELEMENTS]
    return torch.tensor(columns, device=like.device, dtype=like.dtype).transpose(1, 2)


def _apply(images: Tensor, elements: Tensor) -> Tensor:
    """Apply one element per image of (B, C, H, W), those with the same element at once."""
    drawn = elements.tolist()
    if images.shape[-2] != images.shape[-1] and any(k % 2 for k in drawn):
        raise ValueError(
            'odd elements of D4 need square images, got '
            f'{images.shape[-2]} x {images.shape[-1]}'
        )
    if len(set(drawn)) == 1:
        return dihedral(images, drawn[0])
    output = torch.empty_like(images)
    for element in set(drawn):
        index = (elements == element).to(images.device)
        output[index] = dihedral(images[index], element)
    return output
