// What the image store offers to the rest of the system. Types alone.

/** One line for a person: `tvm/python: installing packages (34 s)`. */
export type Progress = (message: string) => void;

/** What a VMM needs beside the root disk. The files are immutable; a new kernel or agent has new paths. */
export interface BootFiles {
  /** An ELF with a PVH entry point. */
  kernelPath: string;
  /** newc cpio with the agent as `/init` and, for a kernel with modules, `/modules/NN-name.ko`. */
  initrdPath: string;
  /** Arguments that this kernel wants in addition to those of the machine. */
  kernelArgs: string[];
  kernelVersion: string;
  /** `sha256:…` over kernel and initramfs: equal digests boot the same way, so it may key snapshots. */
  digest: string;
  /** True: the kernel finds virtio-mmio devices by ACPI only, not on its command line. */
  needsAcpi: boolean;
}

/** How a program starts in the image when the user names none; OCI's words. Empty arrays and strings mean "not said". */
export interface ImageConfig {
  env: Record<string, string>;
  user: string;
  workdir: string;
  entrypoint: string[];
  cmd: string[];
}

/** An immutable root filesystem on this host. */
export interface RootImage {
  /** The normalised reference: `tvm/python`, `docker.io/library/ubuntu:20.04`. */
  reference: string;
  /** `sha256:…`: of the manifest for an OCI image, of the root file for `tvm/…`. */
  digest: string;
  /** A squashfs file. */
  path: string;
  sizeBytes: number;
  createdAtMs: number;
  lastUsedAtMs: number;
  /** It was pulled with credentials: others must show theirs. */
  restricted: boolean;
  config: ImageConfig;
}

export interface ListedImage extends RootImage {
  /** A machine, a template or a snapshot of a node needs it. */
  inUse: boolean;
}

/** What an image is built from. */
export interface BuildRequest {
  /** A folder with a Dockerfile; an OCI layout; an archive of an image; a root filesystem as a folder or tar archive. */
  source: string;
  /** `demo`, `localhost/demo:1`. */
  name: string;
  /** A Dockerfile that is not in the source. */
  buildFile?: string;
  /** In place of what the source says. */
  config?: Partial<ImageConfig>;
}

/** Who asks for an image. */
export interface ImageAccess {
  /** Texts of docker's config.json with what the registry may ask for, tried in turn. Secret. */
  credentials?: readonly string[];
  /** The caller has been let to the image before: what the cache has is given without asking the registry. */
  granted?: boolean;
}

/**
 * Every method that makes something rejects with a TvmError: `invalid_argument` (malformed reference), `failed_precondition` (a tool
 * is missing; the hint names its package), `not_found`, `permission_denied`, `unavailable`, `deadline_exceeded`,
 * `resource_exhausted`, `data_loss` (reason `ImagePullFailed` when a registry is involved), `canceled`.
 */
export interface ImageStore {
  /** Kernel and initramfs, from the cache or made now: a configured kernel, else the built one, else Debian's cloud kernel. */
  bootFiles(onProgress: Progress, signal?: AbortSignal): Promise<BootFiles>;
  /**
   * The image's root filesystem, made or pulled when the cache has none. Callers at the same time share the work. What was
   * pulled with credentials is given to those alone whose own ones the registry accepts (`permission_denied`).
   */
  ensure(reference: string, onProgress: Progress, signal?: AbortSignal, access?: ImageAccess): Promise<RootImage>;
  /** Builds an image on this host; `localhost/NAME` names it from then on, here alone. */
  build(request: BuildRequest, onProgress: Progress, signal?: AbortSignal): Promise<RootImage>;
  /** What the cache holds, by reference. */
  list(): Promise<ListedImage[]>;
  /** Forgets the reference, and the file when nothing refers to it or uses it any more. `not_found` when unknown. */
  remove(reference: string): Promise<void>;
  /**
   * Removes images that nothing uses, the least recently used first, until they take `keepBytes` at most (default: the
   * budget). What was asked for within the last minutes stays.
   */
  prune(keepBytes?: number): Promise<{ references: string[]; bytes: number }>;
  /** From now on the owner, an absolute folder, uses these digests and no others; they are kept while the folder is there. */
  declareUses(owner: string, digests: Iterable<string>): Promise<void>;
  /** Builds the project's own kernel (about ten minutes of processor time); from then on `bootFiles` uses it. */
  buildKernel(onProgress: Progress, signal?: AbortSignal): Promise<BootFiles>;
}
