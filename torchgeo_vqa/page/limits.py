# SPDX-License-Identifier: MIT
"""What the page takes, and for how long it works on it."""

#: Characters of a question. Its tokens are limited by the context of the model.
MAX_QUESTION = 300

#: Bytes of the body of a request that is no upload.
MAX_BODY = 16 * 2**10

#: Bytes of an uploaded image.
MAX_UPLOAD = 32 * 2**20

#: Bytes of all uploads that are kept; the next is told to come back later.
MAX_STORED = 2**30

#: Seconds after which an upload is removed.
UPLOAD_SECONDS = 600

#: Pixels of an image, and of its blocks, which are decoded as a whole.
MAX_PIXELS = 2048 * 2048

#: Bands of an image, and values of all its bands.
MAX_BANDS = 16
MAX_VALUES = 4 * MAX_PIXELS

#: Questions that may wait; the next is told to come back later.
MAX_WAITING = 64

#: Seconds that a question may wait, that an answer may take, and that a body may arrive.
WAIT_SECONDS = 120.0
ANSWER_SECONDS = 30.0
BODY_SECONDS = 60.0

#: Connections at a time; the next is answered 503.
MAX_CONNECTIONS = 512

#: Visitors whose page is kept in mind, and words whose tokens are.
MAX_SESSIONS = 256
MAX_WORDS = 20_000

#: Requests a minute of one address, by the end of their path.
REQUESTS = {'/upload': 12, '': 300}
