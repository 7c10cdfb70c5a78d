// Small pictures, made here.
import { crc32, deflateSync } from "node:zlib";
import { randomFillSync } from "node:crypto";

export const DISC = { top: [60, 20], bottom: [60, 100], left: [20, 60], right: [100, 60] } satisfies Record<
  string,
  [number, number]
>;

/** A PNG of a bright disc of radius 40 around (60, 60) on a dark ground. */
export function disc(shade = 0): Blob {
  const side = 120;
  const pixels = Buffer.alloc(side * (3 * side + 1));
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const isInside = (x + 0.5 - 60) ** 2 + (y + 0.5 - 60) ** 2 <= 40 ** 2;
      pixels.set(isInside ? [200, 180, 60 + shade] : [40, 50, 60], y * (3 * side + 1) + 1 + 3 * x);
    }
  }
  return png(side, pixels, 6);
}

/** A PNG of noise, three bytes a pixel: as large as it looks. */
export function noise(side: number): Blob {
  const pixels = randomFillSync(Buffer.alloc(side * (3 * side + 1)));
  for (let y = 0; y < side; y++) pixels[y * (3 * side + 1)] = 0;
  return png(side, pixels, 0);
}

function png(side: number, lines: Buffer, level: number): Blob {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const chunks = [chunk("IHDR", header), chunk("IDAT", deflateSync(lines, { level })), chunk("IEND", Buffer.alloc(0))];
  const bytes = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), ...chunks]);
  return new Blob([new Uint8Array(bytes)], { type: "image/png" });
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, "ascii"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}
