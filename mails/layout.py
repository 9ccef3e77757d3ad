"""The built-in layout: what stands around a mail's content, and how its content looks.

Many mail programs drop a page's style sheet, so everything that a mail needs is written
into its tags: for the frame right here, for the content by css-inline. What stays in the
style sheet is what cannot be written elsewhere, the dark colours and small screens.
"""

#: Classes that a body may use.
CLASSES = (
    "button", "lead", "muted", "small", "center", "right", "number", "lines", "box", "column",
)  # fmt: skip
#: The cell of a table that ``mails.buttons`` puts around a button.
BUTTON_CELL = "button-cell"

_FONT = "Helvetica, Arial, sans-serif"

# The content is styled before it is put into the frame, so nothing of the frame can be
# named here. What paragraphs inherit is not written into each of them: a large provider
# clips mails above 102 kB. Cells inherit nothing in Outlook.
CONTENT_STYLES = f"""
p, ul, ol, dl, blockquote, pre {{ margin: 0 0 16px 0; }}
td, th {{
  font-family: {_FONT}; font-size: 16px; line-height: 24px;
  padding: 0; vertical-align: top;
}}
td:not([align]), th:not([align]) {{ text-align: left; }}
h1, h2, h3, h4 {{ margin: 24px 0 12px 0; font-weight: 600; }}
h1 {{ font-size: 26px; line-height: 32px; margin-top: 0; }}
h2 {{ font-size: 20px; line-height: 28px; }}
h3, h4 {{ font-size: 16px; line-height: 24px; }}
ul, ol {{ padding: 0 0 0 24px; }}
li {{ margin: 0 0 4px 0; }}
a {{ color: #1a5fb4; }}
img {{ border: 0; max-width: 100%; height: auto; }}
hr {{ border: 0; border-top: 1px solid #d5d9de; margin: 24px 0; }}
blockquote {{ border-left: 3px solid #d5d9de; padding: 0 0 0 16px; }}
pre, code {{ font-family: Menlo, Consolas, monospace; font-size: 14px; }}
a.button {{
  display: inline-block; background-color: #1a5fb4; color: #ffffff; text-decoration: none;
  font-weight: 600; padding: 12px 24px; border-radius: 6px;
}}
.lead {{ font-size: 18px; line-height: 28px; }}
.muted {{ color: #5f6b7a; }}
.small {{ font-size: 13px; line-height: 20px; }}
.center {{ text-align: center; }}
.right {{ text-align: right; }}
td.number, th.number {{ text-align: right; white-space: nowrap; }}
table.lines {{ width: 100%; border-collapse: collapse; margin: 0 0 16px 0; }}
.lines td, .lines th {{ padding: 8px 8px 8px 0; border-bottom: 1px solid #d5d9de; }}
.box {{ background-color: #f1f3f5; padding: 16px; border-radius: 6px; }}
td.column {{ padding: 0 12px 0 0; }}
td.column + td.column {{ padding: 0 0 0 12px; }}
"""

#: How the parts around the text look; a layout's own styles come after these.
PART_STYLES = f"""
body {{ margin: 0; padding: 0; width: 100%; -webkit-text-size-adjust: 100%; }}
body, .page {{ background-color: #f1f3f5; }}
.page {{ padding: 24px 12px; }}
.card, .header, .footer {{
  padding: 16px 40px; font-family: {_FONT}; font-size: 16px; line-height: 24px;
}}
.card {{ padding: 32px 40px; background-color: #ffffff; border-radius: 8px; color: #1f2328; }}
.header, .footer {{ color: #5f6b7a; }}
.footer {{ font-size: 13px; line-height: 20px; }}
"""

# Only Outlook for Windows needs the colour of a button's cell, and it reads no @media.
MEDIA_STYLES = f"""
@media screen {{
  .{BUTTON_CELL} {{ background-color: transparent !important; }}
}}
@media (max-width: 600px) {{
  .page {{ padding: 0 !important; }}
  .card {{ border-radius: 0 !important; padding: 24px 20px !important; }}
  .header, .footer {{ padding: 16px 20px !important; }}
  td.column {{
    display: block !important; width: 100% !important; box-sizing: border-box !important;
    padding: 0 0 16px 0 !important;
  }}
}}
@media (prefers-color-scheme: dark) {{
  body, .page {{ background-color: #16181b !important; }}
  .header, .footer {{ color: #a5adb8 !important; }}
  .header a, .footer a {{ color: #8ab4f8 !important; }}
  .card {{ background-color: #202327 !important; color: #e8eaed !important; }}
  .card a {{ color: #8ab4f8 !important; }}
  .card a.button {{ background-color: #8ab4f8 !important; color: #16181b !important; }}
  .muted {{ color: #a5adb8 !important; }}
  .box {{ background-color: #2b2f34 !important; }}
  hr, .lines td, .lines th {{ border-color: #3c4147 !important; }}
}}
"""

#: The names of the parts around the text. No text can take them for its own tags.
PARTS = ("page", "card", "header", "footer")

# Marks that no text can have: what they stand for is put there when a mail is made.
TITLE, PREHEADER, CONTENT, HEADER, FOOTER = (f"flint-mark-{number}-7f3a9d" for number in range(5))

_DOCUMENT = f"""<!DOCTYPE html>
<html lang="{{language}}" dir="{{direction}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{TITLE}</title>
<style>{{media_styles}}</style>
</head>
<body>
{PREHEADER}<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"
 style="table-layout: fixed;">
<tr>
<td class="page" align="center">
<table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"
 style="width: 600px; max-width: 100%;">
{{header}}<tr>
<td class="card">
{CONTENT}
</td>
</tr>
{{footer}}</table>
</td>
</tr>
</table>
</body>
</html>
"""

_AROUND = """<tr>
<td class="{part}">
{content}
</td>
</tr>
"""


def document(
    *, language: str, direction: str, header: bool, footer: bool, media_styles: str = ""
) -> str:
    """The whole mail with marks where its parts go, its styles not yet on its tags;
    ``media_styles`` come after the built-in ones, so they win."""
    return _DOCUMENT.format(
        language=language,
        direction=direction,
        media_styles=f"{MEDIA_STYLES}{media_styles}",
        header=_AROUND.format(part="header", content=HEADER) if header else "",
        footer=_AROUND.format(part="footer", content=FOOTER) if footer else "",
    )
