"""What is no checkpoint, or not the one asked for, is said in a sentence before anything starts."""

import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.sam.networks import TINY, random_network

from fourpoint_core.errors import SettingsError
from fourpoint_worker.segmenter.engines import Surroundings, build_engine
from fourpoint_worker.segmenter.sam.device import Device, Precision
from fourpoint_worker.segmenter.sam.settings import SamSettings
from fourpoint_worker.segmenter.sam.weights import load_network


def refusal(path: Path, model: str = "") -> str:
    with pytest.raises(SettingsError) as refused:
        load_network(path, model)
    return str(refused.value)


def settings(**variables: str) -> Surroundings:
    named = {f"FOURPOINT_SAM_{name.upper()}": value for name, value in variables.items()}
    return Surroundings(sam=SamSettings.from_mapping({"FOURPOINT_SAM_DEVICE": "cpu", **named}))


def test_a_checkpoint_tells_its_network(random_checkpoint: Path) -> None:
    network, architecture = load_network(random_checkpoint)
    assert architecture == TINY
    assert not any(weights.requires_grad for weights in network.parameters())


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return Path.write_text, (tmp_path / "was-here", "")  # type: ignore[return-value]

    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    torch.save({"weights": Evil()}, tmp_path / "evil.zip.pth")
    for name in ("evil.pth", "evil.zip.pth"):
        assert "tensors only" in refusal(tmp_path / name)
    assert not (tmp_path / "was-here").exists()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_text("<html>Not found</html>")
    assert "no checkpoint" in refusal(tmp_path / "page.pth")
    torch.save([1, 2, 3], tmp_path / "list.pth")
    assert "something else than named tensors" in refusal(tmp_path / "list.pth")
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet.pth")
    assert "no Segment Anything network" in refusal(tmp_path / "resnet.pth")


def test_a_truncated_checkpoint_is_refused(random_checkpoint: Path, tmp_path: Path) -> None:
    data = random_checkpoint.read_bytes()
    (tmp_path / "cut.pth").write_bytes(data[: len(data) // 2])
    assert "no checkpoint" in refusal(tmp_path / "cut.pth")


@pytest.mark.parametrize("content", [b"", b".....", b"X\x01", b"0123 hello", b"version https://git-lfs"])
def test_a_file_that_breaks_the_reader_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.pth").write_bytes(content)
    assert re.search("no checkpoint of PyTorch that holds tensors only: .", refusal(tmp_path / "odd.pth"))


@pytest.mark.parametrize("share", [0.0001, 0.001, 0.01, 0.3, 0.9])
def test_a_truncated_checkpoint_of_the_old_format_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "old.pth"
    torch.save(random_network().state_dict(), path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "no checkpoint" in refusal(path)


@pytest.mark.parametrize("shape", [(), (3,), (3, 0)])
def test_a_checkpoint_whose_layers_have_other_sides_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    weights = random_network().state_dict()
    weights["image_encoder.blocks.0.attn.rel_pos_h"] = torch.zeros(shape)
    torch.save(weights, tmp_path / "shaped.pth")
    assert "no Segment Anything network" in refusal(tmp_path / "shaped.pth")


def test_a_checkpoint_with_numbers_that_are_none_is_refused(tmp_path: Path) -> None:
    weights = random_network().state_dict()
    weights["mask_decoder.iou_token.weight"][0, 3] = torch.nan
    torch.save(weights, tmp_path / "nan.pth")
    assert "mask_decoder.iou_token.weight" in refusal(tmp_path / "nan.pth")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_checkpoint_in_other_numbers_is_run_in_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    weights = {name: value.to(dtype) for name, value in random_network().state_dict().items()}
    torch.save(weights, tmp_path / "other.pth")
    engine = build_engine("sam", settings(checkpoint=str(tmp_path / "other.pth")))
    engine.warm_up()
    engine.close()  # type: ignore[attr-defined]
    network, _ = load_network(tmp_path / "other.pth")
    assert {weights.dtype for weights in network.parameters()} == {torch.float32}


def test_a_checkpoint_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    weights = random_network().state_dict()
    del weights["mask_decoder.iou_token.weight"]
    torch.save(weights, tmp_path / "partial.pth")
    assert "iou_token" in refusal(tmp_path / "partial.pth")


def test_another_model_than_configured_is_refused(random_checkpoint: Path) -> None:
    assert "vit_h" in refusal(random_checkpoint, "vit_h")


def test_a_checkpoint_of_another_digest_stops_the_start(random_checkpoint: Path) -> None:
    with pytest.raises(SettingsError, match="another file than asked for"):
        build_engine("sam", settings(checkpoint=str(random_checkpoint), sha256="0" * 64))


def test_the_engine_is_built_as_configured(random_checkpoint: Path) -> None:
    engine = build_engine("sam", settings(checkpoint=str(random_checkpoint)))
    assert (engine.name, len(engine.model_digest)) == ("sam", 64)


def test_a_missing_gpu_is_said_before_anything_is_fetched() -> None:
    with pytest.raises(SettingsError, match=r"no GPU|GPUs, counted from 0"):
        build_engine("sam", settings(device="cuda:99", checkpoint="http://127.0.0.1:1/x.pth", sha256="0" * 64))


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "mps", ""])
def test_a_device_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="FOURPOINT_SAM_DEVICE"):
        Device.named(name, "")


def test_a_precision_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="fp32, bf16"):
        Device.named("cpu", "int8")
    assert Device.named("cpu", "") == Device("cpu", Precision.FP32)


@pytest.fixture
def precision_of_matrices() -> Iterator[None]:
    """What PyTorch does in the whole process, given back afterwards."""
    before, tf32 = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before)
    torch.backends.cudnn.allow_tf32 = tf32


@pytest.mark.parametrize(("precision", "rounds"), [("fp32", False), ("bf16", True)])
@pytest.mark.usefixtures("precision_of_matrices")
def test_a_gpu_rounds_float32_only_where_not_all_of_it_is_asked_for(precision: str, rounds: bool) -> None:
    Device("cuda:0", Precision(precision)).set_precision_of_matrices()
    assert torch.get_float32_matmul_precision() == ("high" if rounds else "highest")
    assert torch.backends.cudnn.allow_tf32 is rounds


def test_the_digest_of_a_model_changes_with_what_it_answers(
    random_checkpoint: Path, seeing_checkpoint: Path
) -> None:
    digests = {
        build_engine("sam", settings(checkpoint=str(path), **more)).model_digest
        for path in (random_checkpoint, seeing_checkpoint)
        for more in ({}, {"precision": "bf16"}, {"zoom": "false"})
    }
    assert len(digests) == 6
