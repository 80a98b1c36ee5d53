// Waits for one script and lets node run it: loaded by --require into `node FOLDER/main`, before that is looked at.
// Invariant: node itself runs the script, which `main` is then a link to; nothing of this file is in its way. What it can
// notice: modules of node that are loaded already, /proc/self/cmdline and environ, which are those of the
// start, and Math.random of contexts that it makes with node:vm, which is the same in each clone.
'use strict';
const { isMainThread } = require('node:worker_threads');

// A worker loads this file too, for it has the options of its process.
delete require.cache[__filename];
if (isMainThread) wait();

function wait() {
  const fs = require('node:fs');
  const path = require('node:path');
  const v8 = require('node:v8');
  const vm = require('node:vm');

  // Not those that look at process.stderr when they are loaded, as assert does.
  const common = 'buffer child_process crypto events fs/promises http module net os perf_hooks readline stream';
  const alsoCommon = 'string_decoder timers/promises tty url util zlib';
  for (const name of `${common} ${alsoCommon}`.split(' ')) require(`node:${name}`);

  const channel = Number(process.env.TVM_CHANNEL);

  function read(length) {
    const data = Buffer.alloc(length);
    for (let at = 0; at < length; ) {
      const count = fs.readSync(channel, data, at, length - at, null);
      // The agent has gone.
      if (count === 0) process.reallyExit(0);
      at += count;
    }
    return data;
  }

  // A message: its length (4 bytes, little endian), then texts, each ended by a zero byte.
  function receive() {
    const length = read(4).readUInt32LE();
    return read(length).toString().split('\0').slice(0, -1);
  }

  const sample = `(console, require) => {
    class Point { constructor(x) { this.x = x; } get twice() { return this.x * 2; } }
    const list = Array.from({ length: 200 }, (_, index) => new Point(index)).map((point) => point.twice);
    const copy = JSON.parse(JSON.stringify({ list, nested: { map: [...new Map([['a', 1]])] }, text: 'é'.repeat(9) }));
    console.log('%s %d', copy.text, list.reduce((sum, each) => sum + each, 0), copy, new Date(0).toISOString());
    console.log('a quick brown fox'.replace(/(\\w+) (\\w+)/g, '$2 $1').split(' '), new Set(list.slice(0, 9)));
    try { null.missing; } catch (error) { console.error(error); }
    require('node:path').join('a', 'b');
  }`;

  function exercise() {
    const { Writable } = require('node:stream');
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    const run = new vm.Script(sample, { filename: 'sample.js' }).runInThisContext();
    // Colours would be a look at process.stderr.
    run(new console.Console({ stdout: nowhere, stderr: nowhere, colorMode: false }), require);
  }

  function become([folder, hasInput, options, count, ...rest]) {
    fs.closeSync(channel);
    const [argv, variables] = [rest.slice(0, Number(count)), rest.slice(Number(count))];
    process.chdir(folder);
    for (const name of Object.keys(process.env)) delete process.env[name];
    for (const variable of variables) {
      const end = variable.indexOf('=');
      process.env[variable.slice(0, end)] = variable.slice(end + 1);
    }
    if (hasInput === '0') readNothing();
    const [script, ...others] = argv.slice(1 + Number(options));
    const link = process.argv[1];
    process.argv.splice(1, Number.POSITIVE_INFINITY, path.resolve(script), ...others);
    fs.symlinkSync(process.argv[1], link);
    seed();
    correctTime();
  }

  // Reads from /dev/null, as a process without input does: the lowest free number is given.
  function readNothing() {
    fs.closeSync(0);
    fs.openSync('/dev/null', 'r');
  }

  // V8 takes a seed of 31 bits when numbers are drawn for the first time; how many are passed over makes it 43.
  function seed() {
    const random = Buffer.alloc(6);
    const source = fs.openSync('/dev/urandom', 'r');
    fs.readSync(source, random, 0, 6, null);
    fs.closeSync(source);
    v8.setFlagsFromString(`--random-seed=${random.readUInt32LE() >>> 1 || 1}`);
    for (let left = random.readUInt16LE(4) & 0xfff; left >= 0; left--) Math.random();
    v8.setFlagsFromString('--random-seed=0');
  }

  // The time of the start is that of the clone, less what it has run.
  function correctTime() {
    let owner = performance;
    while (!Object.hasOwn(owner, 'timeOrigin')) owner = Object.getPrototypeOf(owner);
    const { configurable, enumerable } = Object.getOwnPropertyDescriptor(owner, 'timeOrigin');
    const value = Date.now() - performance.now();
    if (configurable) Object.defineProperty(owner, 'timeOrigin', { configurable, enumerable, get: () => value });
  }

  for (;;) {
    fs.writeSync(channel, 'ready\n');
    const [kind, ...job] = receive();
    if (kind === 'run') return become(job);
    exercise();
  }
}
