"""A request as its connection sees it."""

from bigmodel.serving.exchange import Exchange


class Turn:
    """One request of a connection, while it is received: its body so far.

    `keeps`: the connection may stay open after it; `bare`: only the head of the answer is wanted.
    `opened`: its head has passed; that of one that came too early is looked at in its turn.
    """

    __slots__ = ("bare", "exchange", "keeps", "opened", "parts", "size")

    def __init__(self, exchange: Exchange, keeps: bool, bare: bool) -> None:
        self.exchange, self.keeps, self.bare = exchange, keeps, bare
        self.opened = False
        self.parts: list[bytes] = []
        self.size = 0
