// Tables as mails need them: as wide as the text, with no frame unless it is wanted.

const DEFAULTS = {
  txtWidth: "100%",
  txtBorder: "0",
  txtCellSpace: "0",
  txtCellPad: "0",
  selHeaders: "row",
};

export function setUpTables() {
  CKEDITOR.on("dialogDefinition", ({ data, editor }) => {
    if (data.name !== "table" || !editor.liquid) return;
    const info = data.definition.getContents("info");
    for (const [field, value] of Object.entries(DEFAULTS)) info.get(field).default = value;
    info.remove("txtSummary");
  });
}
