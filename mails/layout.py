"""The built-in layout: what stands around a mail's content, and how its content looks.

Many mail programs drop a page's style sheet, so everything that a mail needs is written
into its tags: for the frame right here, for the content by css-inline. What stays in the
style sheet is what cannot be written elsewhere, the dark colours and small screens.
"""

#: Classes that a body may use.
CLASSES = ("button", "lead", "muted", "small", "center", "right", "number", "lines", "box")

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
"""

MEDIA_STYLES = """
@media (max-width: 640px) {
  .flint-page { padding: 0 !important; }
  .flint-card { border-radius: 0 !important; padding: 24px 20px !important; }
}
@media (prefers-color-scheme: dark) {
  .flint-page { background-color: #16181b !important; }
  .flint-card { background-color: #202327 !important; color: #e8eaed !important; }
  .flint-card a { color: #8ab4f8 !important; }
  .flint-card a.button { background-color: #8ab4f8 !important; color: #16181b !important; }
  .flint-card .muted { color: #a5adb8 !important; }
  .flint-card .box { background-color: #2b2f34 !important; }
  .flint-card hr, .lines td, .lines th { border-color: #3c4147 !important; }
}
"""

# Marks that cannot stand in a language's name or in the styles.
TITLE = "\x00title\x00"
CONTENT = "\x00content\x00"

DOCUMENT = f"""<!DOCTYPE html>
<html lang="{{language}}" dir="{{direction}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{title}}</title>
<style>{{media_styles}}</style>
</head>
<body style="margin: 0; padding: 0; width: 100%; -webkit-text-size-adjust: 100%;">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr>
<td class="flint-page" align="center" bgcolor="#f1f3f5"
 style="padding: 24px 12px; background-color: #f1f3f5;">
<table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"
 style="width: 600px; max-width: 100%;">
<tr>
<td class="flint-card" bgcolor="#ffffff"
 style="padding: 32px 40px; background-color: #ffffff; border-radius: 8px; color: #1f2328;
 font-family: {_FONT}; font-size: 16px; line-height: 24px;">
{{content}}
</td>
</tr>
</table>
</td>
</tr>
</table>
</body>
</html>
"""
