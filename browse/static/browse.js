// docmill browse: answers while typing, search by a dropped picture, keys. Every page works without it, too.
"use strict";

const $ = (id) => document.getElementById(id);

function setUpSearch(form) {
  const box = $("q"), answers = $("answers"), told = $("told");
  let file = null, running = null, again = false, timer = 0;

  const address = () => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (typeof value === "string" && value) query.set(name, value);
    return query;
  };

  // One request at a time: what was typed meanwhile is asked for when it is done.
  async function ask() {
    if (running) { again = true; return; }
    const query = address();
    answers.classList.add("waiting");
    running = file
      ? fetch("/answers?" + withPage(query), { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } })
      : fetch("/answers?" + query);
    try {
      const answer = await running;
      answers.innerHTML = await answer.text();  // made and escaped by our own server
      const summary = $("summary") || answers.querySelector("[role=alert]");
      told.textContent = summary ? summary.textContent : "";
      if (!file) history.replaceState(null, "", query.toString() ? "/?" + query : "/");
    } catch (error) {
      told.textContent = "docmill does not answer; is it still running?";
      answers.textContent = told.textContent;
    }
    answers.classList.remove("waiting");
    running = null;
    if (again) { again = false; ask(); }
  }

  const withPage = (query) => { query.delete("q"); query.set("page", $("example-page").value || "1"); return query; };
  const soon = () => { clearTimeout(timer); timer = setTimeout(ask, 90); };

  function take(chosen) {
    file = chosen || null;
    $("example").hidden = !file;
    const picture = $("example-picture");
    if (picture.src) URL.revokeObjectURL(picture.src);
    if (!file) { picture.removeAttribute("src"); $("picture").value = ""; ask(); box.focus(); return; }
    const isPicture = file.type.startsWith("image/") && file.type !== "image/svg+xml";
    picture.hidden = !isPicture;
    if (isPicture) picture.src = URL.createObjectURL(file); else picture.removeAttribute("src");
    $("example-page").value = "1";
    $("example-page-label").hidden = isPicture && file.type !== "image/tiff";
    $("example-name").textContent = file.name || "a picture";
    ask();
  }

  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); ask(); });
  form.addEventListener("input", (event) => {
    if (event.target === box && file) { file = null; $("example").hidden = true; }
    if (event.target === box && $("like")) $("like").remove();
    if (event.target !== $("picture")) soon();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const name of ["source", "since", "until", "route"]) form.elements[name].value = "";
    ask();
  });
  $("picture").addEventListener("change", () => { if ($("picture").files.length) take($("picture").files[0]); });
  $("example-clear").addEventListener("click", () => take(null));
  document.addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files][0];
    if (pasted) { event.preventDefault(); take(pasted); }
  });

  let depth = 0;
  const hasFile = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  document.addEventListener("dragenter", (event) => { if (hasFile(event)) { depth += 1; $("drop").hidden = false; } });
  document.addEventListener("dragleave", (event) => { if (hasFile(event) && --depth <= 0) { depth = 0; $("drop").hidden = true; } });
  document.addEventListener("dragover", (event) => { if (hasFile(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    depth = 0; $("drop").hidden = true;
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
}

// A box on the page and its row light up together.
function linkBoxes(root) {
  for (const box of root.querySelectorAll(".sheet a[data-row]")) {
    const row = $(box.dataset.row);
    if (!row) continue;
    const light = (on) => () => { box.classList.toggle("lit", on); row.classList.toggle("lit", on); };
    for (const one of [box, row]) {
      one.addEventListener("mouseenter", light(true));
      one.addEventListener("mouseleave", light(false));
    }
    if (row.matches(":target")) box.classList.add("lit");
  }
}

async function drawPage(place) {
  try {
    const answer = await fetch(place.dataset.part);
    if (!answer.ok) throw new Error();
    place.innerHTML = await answer.text();
    linkBoxes(place);
  } catch (error) {
    place.insertAdjacentHTML("beforeend", '<p class="dim">The page cannot be drawn: its file has changed, is gone, or cannot be read.</p>');
  }
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, [contenteditable]");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !typing) {
    event.preventDefault();
    if ($("q")) { $("q").focus(); $("q").select(); } else location.href = "/";
  }
  if (!typing && !event.target.closest(".scroll, .strip") && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
    const link = $(event.key === "ArrowLeft" ? "previous" : "next");
    if (link) link.click();
  }
});

if ($("search")) setUpSearch($("search"));
linkBoxes(document);
for (const place of document.querySelectorAll("[data-part]")) drawPage(place);
