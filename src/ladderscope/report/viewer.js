// Turns the plain pictures of a viewer into one picture that is flicked through at the same spot.
"use strict";

for (const viewer of document.querySelectorAll(".viewer")) {
  const stages = [...viewer.querySelectorAll(".stage")];
  const figures = [...stages.at(-1).children];
  const different = (name) => [...new Set(figures.map((one) => one.dataset[name]))].filter(Boolean);
  const choices = { kind: different("kind"), channel: different("channel") };
  const now = { kind: 0, channel: 0 };

  const fits = (figure, kind) =>
    figure.dataset.kind === kind &&
    (!figure.dataset.channel || figure.dataset.channel === choices.channel[now.channel]);

  const choose = (what, number) => {
    const count = choices[what].length;
    if (count) now[what] = (number + count) % count;
    for (const stage of stages) {
      const all = [...stage.children];
      // samples are drawn of the detail only: beside them, the whole image shows the restoration
      const on = [choices.kind[now.kind], "restored"]
        .map((kind) => all.find((figure) => fits(figure, kind)))
        .find(Boolean);
      for (const figure of all) figure.classList.toggle("on", figure === on);
    }
    for (const button of viewer.querySelectorAll("button"))
      button.ariaPressed = String(Number(button.value) === now[button.name]);
  };

  const bar = document.createElement("div");
  bar.className = "choices";
  for (const [what, names] of Object.entries(choices)) {
    if (names.length < 2) continue;
    const row = document.createElement("div");
    row.role = "group";
    row.ariaLabel = what === "kind" ? "picture" : "channel";
    names.forEach((name, number) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", name: what, value: number, textContent: name });
      if (what === "kind" && number < 9) button.dataset.key = number + 1;
      button.addEventListener("click", () => choose(what, number));
      row.append(button);
    });
    bar.append(row);
  }
  viewer.prepend(bar);

  viewer.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const sideways = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const down = choices.channel.length > 1 && { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const number = Number(event.key) - 1;
    if (sideways) choose("kind", now.kind + sideways);
    else if (down) choose("channel", now.channel + down);
    else if (number in choices.kind) choose("kind", number);
    else return;
    event.preventDefault();
  });

  for (const stage of stages) {
    let start = null;
    stage.addEventListener("dragstart", (event) => event.preventDefault());
    stage.addEventListener("pointercancel", () => (start = null));
    stage.addEventListener("pointerdown", (event) => (start = event.isPrimary ? event : null));
    stage.addEventListener("pointerup", (event) => {
      if (!start) return;
      const [right, down] = [event.clientX - start.clientX, event.clientY - start.clientY];
      start = null;
      viewer.focus({ preventScroll: true });
      const { left, width } = stage.getBoundingClientRect();
      const tapped = event.clientX < left + width / 3 ? -1 : 1;
      if (Math.hypot(right, down) < 10) choose("kind", now.kind + tapped);
      else if (Math.abs(right) > Math.max(30, Math.abs(down)))
        choose("kind", now.kind - Math.sign(right));
    });
  }

  viewer.tabIndex = 0;
  viewer.classList.add("live");
  choose("kind", Math.max(0, choices.kind.indexOf("restored")));
}
