"""Sender, recipients and the wish to send in one way there and back instead of three (RFC 2920)."""

import smtplib
from collections.abc import Sequence

Reply = tuple[int, bytes]

#: More recipients are told one by one: their answers could fill up the way back.
MOST_RECIPIENTS = 50


def is_possible(server: smtplib.SMTP, recipients: Sequence[str]) -> bool:
    """Whether ``server``, which was greeted, takes commands together."""
    return bool(
        server.does_esmtp
        and server.has_extn("pipelining")
        and 0 < len(recipients) <= MOST_RECIPIENTS
    )


class Together:
    """Says at once what comes before a message, and then gives the answers as ``server`` would
    when asked one by one: ``mail``, each ``rcpt``, ``docmd``.

    Raises what ``smtplib`` raises if there is no connection any more: nothing was handed over.
    If the server waits for a message that must not be sent, because its sender or its first
    recipient was refused, the connection is closed: whatever was said next would be a message.
    """

    def __init__(
        self,
        server: smtplib.SMTP,
        sender: str,
        recipients: Sequence[str],
        options: Sequence[str] = (),
    ) -> None:
        said = [
            " ".join([f"MAIL FROM:{smtplib.quoteaddr(sender)}", *options]),
            *(f"RCPT TO:{smtplib.quoteaddr(each)}" for each in recipients),
            "DATA",
        ]
        for command in said:
            if "\r" in command or "\n" in command:
                raise ValueError("A command has more than one line.")
        server.send("".join(f"{command}\r\n" for command in said))
        self._replies = list(_replies(server, len(said)))
        to_first = [code for code, _text in self._replies[:2]]
        if self._replies[-1][0] == 354 and not all(code in (250, 251, 252) for code in to_first):
            server.close()
        self._next = iter(self._replies)

    def mail(self, sender: str, options: Sequence[str] = ()) -> Reply:
        return next(self._next)

    def rcpt(self, recipient: str, options: Sequence[str] = ()) -> Reply:
        return next(self._next)

    def docmd(self, command: str) -> Reply:
        return self._replies[-1]


def _replies(server: smtplib.SMTP, count: int) -> list[Reply]:
    replies: list[Reply] = []
    while len(replies) < count:
        replies.append(server.getreply())
        if replies[-1][0] == 421:  # the server says no more (RFC 5321, 3.8)
            replies += [replies[-1]] * (count - len(replies))
    return replies
