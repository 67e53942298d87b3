# SPDX-License-Identifier: Apache-2.0
"""Plain text, one passage a line: what calibration and distillation without labels learn from."""

from squad_json import Question, Squad, SquadError, decode, decompress

SUFFIXES = (".txt", ".txt.gz")


def examine(content: bytes) -> Squad:
    """A passage a line of the file's bytes, gzip or plain; its question is empty. Empty lines are left out."""
    questions, contexts = [], []
    for number, line in enumerate(decode(decompress(content)).split("\n"), 1):
        if passage := line.strip():
            questions.append(Question(f"line {number}", "", len(contexts), [], None, False, f"line {number}"))
            contexts.append(passage)
    if not contexts:
        raise SquadError("has no passage; put each on a line of its own")
    return Squad("1.1", contexts, questions, 0, 0)
