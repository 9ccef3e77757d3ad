// Keeps Liquid as it was typed while the rich editor works on the mail around it.
//
// Tags such as {% for %} would be moved out of tables and wrapped in paragraphs: they are
// hidden from the editor's parser ("protected source"). Variables stay visible as text.
// This file is loaded after ckeditor.js and before the editors are made.
(function () {
  const tags = [/\{%[\s\S]*?%\}/g];
  CKEDITOR.on("instanceCreated", (event) => {
    event.editor.on("configLoaded", () => {
      event.editor.config.protectedSource = [
        ...(event.editor.config.protectedSource || []),
        ...tags,
      ];
    });
  });
})();
