import { test } from 'node:test';
import { kubeConformance } from './conformance.ts';
import { makeMemoryKube } from './memory-client.ts';

for (const [name, check] of Object.entries(kubeConformance(makeMemoryKube(), 'memory'))) test(`memory: ${name}`, check);
