// What can be seen of KVM without starting a machine. A device that is there may still not work: only flintlock probes.
import { accessSync, constants, existsSync } from 'node:fs';
import type { Check } from './check.ts';

const name = 'accelerator';
const advice = 'Without KVM the processor is emulated in software: isolated all the same, and slower.';

export function checkKvm(): Check {
  if (!existsSync('/dev/kvm')) return { name, state: 'warning', found: 'no /dev/kvm', advice };
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    const found = '/dev/kvm may not be opened by this user';
    return { name, state: 'warning', found, advice: `Add the user to the group kvm. ${advice}` };
  }
  return { name, state: 'ok', found: '/dev/kvm is there, not probed: "vvm up" does, then "vvm doctor" tells' };
}
