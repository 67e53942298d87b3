# SPDX-License-Identifier: Apache-2.0
"""SQuAD 1.1 and 2.0 JSON, read and checked: what is wrong is named by its JSON path."""

import gzip
import json
import re
import zlib
from typing import Any, NamedTuple

ALIGNMENT = "offsets count characters (code points) of the context, not bytes"


class SquadError(Exception):
    """"$.data[0].paragraphs[2].context: what is wrong; how to mend it", without the file's name."""


class Question(NamedTuple):
    id: str
    text: str
    context: int  # index into Squad.contexts
    answers: list[str]
    span: tuple[int, int] | None  # of the first answer, in characters of the context
    path: str


class Squad(NamedTuple):
    version: str  # "1.1" or "2.0"
    contexts: list[str]
    questions: list[Question]
    misaligned: int  # answers that are not in their context where they should be


def printable(text: str, limit: int = 60) -> str:
    """Quoted and short, with control characters and lone surrogates escaped."""
    shortened = text if len(text) <= limit else text[:limit] + "..."
    return f'"{repr(shortened)[1:-1]}"'


def parse(content: bytes) -> Any:
    """The JSON value of a file's bytes, gzip or plain. Throws SquadError also where the json module is lenient:
    keys given twice, NaN and infinities.
    """
    faults: dict[int, tuple[Any, str]] = {}  # by id(); the value is kept so that its id stays its own

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            faults[id(value)] = value, f"has the key {printable(twice)} twice; keep one of them"
        return value

    def constant(name: str) -> float:
        value = float(name)
        faults[id(value)] = value, f"{name} is no JSON; write a number, or leave it out"
        return value

    try:
        value = json.loads(decode(decompress(content)), object_pairs_hook=unique, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise SquadError(f"line {error.lineno}, column {error.colno}: no JSON: {error.msg}; "
                         "give a file in SQuAD's format") from error
    except RecursionError as error:
        raise SquadError("$: its arrays or objects are nested too deeply; SQuAD's format has 8 levels") from error
    except ValueError as error:  # an integer of thousands of digits
        raise SquadError(f"$: no JSON that can be read: {str(error).split(';')[0]}; shorten that number") from error
    if faults:
        raise SquadError(place_of_fault(value, faults))
    return value


def decompress(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except EOFError as error:
        raise SquadError("its gzip data ends early; copy or download it again") from error
    except (OSError, zlib.error) as error:
        raise SquadError(f"its gzip data is damaged ({error}); copy or download it again") from error


def decode(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise SquadError(f"line {line}, byte {column}: not UTF-8 ({error.reason}); convert it, for example with "
                         "iconv") from error
    if text.startswith("\ufeff"):
        raise SquadError("line 1, column 1: begins with a byte order mark; remove it")
    return text


def place_of_fault(document: Any, faults: dict[int, tuple[Any, str]]) -> str:
    stack = [("$", document)]
    while stack:
        path, value = stack.pop()
        if id(value) in faults:
            return f"{path}: {faults[id(value)][1]}"
        if isinstance(value, dict):
            children = [(path + step(key), child) for key, child in value.items()]
        else:
            children = [(f"{path}[{i}]", child) for i, child in enumerate(value)] if isinstance(value, list) else []
        stack.extend(reversed(children))
    raise AssertionError("each fault is in the document, or in a value that another fault replaced")


def step(key: str) -> str:
    return f".{key}" if re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII) else f"[{printable(key)}]"


NAMES = {str: "a string", int: "an integer", bool: "true or false", list: "an array", dict: "an object"}


def described(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return NAMES[type(value)]
    return printable(value) if isinstance(value, str) else printable(json.dumps(value))[1:-1]


def typed(value: Any, kind: type, path: str) -> Any:
    if type(value) is not kind:  # bool is an int otherwise
        raise SquadError(f"{path}: must be {NAMES[kind]}, is {described(value)}")
    if kind is str and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise SquadError(f"{path}: character {error.start} is a lone surrogate (\\u{ord(value[error.start]):04x}), "
                             "half of a pair; write both or none") from error
    return value


def member(value: dict, key: str, kind: type, path: str, mend: str = "add it") -> Any:
    if key not in value:
        raise SquadError(f'{path}: has no "{key}"; {mend}')
    return typed(value[key], kind, f"{path}.{key}")


def examine(document: Any, drop_misaligned: bool = False) -> Squad:
    """Checks a parsed document. As in the official scripts a question is unanswerable when its "answers" are empty,
    whatever "is_impossible" says; "plausible_answers" and unknown keys are ignored. An answer that is not at its
    answer_start is an error, or with `drop_misaligned` one without a span.
    """
    typed(document, dict, "$")
    reader = _Reader(drop_misaligned)
    version = typed(document["version"], str, "$.version") if "version" in document else ""
    mend = 'SQuAD\'s format is {"version": ..., "data": [...]}'
    for i, article in enumerate(member(document, "data", list, "$", mend)):
        path = f"$.data[{i}]"
        for j, paragraph in enumerate(member(typed(article, dict, path), "paragraphs", list, path)):
            reader.read_paragraph(paragraph, f"{path}.paragraphs[{j}]")
    if not reader.questions:
        raise SquadError("$.data: has no question; give a file with some")
    second = reader.has_impossible or version.removeprefix("v").startswith("2")
    return Squad("2.0" if second else "1.1", reader.contexts, reader.questions, reader.misaligned)


class _Reader:
    def __init__(self, drop_misaligned: bool):
        self.drop_misaligned = drop_misaligned
        self.contexts: list[str] = []
        self.questions: list[Question] = []
        self.paths: dict[str, str] = {}  # of questions, by id
        self.has_impossible = False
        self.misaligned = 0

    def read_paragraph(self, paragraph: Any, path: str) -> None:
        context = member(typed(paragraph, dict, path), "context", str, path)
        questions = member(paragraph, "qas", list, path)
        for i, question in enumerate(questions):
            self.read_question(question, context, f"{path}.qas[{i}]")
        if questions:
            self.contexts.append(context)

    def read_question(self, question: Any, context: str, path: str) -> None:
        identifier = member(typed(question, dict, path), "id", str, path)
        if identifier in self.paths:
            raise SquadError(f"{path}.id: {printable(identifier)} is the id of {self.paths[identifier]} too; "
                             "give each question its own")
        self.paths[identifier] = path
        text = member(question, "question", str, path)
        if "is_impossible" in question:
            typed(question["is_impossible"], bool, f"{path}.is_impossible")
            self.has_impossible = True
        answers = member(question, "answers", list, path, "where there is none write \"answers\": []")
        spans = [self.read_answer(answer, context, f"{path}.answers[{i}]") for i, answer in enumerate(answers)]
        self.questions.append(Question(identifier, text, len(self.contexts), [answer["text"] for answer in answers],
                                       spans[0] if spans else None, path))

    def read_answer(self, answer: Any, context: str, path: str) -> tuple[int, int] | None:
        text = member(typed(answer, dict, path), "text", str, path)
        start = member(answer, "answer_start", int, path)
        if text and start >= 0 and context.startswith(text, start):
            return start, start + len(text)
        if not self.drop_misaligned:
            raise SquadError(misalignment(text, start, context, path))
        self.misaligned += 1
        return None


def misalignment(text: str, start: int, context: str, path: str) -> str:
    if not text:
        return f"{path}.text: is empty; where there is no answer write \"answers\": []"
    found = context.find(text)
    hint = f"the first is at {found}" if found >= 0 else "the context does not have it anywhere"
    mend = f"{ALIGNMENT}; {hint}; or use --drop-misaligned"
    if not 0 <= start < len(context):
        return f"{path}.answer_start: {printable(str(start))[1:-1]} is outside the context of {len(context)} " \
               f"characters; {mend}"
    return f"{path}.answer_start: at {start} the context says {printable(context[start:start + len(text)])}, not " \
           f"the answer {printable(text)}; {mend}"
