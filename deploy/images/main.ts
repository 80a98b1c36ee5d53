// Program: npm run images. Builds the container images, and saves or pushes them when asked to.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import { cacheFolder } from '@tvm/images/config.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { type BuildOptions, buildImage, ensureBase, findEngine, pushImage, saveImage } from './build.ts';
import { engineNames } from './engine.ts';
import { parts } from './parts.ts';

const usage = `Builds TVM's container images.

usage: npm run images -- [OPTION]... [PART]...
  PART             ${parts.map(({ name }) => name).join(', ')} (default: all)
  --engine NAME    ${engineNames.join(', ')} (default: the first that is installed)
  --prefix PREFIX  what image names begin with (default: localhost/tvm)
  --tag TAG        (default: 0.1.0)
  --base IMAGE     a Debian image to build on, like docker.io/library/debian:bookworm-slim
                   (default: one made here from Debian's packages)
  --save FOLDER    also write PART.tar there, for "ctr images import" or "kind load image-archive"
  --push           also push the images to the registry in PREFIX
`;

const options = {
  engine: { type: 'string' },
  prefix: { type: 'string', default: 'localhost/tvm' },
  tag: { type: 'string', default: '0.1.0' },
  base: { type: 'string' },
  save: { type: 'string' },
  push: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help) return void process.stdout.write(usage);
  const wanted = positionals.length === 0 ? parts : positionals.map(partNamed);
  const engine = engineNames.find((name) => name === values.engine) ?? findEngine();
  const { prefix, tag, base } = values;
  const root = join(import.meta.dirname, '../..');
  const say = (line: string) => console.error(line);
  const build: BuildOptions = {
    root,
    cacheDir: cacheFolder(),
    log: makeLogger('images', 'warn'),
    say,
    engine,
    prefix,
    tag,
    base,
  };
  const ready = await ensureBase(build);
  for (const part of wanted) {
    const image = await buildImage(part, ready, build);
    if (values.save !== undefined) {
      await mkdir(values.save, { recursive: true });
      await saveImage(engine, image, join(values.save, `${part.name}.tar`));
    }
    if (values.push) await pushImage(engine, image);
    console.log(image);
  }
}

function partNamed(name: string) {
  const part = parts.find((each) => each.name === name);
  if (part) return part;
  throw new TvmError('invalid_argument', `there is no part ${name}`, {
    hint: `Parts: ${parts.map((each) => each.name).join(', ')}`,
  });
}

try {
  await main();
} catch (error) {
  const { message, hint } = TvmError.from(error);
  console.error(`images: ${message}${hint ? `\n  ${hint}` : ''}`);
  process.exitCode = 1;
}
