# SPDX-License-Identifier: Apache-2.0
"""Trains the small question-answering BERT of tests/data/ from nothing, on one core, on endless generated text.

So small a BERT finds out that it must look words of the question up in the context only after very many examples.
Three things shorten that: some heads begin as comparisons (start_with_comparisons), the first contexts are short, and
a second loss asks each token whether it is in the sentence of the answer.
"""

import collections
import copy
import itertools
import math
import random
import re
import string
import sys

import tiny_squad
import torch
import transformers
from tokenizers import Tokenizer
from torch.nn import functional

CONFIG = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 256,
          "max_position_embeddings": tiny_squad.MAX_LENGTH}
SEED = 1
STEPS, SHORT_STEPS, WARM_UP = 3000, 600, 100
BATCH, RATE, DECAY = 32, 2e-3, 0.1
SENTENCE_LOSS = 1.0  # its weight
BUCKET = 8  # batches whose examples are sorted by length
REPORT_STEPS = 500
LONGEST_ANSWER = 30
FAR = -1e9  # logit of what cannot be chosen


def encode(tokenizer: Tokenizer, paragraph: dict) -> list[tuple]:
    """Of each question: ids, segments, offsets in characters (None outside the context), first and last token."""
    encodings = tokenizer.encode_batch([(question["question"], paragraph["context"])
                                        for question in paragraph["qas"]])
    rows = []
    for question, encoding in zip(paragraph["qas"], encodings):
        answer = question["answers"][0]
        begin, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
        offsets = [offset if segment == 1 else None
                   for offset, segment in zip(encoding.offsets, encoding.sequence_ids)]
        inside = [index for index, offset in enumerate(offsets)
                  if offset is not None and offset[0] >= begin and offset[1] <= end]
        rows.append((encoding.ids, encoding.type_ids, offsets, inside[0], inside[-1]))
    return rows


def collate(rows: list[tuple]) -> tuple[torch.Tensor, ...]:
    """Ids, mask and segments [batch, longest], and first and last token of the answers [batch]."""
    longest = max(len(row[0]) for row in rows)
    ids, mask, segments = (torch.zeros(len(rows), longest, dtype=torch.long) for _ in range(3))
    for index, row in enumerate(rows):
        ids[index, :len(row[0])] = torch.tensor(row[0])
        segments[index, :len(row[0])] = torch.tensor(row[1])
        mask[index, :len(row[0])] = 1
    return ids, mask, segments, torch.tensor([row[3] for row in rows]), torch.tensor([row[4] for row in rows])


def batches(tokenizer: Tokenizer):
    """Without end; each of examples of similar length, the first SHORT_STEPS from short contexts."""
    generator = random.Random(SEED)
    sources = [(tiny_squad.paragraphs("train", SEED + 1, short=True), SHORT_STEPS),
               (tiny_squad.paragraphs("train", SEED), None)]
    for source, steps in sources:
        rows = itertools.chain.from_iterable(encode(tokenizer, each) for each in source)
        for _ in range(math.ceil(steps / BUCKET)) if steps else itertools.count():
            bucket = sorted(itertools.islice(rows, BUCKET * BATCH), key=lambda row: len(row[0]))
            for first in generator.sample(range(0, len(bucket), BATCH), BUCKET):
                yield collate(bucket[first:first + BATCH])


