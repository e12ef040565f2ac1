"""The peers' totals, read out of their reports and put beside smtplog's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

# what the peer calls it -> smtplog's totals whose sum is the same thing ("" = smtplog has nothing like it)
_NAMES = {
    "pflogsumm": {
        "received": ("received",),
        "delivered": ("delivered", "sent"),
        "forwarded": ("expanded",),
        "deferred": ("deferred",),
        "deferrals": ("deferrals",),
        "bounced": ("bounced",),
        "rejected": ("rejected", "temp_rejected"),
        "held": ("held",),
        "discarded": ("discarded",),
        "bytes received": ("bytes_received",),
        "bytes delivered": ("bytes_delivered",),
        "senders": ("senders",),
        "recipients": ("recipients",),
        "recipient hosts/domains": ("recipient_domains",),
    },
    "eximstats": {
        "received": ("received",),
        "addresses delivered": ("delivered", "sent", "expanded"),
        "rejects": ("rejected",),
        "temp rejects": ("temp_rejected",),
        "bytes received": ("bytes_received",),
    },
}
_UNITS = {"k": 1024, "m": 1024**2, "g": 1024**3}
_SIZES = {"KB": 1024, "MB": 1024**2, "GB": 1024**3}


def _number(word: str) -> int | None:
    """Read `81084`, `1206m` (pflogsumm) or `4805MB` (eximstats); None for anything else."""
    for suffix, factor in (*_SIZES.items(), *_UNITS.items()):
        digits = word.removesuffix(suffix)
        if digits != word and digits.isdecimal():
            return int(digits) * factor
    return int(word) if word.isdecimal() else None


def of_pflogsumm(report: str) -> dict[str, tuple[int, str]]:
    """Read pflogsumm's Grand Totals.

    Args:
        report: all it wrote.

    Returns:
        By pflogsumm's own names: the number and how it was written (`1206m` is rounded to whole mebibytes).
    """
    totals: dict[str, tuple[int, str]] = {}
    _, _, part = report.partition("Grand Totals")
    for line in part.partition("Per-")[0].splitlines():
        words = line.replace("(", " ").replace(")", " ").split()
        value = _number(words[0]) if words else None
        if value is None:
            continue
        if "deferrals" in words:
            written = words[words.index("deferrals") - 1]
            totals["deferrals"] = (_number(written) or 0, written)
        name = " ".join(word for word in words[1:] if not word[0].isdigit() and word != "deferrals")
        totals[name] = (value, words[0])
    return totals


def of_eximstats(report: str) -> dict[str, tuple[int, str]]:
    """Read eximstats' Grand total summary; see `of_pflogsumm`."""
    totals: dict[str, tuple[int, str]] = {}
    _, _, part = report.partition("Grand total summary")
    for line in part.partition("\n\n")[0].splitlines():
        words = line.split()
        numbers = [(value, word) for word in words if (value := _number(word)) is not None]
        if line.startswith("  Received"):
            totals["bytes received"], totals["received"] = numbers[:2]
        elif line.startswith("  Delivered"):
            totals["addresses delivered"] = numbers[2]
        elif line.startswith("  Rejects"):
            totals["rejects"] = numbers[0]
        elif line.startswith("  Temp Rejects"):
            totals["temp rejects"] = numbers[0]
    return totals


def side_by_side(
    peer: str, theirs: Mapping[str, tuple[int, str]], ours: Mapping[str, int]
) -> Iterator[tuple[str, str, str, str, str]]:
    """Give rows for a table: what the peer calls it and says, smtplog's names and sum, the difference.

    Args:
        peer: "pflogsumm" or "eximstats".
        theirs: what `of_pflogsumm` or `of_eximstats` read.
        ours: `totals` of `smtplog summary --format json`.
    """
    used: set[str] = set()
    for name, (value, written) in theirs.items():
        keys = _NAMES[peer].get(name, ())
        used.update(keys)
        if not keys or any(key not in ours for key in keys):
            yield name, written, " + ".join(keys), "", ""
            continue
        total = sum(ours[key] for key in keys)
        is_rounded = not written.isdecimal()
        if is_rounded and abs(total - value) <= max(_UNITS["m"], value // 500):
            difference = "same, rounded"
        else:
            difference = "same" if total == value else f"{total - value:+,}"
        yield name, written, " + ".join(keys), f"{total:,}", difference
    for name in ours:
        if name not in used:
            yield "", "", name, f"{ours[name]:,}", ""
