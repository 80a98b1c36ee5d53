// Images for fake machines: every reference is there, except names that contain `missing`; names that contain `private` ask for
// credentials. Nothing is downloaded.
import { createHash } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import type { BootFiles, ImageStore, RootImage } from '@tvm/images/contract.ts';

export type FakeImages = Pick<ImageStore, 'bootFiles' | 'ensure' | 'list' | 'remove'>;

const boot: BootFiles = {
  kernelPath: '/fake/kernel',
  initrdPath: '/fake/initrd',
  kernelArgs: [],
  kernelVersion: 'fake',
  digest: 'sha256:fake',
  needsAcpi: false,
};

export function makeFakeImages(): FakeImages {
  const images = new Map<string, RootImage>();
  return {
    bootFiles: async () => boot,
    async ensure(reference, onProgress, _signal, { credentials = [], granted = false } = {}) {
      onProgress(`${reference}: looking for a fake image`);
      if (reference.includes('missing')) {
        const message = `image ${reference} cannot be pulled: manifest unknown`;
        throw new TvmError('not_found', message, { reason: 'ImagePullFailed', object: `image/${reference}` });
      }
      if (reference.includes('private') && credentials.length === 0 && !granted) {
        const message = `image ${reference} needs credentials`;
        throw new TvmError('permission_denied', message, { reason: 'ImageAccessDenied', object: `image/${reference}` });
      }
      const image = images.get(reference) ?? fakeImage(reference);
      images.set(reference, image);
      return image;
    },
    list: async () => [...images.values()].map((image) => ({ ...image, inUse: false })),
    async remove(reference) {
      if (!images.delete(reference)) throw new TvmError('not_found', `image ${reference} is not here`);
    },
  };
}

function fakeImage(reference: string): RootImage {
  return {
    reference,
    digest: `sha256:${createHash('sha256').update(reference).digest('hex')}`,
    path: `/fake-images/${reference}`,
    sizeBytes: 0,
    createdAtMs: Date.now(),
    lastUsedAtMs: Date.now(),
    restricted: false,
    config: { env: {}, user: '', workdir: '', entrypoint: [], cmd: [] },
  };
}
