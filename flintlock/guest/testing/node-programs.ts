// Node programs that would notice where a waiting interpreter is not a new one.
import type { Program } from './interpreter-runs.ts';

const js = String.raw;

export const nodePrograms: Program[] = [
  { name: 'prints', source: 'console.log("hello")' },
  { name: 'is empty', source: '' },
  {
    name: 'looks at its module',
    source: js`console.log(require.main === module, __filename, __dirname, module.id, module.paths, module.parent, module.loaded);
console.log(Object.keys(require.cache), module.children, this === exports, typeof require, Object.keys(require));
console.log(Object.getOwnPropertyNames(globalThis).sort(), process.mainModule === module);`,
  },
  {
    name: 'looks at process',
    source: js`const { argv, argv0, execArgv, execPath, title, exitCode, env } = process;
console.log(argv, argv0, execArgv, execPath, title, exitCode, env, process.cwd(), process.umask(), process.getuid());
console.log(Object.keys(process).sort(), process.listenerCount('exit'), process.eventNames(), process.connected);
console.log(process.getActiveResourcesInfo(), process.stdin.constructor.name, process.allowedNodeEnvironmentFlags.size);`,
    arguments: ['a', '', 'b c', 'é', '-x', '--'],
    env: { GREETING: 'hé=llo', EMPTY: '', BYTES: 'line\nline' },
    cwd: '/usr',
  },
  {
    name: 'gives its environment on',
    source: 'console.log(require("child_process").execSync("env | sort; ls /proc/self/fd; echo $0").toString())',
    env: { GREETING: 'hello' },
  },
  { name: 'throws', source: 'function f() {\n  throw new TypeError("wrong");\n}\nf();' },
  { name: 'throws with a cause', source: 'throw new Error("outer", { cause: new RangeError("inner") });' },
  { name: 'throws what is no error', source: 'throw { a: 1 };' },
  { name: 'throws null', source: 'throw null;' },
  { name: 'throws later', source: 'setTimeout(() => { throw new Error("later"); }, 5);' },
  { name: 'shows its stack', source: 'console.log(new Error("here").stack); console.trace("trace");' },
  { name: 'rejects without a handler', source: 'Promise.reject(new Error("rejected"));' },
  { name: 'rejects with a text', source: 'Promise.reject("text"); setTimeout(() => console.log("never"), 100);' },
  { name: 'has a syntax error', source: 'const x = (1,\nconsole.log(' },
  { name: 'begins with a shebang', source: '#!/usr/bin/env node\nconsole.log(1);' },
  { name: 'begins with a byte order mark', source: '\ufeffconsole.log("bom");' },
  { name: 'misses a module', source: 'require("./missing");' },
  { name: 'sets an exit code', source: 'process.exitCode = 7;' },
  {
    name: 'exits',
    source: 'process.on("exit", (code) => console.log("bye", code)); process.exit(5); console.log("never");',
  },
  {
    name: 'exits when it has written',
    source: 'process.stdout.write("x".repeat(500000), () => process.exit(3));',
  },
  {
    name: 'waits for nothing',
    source: 'process.on("beforeExit", () => console.log("before")); setTimeout(() => 0, 5).unref();',
  },
  {
    name: 'orders its tasks',
    source: js`setImmediate(() => console.log('immediate'));
process.nextTick(() => console.log('tick'));
Promise.resolve().then(() => console.log('promise'));
queueMicrotask(() => console.log('microtask'));
console.log('now');`,
  },
  {
    name: 'is a module',
    source: 'console.log(import.meta.url, this, typeof require); await 0; export const a = 1;',
    file: 'main.mjs',
  },
  {
    name: 'is a module by its package',
    source:
      'import { a } from "./other.js";\nconsole.log(a, import.meta.url);\nawait new Promise((done) => setTimeout(done, 5));\nthrow new Error("end");',
    files: { 'package.json': '{"type":"module"}', 'other.js': 'export const a = 1;' },
  },
  { name: 'is a module that fails to load', source: 'import "./missing.mjs";', file: 'main.mjs' },
  { name: 'is a module with a syntax error', source: 'export const = 1;', file: 'main.mjs' },
  { name: 'never settles its top-level await', source: 'await new Promise(() => {});', file: 'main.mjs' },
  { name: 'has the extension .cjs', source: 'console.log(require.main === module, __filename);', file: 'main.cjs' },
  { name: 'has no extension', source: 'console.log(require.main === module, __filename);', file: 'main' },
  {
    name: 'imports on demand',
    source: 'import("node:os").then((os) => console.log(typeof os.default.cpus, require("./data.json")));',
    files: { 'data.json': '[1]' },
  },
  {
    name: 'requires itself',
    source: 'console.log(module.id, require.main === module);\nif (require.main === module) require("./main.js");',
  },
  {
    name: 'reads its input',
    source: 'let text = "";\nprocess.stdin.on("data", (d) => (text += d)).on("end", () => console.log("end", text));',
    stdin: 'one\ntwo\n',
  },
  {
    name: 'reads its input at once',
    source: 'console.log(require("fs").readFileSync(0).toString(), process.stdin.isTTY);',
    stdin: 'all of it',
  },
  {
    name: 'has no input',
    source:
      'const fs = require("fs");\nconsole.log(fs.readFileSync(0).length, fs.fstatSync(0).isCharacterDevice(), process.stdin.constructor.name);',
  },
  {
    name: 'reads lines',
    source: 'require("readline").createInterface({ input: process.stdin }).on("line", (l) => console.log([l]));',
    stdin: 'a\nb',
  },
  {
    name: 'looks at its descriptors and signals',
    source: js`const fs = require('fs');
const links = fs.readdirSync('/proc/self/fd').flatMap((fd) => {
  try { return [fs.readlinkSync('/proc/self/fd/' + fd).replace(/\d+/g, 'N')]; } catch { return []; }
});
console.log(links.sort(), [0, 1, 2].map((fd) => (fs.fstatSync(fd).mode & 0o170000).toString(8)));
console.log(fs.readFileSync('/proc/self/status', 'utf8').split('\n').filter((l) => /^(Sig[^Q]|Umask|Uid|Groups|Cap)/.test(l)));
console.log(fs.readFileSync('/proc/self/limits', 'utf8'), fs.readFileSync('/proc/self/oom_score_adj', 'utf8'));`,
  },
  { name: 'is terminated', source: 'process.kill(process.pid, "SIGTERM"); setTimeout(() => 0, 1000);' },
  {
    name: 'handles a signal',
    source:
      'process.once("SIGUSR2", (s) => console.log(s)); process.kill(process.pid, "SIGUSR2"); setTimeout(() => 0, 50);',
  },
  { name: 'aborts', source: 'process.kill(process.pid, "SIGABRT"); setTimeout(() => 0, 1000);' },
  {
    name: 'starts workers',
    source: js`const { Worker, isMainThread, workerData, parentPort } = require('node:worker_threads');
if (isMainThread) {
  console.log('main', process.execArgv, Object.keys(require.cache).length);
  const worker = new Worker(__filename, { workerData: 3, argv: ['x'] });
  worker.on('message', (message) => console.log(message)).on('exit', (code) => console.log('exit', code));
} else {
  parentPort.postMessage([workerData, process.argv, process.execArgv, Object.keys(require.cache), process.env.TVM_CHANNEL]);
  parentPort.postMessage([require.main === module, module.id, process.env.NODE_OPTIONS, Math.random() < 1]);
}`,
  },
  {
    name: 'starts a worker that fails',
    source:
      'const { Worker } = require("worker_threads");\nnew Worker("throw new Error(1)", { eval: true }).on("error", (e) => console.log("E", e));',
  },
  {
    name: 'forks itself',
    source: js`const { fork, spawnSync } = require('node:child_process');
if (process.argv[2] === 'child') {
  process.send([process.argv, process.execArgv, process.env.NODE_OPTIONS, require.main === module]);
} else {
  fork(__filename, ['child']).on('message', (message) => {
    console.log(message);
    console.log(spawnSync(process.execPath, ['-p', 'process.argv'], { stdio: ['inherit', 'pipe', 'inherit'] }).stdout.toString());
  }).on('exit', (code) => console.log('exit', code));
}`,
  },
  {
    name: 'warns',
    source: 'process.emitWarning("look"); process.emitWarning("old", "DeprecationWarning", "DEP0");\nnew Buffer(1);',
  },
  {
    name: 'uses servers and files',
    source: js`const http = require('http');
const server = http.createServer((_, answer) => answer.end('served')).listen(0, '127.0.0.1', async () => {
  const answer = await fetch('http://127.0.0.1:' + server.address().port);
  console.log(answer.status, await answer.text(), await require('fs/promises').readFile(__filename, 'utf8').then((t) => t.length));
  server.close();
});`,
  },
  {
    name: 'uses the crypto module',
    source:
      'const c = require("crypto");\nconsole.log(c.createHash("sha256").update("a").digest("hex"), c.randomUUID().length, crypto.getRandomValues(new Uint8Array(4)).length);',
  },
  {
    name: 'exceeds the stack',
    source:
      'let depth = 0;\nfunction f() { depth++; f(); }\ntry { f(); } catch (error) { console.log(error.message, depth > 1000); }\nf();',
  },
  {
    name: 'watches for uncaught errors',
    source:
      'process.on("uncaughtException", (e, origin) => console.log("caught", e.message, origin));\nthrow new Error("x");',
  },
  {
    name: 'tells the time',
    source:
      'const drift = performance.timeOrigin + performance.now() - Date.now();\nconsole.log(Math.abs(drift) < 1000, process.uptime() > 0, performance.now() > 0);',
  },
  {
    name: 'runs other contexts',
    source:
      'const vm = require("vm");\nconsole.log(vm.runInNewContext("typeof require + Math.random().toString()[0]"), vm.runInThisContext("typeof require"));',
  },
  { name: 'lies behind a link', source: 'console.log(__filename, module.id, process.argv);', cwd: '/tmp' },
];
