// Machine records on disk: one folder a machine. Invariant: a record is replaced whole or not at all.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type MachineRecord, machineRecord } from './record.ts';

const recordFile = 'machine.json';

export interface RecordStore {
  /** Folder of a machine, absolute. */
  folder(id: string): string;
  write(record: MachineRecord): void;
  /** Removes the machine's folder with everything in it. */
  remove(id: string): void;
  /** Every readable record, and the folders that have none. Nothing may be written meanwhile. */
  load(): { records: MachineRecord[]; strays: string[] };
}

export function makeRecordStore(root: string): RecordStore {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const folder = (id: string) => join(root, id);
  return {
    folder,
    write(record) {
      mkdirSync(folder(record.id), { recursive: true, mode: 0o700 });
      const path = join(folder(record.id), recordFile);
      writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    },
    remove: (id) => rmSync(folder(id), { recursive: true, force: true }),
    load() {
      // What was being written when flintlock was killed.
      for (const id of readdirSync(root)) rmSync(join(folder(id), `${recordFile}.new`), { force: true });
      const found = readdirSync(root).map((id) => ({ id, record: readRecord(join(folder(id), recordFile), id) }));
      return {
        records: found.flatMap(({ record }) => record ?? []),
        strays: found.filter(({ record }) => !record).map(({ id }) => id),
      };
    },
  };
}

function readRecord(path: string, id: string): MachineRecord | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const parsed = machineRecord.safeParse(parseJson(text));
  return parsed.success && parsed.data.id === id ? parsed.data : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
