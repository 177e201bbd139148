"""How much each key may ask: a token bucket for the rate, and a quota for the day."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from bigmodel.serving.errors import ApiError
from bigmodel.serving.keys import Key

Usage = Mapping[tuple[int, str], int]  # requests by day (number since 1970) and key id

DAY = 86_400  # seconds; days are those of UTC


@dataclass
class Account:
    """What one key has used.

    `tokens` are the requests that it may send at once, as of `stamp` (monotonic seconds). `used`
    are the requests of the day number `day`, `unsaved` those of them that no store knows yet.
    """

    tokens: float
    stamp: float
    day: int = 0
    used: int = 0
    unsaved: int = 0


class Limits:
    """The accounts of all keys, in this process.

    A store is told what is `unsaved`, and its totals come back with `settle`: so a quota
    outlives the process, and several processes share it.
    """

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def take(self, key: Key) -> None:
        """Count one request. Raises ApiError 429, which says when to come again."""
        if key.rate is None and key.daily is None:
            return
        account = self._account(key)
        if key.rate is not None and account.tokens < 1:
            wait = (1 - account.tokens) / key.rate
            raise _refusal("rate_exceeded", f"more than {key.rate:g} requests a second", wait)
        if key.daily is not None and account.used >= key.daily:
            wait = DAY - time.time() % DAY
            raise _refusal("quota_exceeded", f"more than {key.daily} requests today", wait)
        account.tokens -= 1
        account.used += 1
        account.unsaved += key.daily is not None

    def give_back(self, key: Key) -> None:
        """What was taken is not used: the service had no room for the request."""
        account = self._accounts.get(key.id)
        if account is not None:
            account.tokens += 1
            account.used -= 1
            account.unsaved -= key.daily is not None

    def unsaved(self) -> Usage:
        """Requests of keys with a quota, by day and key id, that no store knows yet."""
        accounts = self._accounts.items()
        return {(a.day, key_id): a.unsaved for key_id, a in accounts if a.unsaved}

    def settle(self, saved: Usage, totals: Usage) -> None:
        """These requests are stored now; the totals of all processes come back."""
        for (day, key_id), used in totals.items():
            account = self._accounts.setdefault(key_id, Account(math.inf, time.monotonic(), day))
            if account.day == day:
                account.unsaved -= saved.get((day, key_id), 0)
                account.used = used + account.unsaved

    def _account(self, key: Key) -> Account:
        now, day = time.monotonic(), int(time.time() // DAY)
        account = self._accounts.get(key.id)
        if account is None:
            account = self._accounts[key.id] = Account(key.burst, now, day)
        if account.day != day:
            account.day, account.used, account.unsaved = day, 0, 0
        gained = (now - account.stamp) * (key.rate or 0.0)
        account.tokens = min(float(key.burst), account.tokens + gained)
        account.stamp = now
        return account


def _refusal(code: str, message: str, wait: float) -> ApiError:
    seconds = max(1, math.ceil(wait))
    again = ((b"retry-after", str(seconds).encode()),)
    return ApiError(429, code, f"{message}: try again in {seconds} s", headers=again)
