"""Files of definitions: JSON in UTF-8."""

import json
from typing import Any

from django.utils.translation import gettext as _

from automation.rules.definitions import DefinitionError

#: The largest file that is read, in bytes.
MAX_BYTES = 5_000_000


def read(content: bytes) -> Any:
    """What the file says. Raises ``DefinitionError`` if it is too large, no UTF-8 or no JSON."""
    if len(content) > MAX_BYTES:
        raise DefinitionError([_("The file is larger than %d MB.") % (MAX_BYTES // 1_000_000)])
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DefinitionError([_("The file is not UTF-8 text (byte %d).") % error.start]) from error
    except json.JSONDecodeError as error:
        raise DefinitionError(
            [
                _("The file is not JSON: line %(line)d, column %(column)d: %(reason)s.")
                % {"line": error.lineno, "column": error.colno, "reason": error.msg}
            ]
        ) from error
    except (RecursionError, ValueError) as error:
        raise DefinitionError([_("The file is not JSON that can be read.")]) from error
