// Runs cells of JavaScript one after the other in one scope: `node DRIVER FOLDER`. A line on stdin names a cell, "NAME MS",
// whose source is FOLDER/NAME; what came of it is written to FOLDER/NAME.json. On stdout and stderr, marks say where the output
// of a cell begins and ends. Cells are evaluated as in the debugger's console: with await, and names that may be declared again.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const util = require('node:util');
const { createRequire } = require('node:module');
const { Session } = require('node:inspector');

const folder = process.argv[2];
const mostText = 262_144;
const mostResults = 20;
const session = new Session();
session.connect();
globalThis.require = createRequire(path.join(process.cwd(), 'cell.js'));

let count = 0;
let results = [];
let interrupt = () => {};
let taken;
const take = (value) => {
  taken = value;
};
const takeKey = Symbol.for('tvm.take');
Object.defineProperty(globalThis, takeKey, { value: take });

process.on('SIGINT', () => interrupt());
process.on('uncaughtException', (error) => process.stderr.write(`${util.inspect(error)}\n`));
process.on('unhandledRejection', (error) => process.stderr.write(`unhandled rejection: ${util.inspect(error)}\n`));

globalThis.display = (...values) => {
  for (const value of values) if (results.length < mostResults) results.push(shown(value));
};

function shown(value) {
  const text = typeof value === 'string' ? value : util.inspect(value, { depth: 4, maxArrayLength: 200 });
  return { text: text.slice(0, mostText) };
}

function post(method, params) {
  return new Promise((resolve, reject) => {
    session.post(method, params, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

async function evaluate(source, timeoutMs) {
  const interrupted = new Promise((_, reject) => {
    interrupt = () => reject(new Error('interrupted'));
  });
  const options = { replMode: true, awaitPromise: true, userGesture: false, silent: true };
  const answer = post('Runtime.evaluate', { expression: source, ...options, timeout: timeoutMs });
  const { result, exceptionDetails } = await Promise.race([answer, interrupted]);
  if (exceptionDetails) return { error: failure(exceptionDetails) };
  if (result.type === 'undefined') return {};
  globalThis.display(await actualValue(result));
  return {};
}

/** Objects are handed over within the process: the debugger only names them. */
async function actualValue({ objectId, unserializableValue, value, description, type }) {
  if (objectId === undefined) return type === 'bigint' || unserializableValue ? unscaled(description) : value;
  const functionDeclaration = 'function () { globalThis[Symbol.for("tvm.take")](this); }';
  await post('Runtime.callFunctionOn', { objectId, functionDeclaration });
  const handed = taken;
  taken = undefined;
  return handed;
}

/** Numbers that JSON has not, as they are written. */
function unscaled(description) {
  return { [util.inspect.custom]: () => description };
}

function failure({ exception, text }) {
  const description = exception?.description ?? (exception ? util.inspect(exception.value) : text);
  const [first = ''] = description.split('\n');
  const [, name = exception?.className ?? 'Error', value = first] = /^(\w*Error): (.*)$/.exec(first) ?? [];
  return { name, value: value.slice(0, mostText), traceback: description.slice(-mostText) };
}

function mark(name, what) {
  process.stdout.write(`\0${name}:${what}\n`);
  process.stderr.write(`\0${name}:${what}\n`);
}

async function cell(name, timeoutMs) {
  count += 1;
  results = [];
  mark(name, 'begin');
  let outcome;
  try {
    outcome = await evaluate(fs.readFileSync(path.join(folder, name), 'utf8'), timeoutMs);
  } catch (error) {
    outcome = { error: { name: 'Error', value: error.message, traceback: error.message } };
  }
  const file = path.join(folder, `${name}.json`);
  fs.writeFileSync(`${file}.part`, JSON.stringify({ ...outcome, execution_count: count, results }));
  fs.renameSync(`${file}.part`, file);
  mark(name, 'end');
}

let before = Promise.resolve();
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [name, timeoutMs] = line.split(' ');
  before = before.then(() => cell(name, Number(timeoutMs)));
});
