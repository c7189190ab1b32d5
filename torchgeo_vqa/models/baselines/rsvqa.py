# SPDX-License-Identifier: MIT
"""RSVQA, the first method for questions about remote sensing images.

If you use this model in your research, please cite the following paper:

* https://doi.org/10.1109/TGRS.2020.2988782
"""

from typing import Any, cast, override

from torch import Tensor, nn

from ..options import options_of
from ..vqa import trim
from .cnn import CNNEncoder
from .recurrent import RecurrentEncoder
from .single_head import CNNModel

# B pairs, Q questions in all, U unique questions, L tokens, D width, A answers


class RSVQAModel(CNNModel):
    """RSVQA: a point-wise product of the image and the question.

    A 1 x 1 convolution reduces a CNN's feature map to one vector, which so keeps where
    things are. Image and question are mapped to vectors of the same width, whose product
    is classified.

    Ours differs from the paper in two things: its question encoder is a skip-thoughts
    model, whose weights are not at hand, ours a GRU; and it freezes both encoders, ours
    learn with the rest.
    """

    def __init__(
        self,
        image_encoder: CNNEncoder,
        question_encoder: RecurrentEncoder,
        num_answers: int,
        image_width: int = 2048,
        width: int = 1200,
        hidden_width: int = 256,
        dropout: float = 0.5,
    ) -> None:
        """Initialize a new RSVQAModel instance.

        *image_width* is that of the image vector, shared out among the positions of the
        feature map, *width* the width D of the product, *hidden_width* that of the
        classifier's hidden layer, *dropout* the rate before each linear layer.
        """
        super().__init__(image_encoder, question_encoder, num_answers)
        rows, columns = image_encoder.grid
        share = max(1, image_width // (rows * columns))
        self.image_projection = nn.Sequential(
            nn.Conv2d(image_encoder.width, share, 1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(share * rows * columns, width),
            nn.Tanh(),
        )
        self.question_projection = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(question_encoder.width, width), nn.Tanh()
        )
        for projection in (self.image_projection, self.question_projection):
            linear = cast(nn.Linear, projection[-2])
            # PyTorch's default starts so small that nearly nothing is left of a product
            nn.init.xavier_uniform_(linear.weight, nn.init.calculate_gain('tanh'))
        self.classifier = nn.Sequential(
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(width, hidden_width),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(hidden_width, num_answers),
        )

    @override
    def encode_images(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> Tensor:
        """Return image vectors, shape (B, D); a ValueError if they have another size."""
        features = self.image_encoder(image_optical, image_sar)
        if list(features.shape[2:]) != self.image_encoder.grid:
            raise ValueError(
                f'images must have {self.image_size} x {self.image_size} pixels, got a '
                f'feature map of {tuple(features.shape[2:])} instead of '
                f'{tuple(self.image_encoder.grid)}: resize them, or set image_size'
            )
        return cast(Tensor, self.image_projection(features))

    @override
    def encode_questions(self, tokens: Tensor) -> Tensor:
        """Return question vectors, shape (U, D)."""
        _, summary = self.question_encoder(trim(tokens))
        return cast(Tensor, self.question_projection(summary))

    @override
    def classify(
        self, images: Tensor, questions: Tensor, pair: Tensor, question: Tensor
    ) -> Tensor:
        """Return the logits, shape (Q, A)."""
        product = images[pair] * questions[question]
        return cast(Tensor, self.classifier(product))


@options_of(RSVQAModel.build, RSVQAModel)
def rsvqa(num_answers: int, **options: Any) -> RSVQAModel:
    """RSVQA on any CNN of timm.

    Options are those of :class:`RSVQAModel`, of its :meth:`~RSVQAModel.build`, and of
    :func:`~torchgeo_vqa.models.cnn_encoder`.
    """
    return RSVQAModel.build(num_answers, **options)
