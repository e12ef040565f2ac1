"""The mail system itself: master, administration, tables, and what goes wrong in any daemon."""

from __future__ import annotations

from smtplog.formats.base import Constant, Kind, Split, Step
from smtplog.formats.postfix.words import CLEANUP, QMGR, SMTP, SMTPD, WARNED

MASTER = ("master",)
SCRIPT = ("postfix-script", "postfix")
SUPER = ("postsuper",)
COMMANDS = (
    "postdrop",
    "sendmail",
    "postqueue",
    "postconf",
    "postalias",
    "postmap",
    "postmulti",
    "postcat",
    "postlock",
    "postlog",
    "postkick",
    "postfix-tls-script",
    "posttls-finger",
    "showq",
    "postlogd",
    "spawn",
    "flush",
    "proxywrite",
    "qmqpd",
    "nbdb_reindexd",
)
"""Commands and services without lines of their own: they warn like all the others."""
ANYBODY = ()

_REFUSED: tuple[Step, ...] = (WARNED, Constant("status", "rejected"), Constant("stage", "end_of_data"))
_LATER: tuple[Step, ...] = (
    WARNED,
    Split("table_problem", ("map_problem", "map_problem_only", "map_result")),
    Constant("status", "temp_rejected"),
    Constant("stage", "end_of_data"),
)

KINDS = (
    Kind("started", ("started", "started_plain"), MASTER),
    Kind("reloaded", ("reloaded", "reloaded_old"), MASTER),
    Kind("terminating", ("terminating",), MASTER),
    Kind("master_exit", ("master_exit",), MASTER, carries_nothing=True),
    Kind("script_event", ("script_event",), SCRIPT),
    Kind("running", ("running", "not_running"), SCRIPT, may_refuse=True),
    Kind("file_finding", ("script_found", "script_differ"), (*SCRIPT, *COMMANDS), may_refuse=True),
    Kind("admin_removed", ("admin_removed",), SUPER, (Constant("status", "cancelled"),), message="end", delivers=True),
    Kind("admin_held", ("admin_held",), SUPER, (Constant("status", "held"),), message="part", delivers=True),
    Kind("admin_released", ("admin_released",), SUPER, message="part"),
    Kind("admin_requeued", ("admin_requeued",), SUPER, message="part"),
    Kind("admin_expired", ("admin_expired",), SUPER, message="part"),
    Kind("admin_total", ("admin_total",), SUPER),
    Kind("table_changed", ("table_changed",), ANYBODY),
    Kind("compatible_default", ("compatible_default",), ANYBODY, may_refuse=True),
    Kind(
        "submit_problem", ("submit_too_big", "submit_problem", "submit_denied"), (*COMMANDS, "pickup"), may_refuse=True
    ),
    Kind(
        "tls_cache",
        ("cache_not_ours", "cache_redirected", "tls_cache_cleanup"),
        ("tlsmgr",),
        (WARNED,),
        may_refuse=True,
    ),
    Kind("table_unapproved", ("table_unapproved",), ("proxymap", "proxywrite"), (WARNED,)),
    Kind("message_rejected", ("message_rejected",), (*CLEANUP, *QMGR), _REFUSED, message="end", delivers=True),
    Kind("queue_file_limit", ("queue_file_limit",), CLEANUP, (WARNED,), session="part"),
    Kind(
        "message_not_accepted",
        ("not_accepted", "not_accepted_info"),
        CLEANUP,
        _LATER,
        may_refuse=True,
        message="part",
        delivers=True,
    ),
    Kind("process_ended", ("process_ended",), MASTER, (WARNED,)),
    Kind("bad_start", ("bad_start",), MASTER, (WARNED,), may_refuse=True),
    Kind("process_limit", ("process_limit",), MASTER, (WARNED,)),
    Kind("transport_failure", ("transport_failure",), QMGR, (WARNED,)),
    Kind("queue_crowded", ("queue_crowded",), QMGR, (WARNED,)),
)

