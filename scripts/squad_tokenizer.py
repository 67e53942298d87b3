# SPDX-License-Identifier: Apache-2.0
"""A Hugging Face fast tokenizer, with what a tokenized file needs to know of its model."""

import hashlib
import json
import os
import pathlib
from typing import NamedTuple

import tokenizers

# One of them makes transformers able to build a fast tokenizer where there is no tokenizer.json.
VOCABULARIES = ("vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")


class TokenizerError(Exception):
    """"FOLDER: what is wrong; how to mend it". `missing`: there is no tokenizer at all."""

    def __init__(self, message: str, missing: bool = False):
        super().__init__(message)
        self.missing = missing


class SquadTokenizer(NamedTuple):
    backend: tokenizers.Tokenizer
    pad_token_id: int
    has_segments: bool  # the model takes token_type_ids


def load_tokenizer(folder: str | os.PathLike) -> SquadTokenizer:
    folder = pathlib.Path(folder)
    backend = load_backend(folder)
    pair = backend.encode("a", "b")
    if not pair.special_tokens_mask or not pair.special_tokens_mask[0]:
        raise TokenizerError(f"{folder}: its tokenizer puts no special token before a question, which answers without "
                             "a span need; give its tokenizer.json a post_processor")
    return wrap(backend, folder)


def load_backend(folder: pathlib.Path) -> tokenizers.Tokenizer:
    path = folder / "tokenizer.json"
    if not folder.is_dir():
        raise TokenizerError(f"{folder}: no such folder; give one with a tokenizer.json", missing=True)
    if not path.exists() and not any((folder / name).exists() for name in VOCABULARIES):
        raise TokenizerError(f"{folder}: has no tokenizer.json and no vocabulary; save a tokenizer in it "
                             "(AutoTokenizer.save_pretrained)", missing=True)
    try:
        # transformers takes seconds to import.
        return tokenizers.Tokenizer.from_file(str(path)) if path.exists() else from_vocabulary(folder)
    except Exception as error:  # both raise many kinds
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise TokenizerError(f"{path if path.exists() else folder}: no fast tokenizer that can be read: {reason}; "
                             "save it again (AutoTokenizer.save_pretrained)") from error


def from_vocabulary(folder: pathlib.Path) -> tokenizers.Tokenizer:
    import transformers
    transformers.logging.set_verbosity_error()
    return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer


def wrap(backend: tokenizers.Tokenizer, folder: pathlib.Path) -> SquadTokenizer:
    """Of what the files say, the first that says something; the files are those of save_pretrained."""
    settings = [read_json(folder / name) for name in ("tokenizer_config.json", "special_tokens_map.json")]
    config = read_json(folder / "config.json")
    tokens = [entry.get("content") if isinstance(entry, dict) else entry
              for entry in (setting.get("pad_token") for setting in settings)]
    candidates = [(backend.padding or {}).get("pad_id"),
                  *(backend.token_to_id(token) for token in tokens if isinstance(token, str)),
                  config.get("pad_token_id"), backend.token_to_id("[PAD]"), backend.token_to_id("<pad>")]
    found = [candidate for candidate in candidates if type(candidate) is int and candidate >= 0]
    if not found:
        raise TokenizerError(f"{folder}: has no padding token; name one as \"pad_token\" in tokenizer_config.json")
    inputs = settings[0].get("model_input_names")
    has_segments = (config.get("type_vocab_size") not in (0, 1) and config.get("model_type") != "distilbert"
                    and (not isinstance(inputs, list) or "token_type_ids" in inputs))
    return SquadTokenizer(backend, found[0], has_segments)


def read_json(path: pathlib.Path) -> dict:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise TokenizerError(f"{path}: cannot be read: {error}; save the tokenizer and the model's config again") \
            from error
    return value if isinstance(value, dict) else {}


def vocabulary_sha256(backend: tokenizers.Tokenizer) -> str:
    """Of the tokens in the order of their ids, each with a line feed: the hash of a BERT's vocab.txt."""
    by_id = {token_id: token for token, token_id in backend.get_vocab(with_added_tokens=True).items()}
    lines = (by_id.get(token_id, "") for token_id in range(max(by_id, default=-1) + 1))
    return hashlib.sha256("".join(f"{token}\n" for token in lines).encode()).hexdigest()
