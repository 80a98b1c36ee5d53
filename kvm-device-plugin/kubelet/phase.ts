// Where the plugin stands with the kubelet, for people and probes.
import type { Phase } from './plan.ts';

/** What a phase means, for people. */
export function describePhase(phase: Phase, folder: string): string {
  switch (phase) {
    case 'no folder':
      return `there is no folder ${folder}: TVM_KUBELET_DIR has to name the kubelet's folder`;
    case 'no kubelet':
      return `waiting for the kubelet: there is no kubelet.sock in ${folder}`;
    case 'backing off':
      return 'the kubelet did not take the registration: trying again soon';
    case 'standing by':
      return 'another plugin serves the kubelet: standing by';
    case 'registering':
      return 'registering with the kubelet';
    case 'registered':
      return 'registered with the kubelet';
  }
}

/** A plugin that stands by is as it should be. */
export function isReady(phase: Phase): boolean {
  return phase === 'registered' || phase === 'standing by';
}
