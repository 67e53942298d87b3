# SPDX-License-Identifier: Apache-2.0
"""Generates the question set of tests/data/tiny_squad and the tokenizer made for its text.

A context holds three facts of one family and one or two of another, so that each answer has others of its kind
beside it; a short one, for the beginning of training, holds two of one family. Training and dev share no phrasing
(tiny_squad_text.py), no full name, no town, no building and no event.
"""

import dataclasses
import json
import pathlib
import random
import re
import unicodedata
from collections.abc import Iterator

import tiny_squad_text as text
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MAX_LENGTH = 160  # tokens of a question and its context; none of this text has more
ARTICLES = 12  # contexts in each
NUMBERS = range(11, 60)
YEARS = range(1950, 2000)


@dataclasses.dataclass
class Family:
    """Facts of one kind; a sentence fills every slot, a question those in braces."""
    slots: dict[str, str]  # slot name: kind of value
    train: list[str]
    dev: list[str]
    train_questions: dict[str, list[str]]  # by the slot that they ask for
    dev_questions: dict[str, list[str]]


def questions(block: str) -> dict[str, list[str]]:
    by_slot: dict[str, list[str]] = {}
    for slot, question in (line.split(": ", 1) for line in lines(block)):
        by_slot.setdefault(slot, []).append(question)
    return by_slot


def lines(block: str) -> list[str]:
    return [line.strip() for line in block.strip().splitlines()]


def family(slots: str, train: str, dev: str, train_questions: str, dev_questions: str) -> Family:
    return Family(dict(pair.split("=") for pair in slots.split()), lines(train), lines(dev),
                  questions(train_questions), questions(dev_questions))


FAMILIES = {name: family(*parts) for name, parts in text.FAMILIES.items()}


def pairs(firsts, seconds, split: str, join: str) -> list[str]:
    """Combinations of two lists; dev has every fifth, training the others."""
    return [first + join + second for i, first in enumerate(firsts) for j, second in enumerate(seconds)
            if ((i + 2 * j) % 5 == 0) == (split == "dev")]


def pools(split: str) -> dict[str, list[str]]:
    """The values of each kind."""
    return {**text.WORDS,
            "person": pairs(text.FIRST_NAMES, text.SURNAMES, split, " "),
            "town": pairs(text.TOWN_BEGINNINGS, text.TOWN_ENDINGS, split, ""),
            "building": pairs(*text.BUILDINGS, split, " "),
            "event": pairs(*text.EVENTS, split, " "),
            "year": [str(year) for year in YEARS],
            "number": [str(number) for number in NUMBERS],
            "day": [f"{day} {month}" for day in range(1, 29) for month in text.MONTHS]}


def draw_fact(name: str, values: dict, used: set[str], generator: random.Random) -> dict[str, str]:
    """A value for each slot, none used before in this context; animals differ within a fact only."""
    fact: dict[str, str] = {}
    for slot, kind in FAMILIES[name].slots.items():
        taken = set(fact.values()) if kind == "animal" else used
        while (value := generator.choice(values[kind])) in taken:
            pass
        fact[slot] = value
        used.add(value)
    return fact


def render(template: str, fact: dict[str, str], opener: str) -> tuple[str, dict[str, int]]:
    """The sentence, and where in it each value begins."""
    if opener and not template.startswith("{"):
        template = template[0].lower() + template[1:]
    sentence, begins = opener, {}
    for piece in re.split(r"({\w+})", template):
        if piece.startswith("{"):
            begins[piece[1:-1]] = len(sentence)
            piece = fact[piece[1:-1]]
        sentence += piece
    return sentence, begins


def references(context: str, begin: int, answer: str) -> list[dict]:
    """The answer as people might mark it: alone, with its article, with what it counts."""
    spans = [(begin, begin + len(answer))]
    if article := re.search(r"\b([Tt]he|[Aa]) $", context[:begin]):
        spans.append((article.start(), begin + len(answer)))
    if answer.isdigit() and (unit := re.match(r" (metres|euros|guests|people|visitors)\b", context[spans[0][1]:])):
        spans.append((begin, spans[0][1] + unit.end()))
    return [{"text": context[first:last], "answer_start": first} for first, last in spans]


