"""Converts a Sigma rule for Splunk with a processing pipeline and runs the search over events: prints the ids it finds.

Usage: search.py RULE PIPELINE EVENTS. Needs pysigma and pysigma-backend-splunk. Of the search language it knows what such
searches consist of: field=value with wildcards, field IN (..), AND, OR, NOT and parentheses. Anything else is an error.
"""
import fnmatch
import json
import re
import sys

from sigma.backends.splunk import SplunkBackend
from sigma.collection import SigmaCollection
from sigma.processing.pipeline import ProcessingPipeline

TOKEN = re.compile(r'\s*(?:(\(|\)|,|=)|"((?:[^"\\]|\\.)*)"|([^\s()=,"]+))')


def tokens(text):
    at, out = 0, []
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if not match:
            raise SystemExit(f"search: cannot read {text[at:]!r}")
        mark, quoted, bare = match.groups()
        out.append(("mark", mark) if mark else ("text", re.sub(r"\\(.)", r"\1", quoted)) if quoted is not None else ("text", bare))
        at = match.end()
    return out


class Search:
    def __init__(self, text):
        self.tokens, self.at = tokens(text), 0
        self.root = self.all()
        if self.at != len(self.tokens):
            raise SystemExit(f"search: {self.tokens[self.at]} was not expected")

    def peek(self, *wanted):
        return self.at < len(self.tokens) and self.tokens[self.at] in wanted

    def take(self, *wanted):
        found = self.peek(*wanted)
        self.at += found
        return found

    def all(self):
        parts = [self.any()]
        while self.at < len(self.tokens) and not self.peek(("mark", ")")):
            self.take(("text", "AND"))
            parts.append(self.any())
        return lambda event: all(part(event) for part in parts)

    def any(self):
        """OR binds closer than AND in this language."""
        parts = [self.one()]
        while self.take(("text", "OR")):
            parts.append(self.one())
        return lambda event: any(part(event) for part in parts)

    def one(self):
        if self.take(("text", "NOT")):
            inner = self.one()
            return lambda event: not inner(event)
        if self.take(("mark", "(")):
            inner = self.all()
            assert self.take(("mark", ")")), "a parenthesis is not closed"
            return inner
        field = self.tokens[self.at][1]
        self.at += 1
        if self.take(("text", "IN")):
            assert self.take(("mark", "("))
            values = []
            while not self.take(("mark", ")")):
                values.append(self.tokens[self.at][1])
                self.at += 1
                self.take(("mark", ","))
        else:
            assert self.take(("mark", "=")), f"{field}: only = and IN are known"
            values = [self.tokens[self.at][1]]
            self.at += 1
        return lambda event: any(holds(event.get(field), value) for value in values)


def holds(own, value):
    """A search without regard to case, in which * stands for anything."""
    pattern = "".join("*" if c == "*" else f"[{c}]" if c in "[?" else c for c in value.lower())
    return own is not None and fnmatch.fnmatchcase(str(own).lower(), pattern)


def main(rule, pipeline, events):
    backend = SplunkBackend(ProcessingPipeline.from_yaml(open(pipeline, encoding="utf-8").read()))
    (query,) = backend.convert(SigmaCollection.from_yaml(open(rule, encoding="utf-8").read()))
    print(query, file=sys.stderr)
    search = Search(query)
    for line in open(events, encoding="utf-8"):
        item = json.loads(line)
        if search.root(item["event"]):
            print(item["id"])


main(*sys.argv[1:])