WARNINGS = (
    Kind("tls_library_problem", ("tls_library",), ANYBODY, (WARNED,)),
    Kind("tls_setup_problem", ("tls_setup_problem",), ANYBODY, may_refuse=True),
    Kind("certificate_seen", ("certificate_seen_trust", "certificate_seen"), ANYBODY, may_refuse=True),
    Kind(
        "dns_problem",
        ("no_mx_address", "no_lookup", "bad_dns_data", "dns_query_failed", "dns_server", "numeric_host"),
        ANYBODY,
        (WARNED,),
        may_refuse=True,
    ),
    Kind("mail_loop", ("mailer_loop", "alias_loop", "own_name"), ANYBODY, (WARNED,), may_refuse=True),
    Kind(
        "odd_response", ("odd_response", "long_response", "bad_size", "no_mechanism"), SMTP, (WARNED,), may_refuse=True
    ),
    Kind("read_timeout", ("read_timeout",), ANYBODY, (WARNED,), may_refuse=True),
    Kind("milter_trouble", ("milter_trouble",), (*SMTPD, *CLEANUP), (WARNED,), may_refuse=True),
    Kind("proxy_trouble", ("proxy_lost", "proxy_rejected"), SMTPD, (WARNED,), may_refuse=True),
    Kind("service_trouble", ("attribute_trouble", "request_trouble", "service_trouble"), ANYBODY, may_refuse=True),
    Kind("watchdog", ("watchdog",), ANYBODY, (Constant("level", "fatal"),), carries_nothing=True),
    Kind("domain_listed_twice", ("domain_twice",), ("trivial-rewrite", "smtpd"), (WARNED,)),
    Kind("panic", ("panicked",), ANYBODY, (Constant("level", "panic"),), may_refuse=True),
    Kind("file_unread", ("file_unread",), ("pickup",), (WARNED,), may_refuse=True),
    Kind("sasl_library", ("sasl_plugins", "sasl_plugin", "sasl_failure"), ANYBODY, may_refuse=True),
    Kind("tls_engine", ("biopair",), ANYBODY, (WARNED,)),
    Kind("clock_skew", ("clock_skew",), ANYBODY, (WARNED,)),
    Kind("maildir_access", ("maildir_access",), ("local", "virtual"), (WARNED,), may_refuse=True),
    Kind("message_old", ("message_too_old", "message_too_old_info"), ("pickup",), may_refuse=True),
    Kind("lookup_problem", ("lookup_problem",), ANYBODY, (WARNED,), may_refuse=True),
    Kind("advice", ("advice",), ANYBODY, may_refuse=True, carries_nothing=True),
    Kind("system_error", ("system_error", "system_error_id"), ANYBODY, may_refuse=True),
    Kind(
        "database_problem",
        ("database_connect", "database_old", "table_unavailable", "dictionary_unsupported"),
        ANYBODY,
        may_refuse=True,
    ),
    Kind("lookup_problem", ("lookup_failed",), ANYBODY, may_refuse=True),
    Kind(
        "configuration_problem",
        (
            "unused_parameter",
            "file_line",
            "parameter_bad",
            "parameter_invalid",
            "file_parameter",
            "parameter_problem",
            "restriction_problem",
            "service_problem",
        ),
        ANYBODY,
        (WARNED,),
        may_refuse=True,
    ),
    Kind("function_problem", ("in_function",), ANYBODY, may_refuse=True),
    Kind("message_problem", ("message_problem",), ANYBODY, may_refuse=True, message="part"),
    Kind("configuration_problem", ("action_problem", "action_textless"), CLEANUP, (WARNED,), may_refuse=True),
    Kind("table_problem", ("table_problem_at",), ANYBODY, may_refuse=True),
    Kind("peer_problem", ("peer_problem",), ANYBODY, may_refuse=True),
    Kind("file_problem", ("path_problem",), ANYBODY, may_refuse=True),
    Kind("configuration_problem", ("parameter_trouble", "setup_problem"), ANYBODY, may_refuse=True),
    Kind("service_trouble", ("talk_trouble",), ANYBODY, may_refuse=True),
    Kind("clock_skew", ("clock_jump",), ANYBODY, (WARNED,), may_refuse=True),
    Kind(
        "compatible_default",
        ("compatible_settings", "compatible_using", "compatible_advice"),
        ANYBODY,
        carries_nothing=True,
        may_refuse=True,
    ),
    Kind("database_size", ("database_size",), ANYBODY, may_refuse=True),
    Kind("table_redirected", ("table_redirected",), ANYBODY),
    Kind("cache_cleanup", ("cache_start",), ANYBODY),
    Kind("database_problem", ("database_closed",), ANYBODY, may_refuse=True),
    Kind("notification_unsent", ("notification_unsent",), ("bounce", "defer", "trace"), message="part"),
    Kind("dns_problem", ("dns_ignored",), SMTP, may_refuse=True),
    Kind("fatal", ("gave_up",), ANYBODY, may_refuse=True),
    Kind("debug", ("debug_message", "debug_peer", "debug"), ANYBODY, may_refuse=True),
)
"""Tried last, by every daemon."""
