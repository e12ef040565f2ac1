"""Replies made to mislead, and replies in other languages than English: each has one right reason."""

from __future__ import annotations

import pytest

from smtplog.ask import diagnose

TRAPS = [
    ("user_unknown", "user mailbox full-service.example.com unknown", None),
    (
        "user_unknown",
        "550 5.1.1 <quota.exceeded@spam-blocked.example.com>: Recipient address rejected: User unknown",
        None,
    ),
    ("mailbox_full", "550 5.1.1 <bob@example.com>: mailbox is full, quota exceeded", None),
    (
        "user_unknown",
        "host spamhaus.example.org[192.0.2.4] said: 550 No such user here (in reply to RCPT TO command)",
        None,
    ),
    (
        "greylisted",
        "host blacklist.example.net[192.0.2.9] said: 450 4.2.0 <x@virus.example>: Recipient address rejected: Greylisted for 300 seconds (in reply to RCPT TO command)",
        None,
    ),
    (
        "recipient_rate_limited",
        "550-5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered. https://support.google.com/mail/?p=ReceivingRatePerm - gsmtp",
        None,
    ),
    ("ip_blocklisted", "550 5.1.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org", None),
    ("spam_content", "552 5.2.2 This message has been rejected as spam", None),
    ("message_too_big", "552 5.2.2 Message size exceeds maximum permitted", None),
    ("mailbox_full", "554 5.7.1 Mailbox quota exceeded for <no-relay@example.com>", None),
    (
        "server_error",
        "550 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org; Error: open resolver; https://www.spamhaus.org/returnc/pub/192.0.2.9",
        None,
    ),
    ("sender_rejected", "550 5.1.8 <ghost@nosuch.example>: Sender address rejected: Domain not found", None),
    (
        "user_unknown",
        "550 5.4.1 [a@example.com]: Recipient address rejected: Access denied [AM0EUR.eop-EUR.prod.protection.outlook.com]",
        None,
    ),
    (
        "rate_limited",
        "550 Ip frequency limited. http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=20022",
        "mx3.qq.com",
    ),
    (
        "sender_auth_failed",
        "550 5.7.1 Unauthenticated email from user-unknown.example is not accepted due to domain's DMARC policy",
        None,
    ),
    (
        "user_unknown",
        "550 5.7.1 <dmarc@example.com>: Recipient address rejected: User unknown in virtual alias table",
        None,
    ),
    ("timeout", "conversation with spam.quota.example[192.0.2.7] timed out while sending message body", None),
    ("connection_failed", "connect to greylist.example.com[192.0.2.7]:25: Connection refused", None),
    (
        "domain_not_found",
        "Host or domain name not found. Name service error for name=mailbox-full.example type=A: Host not found",
        None,
    ),
    (
        "spam_content",
        "host mx.example[192.0.2.7] said: 554 5.7.1 <user-unknown@example.com>: message rejected: 550 score 12 spam (in reply to end of DATA command)",
        None,
    ),
    ("user_unknown", "550 5.1.1 unknown user; see https://help.example.com/why-was-my-ip-blacklisted-spam-quota", None),
    (
        "mailbox_full",
        "host gw.example[192.0.2.1] said: 550 Delivery failed: host inner.example[192.0.2.2] said: 552 5.2.2 Mailbox full (in reply to RCPT TO command)",
        None,
    ),
    (
        "user_unknown",
        "host gw[192.0.2.1] said: 554 Mail rejected by spam filter gateway: inner server replied: 550 5.1.1 User unknown",
        None,
    ),
    ("ip_blocklisted", "421 4.7.0 Your IP 192.0.2.5 is listed in the Barracuda blocklist. Try again later", None),
    ("rate_limited", "450 4.7.1 Error: too much mail from 192.0.2.5", None),
    ("too_many_recipients", "452 4.5.3 Error: too many recipients", None),
    ("server_error", "451 4.3.0 <user-unknown@example.com>: Temporary lookup failure", None),
    ("tls_failed", "Cannot start TLS: handshake failure with mailbox-unavailable.example.com", None),
    ("relay_denied", "554 5.7.1 <a@quota.example>: Relay access denied", None),
    ("virus_attachment", "554 5.7.1 message from <notspam@example.com> contains virus Eicar-Test", None),
    (
        "message_malformed",
        "550 5.7.1 Messages missing a valid address in From: header, or having no From: header, are not accepted. - gsmtp",
        None,
    ),
    ("rdns_helo", "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.3]", None),
    ("rdns_helo", "550 5.7.1 <spam-quota.example>: Helo command rejected: need fully-qualified hostname", None),
    (
        "mailbox_disabled",
        "550 5.2.1 The email account that you tried to reach is disabled. over-quota@example.com",
        None,
    ),
    ("tls_failed", "530 5.7.0 Must issue a STARTTLS command first", None),
    ("unknown", "550 Requested action not taken", None),
    ("unknown", "554 Transaction failed", None),
    (
        "recipient_refused",
        "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; sender not authenticated for group",
        None,
    ),
    (
        "ip_blocklisted",
        "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).",
        None,
    ),
    (
        "domain_no_mail",
        "556 5.1.10 <a@example.com>: Recipient address rejected: Domain example.com does not accept mail (nullMX)",
        None,
    ),
    (
        "user_unknown",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient a@example.com not found by SMTP address lookup",
        None,
    ),
    ("routing_loop", "554 5.4.14 Hop count exceeded - possible mail loop ATTR34", None),
    ("message_malformed", "550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds", None),
    (
        "spam_content",
        "550 5.7.1 Your message to user.unknown@example.com was considered spam; mailbox full of it",
        None,
    ),
    ("user_unknown", "550 No mailbox here by that name: greylisted@example.com", None),
    ("unknown", "250 2.0.0 Ok: queued as 4XYZ (user unknown)", None),
    ("greylisted", "451 4.7.1 Greylisting in action, please come back in 5 minutes; user unknown at this time", None),
    ("policy_rejected", "550 5.7.1 Message rejected due to local policy", None),
    ("local_delivery", 'Command died with status 1: "/usr/local/bin/spam-quota-filter"', None),
    ("mailbox_full", "552 4.2.2 L'espace de la boîte aux lettres est saturé: quota dépassé", None),
]

