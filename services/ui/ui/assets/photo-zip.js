// Photos and folders become one zip in the browser, so that they travel as a resumable upload like any zip. Photos do
// not shrink, so nothing is compressed (APPNOTE.TXT 6.3.10 of PKWARE); the zip is a list of slices of the files
// themselves, never whole in memory. The same photos make the same zip, which therefore is taken up where it stopped.

const LIMIT = 0xffffffff; // what a plain zip can count; zip64 fields go on from there
const DATE = 0x21; // 1 January 1980: the photos' own times say nothing
const UTF8 = 0x0800; // names are UTF-8

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n >>> 0;
});

async function crcOf(file) {
  let crc = LIMIT;
  const reader = file.stream().getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    for (const byte of part.value) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff];
  }
  return (crc ^ LIMIT) >>> 0;
}

// [bytes, value] pairs → little-endian bytes.
function fields(...pairs) {
  const view = new DataView(new ArrayBuffer(pairs.reduce((sum, [size]) => sum + size, 0)));
  let place = 0;
  for (const [size, value] of pairs) {
    if (size === 2) view.setUint16(place, value, true);
    else if (size === 4) view.setUint32(place, value, true);
    else view.setBigUint64(place, BigInt(value), true);
    place += size;
  }
  return view.buffer;
}

function localHeader(name, crc, size) {
  return fields([4, 0x04034b50], [2, 45], [2, UTF8], [2, 0], [2, 0], [2, DATE], [4, crc], [4, size], [4, size], [2, name.length], [2, 0]);
}

function directoryEntry(name, crc, size, offset) {
  const extra = offset >= LIMIT ? fields([2, 1], [2, 8], [8, offset]) : new ArrayBuffer(0);
  const header = fields(
    [4, 0x02014b50], [2, 45], [2, 45], [2, UTF8], [2, 0], [2, 0], [2, DATE], [4, crc], [4, size], [4, size],
    [2, name.length], [2, extra.byteLength], [2, 0], [2, 0], [2, 0], [4, 0], [4, Math.min(offset, LIMIT)],
  );
  return [header, name, extra];
}

function ending(count, size, offset) {
  const parts = [];
  if (count >= 0xffff || size >= LIMIT || offset >= LIMIT) {
    parts.push(
      fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, size], [8, offset]),
      fields([4, 0x07064b50], [4, 0], [8, offset + size], [4, 1]),
    );
  }
  const few = Math.min(count, 0xffff);
  parts.push(fields([4, 0x06054b50], [2, 0], [2, 0], [2, few], [2, few], [4, Math.min(size, LIMIT)], [4, Math.min(offset, LIMIT)], [2, 0]));
  return parts;
}

// `entries`: [{path, file}]; `onFile` gets how many are done, and ends the work by throwing.
export async function zipped(entries, name, onFile) {
  const encoder = new TextEncoder();
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [index, { path, file }] of entries.entries()) {
    onFile(index);
    if (file.size >= LIMIT) throw new Error(`“${path}” is too large for a photo.`);
    const inZip = encoder.encode(path);
    const crc = await crcOf(file);
    const header = localHeader(inZip, crc, file.size);
    directory.push(...directoryEntry(inZip, crc, file.size, offset));
    parts.push(header, inZip, file);
    offset += header.byteLength + inZip.length + file.size;
  }
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0);
  const newest = Math.max(0, ...entries.map(({ file }) => file.lastModified));
  const all = [...parts, ...directory, ...ending(entries.length, size, offset)];
  return new File(all, name, { type: "application/zip", lastModified: newest });
}

// The files within dropped files and folders (FileSystemEntry): [{path, file}].
export async function within(roots) {
  const found = [];
  const visit = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ path: entry.fullPath.replace(/^\//, ""), file });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const children = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at a time
      if (!children.length) return;
      for (const child of children) await visit(child);
    }
  };
  for (const root of roots) await visit(root);
  return found;
}

// What was chosen in a file dialogue.
export function chosen(files) {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

// How the files of each kind of picture begin; a dot is any byte.
const BEGINNINGS = [/^\xff\xd8\xff/, /^\x89PNG/, /^GIF8/, /^RIFF....WEBP/s, /^BM/, /^II\*\0/, /^MM\0\*/];

async function beginsLikePicture(file) {
  const beginning = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  return BEGINNINGS.some((kind) => kind.test(beginning));
}

// Which of them make a photo set: images, by their ending or by how they begin, and the table of groups, each path once,
// in order.
export async function photosOf(entries, suffixes) {
  const once = new Map();
  for (const entry of entries) {
    const name = entry.path.split("/").pop().toLowerCase();
    if (name.startsWith(".")) continue;
    const named = name === "groups.csv" || suffixes.some((suffix) => name.endsWith(suffix));
    if (named || (await beginsLikePicture(entry.file))) once.set(entry.path, entry);
  }
  return [...once.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

// What to call a set: the folder that holds all of it, its only photo, or how many there are.
export function nameOf(entries) {
  const folders = new Set(entries.map(({ path }) => (path.includes("/") ? path.split("/")[0] : "")));
  const [folder] = folders;
  if (folders.size === 1 && folder) return folder;
  return entries.length === 1 ? entries[0].path : `${entries.length} photos`;
}
