"""The rules that turn a failure text into a reason: data (`rules.toml`, `reasons.toml`) and what compares it."""

from __future__ import annotations

from smtplog.ask.rules.loading import built_in, load_rules
from smtplog.ask.rules.model import Context, Hit, Reason, Rule, RuleSet

__all__ = ["Context", "Hit", "Reason", "Rule", "RuleSet", "built_in", "load_rules"]