OTHER_LANGUAGES = [
    ("user_unknown", "550 Benutzer unbekannt"),
    ("user_unknown", "550 5.1.1 El usuario no existe"),
    ("user_unknown", "550 Usuário desconhecido"),
    ("user_unknown", "550 utente sconosciuto"),
    ("user_unknown", "550 Пользователь не найден"),
    ("user_unknown", "550 用户不存在"),
    ("user_unknown", "550 宛先のユーザーは存在しません"),
    ("mailbox_full", "552 Das Postfach des Empfängers ist voll"),
    ("mailbox_full", "550 La casella di posta è piena"),
    ("mailbox_full", "552 El buzón está lleno"),
    ("mailbox_full", "552 A caixa de correio está cheia"),
    ("mailbox_full", "552 Почтовый ящик переполнен"),
    ("mailbox_full", "552 收件人邮箱已满"),
    ("mailbox_full", "552 メールボックスがいっぱいです"),
    ("spam_content", "550 Ihre Nachricht wurde als Spam abgelehnt"),
    ("spam_content", "550 Votre message a été identifié comme spam"),
    ("spam_content", "550 Сообщение отклонено как спам"),
    ("spam_content", "554 垃圾邮件"),
    ("spam_content", "550 迷惑メールと判定されました"),
    ("mailbox_disabled", "550 Das Konto wurde deaktiviert"),
    ("mailbox_disabled", "550 Le compte est désactivé"),
    ("mailbox_disabled", "550 La cuenta está suspendida"),
    ("mailbox_disabled", "550 アカウントは停止されています"),
    ("mailbox_disabled", "550 帐号已停用"),
    ("mailbox_disabled", "550 Учетная запись заблокирована"),
    ("relay_denied", "550 Relais non autorisé"),
    ("relay_denied", "550 Relaying nicht erlaubt"),
    ("relay_denied", "550 中継は許可されていません"),
    ("ip_blocklisted", "554 Ihre IP-Adresse steht auf einer Blacklist"),
    ("ip_blocklisted", "550 Votre adresse IP est sur liste noire"),
    ("ip_blocklisted", "550 Su IP está en una lista negra"),
    ("ip_blocklisted", "550 Ваш IP находится в черном списке"),
    ("ip_blocklisted", "554 您的IP在黑名单中"),
    ("domain_not_found", "550 La domaine n'existe pas"),
    ("domain_not_found", "550 Domain existiert nicht"),
    ("domain_not_found", "550 El dominio no existe"),
    ("message_too_big", "552 Die Nachricht ist zu groß"),
    ("message_too_big", "552 Le message est trop volumineux"),
    ("message_too_big", "552 El mensaje es demasiado grande"),
    ("message_too_big", "552 Сообщение слишком большое"),
    ("server_error", "451 Temporärer Fehler, bitte später erneut versuchen"),
    ("greylisted", "450 Bitte versuchen Sie es später noch einmal (Greylisting)"),
    ("rate_limited", "421 Zu viele Verbindungen"),
    ("rate_limited", "421 Trop de connexions"),
    ("rate_limited", "421 Demasiadas conexiones"),
    ("rate_limited", "421 连接数过多"),
    ("rate_limited", "421 Слишком много соединений"),
    ("rate_limited", "421 接続数が多すぎます"),
    ("sender_rejected", "550 Absenderadresse abgelehnt"),
    ("sender_auth_failed", "550 Échec de l'authentification SPF"),
]


@pytest.mark.parametrize(("reason", "text", "relay"), TRAPS)
def test_hosts_addresses_urls_lying_codes_and_replies_in_replies_do_not_mislead(
    reason: str, text: str, relay: str | None
):
    assert diagnose.reply(text, relay_name=relay).reason == reason


@pytest.mark.parametrize(("reason", "text"), OTHER_LANGUAGES)
def test_the_usual_wordings_of_other_languages_are_understood(reason: str, text: str):
    assert diagnose.reply(text).reason == reason
