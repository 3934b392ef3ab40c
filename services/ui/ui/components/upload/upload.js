// A file goes from the browser straight to the gateway by tus, the resumable upload protocol. Python is told the
// upload's id once the file is there whole, and null again when the user takes it back.

const RETRY_DELAYS = [0, 1000, 3000, 5000, 10000]; // ms, by tus-js-client, while the browser believes it is online
const LONG_RETRY = 10000; // ms between further tries, until the user cancels
const CHUNK = 32 * 1024 * 1024; // bytes a request: a proxy on the way may buffer one, but not the whole video

let tusLoading;
function loadTus() {
  tusLoading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/assets/tus-js-client/tus.min.js";
    script.onload = () => resolve(window.tus);
    script.onerror = () => {
      tusLoading = undefined;
      reject(new Error("The upload script could not be loaded. Reload the page."));
    };
    document.head.append(script);
  });
  return tusLoading;
}

function sizeText(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toPrecision(3)} ${units[power]}`;
}

// The gateway's own words, where it gave some.
function problemText(error) {
  const response = error.originalResponse;
  if (!response) return error.message;
  try {
    const { detail } = JSON.parse(response.getBody());
    if (detail) return detail;
  } catch {
    // not a problem document
  }
  return `The gateway refused the upload (${response.getStatus()}).`;
}

function isConnectionLoss(error) {
  const status = error.originalResponse?.getStatus() ?? 0;
  return Boolean(error.originalRequest) && (status === 0 || status >= 500);
}

class Uploader {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    this.drop = this.find(".drop");
    this.input = this.find("input");
    this.message = this.find(".message");
    this.listeners = new AbortController();
    const options = { signal: this.listeners.signal };
    const on = (target, event, action) => target.addEventListener(event, action, options);

    on(this.input, "change", () => {
      const files = [...this.input.files]; // a copy: emptying the field empties its list
      this.input.webkitdirectory = false;
      this.input.value = ""; // so that choosing the same file again is a change
      if (this.photos) this.collect(({ chosen }) => chosen(files));
      else this.choose(files[0]);
    });
    on(this.input, "cancel", () => (this.input.webkitdirectory = false));
    on(this.find(".folder"), "click", () => {
      this.input.webkitdirectory = true;
      this.input.click();
    });
    on(this.find(".pause"), "click", () => this.togglePause());
    on(this.find(".cancel"), "click", () => this.cancel());
    on(window, "online", () => this.waiting && this.send());
    for (const event of ["dragenter", "dragover"]) {
      on(this.drop, event, (e) => {
        e.preventDefault();
        this.drop.classList.add("over");
      });
    }
    on(this.drop, "dragleave", () => this.drop.classList.remove("over"));
    on(this.drop, "drop", (e) => {
      e.preventDefault();
      this.drop.classList.remove("over");
      const { dataTransfer } = e;
      // Its items are gone once this handler has ended, so they are looked at now and read later.
      if (this.photos) this.collectDropped(dataTransfer);
      else this.choose(dataTransfer.files[0]);
    });
  }

  update({ data, setStateValue }) {
    this.setStateValue = setStateValue;
    this.endpoint = data.endpoint;
    this.largest = data.largest;
    this.purpose = data.invitation;
    this.photos = data.photos; // suffixes of image files, or null where one file is wanted
    this.input.accept = data.accept;
    this.input.multiple = Boolean(data.photos);
    this.find(".folder").hidden = !data.photos;
    this.find(".invitation b").textContent = data.invitation;
    this.find(".limit").textContent = data.largest ? `Up to ${sizeText(data.largest)}` : "";
    if (!this.upload) this.recall();
  }

  // After a reload the browser has forgotten the file, but not how far it got.
  async recall() {
    const tus = await loadTus();
    const earlier = await tus.defaultOptions.urlStorage.findAllUploads();
    const unfinished = earlier.filter((one) => one.uploadUrl?.startsWith(this.endpoint) && one.metadata.purpose === this.purpose);
    if (this.upload || !unfinished.length) return;
    const newest = unfinished.reduce((a, b) => (Date.parse(a.creationTime) > Date.parse(b.creationTime) ? a : b));
    this.say(`“${newest.metadata.filename}” was not sent to its end. Choose it again to go on where it stopped.`);
  }

  // Photos or a folder of them become a zip; a zip alone goes as it is. `entries`: of photo-zip.js.
  async collect(entriesBy) {
    const turn = (this.turn = Symbol("turn"));
    try {
      const zip = await import(new URL("/assets/photo-zip.js", location.href).href);
      const entries = await entriesBy(zip);
      if (!entries.length || turn !== this.turn) return;
      const photos = await zip.photosOf(entries, this.photos);
      if (turn !== this.turn) return;
      if (entries.length === 1 && !photos.length) return this.choose(entries[0].file);
      if (!photos.length) return this.say("There is no photo among these files.", true);
      const bytes = photos.reduce((sum, { file }) => sum + file.size, 0);
      if (this.largest && bytes > this.largest) {
        return this.say(`These photos have ${sizeText(bytes)}; at most ${sizeText(this.largest)} are accepted.`, true);
      }
      const file = await zip.zipped(photos, `${zip.nameOf(photos)}.zip`, (done) => {
        if (turn !== this.turn) throw new Error("taken back");
        this.say(`Reading photo ${done + 1} of ${photos.length} …`);
      });
      if (turn !== this.turn) return;
      await this.choose(file);
      const others = entries.length - photos.length;
      if (others) this.say(`${others} ${others === 1 ? "file that is no photo was" : "files that are no photos were"} left out.`, false, true);
    } catch (error) {
      if (turn === this.turn) this.say(error.message, true);
    }
  }

  collectDropped(dataTransfer) {
    const roots = [...dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = [...dataTransfer.files];
    this.collect(({ chosen, within }) => (roots.length ? within(roots) : chosen(files)));
  }

  async choose(file) {
    if (!file) return;
    if (file.size === 0) return this.say(`“${file.name}” is empty.`, true);
    if (this.largest && file.size > this.largest) {
      return this.say(`“${file.name}” has ${sizeText(file.size)}; at most ${sizeText(this.largest)} are accepted.`, true);
    }
    this.file = file;
    this.say("");
    this.find(".name").textContent = file.name;
    this.show(0);
    this.rate("");
    this.drop.hidden = true;
    this.find(".transfer").hidden = false;
    this.find(".pause").hidden = false;
    this.find(".pause").textContent = "Pause";
    this.find(".cancel").textContent = "Cancel";
    this.find(".pause").focus();
    try {
      const tus = await loadTus();
      const upload = new tus.Upload(file, {
        endpoint: this.endpoint,
        retryDelays: RETRY_DELAYS,
        chunkSize: CHUNK,
        metadata: { filename: file.name, filetype: file.type || "application/octet-stream", purpose: this.purpose },
        removeFingerprintOnSuccess: true,
        onBeforeRequest: (request) => {
          // The session's cookie, which is of this host.
          request.getUnderlyingObject().withCredentials = new URL(this.endpoint).hostname === location.hostname;
        },
        onProgress: (sent, total) => upload === this.upload && this.progressed(sent, total),
        onError: (error) => upload === this.upload && this.failed(error),
        onSuccess: () => upload === this.upload && this.finished(),
      });
      this.upload = upload;
      const [earlier] = await upload.findPreviousUploads();
      if (earlier) upload.resumeFromPreviousUpload(earlier);
      this.send();
    } catch (error) {
      this.failed(error);
    }
  }

  send() {
    clearTimeout(this.waiting);
    this.waiting = undefined;
    this.paused = false;
    this.started = undefined;
    this.upload.start();
  }

  togglePause() {
    if (this.paused) {
      this.find(".pause").textContent = "Pause";
      this.say("");
      this.send();
    } else {
      clearTimeout(this.waiting);
      this.waiting = undefined;
      this.paused = true;
      this.upload.abort();
      this.find(".pause").textContent = "Resume";
      this.rate("Paused");
    }
  }

  cancel() {
    const { upload, done } = this;
    this.reset();
    this.say("");
    if (!done) upload?.abort(true).catch(() => {}); // the gateway forgets unfinished uploads by itself, too
    if (done) this.setStateValue("upload", null);
    this.input.focus();
  }

  reset() {
    clearTimeout(this.waiting);
    this.turn = undefined;
    this.upload = this.waiting = this.started = undefined;
    this.paused = this.done = false;
    this.drop.hidden = false;
    this.find(".transfer").hidden = true;
  }

  progressed(sent, total) {
    const now = performance.now();
    this.started ??= { sent, now };
    const seconds = (now - this.started.now) / 1000;
    const speed = (sent - this.started.sent) / seconds;
    if (seconds > 1 && speed > 0) this.rate(`${sizeText(speed)}/s · ${Math.ceil((total - sent) / speed)} s left`);
    if (this.message.textContent && !this.message.hasAttribute("data-stays")) this.say("");
    this.show(sent / total);
  }

  failed(error) {
    if (isConnectionLoss(error)) {
      this.rate("");
      this.say("The connection was lost. The upload goes on by itself when it is back.");
      this.waiting = setTimeout(() => this.send(), LONG_RETRY);
      return;
    }
    this.reset();
    this.say(problemText(error), true);
  }

  finished() {
    this.done = true;
    this.show(1);
    this.rate("Uploaded");
    this.find(".pause").hidden = true;
    this.find(".cancel").textContent = "Choose another";
    const id = new URL(this.upload.url).pathname.split("/").filter(Boolean).pop();
    this.setStateValue("upload", { id, name: this.file.name, size: this.file.size });
  }

  show(share) {
    this.find("progress").value = share;
    this.find(".amount").textContent = `${Math.floor(share * 100)} % of ${sizeText(this.file.size)}`;
  }

  rate(text) {
    this.find(".rate").textContent = text;
  }

  say(text, bad = false, stays = false) {
    this.message.textContent = text;
    this.message.toggleAttribute("data-stays", stays);
    this.message.classList.toggle("bad", bad);
  }

  // Leaving the page stops the transfer, not the upload: it can be taken up again.
  destroy() {
    this.listeners.abort();
    clearTimeout(this.waiting);
    if (!this.done) this.upload?.abort();
  }
}

const uploaders = new WeakMap();

export default function (component) {
  const root = component.parentElement.querySelector(".upload");
  if (!uploaders.has(root)) uploaders.set(root, new Uploader(root));
  const uploader = uploaders.get(root);
  uploader.update(component);
  return () => uploader.destroy();
}
