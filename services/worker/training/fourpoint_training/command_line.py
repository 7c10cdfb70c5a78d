"""Train the network of the engine `compact`, and write the file that the engine loads."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from fourpoint_training.export import digest_of, export
from fourpoint_training.objects import build_bank, read_rows
from fourpoint_training.recipes import RECIPES, recipe_called
from fourpoint_training.run import STATE, Pace, Run

# Of objects that only show whether the exported file answers as the network does.
_PARITY_OBJECTS = 64


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; 3 where a run was paused before its end."""
    parser = argparse.ArgumentParser(prog="fourpoint_training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    _add_train(commands.add_parser("train", help="one run; the same command goes on where it stopped"))
    _add_export(commands.add_parser("export", help="a run's averaged network as an ONNX file"))
    options = parser.parse_args(arguments)
    return int(options.do(options))


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that every training has."""
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders with an objects.jsonl")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: state and log")
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="laptop")
    parser.add_argument("--samples", type=int, help="scenes to train on, instead of the recipe's")
    parser.add_argument("--batch", type=int, help="scenes a step, instead of the recipe's")
    parser.add_argument("--cells", type=int, help="side of the grid, instead of the recipe's; a multiple of 16")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of the processor; torch's own choice if not given")
    parser.add_argument("--minutes", type=float, help="pause after so long")
    parser.add_argument("--compile", action="store_true", help="compile the network first")
    parser.add_argument("--bank-side", type=int, default=200, help="pixels of a stored crop's longer side")


def _run_for(options: argparse.Namespace, folder: Path) -> Run:
    """The run that the options describe, in `folder`."""
    if options.threads:
        torch.set_num_threads(options.threads)
    recipe = recipe_called(options.recipe, options.samples, options.batch, options.cells)
    pace = Pace(minutes=options.minutes, compiled=options.compile)
    return Run(folder, recipe, options.seed, torch.device(options.device), pace)


def _add_train(parser: argparse.ArgumentParser) -> None:
    _add_run_options(parser)
    parser.add_argument("--dev", type=Path, nargs="*", default=[], help="folders of objects only looked at")
    parser.add_argument("--without", nargs="*", default=[], help="domains to leave out")
    parser.add_argument("--start-from", type=Path, help="state whose weights a new run begins with")
    parser.add_argument("--teachers", type=Path, nargs="*", default=[], help="states to learn from as well")
    parser.set_defaults(do=_train)


def _train(options: argparse.Namespace) -> int:
    run = _run_for(options, options.out)
    if options.start_from is not None:
        run.begin_with(options.start_from)
    run.learn_from(options.teachers)
    bank = build_bank(read_rows(options.data, without=options.without), options.bank_side)
    held_back = build_bank(read_rows(options.dev), options.bank_side) if options.dev else None
    return 0 if run.train(bank, held_back) else 3


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="objects for the comparison")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.set_defaults(do=_export)


def _export(options: argparse.Namespace) -> int:
    rows = read_rows(options.data)
    bank = build_bank(rows[:: max(1, len(rows) // _PARITY_OBJECTS)], 200)
    parity = export(options.run / STATE, options.out, bank)
    size = options.out.stat().st_size
    print(json.dumps({"sha256": digest_of(options.out), "bytes": size, "parity": asdict(parity)}))
    return 0
