// Tasks are files in the machine that they run in, named after the execution that does the work: every replica finds them, and
// they end with the machine. Invariants: a record is replaced as a whole; what is read is bounded and checked, for whoever is
// root in the machine may have written it.
import { randomUUID } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { listFiles, operate, readFile, writeFile } from '../../machine/files.ts';
import type { Place } from '../../machine/guest.ts';
import { cellWork } from '../tools/code/cell-work.ts';

const folder = '/run/tvm/tasks';
const maxRecordBytes = 1_048_576;

const taskRecord = z.object({
  tool: z.string().max(64),
  createdAtMs: z.int().min(0),
  updatedAtMs: z.int().min(0),
  ttlMs: z.int().min(0),
  cancelled: z.boolean(),
  /** When it is a cell of a context that does the work. */
  cell: cellWork.optional(),
  /** Once it is over. */
  result: z.looseObject({ content: z.array(z.looseObject({ type: z.string() })) }).optional(),
});
export type TaskRecord = z.infer<typeof taskRecord>;

export async function writeTask(place: Place, id: string, record: TaskRecord): Promise<void> {
  // Of its own: two replicas that are asked at once both note the end.
  const fresh = `${folder}/.${id}.${randomUUID()}`;
  await writeFile(place, fresh, Buffer.from(JSON.stringify(record)), { makeParents: true, mode: 0o600 });
  await operate(place, { case: 'move', value: { from: fresh, to: pathOf(id), overwrite: true } });
}

/** Undefined for one that is not there, is over for longer than its time to live, or is unsound. */
export async function readTask(place: Place, id: string, nowMs: number): Promise<TaskRecord | undefined> {
  try {
    const { bytes } = await readFile(place, pathOf(id), { offset: 0, limit: maxRecordBytes });
    const parsed = taskRecord.safeParse(JSON.parse(bytes.toString()));
    if (!parsed.success || nowMs > parsed.data.createdAtMs + parsed.data.ttlMs) return undefined;
    return parsed.data;
  } catch (error) {
    if (error instanceof SyntaxError || TvmError.from(error).code === 'not_found') return undefined;
    throw error;
  }
}

/** The ids of all records, also of other callers and of those that are over. */
export async function listTaskIds(place: Place): Promise<string[]> {
  try {
    const files = await listFiles(place, folder, 1);
    return files.map(({ path }) => path.slice(folder.length + 1, -'.json'.length)).filter((id) => !id.startsWith('.'));
  } catch (error) {
    if (TvmError.from(error).code === 'not_found') return [];
    throw error;
  }
}

function pathOf(id: string): string {
  return `${folder}/${id}.json`;
}
