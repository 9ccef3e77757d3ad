"""What could be better about a mail, told while it is written: links that lead nowhere, pictures
without a text, values that are often empty.

Nothing here keeps a mail from being saved; what does is in ``mails/proofreading.py``.
"""

from mails.advice.kinds import Advice, Level
from mails.advice.mail import advice

__all__ = ["Advice", "Level", "advice"]
