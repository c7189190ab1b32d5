# SPDX-License-Identifier: MIT
"""Notes of libraries that nobody who runs our tasks can act on."""

import logging
import warnings

from _torchgeo_vqa_autoload import interrupt

#: Warnings of Lightning: how their messages start.
WARNINGS = (
    # CSV files are what we mean; the extra `tensorboard` brings the other logger
    r'Starting from v1\.9\.0, `tensorboardX` has been removed',
    # Lightning's own use of PyTorch
    r'`isinstance\(treespec, LeafSpec\)` is deprecated',
    # A run that goes on from a checkpoint has a folder of its own
    r'The dirpath has changed from ',
    # Our data modules go on where it stopped
    r"You're resuming from a checkpoint that ended before the epoch ended",
)

#: A warning of Lightning that is as meant where towers are frozen.
FROZEN = r'Found \d+ module\(s\) in eval mode at the start of training'

#: What Lightning logs: how messages start.
LOGGED = ('💡 Tip: For seamless cloud', 'Loading `train_dataloader` to estimate')

LOGGER = 'lightning.pytorch.utilities.rank_zero'


def hide_notes(frozen: bool = False) -> None:
    """Hide these notes, and nothing else, for the rest of the process.

    Our tasks call it when they are made, which the command line does before it makes the
    trainer. Runs of other tasks show what they always show. *frozen* tells whether towers
    are frozen, which Lightning warns of. From now on, Ctrl-C ends TorchGeo's command
    without Lightning's note, too, and with another exit status than an error.
    """
    interrupt.clean_up()
    for message in (*WARNINGS, *([FROZEN] if frozen else [])):
        warnings.filterwarnings('ignore', message, module=r'lightning\.')
    logging.getLogger(LOGGER).addFilter(_is_useful)


def _is_useful(record: logging.LogRecord) -> bool:
    """Tell whether a message is to be shown."""
    return not record.getMessage().startswith(LOGGED)
