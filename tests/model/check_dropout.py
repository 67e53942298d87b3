#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds dropout in a traced model against transformers' own model in training mode.

    check_dropout.py DRIVER

DRIVER is the built dropout_driver. Small random models of each architecture and attention: mean, variance and fourth
moment of all logits over many draws must agree within their standard errors, and the number of places with
transformers' dropout modules. With any one of these modules off, the same comparison must fail: it sees each place.
From one seed both must draw the same.
Exit status: 1 where that is not so.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import types
import warnings

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "scripts")]

import export_bert  # noqa: E402
import export_models  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

DRAWS = 20_000
SEED = 7
SAME_DRAWS = 0.01  # standard errors
LENGTH = 4
# Of the largest deviation among the moments, in standard errors: 16 numbers, few of which are beyond 3 by chance.
TOLERANCE = 4.5
# One p: a trace does not record that of attention.
P = {name: 0.3 for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout",
                            "qa_dropout")}
CASES = [("bert", "eager"), ("bert", "sdpa"), ("roberta", "sdpa"), ("electra", "sdpa"), ("distilbert", "eager"),
         ("distilbert", "sdpa")]


def build(family: str, attention: str) -> torch.nn.Module:
    """Random weights, large enough for each place to matter to the logits."""
    class_name, values = export_models.ENCODERS[family]
    config = getattr(transformers, class_name)(**values, **P)
    torch.manual_seed(sum(map(ord, family)))
    model = transformers.AutoModelForQuestionAnswering.from_config(config, attn_implementation=attention)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def example() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(2, export_models.VOCABULARY, (LENGTH,), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(LENGTH, dtype=torch.long)
    mask[-1] = 0
    return ids, mask


@torch.no_grad()
def moments(model: torch.nn.Module, seed: int) -> torch.Tensor:
    """Mean, variance and fourth moment around the mean of all start logits, then end logits. [3, 2 * LENGTH]"""
    ids, mask = (row.repeat(DRAWS, 1) for row in example())
    torch.manual_seed(seed)
    output = model.train()(input_ids=ids, attention_mask=mask)
    draws = torch.cat([output.start_logits, output.end_logits], 1).double()
    centred = draws - draws.mean(0)
    return torch.stack([draws.mean(0), centred.pow(2).mean(0), centred.pow(4).mean(0)])


def run_driver(driver: pathlib.Path, file: pathlib.Path) -> tuple[list, torch.Tensor]:
    ids, mask = example()
    request = json.dumps({"ids": ids.tolist(), "mask": mask.tolist(), "draws": DRAWS})
    done = subprocess.run([driver, file, str(SEED)], input=request, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    answer = json.loads(done.stdout)
    return answer["places"], torch.tensor([answer["mean"], answer["variance"], answer["fourth"]], dtype=torch.double)


def deviation(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference of means and variances in standard errors."""
    squares = torch.stack([a[1] + b[1], a[2] - a[1] ** 2 + b[2] - b[1] ** 2]) / DRAWS
    return ((a[:2] - b[:2]).abs() / squares.sqrt()).max().item()


def dropout_modules(model: torch.nn.Module) -> dict[str, torch.nn.Dropout]:
    return {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Dropout)}


def check(driver: pathlib.Path, family: str, attention: str, folder: pathlib.Path) -> list[str]:
    """What is wrong."""
    model = build(family, attention)
    modules = dropout_modules(model)
    options = types.SimpleNamespace(model=family, fixed_length=None, dtype="fp32", attention=attention)
    file = folder / "model.pt"
    # Another object: export_bert binds the inputs of the one it traces.
    torch.jit.save(export_bert.trace(build(family, attention).eval(), options), str(file))
    places, ours = run_driver(driver, file)
    wrong = []
    if len(places) != len(modules) or any(used != P["dropout"] for _, _, used in places):
        wrong.append(f"places {places}, not {len(modules)} of p = {P['dropout']}")
    same, other = deviation(ours, moments(model, SEED)), deviation(ours, moments(model, SEED + 1))
    if not same <= SAME_DRAWS:
        wrong.append(f"from one seed the draws differ: {same:.2g} standard errors")
    if not other <= TOLERANCE:
        wrong.append(f"moments differ by {other:.2f} standard errors")
    without = {}
    # Both kinds of attention draw alike.
    for name, module in modules.items() if attention == "sdpa" else ():
        module.p = 0.0
        without[name] = deviation(ours, moments(model, SEED + 2))
        module.p = P["dropout"]
        if not without[name] > TOLERANCE:
            wrong.append(f"a model without {name} is taken for ours: {without[name]:.2f} standard errors")
    seen = f", with one place off at least {min(without.values()):.2f}" if without else ""
    print(f"{family} {attention}: {len(places)} places; deviation {other:.2f} standard errors{seen}", flush=True)
    return [f"{family} {attention}: {each}" for each in wrong]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver", type=pathlib.Path, help="the built dropout_driver")
    driver = parser.parse_args().driver.resolve()
    export_bert.silence(transformers)
    warnings.simplefilter("ignore")
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for family, attention in CASES:
            wrong += check(driver, family, attention, pathlib.Path(folder))
    for each in wrong:
        print(f"WRONG: {each}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