def paragraph(split: str, number: int, short: bool, values: dict, generator: random.Random) -> dict:
    main, other = generator.sample(sorted(FAMILIES), 2)
    used: set[str] = set()
    names = [main] * 2 if short else [main] * 3 + [other] * generator.choice((1, 2))
    facts = [(name, draw_fact(name, values, used, generator)) for name in names]
    order = list(range(len(facts))) + [-1] * generator.choice((0, 1))
    generator.shuffle(order)
    context, begins = "", {}
    for index in order:
        context += " " if context else ""
        if index < 0:
            context += generator.choice(text.FILLERS[split])
            continue
        name, fact = facts[index]
        opener = generator.choice(text.OPENERS[split]) if generator.random() < 0.15 else ""
        sentence, places = render(generator.choice(getattr(FAMILIES[name], split)), fact, opener)
        begins.update({(index, slot): len(context) + place for slot, place in places.items()})
        context += sentence
    return {"context": context, "qas": ask(split, number, context, facts, begins, generator)}


def ask(split: str, number: int, context: str, facts: list, begins: dict, generator: random.Random) -> list[dict]:
    """Five questions on as many values, each with the first reference for training, all of them for dev."""
    asked = [(index, slot) for index, slot in sorted(begins) if slot in FAMILIES[facts[index][0]].dev_questions]
    qas = []
    for count, (index, slot) in enumerate(generator.sample(asked, 5)):
        name, fact = facts[index]
        template = generator.choice(getattr(FAMILIES[name], f"{split}_questions")[slot])
        answers = references(context, begins[index, slot], fact[slot])
        qas.append({"id": f"{split}-{number:04d}-{count}", "question": render(template, fact, "")[0],
                    "answers": answers if split == "dev" else answers[:1]})
    return qas


def paragraphs(split: str, seed: int, short: bool = False) -> Iterator[dict]:
    """Without end; the same for the same seed."""
    generator = random.Random(seed)
    values = pools(split)
    number = 0
    while True:
        yield paragraph(split, number, short, values, generator)
        number += 1


def write(path: pathlib.Path, chosen: list[dict]) -> None:
    """SQuAD 1.1, one paragraph a line."""
    articles = []
    for first in range(0, len(chosen), ARTICLES):
        lines = ",\n".join(json.dumps(each, ensure_ascii=False, separators=(",", ":"))
                           for each in chosen[first:first + ARTICLES])
        articles.append('{"title":"Generated %d","paragraphs":[\n%s]}' % (first // ARTICLES + 1, lines))
    path.write_text('{"version":"1.1","data":[\n' + ",\n".join(articles) + "]}\n", encoding="utf-8")


def words() -> set[str]:
    """Every word of the templates and values, lower-cased and without accents."""
    found: list[str] = [*text.FIRST_NAMES, *text.SURNAMES, *text.MONTHS, *sum(text.WORDS.values(), []),
                        *sum(text.BUILDINGS + text.EVENTS, ()), *sum(text.FILLERS.values(), []),
                        *sum(text.OPENERS.values(), []), *text.TOWN_BEGINNINGS]
    for each in FAMILIES.values():
        found += each.train + each.dev
        found += sum([*each.train_questions.values(), *each.dev_questions.values()], [])
    plain = unicodedata.normalize("NFD", re.sub(r"{\w+}", " ", " ".join(found)).lower())
    return set(re.findall(r"[a-z]+", "".join(each for each in plain if unicodedata.category(each) != "Mn")))


def make_tokenizer() -> Tokenizer:
    """BERT's uncased WordPiece. Towns and years are in pieces; so is any other word of a-z and 0-9."""
    characters = "abcdefghijklmnopqrstuvwxyz0123456789"
    entries = [*SPECIAL, *"!\"'(),-.:;?", *characters, *("##" + each for each in characters),
               *sorted(words()), *("##" + ending for ending in text.TOWN_ENDINGS),
               *(str(number) for number in range(10, 60)), *(f"##{year % 100}" for year in YEARS)]
    vocabulary = {entry: index for index, entry in enumerate(dict.fromkeys(entries))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(each, vocabulary[each]) for each in ("[CLS]", "[SEP]")])
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def write_tokenizer(tokenizer: Tokenizer, folder: pathlib.Path) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_LENGTH,
              "model_input_names": ["input_ids", "token_type_ids", "attention_mask"], **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
