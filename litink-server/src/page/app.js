// The page: a book in, a run watched, files out. No framework, no build; everything over the API.

const $ = (id) => document.getElementById(id);
const state = { book: null, run: null, events: null, voices: [], next: null, chapters: new Map() };

// --- talking to the server ---

class Problem extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

async function api(path, options = {}) {
  let response;
  try {
    response = await fetch(`/api/v1${path}`, options);
  } catch {
    throw new Problem({ title: "No answer", detail: "The server cannot be reached. Is it still running?" });
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({ title: "Failed", detail: response.statusText }));
  if (response.status === 401 && path !== "/session") {
    await enter();
    return api(path, options);
  }
  throw new Problem(problem);
}

const post = (path, body) =>
  api(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? null) });

// --- errors and the door ---

function show(error) {
  const problem = error.problem ?? { title: "A defect of this page", detail: String(error) };
  $("alert-title").textContent = problem.title ?? "Failed";
  $("alert-detail").textContent = problem.detail ?? problem.message ?? "";
  const facts = Object.entries(problem.context ?? {}).map(([name, value]) => `${name}: ${value}`);
  const code = [problem.code, problem.instance && `request ${problem.instance}`];
  $("alert-facts").textContent = [...facts, ...code].filter(Boolean).join(" · ");
  $("alert").hidden = false;
  $("alert").scrollIntoView({ block: "nearest" });
}

const guarded = (action) => async (event) => {
  event?.preventDefault?.();
  $("alert").hidden = true;
  try {
    await action(event);
  } catch (error) {
    show(error);
  }
};

let entering = null;

// Asks for the token once, however many requests wait for it.
function enter() {
  entering ??= new Promise((resolve) => {
    const door = $("door");
    door.addEventListener("cancel", (event) => event.preventDefault());
    door.showModal();
    $("door-form").onsubmit = async (event) => {
      event.preventDefault();
      try {
        await post("/session", { token: $("token").value });
        $("token").value = $("door-error").textContent = "";
        $("leave").hidden = false;
        door.close();
        entering = null;
        resolve();
      } catch (error) {
        $("door-error").textContent = error.message;
      }
    };
  });
  return entering;
}

$("leave").onclick = guarded(async () => {
  await api("/session", { method: "DELETE" });
  location.reload();
});
$("alert-close").onclick = () => ($("alert").hidden = true);

// --- small matters of form ---

const number = new Intl.NumberFormat("en");

function clock(ms) {
  const s = Math.round(ms / 1000);
  const pad = (n) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}` : `${Math.floor(s / 60)}:${pad(s % 60)}`;
}

function size(bytes) {
  const units = ["bytes", "KB", "MB", "GB"];
  let unit = 0;
  while (bytes >= 1000 && unit < 3) { bytes /= 1000; unit += 1; }
  return `${unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

const plural = (n, what) => `${number.format(n)} ${what}${n === 1 ? "" : "s"}`;
const percent = (fraction) => `${Math.floor(fraction * 100)} %`;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// --- uploading ---

// By XMLHttpRequest, which alone tells how far an upload is.
function send(file) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", "/api/v1/books");
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => {
      $("upload-bar").value = loaded / total;
      $("upload-percent").textContent = loaded < total ? percent(loaded / total) : "reading the book";
    };
    request.onload = () =>
      request.status < 300 ? resolve(request.response) : reject(new Problem(request.response ?? { title: "Failed", detail: `status ${request.status}` }));
    request.onerror = () => reject(new Problem({ title: "The upload broke off", detail: "The server closed the connection. Send the file again." }));
    request.send(form);
  });
}

async function upload(file) {
  if (!file) return;
  $("upload-name").textContent = file.name;
  $("upload-percent").textContent = "";
  $("upload-bar").value = 0;
  $("upload").hidden = false;
  try {
    await api("/books?limit=1"); // asks for the token first, where one is needed
    await open(await send(file), true);
    await shelve();
  } finally {
    $("upload").hidden = true;
    $("file").value = "";
  }
}

$("file").onchange = guarded(() => upload($("file").files[0]));
const drop = $("drop");
for (const name of ["dragover", "dragenter"]) {
  addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) addEventListener(name, () => drop.classList.remove("over"));
addEventListener("drop", guarded((event) => upload(event.dataTransfer.files[0])));

// --- a book ---

