// Shows only those fields that belong to what is chosen under "how often" and "runs".

const belongsTo = {
  repeat: { repeat_days: ["after"], key_template: ["key"] },
  trigger: {
    every_minutes: ["minutes"],
    at_time: ["daily", "weekly"],
    weekday: ["weekly"],
    cron: ["cron"],
  },
};

for (const [chooser, fields] of Object.entries(belongsTo)) {
  const chosen = document.getElementById(`id_${chooser}`);
  if (!chosen) continue;

  const show = () => {
    for (const [name, choices] of Object.entries(fields)) {
      const row = document.querySelector(`.form-row.field-${name}`);
      const wrong = row?.querySelector(".errorlist");
      if (row) row.hidden = !wrong && !choices.includes(chosen.value);
    }
  };

  chosen.addEventListener("change", show);
  show();
}
