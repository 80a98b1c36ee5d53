// Tells of changes in a folder, also when the folder is made later or made anew.
// Invariant: after ensure() every change is told, or ensure() answered false and the caller has to look by itself.
import { type FSWatcher, statSync, watch } from 'node:fs';

export class FolderWatch implements Disposable {
  readonly #folder: string;
  readonly #onChange: (name: string | null) => void;
  #watcher: FSWatcher | undefined;
  /** The folder that is watched: a new one at the same path is another. */
  #watched: string | undefined;

  /** `onChange` gets the name of the entry, or null when it is not known. */
  constructor(folder: string, onChange: (name: string | null) => void) {
    this.#folder = folder;
    this.#onChange = onChange;
  }

  /** Watches the folder that is there now. False when there is none, or it cannot be watched. */
  ensure(): boolean {
    const found = identityOf(this.#folder);
    if (this.#watcher && found === this.#watched) return true;
    this[Symbol.dispose]();
    if (found === undefined) return false;
    try {
      this.#watcher = watch(this.#folder, { persistent: false }, (_, name) => this.#onChange(name));
      this.#watcher.on('error', () => this[Symbol.dispose]());
      this.#watched = found;
      return true;
    } catch {
      return false; // The caller looks by itself from time to time, and asks again.
    }
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#watched = undefined;
  }
}

function identityOf(folder: string): string | undefined {
  const found = statSync(folder, { throwIfNoEntry: false, bigint: true });
  return found?.isDirectory() ? `${found.dev}:${found.ino}` : undefined;
}
