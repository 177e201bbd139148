"""Fewer bits where they do no harm: layers by their sensitivity, as many as training rows allow."""

from dataclasses import replace

from bigmodel.compression.candidate import Candidate
from bigmodel.compression.gate import Gate
from bigmodel.compression.int8 import Int8
from bigmodel.compression.sensitivity import rounding_errors

_LEVELS = (4, 3)


def mixed_bits(candidate: Candidate, gate: Gate) -> Candidate | None:
    """int8 in which some layers' weights have 4 bits, and of these some 3; None where none may.

    Layers are taken in the order of what they change per byte saved; how many, bisection finds on
    training rows: losses do not add up, so that the layers have to be judged together.
    """
    bits: dict[str, int] = {}
    found = None
    for level in _LEVELS:
        errors = rounding_errors(candidate, level)
        allowed = [name for name in errors if level == _LEVELS[0] or name in bits]
        order = sorted(allowed, key=lambda name: errors[name][0] / errors[name][1])
        low, high = 0, len(order)
        while low < high:
            count = (low + high + 1) // 2
            tried = bits | dict.fromkeys(order[:count], level)
            coded = candidate.with_coding(replace(Int8(), bits=tried).coding())  # type: ignore[arg-type]
            if gate.drop_seen(coded).accepted(gate.max_drop):
                low, found = count, coded
            else:
                high = count - 1
        bits |= dict.fromkeys(order[:low], level)
    return found
