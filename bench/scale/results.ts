// What a run found, with what a reader needs to judge it. Written as JSON.
import { cpus, release, totalmem } from 'node:os';
import type { ScaleFigures } from './measure.ts';

export interface ScaleResults {
  takenAt: string;
  command: string;
  nodes: number;
  host: string;
  figures: ScaleFigures;
}

/** This host, in one line. */
export function describeHost(): string {
  const [first] = cpus();
  const memoryGiB = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores of ${first?.model ?? 'unknown'}, ${memoryGiB} GiB, Linux ${release()}, Node ${process.version}`;
}
