"""What a failure text says, brought into a form that rules can be compared with.

Three steps, each with its reason:

* `template`: addresses, peers, IPs and ids give way to one sign, so that a million texts come down to the wordings of a
  few hundred servers. The same patterns run on columns and on one text: both engines see the same template.
* `peel`: the sending server's words come off, until the innermost reply stands there; the stage they name is kept.
* `Scope`: lower case, no accents, no punctuation; whatever is a host name, a URL or an address is one sign, so that a
  word inside it is no word.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import polars as pl

from smtplog.read import grammar
from smtplog.smtp import replies

MASK = "◦"
"""Stands for what was taken out; rules write it as `@`."""

MASKS = (
    ("markup", " "),
    ("quoted_user", f"user: {MASK}"),
    ("queried_name", f"name={MASK}"),
    ("quoted_domain", f"for {MASK}"),
    ("variable", MASK),
)
"""Rule of reply.lark -> what stands there instead; in this order."""

STAGES = (
    ("initial", "greeting"), ("receiving", "greeting"), ("performing starttls", "starttls"), ("performing", "helo"),
    ("ehlo", "helo"), ("helo", "helo"), ("lhlo", "helo"), ("starttls", "starttls"), ("auth", "auth"),
    ("sending mail", "mail"), ("mail", "mail"), ("sending rcpt", "rcpt"), ("rcpt", "rcpt"),
    ("sending data command", "data"), ("data", "data"), ("quit", "quit"), ("sending quit", "quit"),
    ("my name", "helo"), ("sender was", "mail"), ("recipient", "rcpt"), ("i sent", "end_of_data"), ("greeting", "greeting"),
    ("end of data", "end_of_data"), ("bdat", "end_of_data"), ("sending", "end_of_data"),
)  # fmt: skip
"""How the MTAs name the moment (Postfix src/smtp/smtp_proto.c, Exim src/transports/smtp.c, qmail-remote.c) -> stage; first fit wins."""

_OWN_NAMES = ("127.", "::1", "localhost")
_OWN_AGENTS = ("local", "virtual")
"""Beginnings of hosts that are this same host, and agents of it that stand where else a host does."""
_OUT_OF_ORDER = 503
"""Behind a refusal it only follows from that: DATA came though no recipient was taken (RFC 5321 s.3.3)."""
_NAMES = frozenset({"host", "url", "case_number", "version"})
"""Kinds of tokens whose inside is no word."""
_QUOTATION_MARKS = frozenset("\"'“„«‘")
_TOP_LEVELS = frozenset({"com", "net", "org", "info", "biz", "de", "uk", "eu", "ru", "fr", "io"})


def template(text: str) -> str:
    """One text without what varies from recipient to recipient."""
    for rule, stand_in in MASKS:
        text = grammar.compiled("reply", rule).sub(stand_in, text)
    return text


def template_column(text: pl.Expr) -> pl.Expr:
    """`template` on a column of texts; null stays null."""
    for rule, stand_in in MASKS:
        text = text.str.replace_all(grammar.shape("reply", rule).pattern, stand_in)
    return text


def worded_column(text: pl.Expr) -> pl.Expr:
    """Templates without any number but the first: what texts that say the same have in common. Not made for eyes."""
    return template_column(text).str.replace_all(grammar.shape("reply", "number_within").pattern, f" {MASK}")


def coarse_column(template: pl.Expr, marks: list[str]) -> pl.Expr:
    """Templates without the numbers, hosts and URLs that no rule looks at, so that fewer are left. Not made for eyes.

    Args:
        template: what `template_column` gives.
        marks: a host or URL in a text that has one of these in it may matter to a rule.
    """
    numbers = template.str.replace_all(grammar.shape("reply", "number_alone").pattern, f" {MASK}")
    places = numbers.str.replace_all(grammar.shape("reply", "place").pattern, MASK)
    return pl.when(numbers.str.contains_any(marks, ascii_case_insensitive=True)).then(numbers).otherwise(places)


def template_with_places(text: str) -> tuple[str, list[tuple[int, int]]]:
    """`template`, and for each of its signs the span of the text it came from."""
    places = [(i, i + 1) for i in range(len(text))]
    for rule, stand_in in MASKS:
        kept, spans, at = "", [], 0
        for found in grammar.compiled("reply", rule).finditer(text):
            a, b = found.span()
            kept += text[at:a] + stand_in
            spans += places[at:a] + [(places[a][0], places[b - 1][1])] * len(stand_in)
            at = b
        text, places = kept + text[at:], spans + places[at:]
    return text, places


def answerer(text: str) -> str | None:
    """The host a text names as the one that answered: `host mx.example[192.0.2.1] said: ...`."""
    found = grammar.compiled("reply", "answerer").search(text)
    return found["host_name"] if found else None


def answerer_column(text: pl.Expr) -> pl.Expr:
    """`answerer` on a column of texts."""
    return text.str.extract(grammar.shape("reply", "answerer").pattern, 1)


def is_here(text: str, host: str | None) -> bool:
    """Is the server that was asked one of this same host: a filter, an LMTP server?"""
    own = grammar.compiled("reply", "own_server").match(text)
    name = (host or "").lower()
    return own is not None or name in _OWN_AGENTS or name.startswith(_OWN_NAMES)


def is_here_column(text: pl.Expr, host: pl.Expr) -> pl.Expr:
    """`is_here` on columns of texts and hosts."""
    own = text.str.find(grammar.shape("reply", "own_server").pattern) == 0
    low = host.str.to_lowercase()
    named = pl.any_horizontal(low.is_in(_OWN_AGENTS), *(low.str.starts_with(name) for name in _OWN_NAMES))
    return own.fill_null(False) | named.fill_null(False)


@dataclass(frozen=True)
class Peeled:
    """The innermost reply inside a template."""

    start: int
    end: int
    before: int
    """Where the words that wrap it begin: what stands before them may say more."""
    stage: str | None
    """Where in the dialogue, when the words around it say so."""


def peel(text: str) -> Peeled:
    """Find the innermost reply.

    Args:
        text: a template. A reply that only quotes log words (`550 no, status=sent (250 ok)`) is not peeled: what stands
            inside must be a refusal or the sending server's own words.

    Returns:
        Its span; the whole text when nothing is wrapped around.
    """
    start = before = 0
    for found in grammar.compiled("reply", "wrapper").finditer(text):
        inner = text[found.end() :]
        code = replies.parts(inner[:4]).code
        is_reply_around = replies.parts(text[start : start + 8]).code is not None
        is_status = code is None and inner.strip().isdigit()
        if not inner.strip() or is_status or (code is not None and code < 400):
            continue
        if start and code == _OUT_OF_ORDER:
            continue
        if is_reply_around and (code is None or found[0].startswith("status=")):
            continue
        if is_reply_around and grammar.compiled("reply", "about_sender").search(text, start, found.start()):
            break
        before, start = found.span()
    begun = _begun(text, start)
    if begun > start:
        before, start = (before or begun), begun
    end, stage = len(text), None
    found_stage = grammar.compiled("reply", "in_reply_to").search(text)
    if found_stage:
        said = found_stage["command"].lower()
        stage = next((stage for beginning, stage in STAGES if said.startswith(beginning)), None)
        if found_stage[0].startswith("(") and found_stage.start() > start:
            end = found_stage.start()
    footnote = grammar.compiled("reply", "footnote").search(text, start + 1, end)
    end = footnote.start() if footnote else end
    last = _last_word(text[start:end])
    return Peeled(start + last, end, before or start + last if last else before, stage)


def _last_word(reply: str) -> int:
    """Where the lines begin that decide, in a reply whose lines have different enhanced codes: those of the last one.

    RFC 2034 s.4 wants the same code on every line; where they differ, the lines before only lead up to the last.
    """
    if "-" not in reply[:5]:
        return 0
    parts = replies.parts(reply)
    codes = [replies.parts(line).enhanced_code for line in parts.lines]
    if None in codes or len(set(codes)) < 2:
        return 0
    return max(reply.find(parts.lines[codes.index(parts.enhanced_code)]), 0)


def _begun(text: str, start: int) -> int:
    """Where a refusal begins in what has no refusal's code in front; the start itself when there is none."""
    code = replies.parts(text[start : start + 8]).code
    if code is not None and code >= 400:
        return start
    found = grammar.compiled("reply", "begins").search(text, start)
    return start if found is None else found.start() + found[0].index(next(c for c in found[0] if c in "45"))


