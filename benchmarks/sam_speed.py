"""How fast the engine `sam` runs the official networks, beside plain `SamPredictor` on the same device.

Weights are random and of the true size: what they are worth nobody needs to know, what they cost is the same.
In one run, in turns, so that whatever else the machine does hits both alike:

    encoder     images a second, from pixels in main memory to an embedding on the device, against
                `SamPredictor.set_torch_image` in fp32
    decoder     prompts a second on one embedding (a box each), against `SamPredictor.predict_torch`
    warm click  four clicks to a polygon on an image whose embedding is there: both passes, choosing, tracing

Shares are of the rate at which the same device multiplies large bf16 matrices, measured first. Floating-point
operations are counted from the official network's own layers. Without a GPU the rows of the GPU say that they
were not measured, and the CPU is measured in the few minutes that `--seconds` and `--longest` leave it.

Usage: python benchmarks/sam_speed.py [--models vit_b,vit_l,vit_h] [--batches 1,4,8] [--seconds 5] [--json]
"""

import sys
from pathlib import Path

# Python looks beside the script first, where `click.py` would hide the library of that name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

# ruff: noqa: E402
import argparse
import json
import tempfile
from dataclasses import asdict
from typing import Any

import torch
from benchmarks.support.figures import names, numbers
from benchmarks.support.repeated import Timings, in_turns, timed
from benchmarks.support.sam_networks import Rivals, decoder_flops, encoder_flops, matrix_rate, warm_clicks
from rich.console import Console
from rich.table import Table

from fourpoint_worker.segmenter.sam.architecture import OFFICIAL
from fourpoint_worker.segmenter.sam.device import Device

NOT_MEASURED = "not measured"
Row = dict[str, Any]


def main() -> None:
    """Measure what this machine has, and print it."""
    options = _options()
    console = Console(stderr=True)
    devices = [Device.named(name, options.precision) for name in options.devices]
    document: dict[str, Any] = {"torch": torch.__version__, "devices": {}, "rows": []}
    for device in devices:
        console.print(f"[dim]{device.name}: how fast it multiplies")
        rates = {str(kind).removeprefix("torch."): matrix_rate(device, kind) for kind in _KINDS}
        document["devices"][device.name] = {"is": _named(device), "tflops": rates}
        for model in options.models or (["vit_b"] if device.name == "cpu" else list(OFFICIAL)):
            console.print(f"[dim]{device.name}: {model}")
            document["rows"] += _measure(device, model, options, rates["bfloat16"])
    if not any(device.is_gpu for device in devices):
        document["rows"] += _unmeasured(options.batches)
    print(json.dumps(document, indent=2)) if options.json else _print(document)


