"""A small table without a mistake, for tests to put one in."""

ROWS = "".join(f"{i},{i * 0.5},{'ab'[i % 2]}\n" for i in range(40))
GOOD = "n,x,y\n" + ROWS
