# SPDX-License-Identifier: Apache-2.0
"""SQuAD documents of generated text that is hard on tokenizers, and small tokenizers trained on it."""

import json
import pathlib
import random

import tokenizers
import transformers
from tokenizers import models, normalizers, pre_tokenizers, trainers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PLAIN = ["the", "river", "Of", "Barnsley", "in", "1987", "won", "tournament", "a", "played", "against", "U.S.",
         "3,141.59", "$20", "(rarely)", "don't", "well-known", "x", "internationalisation", "WORLD", "an", "old"]
HARD = ["café", "cafe\u0301", "naïve", "Ångström", "A\u030angstro\u0308m", "İstanbul", "straße", "ΟΔΥΣΣΕΥΣ", "Σίσυφος",
        "東京都", "漢字とかな", "한국어", "한국", "हिन्दी", "العربية", "עִבְרִית", "Дмитрий",
        "👩\u200d👩\u200d👧", "🇩🇪", "😀😀", "👍🏽", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "½", "ﬁnal", "№5", "“quoted”", "‘so’", "«là»",
        "…", "—", "soft\u00adhyphen", "zero\u200bwidth", "non\u00a0breaking", "bell\u0007", "\ufffd", "a\u0338", "Ⅻ",
        "q\u0323\u0307", "\u0301", "ẛ\u0323", "[SEP]", "<s>", "  ", "\t", "\n", "\u2003", "\u0000"]


def words(generator: random.Random, count: int, hard: float) -> str:
    chosen = [generator.choice(HARD if generator.random() < hard else PLAIN) for _ in range(count)]
    return "".join(word + generator.choice([" ", " ", " ", ", ", ". ", ""]) for word in chosen)


def answer(generator: random.Random, context: str) -> dict:
    """Often whole words, at times any characters."""
    begin = generator.randrange(len(context))
    end = min(len(context), begin + generator.choice([1, 1, 2, 5, 12, 40]))
    if generator.random() < 0.7:
        while begin > 0 and context[begin - 1] != " ":
            begin -= 1
        while end < len(context) and context[end] != " ":
            end += 1
    return {"text": context[begin:end], "answer_start": begin}


def document(seed: int, version: str, paragraphs: int = 30) -> dict:
    generator = random.Random(seed)
    articles = []
    for i in range(paragraphs):
        hard = generator.choice([0, 0.1, 0.5, 1])
        context = generator.choice(["", " "]) + words(generator, generator.choice([3, 40, 200]), hard)
        questions = []
        for j in range(generator.randrange(1, 5)):
            text = generator.choice(["", " ", "\u00a0\n"]) + words(generator, generator.randrange(12), hard / 2)
            answers = [answer(generator, context) for _ in range(generator.randrange(1, 4))]
            question = {"id": f"{seed}-{i}-{j}", "question": text, "answers": answers}
            if version == "v2.0":
                impossible = generator.random() < 0.4
                question |= {"is_impossible": impossible, "answers": [] if impossible else answers}
                if impossible:
                    question["plausible_answers"] = answers
            questions.append(question)
        articles.append({"title": f"article {i}", "paragraphs": [{"context": context, "qas": questions}]})
    return {"version": version, "data": articles}


def word_piece(texts: list[str], lowercase: bool) -> dict[str, int]:
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=400, special_tokens=SPECIAL,
                                                                   show_progress=False))
    return tokenizer.get_vocab()


def byte_level(texts: list[str]) -> tuple[dict[str, int], list]:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def make_tokenizers(folder: pathlib.Path) -> dict[str, transformers.PreTrainedTokenizerBase]:
    """Folders as save_pretrained leaves them, beside the tokenizers themselves."""
    generator = random.Random(1)
    texts = [words(generator, 50, 0.4) for _ in range(200)]
    uncased, cased = word_piece(texts, True), word_piece(texts, False)
    vocabulary, merges = byte_level(texts)
    made = {"bert_uncased": transformers.BertTokenizerFast(vocab=uncased, do_lower_case=True),
            "bert_cased": transformers.BertTokenizerFast(vocab=cased, do_lower_case=False),
            "roberta": transformers.RobertaTokenizerFast(vocab=vocabulary, merges=merges),
            "roberta_untrimmed": transformers.RobertaTokenizerFast(vocab=vocabulary, merges=merges,
                                                                   trim_offsets=False, add_prefix_space=True),
            "electra": transformers.ElectraTokenizerFast(vocab=uncased, do_lower_case=True),
            "distilbert": transformers.DistilBertTokenizerFast(vocab=cased, do_lower_case=False)}
    configs = {"roberta": transformers.RobertaConfig(type_vocab_size=1),
               "roberta_untrimmed": transformers.RobertaConfig(type_vocab_size=1),
               "distilbert": transformers.DistilBertConfig()}
    for name, tokenizer in made.items():
        tokenizer.save_pretrained(folder / name)
        configs.get(name, transformers.BertConfig()).save_pretrained(folder / name)
    return made
