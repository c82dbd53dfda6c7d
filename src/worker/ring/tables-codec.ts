import type { Tables } from '../contracts.js';

interface WireTables {
  readonly p: string;
  readonly m: readonly number[];
  readonly v: number | null;
  readonly a: readonly number[];
  readonly c: number;
}

/** The tables as they stand in `buffer:marks` under `tables:<name>`. */
export function encodeTables(tables: Tables): string {
  const wire: WireTables = {
    p: tables.packets.toString('base64'),
    m: tables.pmtPids,
    v: tables.videoPid,
    a: tables.audioPids,
    c: tables.pcrPid,
  };
  return JSON.stringify(wire);
}

export function decodeTables(name: string, text: string): Tables {
  const wire = JSON.parse(text) as WireTables;
  return {
    packets: Buffer.from(wire.p, 'base64'),
    pmtPids: wire.m,
    videoPid: wire.v,
    audioPids: wire.a,
    pcrPid: wire.c,
    name,
  };
}
