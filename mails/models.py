"""What `mails` keeps: mails with their versions, languages and files, what they share, and the
messages made from them."""

from mails.accounts import Account
from mails.designs import Layout, Snippet
from mails.files import Attachment, Picture
from mails.mail import DEFINED_FIELDS, Mail, Variant
from mails.messages import Message, MessageQuerySet
from mails.proofs import Proof, ProofFinding
from mails.versions import Version

__all__ = [
    "DEFINED_FIELDS",
    "Account",
    "Attachment",
    "Layout",
    "Mail",
    "Message",
    "MessageQuerySet",
    "Picture",
    "Proof",
    "ProofFinding",
    "Snippet",
    "Variant",
    "Version",
]