async function open(book, focus = false) {
  unwatch();
  state.book = book;
  state.run = null;
  $("book").hidden = false;
  $("run").hidden = true;
  $("book-title").textContent = $("no-cover").textContent = book.title;
  $("book-authors").textContent = book.authors.join(", ");
  const facts = [book.language, plural(book.char_count, "character"), size(book.file_bytes), book.format];
  $("book-facts").textContent = facts.filter(Boolean).join(" · ");
  $("book-warnings").replaceChildren(...book.warnings.map((w) => make("li", { textContent: w.message })));
  $("cover").hidden = !book.has_cover;
  $("no-cover").hidden = book.has_cover;
  if (book.has_cover) $("cover").src = `/api/v1/books/${book.id}/cover`;
  voices(book.language);
  list(await api(`/books/${book.id}/chapters`));
  const runs = await api(`/runs?book_id=${book.id}&limit=1`);
  if (runs.items[0]) await watch(runs.items[0]);
  mark();
  await plan();
  if (focus) $("book-title").focus();
  $("book").scrollIntoView({ block: "start", behavior: "smooth" });
}

function list(chapters) {
  state.chapters = new Map();
  $("chapter-list").replaceChildren(
    ...chapters.map((chapter) => {
      const title = chapter.display_title ?? "(untitled)";
      const bar = make("progress", { max: 1, value: 0, className: "idle" });
      bar.setAttribute("aria-label", `Progress of ${title}`);
      state.chapters.set(chapter.id, bar);
      return make(
        "li", {},
        make("span", { className: "number", textContent: chapter.number ?? "" }),
        make("span", { className: chapter.kind === "chapter" ? "" : "matter", textContent: title }),
        bar,
        make("span", { className: "size", textContent: number.format(chapter.char_count), title: "characters" }),
      );
    }),
  );
  const counted = chapters.filter((chapter) => chapter.kind === "chapter").length;
  document.querySelector("#contents summary").textContent = plural(counted || chapters.length, "chapter");
}

$("forget").onclick = guarded(async () => {
  if (!confirm(`Remove “${state.book.title}” and everything made of it?`)) return;
  unwatch();
  await api(`/books/${state.book.id}`, { method: "DELETE" });
  $("book").hidden = true;
  state.book = null;
  await shelve();
});

// --- what to make ---

async function options() {
  const [providers, formats] = await Promise.all([api("/providers"), api("/formats")]);
  state.voices = providers.flatMap(({ name, capabilities }) => {
    const speech = capabilities.speech;
    if (!speech) return [];
    const voices = speech.voices.length ? speech.voices : [{ id: "", name: "its own choice", languages: [] }];
    return voices.map((voice) => ({ ...voice, provider: name, draft: capabilities.draft }));
  });
  const wanted = formats.some((f) => f.name === "m4b" && f.available) ? ["m4b", "vtt"] : ["wav", "vtt"];
  for (const format of formats) {
    const box = make("input", { type: "checkbox", value: format.name, disabled: !format.available, checked: wanted.includes(format.name) });
    $("formats").append(make("label", { title: format.missing ?? format.media_type }, box, format.name.toUpperCase()));
  }
}

// The voices, those of the book's language first.
function voices(language) {
  const base = (tag) => tag.split("-")[0].toLowerCase();
  const fits = (voice) => !language || !voice.languages.length || voice.languages.some((tag) => base(tag) === base(language));
  const groups = new Map();
  for (const [index, voice] of state.voices.entries()) {
    const name = `${voice.provider}${fits(voice) ? "" : " · other languages"}`;
    const option = make("option", { value: index, textContent: [voice.name, voice.languages.join(", ")].filter(Boolean).join(" · ") });
    groups.set(name, [...(groups.get(name) ?? []), option]);
  }
  const order = [...groups].sort(([a], [b]) => a.includes("·") - b.includes("·"));
  $("voice").replaceChildren(...order.map(([label, all]) => make("optgroup", { label }, ...all)));
  hint();
}

function hint() {
  $("draft").hidden = !state.voices[$("voice").value]?.draft;
}

function spec() {
  const voice = state.voices[$("voice").value];
  const formats = [...document.querySelectorAll("#formats :checked")].map((box) => box.value);
  const options = { provider: voice?.provider, voice: voice?.id || null, formats };
  if ($("chapters").value.trim()) options.chapters = $("chapters").value.trim();
  if ($("speed").value) options.speed = Number($("speed").value);
  return { book_id: state.book.id, recipe: "audiobook", options };
}

async function plan() {
  $("go").disabled = !document.querySelector("#formats :checked");
  try {
    const { calls, characters } = await post("/plans", spec());
    $("plan").textContent = `${plural(characters, "character")} to speak, in ${plural(calls, "piece")}`;
    $("plan").className = "";
  } catch (error) {
    $("plan").textContent = error.message;
    $("plan").className = "bad";
  }
}

$("make").onchange = guarded(async () => { hint(); await plan(); });
$("make").onsubmit = guarded(async () => {
  await watch(await post("/runs", spec()));
  $("run").scrollIntoView({ block: "nearest", behavior: "smooth" });
  await shelve();
});

// --- a run ---

function unwatch() {
  state.events?.close();
  state.events = null;
  $("audio").removeAttribute("src");
}

