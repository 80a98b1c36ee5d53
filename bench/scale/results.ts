// What a run found, with what a reader needs to judge it. Written as JSON.
import { cpus, loadavg, release, totalmem } from 'node:os';
import type { ScaleFigures } from './measure.ts';

export interface ScaleResults {
  takenAt: string;
  command: string;
  nodes: number;
  host: string;
  /** Load average of the host before the run: what else there was to do. */
  loadBefore: number;
  figures: ScaleFigures;
}

/** This host, in one line. */
export function describeHost(): string {
  const [first] = cpus();
  const memoryGiB = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores of ${first?.model ?? 'unknown'}, ${memoryGiB} GiB, Linux ${release()}, Node ${process.version}`;
}

export const loadNow = () => loadavg()[0] ?? 0;
