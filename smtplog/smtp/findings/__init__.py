"""What can be the matter with a dialogue: one row a finding, with its words and what the RFC says of it.

The words are for people who run mail, not for those who write clients. `{value}` in a message is what the check found.
Whether a finding holds is decided in `checks`.
"""

from __future__ import annotations

from smtplog.contract.records import Finding
from smtplog.smtp.findings import mail, session
from smtplog.smtp.findings.ground import Ground

GROUNDS: dict[str, Ground] = session.GROUNDS | mail.GROUNDS
"""Every finding there is, by its code."""


def finding(code: str, line: int, evidence: str, value: str = "") -> Finding:
    """A finding of a known kind, at its place.

    Raises:
        KeyError: no such kind; a mistake of ours.
    """
    ground = GROUNDS[code]
    return Finding(
        code=code,
        severity=ground.severity,
        message=ground.message.format(value=value.replace("{", "(").replace("}", ")")),
        hint=ground.hint,
        evidence_line=line or None,
        evidence=evidence or None,
    )
