/**
 * The data inside the page: base64 of gzip of one container, written by experiments/report/payload.py.
 *
 * The container is: length of the header (u32, little-endian), the header (JSON, UTF-8), then the columns. A column
 * stands in byte planes (all first bytes, then all second bytes, ...), which compresses much better.
 */

export type ColumnType = "u8" | "u16" | "u32" | "i32" | "f64";

export interface ColumnHeader {
  name: string;
  type: ColumnType;
  /** plain: the numbers; share: u32 that stands for n / 2^32; lookup: codes into the column `${name}.values`. */
  codec: "plain" | "share" | "lookup";
  length: number;
  offset: number;
}

export interface Container<Header> {
  header: Header;
  /** The numbers of a column. Throws where the file does not hold it. */
  numbers(name: string): ArrayLike<number>;
}

const VERSION = 1;
const WIDTH: Record<ColumnType, number> = { u8: 1, u16: 2, u32: 4, i32: 4, f64: 8 };

export class DamagedPage extends Error {}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  let binary: string;
  try {
    binary = atob(text.trim());
  } catch {
    throw new DamagedPage("The data in this page is damaged: open the file again from where it was made.");
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function unzip(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  if (typeof DecompressionStream === "undefined") {
    throw new DamagedPage("This browser is too old for the page: use a version from 2023 or later.");
  }
  try {
    return await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  } catch {
    throw new DamagedPage("The data in this page is damaged: open the file again from where it was made.");
  }
}

/** Undo the byte planes. */
export function fromPlanes(planes: Uint8Array, width: number): Uint8Array<ArrayBuffer> {
  const n = planes.length / width;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < width; plane++) {
    for (let i = 0, from = plane * n, to = plane; i < n; i++, to += width) bytes[to] = planes[from + i]!;
  }
  return bytes;
}

function typed(type: ColumnType, buffer: ArrayBuffer): ArrayLike<number> {
  switch (type) {
    case "u8": return new Uint8Array(buffer);
    case "u16": return new Uint16Array(buffer);
    case "u32": return new Uint32Array(buffer);
    case "i32": return new Int32Array(buffer);
    case "f64": return new Float64Array(buffer);
  }
}

/** Read the container out of the text that Python put into the page. */
export async function open<Header>(base64: string): Promise<Container<Header>> {
  const buffer = await unzip(fromBase64(base64));
  const size = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size))) as Header & {
    format: number;
    columns: ColumnHeader[];
  };
  if (header.format !== VERSION) {
    throw new DamagedPage("The data in this page is of another version than the page: make the page again.");
  }
  const columns = new Map(header.columns.map((column) => [column.name, column]));
  const raw = (name: string): ArrayLike<number> => {
    const column = columns.get(name);
    if (!column) throw new DamagedPage(`The data in this page has no column '${name}': make the page again.`);
    const width = WIDTH[column.type];
    const planes = new Uint8Array(buffer, 4 + size + column.offset, column.length * width);
    return typed(column.type, fromPlanes(planes, width).buffer);
  };
  const numbers = (name: string): ArrayLike<number> => {
    const found = raw(name);
    const codec = columns.get(name)!.codec;
    if (codec === "share") return Float64Array.from(found, (n) => n / 2 ** 32);
    if (codec === "lookup") {
      const values = raw(`${name}.values`);
      return Float64Array.from(found, (code) => values[code]!);
    }
    return found;
  };
  return { header, numbers };
}
