// Python programs that would notice where a waiting interpreter is not a new one.
import type { Program } from './interpreter-runs.ts';

const python = String.raw;

export const pythonPrograms: Program[] = [
  { name: 'prints', source: 'print("hello")' },
  { name: 'is empty', source: '' },
  {
    name: 'looks at __main__',
    source: python`import sys, __main__
print(sorted(globals()), sorted(vars(sys.modules['__main__'])) == sorted(globals()))
print(__name__, __file__, __doc__, __package__, __spec__, type(__loader__), __builtins__, __annotations__, __cached__)
print(__main__ is sys.modules['__main__'], type(__main__.__builtins__))`,
  },
  {
    name: 'looks at sys',
    source: python`import sys
print(sys.argv, sys.orig_argv, sys.path, sys.executable, sys.prefix, sys.flags, sys.warnoptions, sys._xoptions)
print(sys.meta_path, sys.path_hooks, sys.excepthook, sys.displayhook, sys.unraisablehook, sys.exc_info(), sys.gettrace())
print([hasattr(sys, name) for name in ('last_type', 'last_value', 'last_traceback', 'last_exc', 'ps1')])
print(sys.getrecursionlimit(), sys.getswitchinterval(), sys.dont_write_bytecode, sys.getfilesystemencoding())`,
    arguments: ['a', '', 'b c', 'é', '-x', '--'],
  },
  {
    name: 'looks at its environment',
    source: python`import ctypes, os, subprocess
print(os.environ, os.environb, os.getcwd(), os.getenv('GREETING'))
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
print(getenv(b'GREETING'), getenv(b'NOT_THERE'), subprocess.run(['env'], capture_output=True).stdout)`,
    env: { GREETING: 'hé=llo', EMPTY: '', BYTES: 'line\nline' },
    cwd: '/usr',
  },
  {
    name: 'has no frame below it',
    source: python`import inspect, sys, traceback
print(sys._getframe().f_back, len(inspect.stack()))
traceback.print_stack()
def depth():
    try:
        return 1 + depth()
    except RecursionError:
        return 1
print(depth() > 900)`,
  },
  {
    name: 'fails within the handling of a failure',
    source: python`def inner():
    return {}['missing']
def outer():
    try:
        inner()
    except KeyError:
        raise ValueError('outer')
outer()`,
  },
  {
    name: 'fails with a cause and notes',
    source: "try:\n    1/0\nexcept Exception as e:\n    raise OSError(2, 'x') from e",
  },
  { name: 'has a syntax error', source: 'x = (1,\nprint(' },
  { name: 'has an indentation error', source: 'if True:\nprint(1)' },
  { name: 'contains a NUL byte', source: 'print(1)\n\0print(2)' },
  { name: 'is in another encoding', source: '# -*- coding: latin-1 -*-\nprint("Ã©")' },
  { name: 'is in an unknown encoding', source: '# -*- coding: nonsense -*-\nprint(1)' },
  { name: 'begins with a byte order mark', source: '\ufeffprint("bom")' },
  { name: 'ends without a newline in a comment', source: 'print(1) # end' },
  { name: 'exits with a number', source: 'import sys; sys.exit(7)' },
  { name: 'exits with a large number', source: 'raise SystemExit(300)' },
  { name: 'exits with a text', source: 'import sys; sys.exit("problem é")' },
  { name: 'exits with None', source: 'import sys; sys.exit(None)' },
  { name: 'exits at once', source: 'import atexit, os; atexit.register(print, "never"); os._exit(9)' },
  { name: 'exits within an exit handler', source: 'import atexit, sys\natexit.register(sys.exit, 3)\nprint(1)' },
  {
    name: 'fails within an exit handler',
    source: 'import atexit\natexit.register(lambda: 1/0)\natexit.register(print, "last")',
  },
  {
    name: 'leaves threads that run on',
    source: python`import atexit, threading, time
atexit.register(print, 'exit')
def work():
    time.sleep(0.1)
    print('thread', threading.current_thread().name, threading.main_thread() is threading.current_thread())
threading.Thread(target=work).start()
threading.Thread(target=lambda: time.sleep(100), daemon=True).start()
print('main', threading.current_thread().name)`,
  },
  {
    name: 'fails in a thread',
    source: 'import threading\nt = threading.Thread(target=lambda: 1/0)\nt.start(); t.join()\nprint(2)',
  },
  { name: 'is interrupted', source: 'import os, signal\nprint(1)\nos.kill(os.getpid(), signal.SIGINT)\nprint(2)' },
  {
    name: 'catches an interrupt',
    source: 'import os, signal\ntry:\n    os.kill(os.getpid(), 2)\nexcept KeyboardInterrupt:\n    print("caught")',
  },
  { name: 'is terminated', source: 'import os, signal\nos.kill(os.getpid(), signal.SIGTERM)' },
  { name: 'aborts', source: 'import os\nos.abort()' },
  {
    name: 'looks at its signals, limits and descriptors',
    source: python`import os, resource, signal, stat
print([(s, signal.getsignal(s)) for s in sorted(signal.valid_signals()) if signal.getsignal(s) is not signal.SIG_DFL])
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), [resource.getrlimit(n) for n in range(16)])
print(sorted(os.listdir('/proc/self/fd')), [stat.filemode(os.fstat(n).st_mode) for n in (0, 1, 2)])
status = open('/proc/self/status').read().split('\n')
print([line for line in status if line.startswith(('SigI', 'SigC', 'SigB', 'SigP', 'Umask', 'Groups', 'Uid', 'Cap', 'Threads', 'NoNewPrivs'))])
print(open('/proc/self/oom_score_adj').read(), os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid(), os.nice(0))
print([os.get_inheritable(n) for n in (0, 1, 2)], [os.get_blocking(n) for n in (0, 1, 2)], os.umask(0))`,
  },
  {
    name: 'looks at its streams',
    source: python`import sys
for stream in (sys.stdin, sys.stdout, sys.stderr):
    print(stream, stream.line_buffering, stream.write_through, stream.isatty(), stream.seekable(), stream.fileno())
    print(type(stream.buffer), stream.errors, stream.newlines, stream.buffer.closed)
print(sys.stdin is sys.__stdin__, sys.stdin.read(), sys.stdin.buffer.read())`,
  },
  {
    name: 'reads its input',
    source: 'import sys\nprint(input("? "), sys.stdin.readline(), sys.stdin.read(), [*sys.stdin])\nprint(input())',
    stdin: 'one\ntwo\nthree\nfour',
  },
  { name: 'reads input that is empty', source: 'import sys; print(repr(sys.stdin.read()), sys.stdin)', stdin: '' },
  { name: 'writes to a closed stream', source: 'import sys\nsys.stdout.close()\nprint(1)' },
  {
    name: 'forks and spawns with multiprocessing',
    source: python`import multiprocessing, os, sys
def work(number):
    return number * 2, __name__
if __name__ == '__main__':
    for method in ('fork', 'spawn', 'forkserver'):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, pool.map(work, range(4)))`,
  },
  {
    name: 'starts other processes',
    source: python`import os, subprocess, sys
print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.argv, sys.flags)', 'x'], capture_output=True))
print(subprocess.run(['sh', '-c', 'echo $PPID > /dev/null; ls /proc/self/fd; kill -PIPE $$'], capture_output=True))
pid = os.fork()
if pid == 0:
    print('child')
    sys.exit(4)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(subprocess._args_from_interpreter_flags())`,
  },
  {
    name: 'shows its source',
    source: python`import inspect, linecache, pickle, sys
class Thing:
    """Documented."""
    def method(self):
        return 1
print(inspect.getsource(Thing), linecache.getline(__file__, 2), inspect.getfile(Thing), Thing.__module__)
print(type(pickle.loads(pickle.dumps(Thing()))) is Thing, inspect.getdoc(Thing), Thing.method.__code__.co_filename)`,
  },
  {
    name: 'warns',
    source: 'import warnings\nwarnings.warn("look")\nwarnings.warn("old", DeprecationWarning)\nprint(warnings.filters)',
  },
  { name: 'uses the debugger', source: 'import pdb\nx = 1\npdb.set_trace()\nprint(x)', stdin: 'p x\nw\nc\n' },
  {
    name: 'has its own handler of failures',
    source: 'import sys\nsys.excepthook = lambda *a: print("mine", a[0], a[2].tb_lineno)\n1/0',
  },
  { name: 'has a broken handler of failures', source: 'import sys\nsys.excepthook = lambda *a: {}[1]\n1/0' },
  {
    name: 'leaves finalizers',
    source: python`import weakref
class Last:
    def __del__(self):
        print('deleted')
last = Last()
weakref.finalize(last, print, 'finalized')
cycle = Last()
cycle.cycle = cycle`,
  },
  {
    name: 'uses the collector',
    source: 'import gc\nprint(gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.garbage, gc.callbacks)',
  },
  {
    name: 'uses asyncio',
    source: python`import asyncio
async def main():
    print(await asyncio.gather(*(asyncio.sleep(0.01, n) for n in range(3))))
    raise RuntimeError('async')
asyncio.run(main())`,
  },
  {
    name: 'lies beside a module that is named like one of the library',
    source: 'import sys, statistics\nprint(statistics.__file__, statistics.mean, __name__)\nimport os\nos.close(0)',
    files: { 'statistics.py': 'mean = "own"' },
  },
  {
    name: 'lies beside a package that is named like one of the library',
    source: 'import json\nprint(json.__path__)\nimport urllib.parse',
    files: { 'json/__init__.py': '' },
  },
  {
    name: 'runs a module',
    source: 'import runpy\nrunpy.run_module("timeit", run_name="__main__")',
    arguments: ['-n', '1', '-h'],
  },
  {
    name: 'imports itself',
    source: 'import sys\nprint(__name__)\nimport main\nprint(main is sys.modules["__main__"])',
  },
  {
    name: 'looks at the locale',
    source:
      'import locale, sys, time\nprint(locale.setlocale(locale.LC_CTYPE), locale.getpreferredencoding(), time.tzname)',
  },
  {
    name: 'is a compiled file',
    source: 'import py_compile, runpy\nprint(py_compile.compile(__file__, "x.pyc", doraise=True))',
    cwd: '/tmp',
  },
  { name: 'exceeds the stack', source: 'def f(): f()\nf()' },
  { name: 'overflows standard output after its end', source: 'import os\nos.close(1)\nprint("lost")' },
  {
    name: 'uses a future',
    source:
      '"""Doc."""\nfrom __future__ import annotations\ndef f(x: Missing): pass\nprint(__doc__, f.__annotations__)',
  },
];
