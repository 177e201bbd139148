"""Configs that would run code or write a file, if their target were called. Each touches MARKER.

Run as a script: reads attacks as JSON from standard input, tries each in a process of its own
(forked after the imports, which take longer than the rest), and prints what became of it.
"""

import json
import os
import sys
from pathlib import Path

RUN = "touch MARKER"
CODE = "open('MARKER', 'w').close()"


def call(target: str, *arguments: object, **settings: object) -> dict:
    return {"_target_": target, "_args_": list(arguments), **settings}


CODE_RUNNERS = [
    call("os.system", RUN),
    call("subprocess.Popen", RUN, shell=True),
    call("builtins.eval", "__import__('pathlib').Path('MARKER').touch()"),
    call("builtins.exec", CODE),
    call("importlib.import_module", "evil"),
    call("runpy.run_path", "evil.py"),
    call("timeit.timeit", CODE, number=1),
    call("cProfile.run", CODE),
    call("pty.spawn", ["touch", "MARKER"]),
    call("setuptools._distutils.spawn.spawn", ["touch", "MARKER"]),
    call("asyncio.create_subprocess_shell", RUN),
    call("webbrowser.GenericBrowser", "touch"),
    call("code.InteractiveInterpreter.runsource", CODE),
    call("logging.config.dictConfig", {"version": 1, "filters": {"f": {"()": "os.system"}}}),
    call("ctypes.CDLL", "evil.so"),
    call("torch.utils.collect_env.run", RUN),
    call("torch.hub.load", ".", "evil", source="local"),
    call("torch.load", "evil.pt", weights_only=False),
    call("torch.serialization.load", "evil.pt", weights_only=False),
    call("torch.fx.graph_module._exec_with_source", CODE, {}),
    call("lightning_fabric.utilities.cloud_io._load", "evil.pt", weights_only=False),
    call("pytorch_lightning.core.saving._load_from_checkpoint", "evil.pt"),
    call("numpy.load", "evil.npy", allow_pickle=True),
    call("numpy.f2py.crackfortran.getlincoef", CODE, {}),
    call("pandas.read_pickle", "evil.pkl"),
    call("pandas.eval", "@os.system('touch MARKER')"),
    call("joblib.load", "evil.pkl"),
    call("pickle.load", "evil.pkl"),
    call("yaml.unsafe_load", "!!python/object/apply:os.system ['touch MARKER']"),
    call("sympy.sympify", CODE),
]
ALIASES = [
    call("logging.os.system", RUN),
    call("torch.hub.os.system", RUN),
    call("torch.utils.cpp_extension.subprocess.check_call", ["touch", "MARKER"]),
    call("torch.nn.modules.module.torch.load", "evil.pt", weights_only=False),
    call("torch.nn.utils.importlib.import_module", "evil"),
    call("pytorch_lightning.callbacks.model_checkpoint.os.system", RUN),
    call("pytorch_lightning.callbacks.model_checkpoint.shutil.copy", "evil.py", "MARKER"),
    call("torch.hub.load.__globals__.get", "os"),
    call("torch.nn.Linear.__init__.__globals__.__getitem__", "torch"),
    call("torch.nn.Module.__subclasses__"),
    call("torch.nn.Module.apply", {"_target_": "os.system", "command": RUN}),
    call("bigmodel.files.shutil.copy", "evil.py", "MARKER"),
    call("bigmodel.files.write_text", "MARKER", "ours, but not public"),
]
INDIRECT = [
    call("functools.partial", {"_target_": "hydra.utils.get_method", "path": "os.system"}),
    call("hydra.utils.get_method", "os.system"),
    call("hydra.utils.instantiate", {"_target_": "os.system", "command": RUN}, _recursive_=False),
    call("builtins.list", call("builtins.map", call("hydra.utils.get_method", "os.system"), [RUN])),
    call("multiprocessing.pool.ThreadPool", 1, call("hydra.utils.get_method", "os.system"), [RUN]),
    call("threading.Thread.run", RUN),
    call(
        "torch.utils.data.DataLoader", [1], collate_fn=call("hydra.utils.get_method", "os.system")
    ),
    {
        "_target_": "pytorch_lightning.callbacks.LambdaCallback",
        "setup": call("builtins.eval", CODE),
    },
    call("torch.nn.Sequential", call("os.system", RUN)),
    {
        "_target_": "torch.nn.Linear",
        "in_features": {"a": [call("os.system", RUN)]},
        "out_features": 2,
    },
    {"_target_": "${evil}", "_args_": [RUN]},
    {
        "_target_": "torch.nn.Identity",
        "_execution_whitelist_": ["os.system"],
        "x": call("os.system", RUN),
    },
    call("evil.Model"),
]
WRITERS = [
    call("builtins.open", "MARKER", "w"),
    call("logging.FileHandler", "MARKER"),
    call("pathlib.Path.touch", "MARKER"),
    call("torch.save", [1], "MARKER"),
    call("numpy.savetxt", "MARKER", [1]),
    call("sqlite3.connect", "MARKER"),
    call("shutil.copy", "evil.py", "MARKER"),
    call("torch.utils.data.datapipes.gen_pyi.gen_from_template", ".", "evil.py", "MARKER", []),
    {"_target_": "pytorch_lightning.callbacks.ModelCheckpoint", "dirpath": "/tmp/MARKER"},
    {"_target_": "pytorch_lightning.loggers.CSVLogger", "save_dir": "/tmp/MARKER"},
]
ATTACKS = [*CODE_RUNNERS, *ALIASES, *INDIRECT, *WRITERS]


def attempt(node: dict, folder: Path) -> dict:
    """Run a config that holds `node` as its model; what came of it."""
    from omegaconf import OmegaConf

    from bigmodel.config import app
    from bigmodel.config.instantiate import instantiate
    from bigmodel.errors import UserError

    os.chdir(folder)
    text = json.dumps(node).replace("MARKER", str(folder / "marker"))
    (folder / "conf" / "model").mkdir(parents=True)
    config = {**json.loads(text), "evil": "os.system"}
    (folder / "conf" / "model" / "evil.yaml").write_text(OmegaConf.to_yaml(config))
    (folder / "evil.py").write_text(f"open({str(folder / 'marker')!r}, 'w').close()\n")
    sys.path.append(str(folder))
    before = set(sys.modules)
    try:
        app.call("train", lambda cfg, run_dir: instantiate(cfg.model), ["model=evil"])
        lines = []
    except UserError as error:
        lines = list(error.lines)
    strangers = {name.split(".")[0] for name in set(sys.modules) - before}
    return {
        "lines": lines,
        "marker": (folder / "marker").exists() or Path("/tmp/MARKER").exists(),
        "imported": sorted(strangers & {"evil", "pty", "webbrowser", "runpy"}),
    }


def main() -> None:
    import pytorch_lightning  # noqa: F401  once, for all attempts
    import torchmetrics  # noqa: F401

    import bigmodel.config.app
    import bigmodel.train  # noqa: F401

    root = Path(sys.argv[1])
    for number, node in enumerate(ATTACKS):
        child = os.fork()
        if child == 0:
            folder = root / str(number)
            folder.mkdir()
            result = attempt(node, folder)
            (root / f"{number}.json").write_text(json.dumps(result))
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