@lru_cache(maxsize=1 << 14)
def fold(word: str) -> str:
    """One word in lower case, without accents and apostrophes."""
    word = word.lower().replace("'", "").replace("’", "")
    if word.isascii():
        return word
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c)).casefold()


@dataclass(frozen=True)
class Seen:
    """All that rules look at in a text: equal ones fit the same rules by the same words."""

    words: tuple[str, ...]
    signs: frozenset[str]
    breaks: frozenset[int] = frozenset()
    """The words that begin a new clause: no gap of a phrase reaches over them."""
    quoted: frozenset[int] = frozenset()
    """The words in quotation marks, but for what another server is told to have said, and those of names like RCVD_IN_XBL."""

    pauses: frozenset[int] = frozenset()
    """The words behind a comma or a colon."""
    lead: int = 0
    """So many words stand on lines that lead up to the last one, which is a sentence of its own."""

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Word -> where it stands."""
        found: dict[str, list[int]] = {}
        for place, word in enumerate(self.words):
            found.setdefault(word, []).append(place)
        return found

    @property
    def last_line(self) -> Seen:
        """What the last line says."""
        return replace(self, words=("",) * self.lead + self.words[self.lead :])

    def clause_before(self, place: int, most: int) -> tuple[str, ...]:
        """The words of the same clause before a word, not more than so many."""
        return self.words[max([place - most, 0, *(start for start in self.breaks if start <= place)]) : place]


@dataclass
class Scope:
    """One text to compare rules with: a template, or the innermost reply in it."""

    text: str
    spelling: Mapping[str, str] = field(repr=False)
    """Folded word, or two words with a space, -> the spelling that rules use."""

    def __post_init__(self) -> None:
        """Cut the text into words and read the codes in front."""
        flat = self.text.replace("\\n", "  ")
        if flat.count("_") > 2 and " " not in flat.strip():
            flat = flat.replace("_", " ")
        self.flat = flat
        parts = replies.parts(flat)
        self.code, self.enhanced_code = parts.code, parts.enhanced_code
        opening = None if self.code else grammar.compiled("reply", "opening").search(flat)
        if opening:
            self.code, self.enhanced_code = int(opening["code"]), opening["status"]
        self._spans: list[tuple[int, int]] = []
        self.words = self._cut()

    def _cut(self) -> tuple[str, ...]:
        """The words of the text; remembers where each came from."""
        found: list[tuple[str, int, int]] = []
        code, quotations = str(self.code), _quotations(self.flat)
        for token in grammar.compiled("reply", "word").finditer(self.flat):
            kind, text, start = token.lastgroup, token[0], token.start()
            if kind == "enhanced":
                if (
                    self.enhanced_code is None
                    and text[0] != "2"
                    and not _is_in(start, quotations)
                    and (len(found) < 6 or self.flat[start - 1] in "#(")
                ):
                    self.enhanced_code = text
            elif kind == "host" and (dot := _sentence_end(text)):
                found.append((fold(text[:dot]), start, start + dot))
                found.append((fold(text[dot + 1 :]), start + dot + 1, token.end()))
            elif kind == "reference":
                name = text.partition("=")[0]
                found.append((fold(name), start, start + len(name)))
                found.append((MASK, start + len(name) + 1, token.end()))
            elif kind in _NAMES:
                found.append((MASK, start, token.end()))
            elif text != code:
                found.append((fold(text), start, token.end()))
        return self._join(found, quotations)

    def _join(self, found: list[tuple[str, int, int]], quotations: list[tuple[int, int]]) -> tuple[str, ...]:
        """Words in the spelling of the rules; some of them are two in the text."""
        words: list[str] = []
        breaks, quoted, pauses, before, at = set(), set(), set(), 0, 0
        while at < len(found):
            word, start, end = found[at]
            if words and _is_break(self.flat[before:start], self.flat[start]):
                breaks.add(len(words))
            if words and _is_pause(self.flat[before:start]):
                pauses.add(len(words))
            if _is_in(start, quotations):
                quoted.add(len(words))
            before = end
            pair = f"{word} {found[at + 1][0]}" if at + 1 < len(found) else ""
            if pair in self.spelling:
                word, end, at = self.spelling[pair], found[at + 1][2], at + 1
            self._spans.append((start, end))
            words.append(self.spelling.get(word, word))
            before, at = end, at + 1
        self._breaks, self._quoted, self._pauses = frozenset(breaks), frozenset(quoted), frozenset(pauses)
        return tuple(words)

    @cached_property
    def seen(self) -> Seen:
        """Its words and signs."""
        return Seen(self.words, self.signs, self._breaks, self._quoted, self._pauses, self._lead())

    def _lead(self) -> int:
        """Words before the last line, where a sentence ends before it: a notice that comes with every refusal, say."""
        *before, last = replies.parts(self.flat).lines or [""]
        if not before or before[-1][3:4] != "-" or not before[-1].rstrip().endswith((".", "!", "?")):
            return 0
        start = self.flat.rfind(last)
        return sum(at < start for at, _ in self._spans)

    @cached_property
    def signs(self) -> frozenset[str]:
        """Unbroken tokens in lower case, and of host names also every parent: what provider marks are looked up in."""
        found = set()
        for token in grammar.compiled("reply", "sign").finditer(self.flat):
            sign = token[0].lower()
            found.add(sign)
            if "." in sign:
                found.update(parents(sign))
        return frozenset(found)

    def span(self, first: int, end: int) -> tuple[int, int]:
        """Where in `text` some words stand: the first, and the one behind the last."""
        return self._spans[first][0], self._spans[max(end - 1, first)][1]


def _quotations(text: str) -> list[tuple[int, int]]:
    """Where a text names or asks rather than says; quotation marks around what another server is told to have said do not."""
    spans = []
    if not _QUOTATION_MARKS.isdisjoint(text):
        found = grammar.compiled("reply", "quotation").finditer(text)
        spans = [quotation.span("quoted") for quotation in found if not quotation["teller"]]
    if "?" in text:
        spans += [question.span() for question in grammar.compiled("reply", "question").finditer(text)]
    if "_" in text:
        spans += [symbol.span() for symbol in grammar.compiled("reply", "symbol").finditer(text)]
    return spans


def _is_in(place: int, spans: list[tuple[int, int]]) -> bool:
    return any(a <= place < b for a, b in spans)


def _is_break(between: str, following: str) -> bool:
    """Whether a clause ends between two words: at a semicolon, or at the end of a sentence."""
    return ";" in between or (following.isupper() and any(c in ".!?" for c in between))


def _is_pause(between: str) -> bool:
    return any(c in between for c in ",:")


def parents(host: str) -> list[str]:
    """A host name and all it stands under: `a.b.c` -> `a.b.c`, `b.c`, `c`."""
    labels = host.lower().strip(".").split(".")
    return [".".join(labels[i:]) for i in range(len(labels))]


def _sentence_end(text: str) -> int:
    """Where a full stop without a space ends a sentence (`Access denied.Please`); 0 when the text is a host name."""
    first, _, rest = text.partition(".")
    is_sentence = (
        first[-1:].islower()
        and rest[:1].isupper()
        and rest[1:].islower()
        and rest.isalpha()
        and rest.lower() not in _TOP_LEVELS
    )
    return len(first) if is_sentence else 0
