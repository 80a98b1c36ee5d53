// The files of the fake guest: regular files and folders, in memory.

import { create } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import { type FileInfo, FileInfoSchema, FileType } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';

interface Node {
  content: Uint8Array | undefined; // undefined: a folder
  mode: number;
  mtimeNs: bigint;
}

export class FakeFiles {
  readonly #nodes = new Map<string, Node>([
    ['/', { content: undefined, mode: 0o755, mtimeNs: 0n }],
    ['/tmp', { content: undefined, mode: 0o1777, mtimeNs: 0n }],
    ['/root', { content: undefined, mode: 0o700, mtimeNs: 0n }],
  ]);

  static copyOf(files: FakeFiles): FakeFiles {
    const copy = new FakeFiles();
    copy.#nodes.clear();
    for (const [path, node] of files.#nodes) copy.#nodes.set(path, { ...node });
    return copy;
  }

  read(path: string): Uint8Array {
    const { content } = this.#get(path);
    if (content === undefined) throw new TvmError('failed_precondition', `${path} is a directory`);
    return content;
  }

  write(path: string, content: Uint8Array, mode: number, makeParents: boolean): FileInfo {
    const before = this.#nodes.get(path);
    if (makeParents) this.makeDirectory(parentOf(path), 0, true);
    else this.#get(parentOf(path));
    this.#nodes.set(path, { content, mode: mode || (before?.mode ?? 0o644), mtimeNs: BigInt(Date.now()) * 1_000_000n });
    return this.stat(path);
  }

  stat(path: string): FileInfo {
    const node = this.#get(path);
    return create(FileInfoSchema, {
      path,
      type: node.content === undefined ? FileType.DIRECTORY : FileType.REGULAR,
      size: BigInt(node.content?.length ?? 0),
      mode: node.mode,
      mtimeNs: node.mtimeNs,
    });
  }

  list(path: string, depth: number): FileInfo[] {
    this.#get(path);
    const below = this.#below(path).filter((name) => relativeDepth(path, name) <= Math.max(1, depth));
    return below.sort().map((name) => this.stat(name));
  }

  makeDirectory(path: string, mode: number, parents: boolean): FileInfo {
    if (this.#nodes.has(path)) {
      if (!parents) throw new TvmError('already_exists', `${path} exists`);
      return this.stat(path);
    }
    if (parents) this.makeDirectory(parentOf(path), 0, true);
    this.#get(parentOf(path));
    this.#nodes.set(path, { content: undefined, mode: mode || 0o755, mtimeNs: BigInt(Date.now()) * 1_000_000n });
    return this.stat(path);
  }

  move(from: string, to: string, overwrite: boolean): FileInfo {
    if (this.#nodes.has(to) && !overwrite) throw new TvmError('already_exists', `${to} exists`);
    const node = this.#get(from);
    this.#nodes.delete(from);
    this.#nodes.set(to, node);
    return this.stat(to);
  }

  remove(path: string, recursive: boolean): void {
    this.#get(path);
    const below = this.#below(path);
    if (below.length > 0 && !recursive) throw new TvmError('failed_precondition', `${path} is not empty`);
    for (const name of [path, ...below]) this.#nodes.delete(name);
  }

  #get(path: string): Node {
    const node = this.#nodes.get(path);
    if (!node) throw new TvmError('not_found', `${path} does not exist`);
    return node;
  }

  #below(path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    return [...this.#nodes.keys()].filter((name) => name !== path && name.startsWith(prefix));
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function relativeDepth(base: string, path: string): number {
  return path.slice(base.length).split('/').filter(Boolean).length;
}
