from smtplog.contract.records import Finding
from smtplog.smtp.dialogue import Conversation
def findings(talk: Conversation) -> list[Finding]:
    return []
