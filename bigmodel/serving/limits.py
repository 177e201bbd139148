"""How much each key may ask: a token bucket for the rate, and a quota for the day."""

import math
import time
from collections import Counter
from collections.abc import Mapping

from bigmodel.serving.accounts import Account, Accounts, Own
from bigmodel.serving.errors import ApiError
from bigmodel.serving.keys import Key

Usage = Mapping[tuple[int, str], int]  # requests by day (number since 1970) and key id

DAY = 86_400  # seconds; days are those of UTC


class Limits:
    """Counts the requests of each key that has a rate or a quota.

    `accounts` may be those of several processes: then their requests count together. A store is
    told what is `unsaved` by this process, and its totals come back with `settle`: so a quota
    outlives the processes.
    """

    def __init__(self, accounts: Accounts | None = None) -> None:
        self._accounts = Own() if accounts is None else accounts
        self._unsaved: Counter[tuple[int, str]] = Counter()
        self._totals: Usage = {}

    def take(self, key: Key) -> None:
        """Count one request. Raises ApiError 429, which says when to come again."""
        if key.rate is None and key.daily is None:
            return
        account = self._accounts.open(key.id)
        try:
            account.begin(int(time.time() // DAY))
            self._take(key, account)
        finally:
            self._accounts.close(key.id, account)

    def _take(self, key: Key, account: Account) -> None:
        """The bucket is full at `due` and was fuller by each request: by that, it has a size."""
        now = time.monotonic()
        due = max(now, account.due)
        if key.rate is not None:
            missing = due - now + (1 - key.burst) / key.rate  # seconds to the next whole token
            if missing > 1e-9:  # the sums of many steps are not exact
                text = f"more than {key.rate:g} requests a second"
                raise _refusal("rate_exceeded", text, missing)
        if key.daily is not None and account.stored + account.unsaved >= key.daily:
            wait = DAY - time.time() % DAY
            raise _refusal("quota_exceeded", f"more than {key.daily} requests today", wait)
        self._count(key, account, due, 1)

    def _count(self, key: Key, account: Account, due: float, requests: int) -> None:
        if key.rate is not None:
            account.due = due + requests / key.rate
        if key.daily is not None:
            account.unsaved += requests
            self._unsaved[account.day, key.id] += requests

    def give_back(self, key: Key) -> None:
        """What was taken is not used: the service had no room for the request."""
        if key.rate is None and key.daily is None:
            return
        account = self._accounts.open(key.id)
        try:
            self._count(key, account, account.due, -1)
        finally:
            self._accounts.close(key.id, account)

    def unsaved(self) -> Usage:
        """Requests of keys with a quota, by day and key id, that no store knows yet."""
        return dict(self._unsaved)

    def settle(self, saved: Usage, totals: Usage) -> None:
        """These requests are stored now; the totals of all processes come back.

        They may come later than those that another worker has got since: the greatest counts.
        """
        for (day, key_id), total in totals.items():
            count = saved.get((day, key_id), 0)
            if count or self._totals.get((day, key_id)) != total:
                self._settle(day, key_id, count, total)
        self._totals = totals
        for which, count in saved.items():
            self._unsaved[which] -= count
            if not self._unsaved[which]:
                del self._unsaved[which]

    def _settle(self, day: int, key_id: str, saved: int, total: int) -> None:
        account = self._accounts.open(key_id)
        try:
            if account.day <= day:
                account.begin(day)
                account.unsaved -= saved
                account.stored = max(account.stored, total)
        finally:
            self._accounts.close(key_id, account)


def _refusal(code: str, message: str, wait: float) -> ApiError:
    seconds = max(1, math.ceil(wait))
    again = ((b"retry-after", str(seconds).encode()),)
    return ApiError(429, code, f"{message}: try again in {seconds} s", headers=again)
