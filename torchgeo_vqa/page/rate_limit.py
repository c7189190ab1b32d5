# SPDX-License-Identifier: MIT
"""A limit to what one visitor may ask of a web page."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping

from starlette.responses import PlainTextResponse
from starlette.status import HTTP_429_TOO_MANY_REQUESTS
from starlette.types import ASGIApp, Receive, Scope, Send

#: Visitors that are kept in mind; beyond, those that were not seen longest are forgotten.
MAX_VISITORS = 10_000


class RateLimit:
    """ASGI middleware that answers 429 to an address that sends too often.

    Only requests that make work count: those of the method POST.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Mapping[str, int],
        seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Initialize a new RateLimit instance.

        *limits* is the number of requests of an address that are answered in *seconds*, by the
        end of their path; '' is the end of all paths, and the first that fits counts.
        """
        self.app, self.limits, self.seconds, self.clock = app, limits, seconds, clock
        self._seen: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whose body *receive* receives, through *send*."""
        if scope['type'] == 'http' and scope['method'] == 'POST':
            wait = self._wait(scope)
            if wait > 0:
                seconds = int(wait) + 1
                refusal = PlainTextResponse(
                    f'too many requests, come back in {seconds} s',
                    HTTP_429_TOO_MANY_REQUESTS,
                    {'Retry-After': str(seconds)},
                )
                return await refusal(scope, receive, send)
        await self.app(scope, receive, send)

    def _wait(self, scope: Scope) -> float:
        """Count a request, and return how many seconds too early it is."""
        end = next((end for end in self.limits if scope['path'].endswith(end)), None)
        if end is None:
            return 0
        key = (scope.get('client') or ('',))[0], end
        seen = self._seen.setdefault(key, deque(maxlen=self.limits[end]))
        self._seen.move_to_end(key)
        if len(self._seen) > MAX_VISITORS:
            self._seen.popitem(last=False)
        now = self.clock()
        if len(seen) == seen.maxlen and now - seen[0] < self.seconds:
            return seen[0] + self.seconds - now
        seen.append(now)
        return 0
