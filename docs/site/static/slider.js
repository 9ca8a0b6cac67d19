// Two pictures in one paragraph become one picture with a line that is dragged over it. The line is
// a range input, so that it works with a mouse, a finger and the arrow keys, and is read aloud.
"use strict";

function label(text, side) {
  const element = document.createElement("span");
  element.className = side;
  element.textContent = text;
  return element;
}

for (const paragraph of document.querySelectorAll("article p")) {
  const pictures = [...paragraph.children];
  const alone = pictures.length === 2 && !paragraph.textContent.trim();
  if (!alone || pictures.some((picture) => picture.tagName !== "IMG")) continue;
  const [before, after] = pictures;
  const line = document.createElement("input");
  Object.assign(line, { type: "range", min: 0, max: 100, step: 1 });
  const show = () => {
    slider.style.setProperty("--at", `${line.value}%`);
    line.setAttribute("aria-valuetext", `${line.value} % ${before.alt}, the rest ${after.alt}`);
  };
  line.setAttribute("aria-label", `${before.alt} and ${after.alt}`);
  line.addEventListener("input", show);
  const slider = document.createElement("div");
  slider.className = "slider";
  slider.append(after, before, label(before.alt, "left"), label(after.alt, "right"), line);
  paragraph.replaceWith(slider);
  show();
}
