// When an interpreter waits, when it does not, and that a start is right either way. The real agent, without a VM.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import type { GuestConnection } from './connection.ts';
import { configure } from './machine.ts';
import { listProcesses, type ProcessToStart, startProcess } from './processes.ts';
import { childrenOf, prepare, prepareOne, type Ran, runToEnd } from './testing/interpreter-runs.ts';
import { startAgent } from './testing/real-agent.ts';

const agent = await startAgent();
const script = join(agent.folder, 'main.py');
let connection = await agent.connect();
after(async () => {
  connection.close();
  await agent[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await configure(connection, { env: { EMPTY: '' } });
  await writeFile(script, 'import os, sys\nprint(sys.argv[1:], os.environ.get("GREETING"), sys.stdin.read())');
});

async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

const python = (more: ProcessToStart = {}): ProcessToStart => ({
  argv: ['python3', '-u', script, 'a'],
  interpreter: 'python',
  ...more,
});

/** Runs with one waiting; tells whether it was that one. */
async function run(process: ProcessToStart): Promise<Ran & { waited: boolean }> {
  const pid = await oneWaiting();
  const ran = await runToEnd(connection, process);
  return { ...ran, waited: ran.pid === pid };
}

async function oneWaiting(name = 'python'): Promise<number> {
  const [pid] = childrenOf(agent.pid);
  if (pid === undefined) return prepareOne(connection, agent.pid, name);
  assert.equal((await prepare(connection, name)).waits, true);
  return pid;
}

const fits: [string, () => ProcessToStart][] = [
  ['a script with arguments', () => python()],
  ['variables that any process obeys', () => python({ env: { GREETING: 'hi' } })],
  ['a folder', () => python({ cwd: agent.folder })],
  ['a script relative to the folder', () => python({ cwd: agent.folder, argv: ['python3', '-u', './main.py', 'a'] })],
  ['root by name', () => python({ user: 'root' })],
  ['a PATH that leads to the same program', () => python({ env: { PATH: `${agent.folder}:/usr/bin:/bin` } })],
  ['a time limit', () => python({ timeoutMs: 30_000 })],
  ['a script that comes along', () => python({ files: [{ path: script, content: Buffer.from('print(2)') }] })],
];

for (const [name, process] of fits) {
  test(`the waiting interpreter runs ${name}`, async () => {
    const fresh = await runToEnd(connection, { ...process(), interpreter: '' });
    const ran = await run(process());
    assert.equal(ran.waited, true);
    assert.deepEqual([ran.stdout, ran.stderr, ran.code], [fresh.stdout, fresh.stderr, fresh.code]);
  });
}

const doesNotFit: [string, () => ProcessToStart][] = [
  ['no interpreter named', () => python({ interpreter: '' })],
  ['another interpreter', () => python({ interpreter: 'node' })],
  ['an unknown interpreter', () => python({ interpreter: 'cobol' })],
  [
    'a terminal',
    () => python({ terminal: { rows: 24, columns: 80 }, files: [{ path: script, content: Buffer.from('print(1)') }] }),
  ],
  ['a user', () => python({ user: 'nobody' })],
  ['other options', () => python({ argv: ['python3', '-u', '-O', script] })],
  ['fewer options', () => python({ argv: ['python3', script] })],
  ['code instead of a script', () => python({ argv: ['python3', '-u', '-c', 'print(1)'] })],
  ['a module instead of a script', () => python({ argv: ['python3', '-u', '-m', 'platform'] })],
  ['no script', () => python({ argv: ['python3', '-u'] })],
  ['a missing script', () => python({ argv: ['python3', '-u', join(agent.folder, 'missing.py')] })],
  ['a folder as a script', () => python({ argv: ['python3', '-u', '/usr'] })],
  ['a program by its path', () => python({ argv: ['/usr/bin/python3', '-u', script] })],
  ['PYTHONPATH', () => python({ env: { PYTHONPATH: '/tmp' } })],
  ['PYTHONHASHSEED', () => python({ env: { PYTHONHASHSEED: '1' } })],
  ['a locale', () => python({ env: { LC_ALL: 'C' } })],
  ['a time zone', () => python({ env: { TZ: 'Asia/Tokyo' } })],
  ['another home', () => python({ env: { HOME: '/tmp' } })],
  ['a preloaded library', () => python({ env: { LD_LIBRARY_PATH: '/tmp' } })],
];

for (const [name, process] of doesNotFit) {
  test(`a new process runs what asks for ${name}`, async () => {
    const fresh = await runToEnd(connection, { ...process(), interpreter: '' });
    const ran = await run(process());
    assert.equal(ran.waited, false);
    assert.deepEqual([ran.stdout, ran.stderr, ran.code], [fresh.stdout, fresh.stderr, fresh.code]);
    assert.equal(childrenOf(agent.pid).length, 1, 'the waiting one waits on');
  });
}

test('a script that is an archive, or lies beside one named like a module, is run as by a new process', async () => {
  const source = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as archive: archive.writestr('__main__.py', 'import sys; print(__file__, sys.argv)')`;
  const archive = join(agent.folder, 'archive.py');
  await writeFile(script, source);
  await runToEnd(connection, { argv: ['python3', script, archive] });
  const process = python({ argv: ['python3', '-u', archive, 'x'] });
  const fresh = await runToEnd(connection, { ...process, interpreter: '' });
  assert.match(fresh.stdout, /archive\.py\/__main__\.py/);
  const ran = await run(process);
  assert.deepEqual([ran.waited, ran.stdout, ran.code], [true, fresh.stdout, 0]);
});

test('what the machine has as its environment since the start is obeyed', async () => {
  await oneWaiting();
  await configure(connection, { env: { GREETING: 'from the machine' } });
  assert.match((await run(python())).stdout, /from the machine/);
  await oneWaiting();
  await configure(connection, { env: { PYTHONOPTIMIZE: '1' } });
  await writeFile(script, 'import sys; print(sys.flags.optimize)');
  const ran = await run(python());
  assert.deepEqual([ran.waited, ran.stdout], [false, '1\n']);
});

test('packages that were added since the start are there', async () => {
  await endWaiting();
  await configure(connection, { env: { HOME: agent.folder } });
  const found = await runToEnd(connection, { argv: ['python3', '-c', 'import site; print(site.USER_SITE)'] });
  await oneWaiting();
  await mkdir(found.stdout.trim(), { recursive: true });
  await writeFile(join(found.stdout.trim(), 'added.pth'), 'import os; os.environ["ADDED"] = "yes"\n');
  await writeFile(script, 'import os, sys\nprint(os.environ["ADDED"], [p for p in sys.path if ".local" in p])');
  const fresh = await runToEnd(connection, python({ interpreter: '' }));
  assert.match(fresh.stdout, /^yes/);
  const ran = await run(python());
  assert.deepEqual([ran.waited, ran.stdout], [true, fresh.stdout]);
});

test('a missing folder is refused with one waiting too, which waits on', async () => {
  const pid = await oneWaiting();
  await assert.rejects(runToEnd(connection, python({ cwd: '/no/such' })), { code: 'not_found' });
  assert.deepEqual(childrenOf(agent.pid), [pid]);
});

test('one that waits is in no list, is another name for nothing, and outlives the connection', async () => {
  const pid = await oneWaiting();
  assert.deepEqual(await listProcesses(connection), []);
  connection.close();
  await connection.closed;
  connection = await agent.connect();
  const ran = await runToEnd(connection, python({ id: 'mine' }));
  assert.deepEqual([ran.pid, ran.code], [pid, 0]);
});

test('prepared twice, and exercised twice, it is the same one', async () => {
  const pid = await oneWaiting();
  for (let count = 0; count < 2; count++) {
    assert.deepEqual((await prepare(connection, 'python', true)).waits, true);
    assert.deepEqual(childrenOf(agent.pid), [pid]);
  }
  const [one, other] = await Promise.all([prepare(connection, 'python', true), prepare(connection, 'python', true)]);
  assert.deepEqual([one?.waits, other?.waits, childrenOf(agent.pid)], [true, true, [pid]]);
});

test('of two starts at once one gets it, and both are right', async () => {
  const pid = await oneWaiting();
  const both = await Promise.all([runToEnd(connection, python()), runToEnd(connection, python())]);
  assert.deepEqual(both.filter((ran) => ran.pid === pid).length, 1);
  for (const ran of both) assert.equal(ran.stdout, "['a'] None \n");
});

test('an unknown interpreter is refused', async () => {
  await assert.rejects(prepare(connection, 'cobol'), { code: 'invalid_argument' });
  await assert.rejects(prepare(connection, ''), { code: 'invalid_argument' });
});

test('one that was killed while it waited is forgotten', async () => {
  const pid = await oneWaiting();
  process.kill(pid, 'SIGKILL');
  await waitFor(() => !childrenOf(agent.pid).includes(pid));
  const ran = await runToEnd(connection, python());
  assert.equal(ran.stdout, "['a'] None \n");
  process.kill(await oneWaiting(), 'SIGKILL');
  await waitFor(() => childrenOf(agent.pid).length === 0);
  assert.equal((await prepare(connection, 'python')).waits, true);
  assert.equal((await runToEnd(connection, python())).code, 0);
});

test('a canceled run of one is killed with its group', async () => {
  await writeFile(
    script,
    'import subprocess, sys\nchild = subprocess.Popen(["sleep", "1000"])\nprint(child.pid)\nchild.wait()',
  );
  const pid = await oneWaiting();
  const stream = startProcess(connection, python());
  let child = 0;
  for await (const body of stream) {
    if (body.case === 'started') assert.equal(body.value.pid, pid);
    if (body.case === 'stdout') child = Number(Buffer.from(body.value).toString());
    if (child) break;
  }
  await waitFor(() => !existsSync(`/proc/${pid}`) && !existsSync(`/proc/${child}`));
});

test('the time of one is limited from its job on', async () => {
  await writeFile(script, 'import time\nprint(1)\ntime.sleep(1000)');
  const pid = await oneWaiting();
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  const ran = await runToEnd(connection, python({ timeoutMs: 1_000 }));
  assert.deepEqual([ran.pid, ran.stdout, ran.code, ran.timedOut], [pid, '1\n', 137, true]);
});

test('one is kept and attached to like any process', async () => {
  await writeFile(script, 'import os\nos.write(1, input().encode())');
  const pid = await oneWaiting();
  const stream = startProcess(connection, python({ keep: true, stdin: true, id: 'kept' }));
  const answers = stream[Symbol.asyncIterator]();
  await answers.next();
  const [listed] = await listProcesses(connection);
  assert.deepEqual([listed?.id, listed?.pid, listed?.argv], ['kept', pid, ['python3', '-u', script, 'a']]);
  await stream.send({ case: 'stdin', value: Buffer.from('typed\n') });
  const { value } = await answers.next();
  assert.deepEqual([value?.case, Buffer.from(value?.value as Uint8Array).toString()], ['stdout', 'typed']);
  for (let last = await answers.next(); !last.done; ) last = await answers.next();
});

test('a large environment and long arguments arrive whole', async () => {
  await writeFile(
    script,
    'import os, sys\nprint(len(sys.argv[1]), len(os.environ["LARGE"]), len(os.environ["OTHER"]))',
  );
  await configure(connection, { env: { OTHER: 'y'.repeat(100_000) } });
  const argv = ['python3', '-u', script, 'x'.repeat(60_000)];
  const ran = await run(python({ argv, env: { LARGE: 'z'.repeat(60_000) } }));
  assert.deepEqual([ran.waited, ran.stdout, ran.stderr], [true, '60000 60000 100000\n', '']);
});

const random =
  'import os, random, tempfile, uuid\nprint(random.random(), uuid.uuid4(), uuid.uuid1(), tempfile.mktemp())';

test('no two draw the same', async () => {
  await writeFile(script, random);
  const drawn = new Set<string>();
  for (let count = 0; count < 3; count++) drawn.add((await run(python())).stdout);
  assert.equal(drawn.size, 3);
});

/** Puts a program in the place of python3. */
async function replacePython(name: string, program: string): Promise<void> {
  await endWaiting();
  const folder = join(agent.folder, name);
  await mkdir(folder);
  await writeFile(join(folder, 'python3'), program);
  await chmod(join(folder, 'python3'), 0o755);
  await configure(connection, { env: { PATH: `${folder}:/usr/bin:/bin` } });
}

async function endWaiting(): Promise<void> {
  for (const pid of childrenOf(agent.pid)) process.kill(pid, 'SIGKILL');
  await waitFor(() => childrenOf(agent.pid).length === 0);
}

// `$5` is the descriptor: the loader, the program and it follow "-u -c".
const say = (text: string) => `#!/bin/bash\nprintf '${text}' >&"\${@: -1}"\n`;
const hostile: [string, string, RegExp][] = [
  ['ends at once', '#!/bin/sh\necho no luck >&2\nexit 3', /^the interpreter ended: no luck$/],
  ['says something else', `${say('hello there, host')}sleep 1000`, /did not answer/],
  ['says more than it should', `${say('ready now\\n')}sleep 1000`, /did not answer/],
  ['floods the descriptor', '#!/bin/bash\nfor last; do :; done\nexec yes >&$last', /did not answer/],
  ['says half a word and ends', say('rea'), /did not answer/],
  ['is no program', '\0\0\0', /^start "python3"|^the interpreter ended/],
];

for (const [name, program, whyNot] of hostile) {
  test(`a python3 that ${name} does not wait, and nothing of it is left`, async () => {
    await replacePython(name, program);
    const prepared = await prepare(connection, 'python', true);
    assert.equal(prepared.waits, false);
    assert.match(prepared.whyNot, whyNot);
    await waitFor(() => childrenOf(agent.pid).length === 0);
  });
}

test('an image without the program has none waiting', async () => {
  await endWaiting();
  await configure(connection, { env: { PATH: '/nowhere' } });
  for (const name of ['python', 'node']) {
    const prepared = await prepare(connection, name);
    assert.equal(prepared.waits, false);
    assert.match(prepared.whyNot, /^start "(python3|node)": No such file/);
  }
});

test('one that talks while it waits is not used', async () => {
  const [may, said] = [join(agent.folder, 'may'), join(agent.folder, 'said')];
  const surprise = `until [ -e ${may} ]; do sleep 0.01; done\nprintf 'surprise' >&"\${@: -1}"\n>${said}\nsleep 1000`;
  await replacePython('talks', `${say('ready\\n')}${surprise}`);
  assert.equal((await prepare(connection, 'python')).waits, true);
  const [pid] = childrenOf(agent.pid);
  await writeFile(may, '');
  await waitFor(() => existsSync(said));
  const fresh = python({ argv: ['python3', '-u', script], env: { PATH: join(agent.folder, 'talks') } });
  const ran = await runToEnd(connection, { ...fresh, argv: ['python3', '-u', script], timeoutMs: 1000 });
  assert.notEqual(ran.pid, pid);
  await waitFor(() => !childrenOf(agent.pid).length);
});

test('one that takes its job and ends has ended', async () => {
  await replacePython('ends', `${say('ready\\n')}head -c 4 <&"\${@: -1}" >/dev/null; echo took it; exit 5`);
  assert.equal((await prepare(connection, 'python')).waits, true);
  const ran = await runToEnd(connection, python());
  assert.deepEqual([ran.stdout, ran.code], ['took it\n', 5]);
});

test('one that fails its exercise does not wait any more', async () => {
  await replacePython('fails', `${say('ready\\n')}head -c 4 <&"\${@: -1}" >/dev/null; echo failed >&2; exit 1`);
  assert.equal((await prepare(connection, 'python')).waits, true);
  const prepared = await prepare(connection, 'python', true);
  assert.deepEqual([prepared.waits, prepared.whyNot], [false, 'the interpreter ended: failed']);
});

test('a preparation that is canceled leaves nothing', async () => {
  await replacePython('sleeps', '#!/bin/sh\nexec sleep 1000');
  const own: GuestConnection = await agent.connect();
  const stream = own.call({ case: 'prepareInterpreter', value: { name: 'python' } });
  await waitFor(() => childrenOf(agent.pid).length === 1);
  stream.cancel();
  await waitFor(() => childrenOf(agent.pid).length === 0);
  own.close();
  connection = await agent.connect();
});

test('files of interpreters go with them', async () => {
  await endWaiting();
  const own = () => readdirSync(agent.folder).filter((name) => name.startsWith('tvm-node'));
  await oneWaiting('node');
  assert.equal(own().length, 1);
  const program = join(agent.folder, 'main.js');
  await writeFile(program, 'console.log(process.argv.slice(2))');
  const ran = await runToEnd(connection, { argv: ['node', program, 'x'], interpreter: 'node' });
  assert.equal(ran.stdout, "[ 'x' ]\n");
  await waitFor(() => own().length === 0);
});
