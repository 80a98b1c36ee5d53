import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { startProgram, untilReady } from './child.ts';
import { makeScratchFolder } from './scratch-folder.ts';

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !holds(); i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(holds(), what);
}

/** Whether a process runs; one that ended but was not waited for does not. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false; // no such process
  }
}

test('a program is ended, its folder removed', async () => {
  let path = '';
  {
    await using folder = await makeScratchFolder('test');
    path = folder.path;
    await using program = startProgram('sleep', 'sh', ['-c', 'echo hello; exec sleep 1000'], join(path, 'log'));
    await untilReady(program, async () => (await program.lastLines()).includes('hello'), 10_000);
    assert.equal(program.ended(), false);
  }
  assert.equal(existsSync(path), false);
});

test('a program that ends before it is ready says what it printed', async () => {
  await using folder = await makeScratchFolder('test');
  await using program = startProgram('broken', 'sh', ['-c', 'echo no such flag >&2; exit 3'], join(folder.path, 'log'));
  await assert.rejects(
    untilReady(program, async () => false, 10_000),
    /broken: ended\nno such flag/,
  );
});

test('a program that cannot be started is an end, too', async () => {
  await using folder = await makeScratchFolder('test');
  await using program = startProgram('absent', '/nonexistent/program', [], join(folder.path, 'log'));
  await assert.rejects(
    untilReady(program, async () => false, 10_000),
    /absent: ended/,
  );
});

test('when the process that started them is killed, programs and folder go too', async () => {
  const script = `
    const { startProgram } = await import(${JSON.stringify(import.meta.resolve('./child.ts'))});
    const { makeScratchFolder } = await import(${JSON.stringify(import.meta.resolve('./scratch-folder.ts'))});
    const { path } = await makeScratchFolder('test');
    startProgram('sleep', 'sh', ['-c', 'echo $$ >' + path + '/pid; exec sleep 1000'], path + '/log');
    console.log(path);
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [path] = (await once(createInterface({ input: owner.stdout }), 'line')) as [string];
    const pid = () => Number(existsSync(`${path}/pid`) && readFileSync(`${path}/pid`, 'utf8'));
    await until('the program runs', () => pid() > 0);
    const program = pid();
    owner.kill('SIGKILL');
    await until('the program is gone', () => !runs(program));
    await until('the folder is gone', () => !existsSync(path));
  } finally {
    owner.kill('SIGKILL');
  }
});