def start_with_comparisons(model: transformers.BertForQuestionAnswering) -> None:
    """Words, positions (as sine waves) and segments begin in dimensions of their own. Half of the heads compare words
    (in the first layer with those of the other segment), the others prefer what stands near.
    """
    config, embeddings = model.config, model.bert.embeddings
    size = config.hidden_size // config.num_attention_heads  # of a head, and of positions
    waves = torch.arange(config.max_position_embeddings)[:, None] * 100.0 ** (-torch.arange(size // 2) / (size // 2))
    words, positions, segments = (embeddings.word_embeddings.weight.data, embeddings.position_embeddings.weight.data,
                                  embeddings.token_type_embeddings.weight.data)
    words.normal_(std=0.3)[:, :size + 1] = 0
    positions.zero_()[:, :size] = 0.42 * torch.cat([waves.sin(), waves.cos()], 1)
    segments.zero_()[:, size] = torch.tensor([0.6, -0.6])
    for number, layer in enumerate(model.bert.encoder.layer):
        query, key = layer.attention.self.query.weight.data, layer.attention.self.key.weight.data
        for head in range(config.num_attention_heads):
            compared = torch.zeros(size, config.hidden_size)
            if head < config.num_attention_heads // 2:
                among = config.hidden_size - size - 1
                compared[:, size + 1:] = 1.3 * torch.linalg.qr(torch.randn(among, size))[0].T
            else:
                compared[:, :size] = 1.5 * torch.eye(size)
            rows = slice(head * size, (head + 1) * size)
            query[rows] += compared
            key[rows] += compared
            if number == 0 and head < config.num_attention_heads // 2:
                query[rows.start, size] += 1
                key[rows.start, size] -= 1


def answer_sentences(ids: torch.Tensor, segments: torch.Tensor, start: torch.Tensor, full_stop: int) -> torch.Tensor:
    """1 for tokens of the sentence that holds the answer. [batch, length]"""
    stops = (ids == full_stop).long()
    sentence = stops.cumsum(1) - stops
    return ((sentence == sentence.gather(1, start[:, None])) & (segments == 1)).float()


def train(tokenizer: Tokenizer) -> transformers.BertForQuestionAnswering:
    """The trained model; the same for each call on one kind of machine. Sets Torch to one thread and its seed."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    config = transformers.BertConfig(vocab_size=tokenizer.get_vocab_size(), **CONFIG)
    # In evaluation mode, without dropout: the text does not repeat.
    model = transformers.BertForQuestionAnswering._from_config(config, attn_implementation="sdpa").eval()
    start_with_comparisons(model)
    in_sentence = torch.nn.Linear(config.hidden_size, 1)
    parameters = [*model.parameters(), *in_sentence.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": [each for each in parameters if each.dim() > 1], "weight_decay": DECAY},
         {"params": [each for each in parameters if each.dim() == 1], "weight_decay": 0.0}], lr=RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARM_UP, (STEPS - step) / (STEPS - WARM_UP)))
    full_stop = tokenizer.token_to_id(".")
    for step, (ids, mask, segments, start, end) in enumerate(itertools.islice(batches(tokenizer), STEPS), 1):
        hidden = model.bert(ids, attention_mask=mask, token_type_ids=segments).last_hidden_state
        starts, ends = model.qa_outputs(hidden).unbind(-1)
        in_context = (segments * mask).float()
        sentence_loss = functional.binary_cross_entropy_with_logits(
            in_sentence(hidden).squeeze(-1), answer_sentences(ids, segments, start, full_stop), weight=in_context,
            reduction="sum") / in_context.sum()
        loss = (functional.cross_entropy(starts, start) + functional.cross_entropy(ends, end)) / 2
        optimizer.zero_grad()
        (loss + SENTENCE_LOSS * sentence_loss).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % REPORT_STEPS == 0:
            print(f"step {step} of {STEPS}: loss {loss.item():.3f}", file=sys.stderr)
    return model


def pruned(model: torch.nn.Module) -> torch.nn.Module:
    """A copy whose encoder linears keep the two largest weights of each four along the input."""
    model = copy.deepcopy(model)
    for module in model.bert.encoder.modules():
        if isinstance(module, torch.nn.Linear):
            groups = module.weight.data.view(-1, 4)
            groups.scatter_(1, groups.abs().argsort(dim=1, stable=True)[:, :2], 0)
    return model


def normalise(text: str) -> list[str]:
    plain = "".join(each for each in text.lower() if each not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def f1(answer: str, reference: str) -> float:
    words, wanted = normalise(answer), normalise(reference)
    common = sum((collections.Counter(words) & collections.Counter(wanted)).values())
    return 2 * common / (len(words) + len(wanted))


@torch.no_grad()
def score(model: torch.nn.Module, tokenizer: Tokenizer, chosen: list[dict]) -> tuple[float, float]:
    """F1 and exact match in percent."""
    f1s, exact = [], []
    for paragraph in chosen:
        rows = encode(tokenizer, paragraph)
        ids, mask, segments, _, _ = collate(rows)
        output = model(ids, attention_mask=mask, token_type_ids=segments)
        length = ids.shape[1]
        spans = torch.ones(length, length).triu().tril(LONGEST_ANSWER - 1).bool()
        scores = output.start_logits[:, :, None] + output.end_logits[:, None, :]
        inside = torch.tensor([[offset is not None for offset in row[2]] + [False] * (length - len(row[2]))
                               for row in rows])
        allowed = spans & inside[:, :, None] & inside[:, None, :]
        for row, best, question in zip(rows, scores.masked_fill(~allowed, FAR).flatten(1).argmax(1), paragraph["qas"]):
            first, last = divmod(best.item(), length)
            answer = paragraph["context"][row[2][first][0]:row[2][last][1]]
            texts = [reference["text"] for reference in question["answers"]]
            f1s.append(max(f1(answer, text) for text in texts))
            exact.append(any(normalise(answer) == normalise(text) for text in texts))
    return 100 * sum(f1s) / len(f1s), 100 * sum(exact) / len(exact)
