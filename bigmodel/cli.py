"""The command line: one verb, then what it takes. Imports nothing heavy before a verb needs it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from bigmodel import __version__, files
from bigmodel.config.suggest import closest
from bigmodel.errors import BigmodelError, UserError

Verb = Callable[[list[str]], int]


def train(argv: list[str]) -> int:
    """train a model: compose, check, fit, test, write a run and its bundle (-m: a sweep)"""
    from bigmodel import train as entry

    return entry.main(argv)


def predict(argv: list[str]) -> int:
    """score a file of any size: bundle=DIR input=FILE output=FILE"""
    from bigmodel import predict as entry

    return entry.main(argv)


def evaluate(argv: list[str]) -> int:
    """measure a bundle on labelled rows: bundle=DIR data.path=FILE"""
    from bigmodel import evaluate as entry

    return entry.main(argv)


def serve(argv: list[str]) -> int:
    """answer over HTTP: bundle=DIR"""
    from bigmodel import serve as entry

    return entry.main(argv)


def preview(argv: list[str]) -> int:
    """a picture of what an augmentation does: augment=NAME data=images data.path=PATH"""
    from bigmodel import preview as entry

    return entry.main(argv)


def check(argv: list[str]) -> int:
    """compose and check what `train` would run, and run nothing"""
    from bigmodel import train as entry

    return entry.check(argv)


def list_(argv: list[str]) -> int:
    """the presets that exist, with a line each: [GROUP]"""
    from bigmodel.config import paths, presets

    _at_most(argv, 1, "list [GROUP]")
    print("\n".join(presets.listing(paths.directories(), *argv)))
    return 0


def copy(argv: list[str]) -> int:
    """copy a preset into your own ./conf, to change it: GROUP/NAME"""
    from bigmodel.config import paths, presets

    _at_most(argv, 1, "copy GROUP/NAME", at_least=1)
    print(presets.copy(paths.directories(), argv[0], paths.own_directory()))
    return 0


def inspect(argv: list[str]) -> int:
    """show a bundle's card, metrics, sizes and signature state: DIR"""
    from bigmodel.bundle import inspect as entry

    return entry.main(argv)


def cache(argv: list[str]) -> int:
    """show the cache of encoded tables, or empty it: [clear]"""
    from bigmodel.data import cache_command

    return cache_command.main(argv)


def keys(argv: list[str]) -> int:
    """who may ask the service: add name=NAME, list, revoke ID"""
    from bigmodel.serving import keys_command

    return keys_command.main(argv)


def registry(argv: list[str]) -> int:
    """versions of models, and which of them answer: add, list, promote, traffic, rollback, gc"""
    from bigmodel.serving.registry import command

    return command.main(argv)


def push(argv: list[str]) -> int:
    """send a bundle to a running service: bundle=DIR url=URL name=NAME"""
    from bigmodel.serving import push_command

    return push_command.main(argv)


def feedback(argv: list[str]) -> int:
    """the rows and labels that a service has collected, to train on: export output=FILE"""
    from bigmodel.serving import feedback_export

    return feedback_export.main(argv)


def replay(argv: list[str]) -> int:
    """rebuild a live model from its event log, bit for bit: bundle=DIR log=DIR"""
    from bigmodel import replay as entry

    return entry.main(argv)


VERBS: dict[str, Verb] = {
    verb.__name__.rstrip("_"): verb
    for verb in (
        *(train, predict, evaluate, serve, preview, check),
        *(list_, copy, inspect, cache, keys, registry, push, feedback, replay),
    )
}


def usage() -> str:
    """What `bigmodel --help` says."""
    verbs = "\n".join(f"  {name:10}{verb.__doc__}" for name, verb in VERBS.items())
    return (
        f"bigmodel {__version__}: from a table to a model that predicts\n\n"
        f"usage: bigmodel VERB ...\n\n{verbs}\n\n"
        "`bigmodel VERB --help` says more; overrides are KEY=VALUE or GROUP=OPTION."
    )


def _at_most(argv: list[str], count: int, form: str, at_least: int = 0) -> None:
    if not at_least <= len(argv) <= count:
        raise UserError(f"command line: write bigmodel {form}")


def dispatch(argv: list[str]) -> int:
    """Run the verb; errors that can be told in lines pass through as `BigmodelError`."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv[0] == "--version":
        print(__version__)
        return 0
    verb = VERBS.get(argv[0])
    if verb is None:
        raise UserError(f"command line: {argv[0]}: no such verb{closest(argv[0], VERBS)}")
    if verb in (list_, copy, inspect, cache) and any(a in ("-h", "--help") for a in argv[1:]):
        print(f"bigmodel {argv[0]}: {verb.__doc__}")
        return 0
    return verb(argv[1:])


def guarded(command: Callable[[], int]) -> int:
    """The exit code of a command; what went wrong is said in lines, without a traceback.

    The working directory is importable, but last: a file there must not pass for a library.
    """
    here = str(Path.cwd())
    sys.path[:] = [path for path in sys.path if path not in ("", here)] + [here]
    try:
        return command()
    except BigmodelError as error:
        print("\n".join(error.lines), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # `bigmodel list | head`: the reader has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # 128 + SIGPIPE, as of any program
    except OSError as error:
        if not files.is_refusal(error):
            raise
        place = error.filename or "the disk"
        print(f"{place}: {error.strerror}; free some space or use another one", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def main() -> int:
    """The `bigmodel` command."""
    return guarded(lambda: dispatch(sys.argv[1:]))
