// A loop put into a table or a list that is there already: as rows of its own, or as items.

/** `html` (`{% for … %}<tr>…</tr>{% endfor %}`) after the row that the cursor is in, with as many
 * cells as that row has. Returns whether it is in a table. */
export function insertRows(editor, html) {
  const row = ascendant(editor, "tr");
  if (!row?.getParent().is("tbody")) return false;
  const nodes = made(editor, `<table><tbody>${html}</tbody></table>`, "tbody");
  const wanted = row.$.cells.length;
  const added = nodes.find((node) => node.nodeName === "TR");
  while (added.cells.length > wanted) added.deleteCell(-1);
  while (added.cells.length < wanted) added.insertCell(-1).innerHTML = '<br data-cke-bogus="1">';
  for (const [index, cell] of [...added.cells].entries())
    cell.className = row.$.cells[index].className;
  insertAfter(editor, row, nodes);
  return true;
}

/** The same for the items of a list. */
export function insertItems(editor, html) {
  const item = ascendant(editor, "li");
  if (!item) return false;
  insertAfter(editor, item, made(editor, `<ul>${html}</ul>`, "ul"));
  return true;
}

function ascendant(editor, name) {
  return editor.elementPath()?.contains(name) || null;
}

function made(editor, html, name) {
  const holder = editor.document.createElement("div");
  holder.setHtml(editor.dataProcessor.toHtml(html, { context: null, fixForBody: false }));
  return [...holder.$.querySelector(name).childNodes].filter(
    (node) => node.nodeType === Node.ELEMENT_NODE,
  );
}

function insertAfter(editor, element, nodes) {
  editor.fire("saveSnapshot");
  element.$.after(...nodes);
  editor.widgets.checkWidgets({ initOnlyNew: true });
  editor.fire("saveSnapshot");
}