async function watch(run) {
  unwatch();
  state.run = run;
  $("run").hidden = false;
  $("done").hidden = true;
  progress(await api(`/runs/${run.id}/progress`));
  if (run.state !== "running") return finish();
  const events = new EventSource(`/api/v1/runs/${run.id}/events`);
  state.events = events;
  events.addEventListener("progress", guardedQuietly(async ({ data }) => {
    const now = JSON.parse(data);
    if (now.run_id !== state.run?.id) return;
    progress(now);
    if (now.state !== "running") {
      events.close();
      await finish();
      await shelve();
    }
  }));
  events.addEventListener("problem", ({ data }) => { events.close(); show(new Problem(JSON.parse(data))); });
  // Broken off: the browser asks again by itself, unless it was turned away.
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(guardedQuietly(() => rewatch(run)), 2000);
  };
}

function guardedQuietly(action) {
  return async (event) => { try { await action(event); } catch (error) { show(error); } };
}

async function rewatch(run) {
  if (state.run?.id === run.id) await watch(await api(`/runs/${run.id}`));
}

const TITLES = { running: "In progress", completed: "Ready", failed: "It failed", cancelled: "Stopped" };

function progress(now) {
  const over = now.state !== "running";
  $("run-title").textContent = TITLES[now.state] ?? now.state;
  $("run-bar").value = now.fraction;
  $("run-percent").textContent = percent(now.fraction);
  const done = now.chapters.filter((chapter) => chapter.fraction >= 1).length;
  const facts = [`${clock(now.audio_ms)} of speech`, `${done} of ${plural(now.chapters.length, "chapter")}`];
  if (!over && done === now.chapters.length && done) facts.push("putting it together");
  $("run-facts").textContent = facts.join(" · ");
  for (const bar of state.chapters.values()) bar.className = "idle";
  for (const chapter of now.chapters) {
    const bar = state.chapters.get(chapter.chapter_id);
    if (bar) { bar.className = ""; bar.value = chapter.fraction; }
  }
  $("cancel").hidden = over;
  $("resume").hidden = !["failed", "cancelled"].includes(now.state);
  if (now.error) show(new Problem({ title: "The run failed", detail: now.error.message, code: now.error.code }));
  document.title = over || !state.book ? "litink" : `${percent(now.fraction)} · ${state.book.title}`;
}

async function finish() {
  const files = await api(`/runs/${state.run.id}/exports`);
  $("done").hidden = !files.length;
  const url = (file) => `/api/v1/exports/${file.id}/content`;
  $("files").replaceChildren(...files.map((file) => {
    const facts = [file.duration_ms && clock(file.duration_ms), size(file.bytes)].filter(Boolean).join(" · ");
    const link = make("a", { href: url(file), download: file.file_name }, file.format.toUpperCase(), make("small", { textContent: facts }));
    return make("li", {}, link);
  }));
  const audio = files.find((file) => file.media_type.startsWith("audio/"));
  $("audio").hidden = !audio;
  if (audio) {
    $("audio").src = url(audio);
    $("audio").setAttribute("aria-label", `Listen to ${state.book.title}`);
  }
}

$("cancel").onclick = guarded(async () => { await post(`/runs/${state.run.id}/cancel`); });
$("resume").onclick = guarded(async () => { await watch(await post(`/runs/${state.run.id}/resume`)); await shelve(); });

// --- the shelf ---

async function shelve(more = false) {
  const [page, runs] = await Promise.all([
    api(`/books?limit=20${more && state.next ? `&after=${encodeURIComponent(state.next)}` : ""}`),
    api("/runs?limit=200"),
  ]);
  const last = new Map();
  for (const run of runs.items) if (!last.has(run.book_id)) last.set(run.book_id, run.state);
  const items = page.items.map((book) => {
    const badge = last.get(book.id);
    const facts = [book.authors.join(", "), plural(book.chapter_count, "part"), new Date(book.created_at).toLocaleDateString()];
    const text = make("span", { textContent: book.title }, make("small", { textContent: facts.filter(Boolean).join(" · ") }));
    const button = make("button", { type: "button", onclick: guarded(() => open(book, true)) }, text);
    button.dataset.book = book.id;
    if (badge) button.append(make("span", { className: `state ${badge}`, textContent: TITLES[badge] ?? badge }));
    return make("li", {}, button);
  });
  more ? $("books").append(...items) : $("books").replaceChildren(...items);
  state.next = page.next;
  $("more").hidden = !page.next;
  $("shelf-empty").hidden = $("books").childElementCount > 0;
  mark();
}

function mark() {
  for (const button of document.querySelectorAll("#books button")) {
    button.setAttribute("aria-current", String(button.dataset.book === state.book?.id));
  }
}

$("more").onclick = guarded(() => shelve(true));

guarded(async () => {
  await options();
  await shelve();
})();
