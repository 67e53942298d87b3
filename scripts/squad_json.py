# SPDX-License-Identifier: Apache-2.0
"""SQuAD 1.1 and 2.0 JSON, nested as SQuAD has it or flat as Hugging Face's datasets writes it (an array or lines of
{"id", "context", "question", "answers": {"text": [...], "answer_start": [...]}}), read and checked: what is wrong is named by
its JSON path.
"""

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
    span: tuple[int, int] | None  # of the first answer that is where it should be, in characters of the context
    is_known: bool  # whether the span, or that there is none, is known: not of answers all misplaced, nor of a test set
    path: str


class Squad(NamedTuple):
    version: str  # "1.1" or "2.0"
    contexts: list[str]
    questions: list[Question]
    misaligned: int  # answers that are not in their context where they should be
    realigned: int  # questions with such answers whose span is a later answer's


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

    text = decode(refuse_tables(decompress(content)))
    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=constant)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and is_record(text.split("\n", 1)[0]):
            return parse_lines(text)
        raise SquadError(f"line {error.lineno}, column {error.colno}: no JSON: {error.msg}; "
                         "give a file in SQuAD's format") from error
    except RecursionError as error:
        raise SquadError("$: its arrays or objects are nested too deeply; SQuAD's format has 8 levels") from error
    except ValueError as error:  # an integer of thousands of digits
        raise SquadError(f"$: no JSON that can be read: {str(error).split(';')[0]}; shorten that number") from error
    if faults:
        raise SquadError(place_of_fault(value, faults))
    return value


class Lines(list):
    """The records of JSON lines."""


def is_record(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def parse_lines(text: str) -> Lines:
    """JSON lines: a record a line, empty lines apart."""
    records = Lines()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            records.append(parse(line.encode()))
        except SquadError as error:
            raise SquadError(f"line {number}: {str(error).removeprefix('line 1, ')}") from error
        if not isinstance(records[-1], dict):
            raise SquadError(f"line {number}: must be an object, as in JSON lines, or the file one JSON document")
    return records


def refuse_tables(content: bytes) -> bytes:
    for magic, kind, reader in ((b"PAR1", "Parquet", "from_parquet"), (b"ARROW1", "Arrow", "from_file")):
        if content.startswith(magic):
            raise SquadError(f"is {kind}, not JSON; convert it with Hugging Face's datasets: "
                             f"Dataset.{reader}(\"IN\").to_json(\"OUT.jsonl\")")
    return content


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
    return text.removeprefix("\ufeff")  # a byte order mark


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
    whatever "is_impossible" says; "plausible_answers" and unknown keys are ignored. A question without "answers" is one of a
    test set. An answer that is not at its answer_start is an error; with `drop_misaligned` a later one that is takes its
    place as the span, and a question that has none is not trained on.
    """
    reader = _Reader(drop_misaligned)
    version = ""
    if isinstance(document, list):
        place = "line {}" if isinstance(document, Lines) else "$[{}]"
        for i, record in enumerate(document, isinstance(document, Lines)):
            reader.read_record(record, place.format(i))
    else:
        typed(document, dict, "$")
        version = typed(document["version"], str, "$.version") if "version" in document else ""
        mend = 'SQuAD\'s format is {"version": ..., "data": [...]}'
        for i, article in enumerate(member(document, "data", list, "$", mend)):
            reader.read_article(article, f"$.data[{i}]")
    if not reader.questions:
        raise SquadError("$: has no question; give a file with some" if isinstance(document, list) else
                         "$.data: has no question; give a file with some")
    lacking = reader.without_answers
    if lacking and len(lacking) < len(reader.questions):
        raise SquadError(f'{lacking[0]}: has no "answers", which other questions have; where there is none write "answers": []')
    second = reader.has_impossible or version.removeprefix("v").startswith("2")
    return Squad("2.0" if second else "1.1", reader.contexts, reader.questions, reader.misaligned, reader.realigned)


class _Reader:
    def __init__(self, drop_misaligned: bool):
        self.drop_misaligned = drop_misaligned
        self.contexts: list[str] = []
        self.questions: list[Question] = []
        self.paths: dict[str, str] = {}  # of questions, by id
        self.has_impossible = False
        self.misaligned = 0
        self.realigned = 0
        self.without_answers: list[str] = []  # paths of questions

    def read_article(self, article: Any, path: str) -> None:
        if "context" in typed(article, dict, path) and "paragraphs" not in article:
            return self.read_record(article, path)
        for j, paragraph in enumerate(member(article, "paragraphs", list, path)):
            self.read_paragraph(paragraph, f"{path}.paragraphs[{j}]")

    def read_record(self, record: Any, path: str) -> None:
        """A question with its context, as Hugging Face's datasets has it."""
        context = member(typed(record, dict, path), "context", str, path)
        if not self.contexts or self.contexts[-1] != context:
            self.contexts.append(context)
        self.read_question(record, len(self.contexts) - 1, path)

    def read_paragraph(self, paragraph: Any, path: str) -> None:
        context = member(typed(paragraph, dict, path), "context", str, path)
        questions = member(paragraph, "qas", list, path)
        if questions:
            self.contexts.append(context)
        for i, question in enumerate(questions):
            self.read_question(question, len(self.contexts) - 1, f"{path}.qas[{i}]")

    def read_question(self, question: Any, context: int, path: str) -> None:
        identifier = member(typed(question, dict, path), "id", str, path)
        if identifier in self.paths:
            raise SquadError(f"{path}.id: {printable(identifier)} is the id of {self.paths[identifier]} too; "
                             "give each question its own")
        self.paths[identifier] = path
        text = member(question, "question", str, path)
        if "is_impossible" in question:
            typed(question["is_impossible"], bool, f"{path}.is_impossible")
            self.has_impossible = True
        answers = self.answers_of(question, path)
        spans = [self.read_answer(answer, self.contexts[context], place) for answer, place in answers]
        aligned = [span for span in spans if span]
        self.realigned += bool(aligned) and spans[0] is None
        is_known = bool(aligned) or (not spans and question.get("answers") is not None)
        self.questions.append(Question(identifier, text, context, [answer["text"] for answer, _ in answers],
                                       aligned[0] if aligned else None, is_known, path))

    def answers_of(self, question: dict, path: str) -> list[tuple[Any, str]]:
        """Answers and their paths; datasets has {"text": [...], "answer_start": [...]} for [{"text": ...}, ...]."""
        if question.get("answers") is None:
            self.without_answers.append(path)
            return []
        if not isinstance(question["answers"], dict):
            return [(answer, f"{path}.answers[{i}]")
                    for i, answer in enumerate(member(question, "answers", list, path))]
        both = question["answers"], f"{path}.answers"
        texts, starts = member(both[0], "text", list, both[1]), member(both[0], "answer_start", list, both[1])
        if len(texts) != len(starts):
            raise SquadError(f"{both[1]}: has {len(texts)} texts and {len(starts)} places; give one place for each text")
        return [({"text": answer, "answer_start": start}, f"{both[1]}[{i}]")
                for i, (answer, start) in enumerate(zip(texts, starts, strict=True))]

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
