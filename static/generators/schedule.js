// Shows only those fields of a schedule that belong to what is chosen under "runs".

const belongsTo = {
  every_minutes: ["minutes"],
  at_time: ["daily", "weekly"],
  weekday: ["weekly"],
  cron: ["cron"],
};
const trigger = document.getElementById("id_trigger");

function show() {
  for (const [name, triggers] of Object.entries(belongsTo)) {
    const row = document.querySelector(`.form-row.field-${name}`);
    const wrong = row?.querySelector(".errorlist");
    if (row) row.hidden = !wrong && !triggers.includes(trigger.value);
  }
}

if (trigger) {
  trigger.addEventListener("change", show);
  show();
}
