// Where the time of one warm execute goes: each way to run contains the one before it, so that a difference is a stage. Pure.
import type { Row } from '../measure/sample.ts';
import { timesOfRow } from './goals.ts';

export interface Stage {
  stage: string;
  ms: number;
  /** How it was got. */
  from: string;
}

const steps = [
  { id: 'guest-run', stage: 'the guest: channel, interpreter, output, end of the process' },
  { id: 'guest-claim', stage: 'the claim: resumed, clock, entropy and identity renewed' },
  { id: 'rpc-warm', stage: "flintlock: its call, the machine's record, relay of output" },
  { id: 'warm', stage: 'lime-ctrl and REST' },
  { id: 'vvm', stage: 'the command: start of its process, WebSocket' },
];

/** Empty when one of the ways to run was not measured. A stage below the noise can be negative. */
export function stagesOf(rows: readonly Row[]): Stage[] {
  const medians = steps.map(({ id }) => timesOfRow(rows, id)?.medianMs);
  return steps.flatMap(({ stage, id }, index) => {
    const [ms, beforeMs] = [medians[index], index === 0 ? 0 : medians[index - 1]];
    if (medians.includes(undefined) || ms === undefined || beforeMs === undefined) return [];
    return [{ stage, ms: ms - beforeMs, from: index === 0 ? id : `${id} − ${steps[index - 1]?.id}` }];
  });
}
