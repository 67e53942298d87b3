# SPDX-License-Identifier: Apache-2.0
"""What a script says: progress on stderr, results on stdout."""

import os
import sys
import time


class Progress:
    """One line overprinted on a terminal, a plain line every 10 s elsewhere."""

    def __init__(self, quiet: bool):
        self.quiet = quiet
        self.terminal = sys.stderr.isatty()
        self.begun = self.shown = time.monotonic()
        self.drawn = False

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self.quiet or now - self.shown < (0.1 if self.terminal else 10):
            return
        self.shown = now
        text = f"{done:,} of {total:,} questions, {(now - self.begun) * (total - done) / done:.0f} s left"
        if self.terminal:
            bar = "#" * (24 * done // total)
            print(f"\r\033[K[tokenize] [{bar:-<24}] {text}", end="", file=sys.stderr, flush=True)
            self.drawn = True
        else:
            print(f"[tokenize] {text}", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.drawn:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """A line on stdout, unless nobody listens any more: what it tells of is done."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