_KINDS = (torch.bfloat16, torch.float32)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found = ["cuda"] if torch.cuda.is_available() else ["cpu"]
    parser.add_argument(
        "--devices",
        type=names,
        default=found,
        help="cpu, cuda, cuda:1; default: the GPU, or cpu",
    )
    parser.add_argument("--models", type=names, help="default: all on a GPU, vit_b on a CPU")
    parser.add_argument("--batches", type=numbers, default=[1, 4, 8], help="images, or prompts, in one call")
    parser.add_argument("--precision", default="", help="bf16 or fp32; default: as the engine would choose")
    parser.add_argument("--eager", action="store_true", help="do not compile on a GPU")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure, beyond the first calls")
    parser.add_argument(
        "--longest", type=float, default=90.0, help="seconds that one call may be expected to take"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    unknown = set(options.models or ()) - set(OFFICIAL)
    if unknown:
        parser.error(f"unknown models: {', '.join(sorted(unknown))}; there are {', '.join(OFFICIAL)}")
    return options


def _measure(device: Device, model: str, options: argparse.Namespace, rate: float) -> list[Row]:
    rivals = Rivals(model, device, options.batches, compiled=device.is_gpu and not options.eager)
    rows = []
    each, known = encoder_flops(model), 0.0
    for batch in options.batches:
        about = {"device": device.name, "model": model, "what": "encoder", "batch": batch}
        if known * batch > options.longest:
            rows.append(
                {**about, "ours": None, "plain": None, "why": f"a call takes some {known * batch:.0f} s"}
            )
            continue
        try:
            ours, plain = in_turns(rivals.encode(batch), rivals.encode_plainly(batch), options.seconds)
        except torch.OutOfMemoryError:
            rows.append({**about, "ours": None, "why": "the device's memory does not suffice"})
            continue
        known = known or max(ours.median, plain.median) / batch
        rows.append({**about, **_rates(batch, ours, plain, each, rate)})
    for batch in options.batches:
        about = {"device": device.name, "model": model, "what": "decoder", "batch": batch}
        ours, plain = in_turns(rivals.decode(batch), rivals.decode_plainly(batch), options.seconds)
        rows.append({**about, **_rates(batch, ours, plain, decoder_flops(model), rate)})
    rivals.close()
    with (
        tempfile.TemporaryDirectory(prefix="fourpoint-sam-") as directory,
        warm_clicks(model, device, Path(directory), compiled=device.is_gpu and not options.eager) as click,
    ):
        spent = timed(click, options.seconds)
    rows.append(
        {"device": device.name, "model": model, "what": "warm click", "batch": 1, "milliseconds": _in_ms(spent)}
    )
    return rows


def _rates(batch: int, ours: Timings, plain: Timings, flops: float, rate: float) -> Row:
    """ours, plain: per second, median with the slowest and the quickest call. share: of the matrix rate."""
    return {
        "ours": _per_second(batch, ours),
        "plain": _per_second(batch, plain),
        "times": round(plain.median / ours.median, 2),
        "share": round(flops * batch / ours.median / 1e12 / rate, 4),
        "plain_share": round(flops * batch / plain.median / 1e12 / rate, 4),
        "calls": len(ours.seconds),
    }


def _per_second(batch: int, timings: Timings) -> dict[str, float]:
    return {name: round(batch / value, 3) for name, value in asdict(timings.spread).items()}


def _in_ms(timings: Timings) -> dict[str, float]:
    return {name: round(value * 1000, 2) for name, value in asdict(timings.spread).items()}


def _unmeasured(batches: list[int]) -> list[Row]:
    """The rows that only a GPU can fill."""
    return [
        {"device": "cuda", "model": model, "what": what, "batch": batch, "ours": None, "why": "no GPU here"}
        for model in OFFICIAL
        for what, sizes in (("encoder", batches), ("decoder", batches), ("warm click", [1]))
        for batch in sizes
    ]


def _named(device: Device) -> str:
    if device.is_gpu:
        return f"{torch.cuda.get_device_name(device.name)}, encoder in {device.precision}"
    return (
        f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, in {device.precision}"
    )


def _print(document: dict[str, Any]) -> None:
    console = Console(width=max(118, Console().width))
    for name, device in document["devices"].items():
        rates = ", ".join(f"{rate:.2f} TFLOP/s in {kind}" for kind, rate in device["tflops"].items())
        console.print(f"{name}: {device['is']}; large matrices: {rates}; PyTorch {document['torch']}")
    table = Table(
        "device", "model", "what", "batch", "a second", "SamPredictor", "times", "of bf16", "its share"
    )
    for row in document["rows"]:
        table.add_row(row["device"], row["model"], row["what"], str(row["batch"]), *_cells(row))
    console.print(table)


def _cells(row: Row) -> list[str]:
    if "milliseconds" in row:
        return [_with_spread(row["milliseconds"], ".1f") + " ms", "", "", "", ""]
    if row["ours"] is None:
        return [f"{NOT_MEASURED}: {row['why']}", "", "", "", ""]
    ours, plain = (_with_spread(row[name], ".4g") for name in ("ours", "plain"))
    return [ours, plain, f"{row['times']:.2f}", f"{row['share']:.1%}", f"{row['plain_share']:.1%}"]


def _with_spread(figures: dict[str, float], form: str) -> str:
    low, high = sorted((figures["quickest"], figures["slowest"]))
    return f"{figures['median']:{form}} ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    main()
