# SPDX-License-Identifier: Apache-2.0
"""SQuAD evaluation as PyTorch users do it: a transformers model, run_qa's span search, the official metrics."""

import collections
import json
import pathlib
import re
import string
from typing import NamedTuple

import numpy as np
import safetensors
import torch
import transformers

N_BEST, MAX_TOKENS = 20, 30


class Data(NamedTuple):
    tensors: dict[str, np.ndarray]  # windows of the questions that are asked
    questions: list[dict]  # of the tokenized file
    contexts: list[bytes]  # UTF-8
    second_version: bool


def read(path: pathlib.Path, limit: int | None) -> Data:
    with safetensors.safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        second = file.metadata()["squad_version"] == "2.0"
    texts = json.loads(tensors.pop("examples").tobytes())
    questions = texts["examples"][:limit]
    windows = tensors["example"] < len(questions)
    return Data({name: tensor[windows] for name, tensor in tensors.items()}, questions,
                [context.encode() for context in texts["contexts"]], second)


def load_model(folder: pathlib.Path):
    transformers.logging.disable_progress_bar()
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder, dtype=torch.float32,
                                                                       local_files_only=True)
    return model.eval()


def prune_encoder(model) -> int:
    """Every linear whose name contains "layer" to 2:4 by magnitude, the lower index pruned on a tie; their number."""
    pruned = 0
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and "layer" in name and module.in_features % 4 == 0:
            groups = module.weight.data.view(-1, 4)
            lowest = groups.abs().argsort(dim=1, stable=True)[:, :2]
            groups.scatter_(1, lowest, 0.0)
            pruned += 1
    return pruned


def inputs(model, tensors: dict[str, np.ndarray], rows: np.ndarray, width: int) -> dict[str, torch.Tensor]:
    """Of the windows `rows`, padded to `width` tokens."""
    ids = torch.from_numpy(tensors["input_ids"][rows, :width]).long()
    mask = torch.arange(width) < torch.from_numpy(tensors["length"][rows])[:, None]
    batch = {"input_ids": ids, "attention_mask": mask.long()}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        batch["token_type_ids"] = torch.from_numpy(tensors["token_type_ids"][rows, :width]).long()
    return batch


@torch.inference_mode()
def logits(model, tensors: dict[str, np.ndarray], batch: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Start and end logits [windows, width], -inf in the padding; the shortest windows come first."""
    starts, ends = (np.full(tensors["input_ids"].shape, -np.inf, np.float32) for _ in range(2))
    order = np.argsort(tensors["length"], kind="stable")
    for first in range(0, len(order), batch):
        rows = order[first:first + batch]
        width = int(tensors["length"][rows].max())
        output = model(**inputs(model, tensors, rows, width))
        starts[rows, :width] = output.start_logits.float().numpy()
        ends[rows, :width] = output.end_logits.float().numpy()
    padding = np.arange(starts.shape[1]) >= tensors["length"][:, None]
    starts[padding] = ends[padding] = -np.inf
    return starts, ends


def best(scores: np.ndarray, count: int) -> list[int]:
    """Indices of the highest, finite ones; the lower index first where they are equal."""
    return [int(i) for i in np.argsort(-scores, kind="stable")[:count] if np.isfinite(scores[i])]


def window_spans(start: np.ndarray, end: np.ndarray, context: np.ndarray, over_all_tokens: bool) -> list[tuple]:
    """(score, first token, last token) of pairs among the best starts and ends, ordered by their tokens."""
    if over_all_tokens:
        firsts, lasts = ([i for i in best(values, N_BEST) if context[i]] for values in (start, end))
    else:
        firsts, lasts = (best(np.where(context, values, -np.inf), N_BEST) for values in (start, end))
    return [(np.float32(start[i] + end[j]), i, j) for i in sorted(firsts) for j in sorted(lasts)
            if i <= j < i + MAX_TOKENS]


def answers(data: Data, starts: np.ndarray, ends: np.ndarray, over_all_tokens: bool = False,
            null_threshold: float = 0.0) -> dict[str, str]:
    """Of each question. `over_all_tokens`: run_qa to the letter, whose best 20 may be outside the context."""
    found: dict[int, tuple] = {}
    null: dict[int, np.float32] = {}
    for window, example in enumerate(data.tensors["example"].tolist()):
        context = data.tensors["offsets"][window, :, 0] >= 0
        for score, first, last in window_spans(starts[window], ends[window], context, over_all_tokens):
            if example not in found or score > found[example][0]:
                begin, end = data.tensors["offsets"][window, first, 0], data.tensors["offsets"][window, last, 1]
                found[example] = score, begin, end
        null_score = np.float32(starts[window, 0] + ends[window, 0])
        null[example] = min(null.get(example, null_score), null_score)
    predictions = {}
    for example, question in enumerate(data.questions):
        if example not in found:
            predictions[question["id"]] = "empty" if over_all_tokens and not data.second_version else ""
            continue
        score, begin, end = found[example]
        no_answer = data.second_version and null[example] - score > null_threshold
        predictions[question["id"]] = "" if no_answer else data.contexts[question["context"]][begin:end].decode()
    return predictions


def normalized(text: str) -> str:
    kept = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def f1(prediction: str, answer: str, second_version: bool) -> float:
    said, right = normalized(prediction).split(), normalized(answer).split()
    if second_version and not (said and right):
        return float(said == right)
    common = sum((collections.Counter(said) & collections.Counter(right)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(said), common / len(right)
    return 2 * precision * recall / (precision + recall)


def official_scores(document: dict, predictions: dict[str, str], second_version: bool) -> tuple[float, float]:
    """F1 and exact match in per cent, over the questions of a SQuAD document that have a prediction."""
    f1_sum = exact_sum = 0.0
    asked = 0
    for article in document["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                if question["id"] not in predictions:
                    continue
                asked += 1
                prediction = predictions[question["id"]]
                right = [answer["text"] for answer in question["answers"]]
                if second_version:
                    right = [text for text in right if normalized(text)] or [""]
                f1_sum += max((f1(prediction, text, second_version) for text in right), default=0.0)
                exact_sum += max((normalized(prediction) == normalized(text) for text in right), default=False)
    return 100 * f1_sum / asked, 100 * exact_sum / asked
