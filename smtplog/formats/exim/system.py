"""What Exim says of itself, its configuration and its host. Shapes: grammars/exim.lark."""

from __future__ import annotations

from smtplog.formats.exim.words import kind, part

OTHER = (
    kind("daemon"),
    kind("no_host_name"),
    kind("no_address"),
    kind("ident_timeout"),
    kind("listen_backlog"),
    kind("restarted", carries_nothing=True),
    kind("lookup_slow"),
    kind("list_lookup_failed"),
    kind("command_line"),
    kind("overflow", carries_nothing=True),
    kind("config_error"),
    kind("header_too_long"),
    kind("local_session", "connection_local", session="start"),
)

PROBLEMS = (
    kind("expansion_failed", "directory_failed", "expansion_failed"),
    kind("acl_misused", "acl_misused", "acl_failed"),
    part("scanner_failed"),
    kind("tls_setup_failed"),
    part("router_skipped"),
    part("tainted"),
    part("report_unsent"),
    part("spool_moved"),
    part("never_user"),
    part("certificate_status"),
    part("template_failed", "template_failed", "template_odd"),
    part("filter_failed"),
    part("uid_failed"),
    part("local_timeout", carries_nothing=True),
    part("no_recipients"),
)

NOTES = (part("note", is_note=True), kind("note_value", is_note=True))
