"""What Exim says of itself, its configuration and its host. Shapes: grammars/exim.lark."""

from __future__ import annotations

from smtplog.formats.exim.words import kind

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
    kind("scanner_failed", message="part"),
    kind("tls_setup_failed"),
    kind("router_skipped", message="part"),
    kind("tainted", message="part"),
    kind("report_unsent", message="part"),
    kind("spool_moved", message="part"),
    kind("never_user", message="part"),
    kind("certificate_status", message="part"),
    kind("template_failed", "template_failed", "template_odd", message="part"),
    kind("filter_failed", message="part"),
    kind("uid_failed", message="part"),
    kind("local_timeout", message="part", carries_nothing=True),
    kind("no_recipients", message="part"),
)

NOTES = (kind("note", message="part", is_note=True), kind("note_value", is_note=True))
