#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds scripts/export_bert.py on pretrained encoders: a question-answering head that is missing is made, weights in
half precision are exported in float32, and what lacks more is refused. Exit status: 1 where that fails.
"""

import contextlib
import io
import pathlib
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "scripts")]

import export_bert  # noqa: E402
import export_models  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402


def export(*arguments) -> tuple[int, str]:
    """Exit status and stderr of the script, called in this process."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        status = export_bert.main([*map(str, arguments)])
    return status, errors.getvalue()


def exported(folder: pathlib.Path, *arguments) -> tuple[dict[str, torch.Tensor], str]:
    output = folder / "out.pt"
    status, errors = export(folder, output, *arguments)
    assert status == 0, errors
    return torch.jit.load(str(output)).state_dict(), errors


def save_encoder(family: str, folder: pathlib.Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    class_name, values = export_models.ENCODERS[family]
    torch.manual_seed(3)
    # Large enough to see the deviation of the head.
    sizes = {"dim": 256} if family == "distilbert" else {"hidden_size": 256}
    model = transformers.AutoModel.from_config(getattr(transformers, class_name)(**{**values, **sizes})).to(dtype)
    model.save_pretrained(folder)
    return model.state_dict()


def check_head(family: str, folder: pathlib.Path) -> None:
    encoder = save_encoder(family, folder, torch.float32)
    weights, errors = exported(folder)
    head = {name: tensor for name, tensor in weights.items() if name.startswith("qa_outputs.")}
    assert set(head) == {"qa_outputs.weight", "qa_outputs.bias"}, list(head)
    assert "qa_outputs.weight" in errors and "fine-tune" in errors and "--seed 0" in errors, errors
    assert not head["qa_outputs.bias"].any()
    deviation, mean = head["qa_outputs.weight"].std().item(), head["qa_outputs.weight"].mean().item()
    assert abs(deviation - 0.02) < 0.003 and abs(mean) < 0.004, (mean, deviation)
    kept = [name for name in encoder if not name.startswith("pooler.")]
    prefix = next(name for name in weights if name.endswith(kept[0])).removesuffix(kept[0])
    assert prefix and all(weights[prefix + name].equal(encoder[name]) for name in kept), f"{family}: other weights"
    for seed, same in ((0, True), (1, False)):
        again, _ = exported(folder, "--seed", seed)
        assert again["qa_outputs.weight"].equal(head["qa_outputs.weight"]) == same, f"seed {seed}"


def check_dtype(folder: pathlib.Path) -> None:
    encoder = save_encoder("bert", folder, torch.float16)
    for dtype, expected in (("fp32", torch.float32), ("fp16", torch.float16)):
        weights, _ = exported(folder, "--dtype", dtype)
        assert all(tensor.dtype == expected for tensor in weights.values() if tensor.is_floating_point()), dtype
        name = "encoder.layer.0.output.dense.weight"
        assert weights[f"bert.{name}"].equal(encoder[name].to(expected)), dtype


def check_whole_model(folder: pathlib.Path) -> None:
    """A head that is there stays, and nothing is said."""
    model = export_models.build_encoder("bert", "sdpa", "fp32")
    model.save_pretrained(folder)
    weights, errors = exported(folder)
    assert weights["qa_outputs.weight"].equal(model.state_dict()["qa_outputs.weight"]) and not errors, errors


def check_refusal(folder: pathlib.Path) -> None:
    save_encoder("bert", folder, torch.float32)
    file = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(file)
    del tensors["encoder.layer.1.output.dense.weight"]
    safetensors.torch.save_file(tensors, file, {"format": "pt"})
    status, errors = export(folder, folder / "out.pt")
    assert status == 4 and "bert.encoder.layer.1.output.dense.weight" in errors, f"{status}: {errors}"
    assert not (folder / "out.pt").exists()


def main() -> int:
    export_bert.silence(transformers)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            for family in export_models.ENCODERS:
                check_head(family, folder / family)
            check_dtype(folder / "half")
            check_whole_model(folder / "whole")
            check_refusal(folder / "lacking")
        except AssertionError as error:
            print(f"WRONG: {error}")
            return 1
    print(f"{len(export_models.ENCODERS)} encoders without a head exported, and one in half precision")
    return 0


if __name__ == "__main__":
    sys.exit(main())
