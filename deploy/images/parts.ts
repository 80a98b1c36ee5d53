// The container images as data: what goes into each.

export interface Part {
  name: string;
  /** Folders of the checkout whose sources are copied, with the npm packages that they name. */
  sources: string[];
  /** Default images that are carried along, see images/seed.ts. */
  seed?: string[];
}

export const parts: Part[] = [
  { name: 'lime-ctrl', sources: ['api', 'kit', 'lime-ctrl'] },
  { name: 'kvm-device-plugin', sources: ['api', 'kit', 'kvm-device-plugin'] },
  {
    name: 'flintlock',
    sources: ['api', 'kit', 'images', 'flintlock', 'guest', 'deploy/images/flintlock'],
    seed: ['tvm/python', 'tvm/node'],
  },
];

/** Whether a path below a source folder is left out: tests, and what compilers and package managers make. */
export function isLeftOut(path: string): boolean {
  return /(^|\/)(node_modules|testing|golden|target|codegen)(\/|$)|\.test\.ts$|\.d\.ts$/.test(path);
}
