// Calls about the node itself and its images.
import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { TvmError } from '@tvm/api/errors.ts';
import {
  type Flintlock,
  ImageProgressSchema,
  ImageSchema,
  TemplateSchema,
  TemplateState,
} from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { RootImage } from '@tvm/images/contract.ts';
import type { DiskStore } from '../disks/disk-store.ts';
import type { Drain } from '../drain.ts';
import { type NodeLimits, promisedMiB } from '../machines/admission.ts';
import type { Images } from '../machines/executor.ts';
import type { Machines } from '../machines/machines.ts';
import type { Networks } from '../network/networks.ts';
import type { Templates, TemplateView } from '../templates/templates.ts';
import type { Driver } from '../vmm/driver.ts';

export interface NodeCallsDeps {
  name: string;
  version: string;
  limits: NodeLimits;
  driver: Driver;
  images: Images;
  machines: Machines;
  templates: Templates;
  disks: DiskStore;
  networks: Networks;
  drain: Drain;
}

type Calls = 'getNode' | 'ensureImage' | 'listImages' | 'removeImage';

const notProbed = { accelerator: 'none', reason: 'not probed yet' } as const;

export function makeNodeCalls(deps: NodeCallsDeps): Pick<ServiceImpl<typeof Flintlock>, Calls> {
  const { driver, images, machines, limits } = deps;
  return {
    async getNode() {
      const { accelerator, reason } = driver.acceleration() ?? notProbed;
      const confinement = driver.confinement?.();
      const [known, templates, networksUnavailable] = await Promise.all([
        images.list(),
        deps.templates.list(),
        deps.networks.check().then(
          () => '',
          (error) => TvmError.from(error).message,
        ),
      ]);
      return {
        name: deps.name,
        version: deps.version,
        driver: driver.name,
        accelerator,
        acceleratorReason: reason,
        confinement: confinement?.level ?? '',
        confinementReason: confinement?.reason ?? '',
        networksUnavailable,
        limitsUnavailable: driver.limitsUnavailable?.() ?? '',
        cpus: limits.cpus,
        memoryMib: BigInt(limits.memoryMiB),
        memoryFreeMib: BigInt(Math.max(0, limits.memoryMiB - promisedMiB(machines.list()))),
        machineLimit: limits.machines,
        images: known.map(({ reference }) => reference),
        templates: templates.map(templateMessage),
        draining: deps.drain.draining,
        retainedDisks: deps.disks.retained().map(({ key }) => key),
      };
    },

    async *ensureImage({ reference, registryCredentials: credentials }, { signal }) {
      const latest = new LatestMessage();
      const making = images
        .ensure(reference, (message) => latest.set(message), signal, { credentials })
        .finally(() => latest.end());
      making.catch(() => undefined);
      for await (const message of latest) yield create(ImageProgressSchema, { message });
      yield create(ImageProgressSchema, { message: '', image: imageMessage(await making) });
    },

    listImages: async () => ({ images: (await images.list()).map(imageMessage) }),

    async removeImage({ reference }) {
      await images.remove(reference);
      return {};
    },
  };
}

const templateState = {
  building: TemplateState.BUILDING,
  ready: TemplateState.READY,
  failed: TemplateState.FAILED,
} as const;

function templateMessage({ memoryMiB, state, sizeBytes, createdAtMs, ...rest }: TemplateView) {
  const numbers = { memoryMib: memoryMiB, sizeBytes: BigInt(sizeBytes), createdAtMs: BigInt(createdAtMs) };
  return create(TemplateSchema, { ...rest, ...numbers, state: templateState[state] });
}

function imageMessage({ reference, digest, sizeBytes, createdAtMs, lastUsedAtMs }: RootImage) {
  const times = {
    sizeBytes: BigInt(sizeBytes),
    createdAtMs: BigInt(createdAtMs),
    lastUsedAtMs: BigInt(lastUsedAtMs),
  };
  return create(ImageSchema, { reference, digest, ...times });
}

/** Messages of which only the newest matters to a reader that is slow. */
class LatestMessage implements AsyncIterable<string> {
  #message: string | undefined;
  #ended = false;
  #wake: () => void = () => {};

  set(message: string): void {
    this.#message = message;
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    while (true) {
      const message = this.#message;
      this.#message = undefined;
      if (message !== undefined) yield message;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
