import { describeDriver } from '../conformance.ts';
import { makeFakeDriver } from './driver.ts';
import { FakeHost } from './host.ts';

describeDriver('fake', () => {
  const host = new FakeHost();
  const boot = { kernelPath: '/k', initrdPath: '/i', kernelArgs: [], needsAcpi: false };
  return {
    driver: async () => makeFakeDriver(host),
    spec: async () => ({ cpus: 1, memoryMiB: 64, rootDiskPath: '/fake-images/x', boot }),
    bootTimeoutMs: 2000,
  };
});
