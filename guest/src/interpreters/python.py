# Waits for one script and becomes `python3 -u SCRIPT ARGUMENTS`: as `python3 -u -c LOADER THIS DESCRIPTOR`.
# Invariant: the script is run by the interpreter's own main routine with no frame below it, and nothing of this file is
# in its way. What it can notice: standard modules that are loaded already (frozen for the collector), the seed of
# hash(), /proc/self/cmdline and environ, which are those of the start, and up to 3.11 a few frames less to recurse.
import sys

bare = frozenset(sys.modules)
loaded = set()
packages = {}
# "", the folder of the start: the script's own folder comes in its place.
has_script_folder = sys.path[:1] == ['']
if has_script_folder:
    del sys.path[0]

import atexit
import ctypes
import gc
import io
import os
import signal
import types
from functools import partial
from operator import methodcaller

# Often used, and no more: each takes part of the time at the end of every script, and of the memory of every machine that
# waits. None keeps a time or random numbers from when it is loaded, but `random`, which is seeded anew.
COMMON = """base64 bisect collections.abc contextlib copy datetime enum functools heapq io itertools json math operator pathlib
random re string subprocess threading time traceback types typing"""

channel = int(sys.argv[2])
libc = ctypes.CDLL(None)
run_file = ctypes.pythonapi.PyRun_SimpleFileExFlags
run_file.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
for function in (libc.fopen, libc.realpath):
    function.restype = ctypes.c_void_p
# Stands in every zip file, which Python runs too.
ARCHIVE_MARK = b'PK\5\6'
PATH_BYTES = 4096


def load_common():
    for name in COMMON.split():
        try:
            __import__(name)
        except ImportError:
            pass  # An image may have less than the whole library.


def spare_common():
    """To take modules apart at the end takes longer than most programs: those that nobody finds any more are spared."""
    common = {name: sys.modules[name] for name in sys.modules.keys() - bare}
    loaded.update(name.partition('.')[0] for name in common)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(common))
    # What is registered first is called last.
    atexit.register(hide, common)


def look_at_packages():
    """When packages were last added, by folder: they may bring what an interpreter obeys when it starts."""
    site = sys.modules.get('site')
    folders = {*sys.path, site.USER_SITE, *site.getsitepackages()} if site else {*sys.path}
    return {folder: changed_at(folder) for folder in folders if folder}


def changed_at(path):
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def hide(modules):
    for name, module in modules.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]


def read(length):
    data = b''
    while len(data) < length:
        part = os.read(channel, length - len(data))
        if not part:
            os._exit(0)  # The agent has gone.
        data += part
    return data


def receive():
    """A message: its length (4 bytes, little endian), then texts, each ended by a zero byte."""
    length = int.from_bytes(read(4), 'little')
    return read(length).split(b'\0')[:-1]


def wait():
    """The first of the three steps: waits, answers, and prepares the others."""
    load_common()
    spare_common()
    packages.update(look_at_packages())
    gc.collect()
    gc.freeze()
    while True:
        os.write(channel, b'ready\n')
        kind, *job = receive()
        if kind == b'run':
            return become(*job)
        if os.fork() == 0:
            return become_unseen(*job)
        if os.wait()[1] != 0:
            sys.exit('the sample has failed')


def become_unseen(*job):
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    become(*job)


def become(folder, has_input, options, count, *rest):
    os.close(channel)
    argv, variables = rest[:int(count)], rest[int(count):]
    # The program and its options come before the script.
    script = argv[1 + int(options)]
    os.chdir(folder)
    replace_environment(variables)
    if has_input == b'0':
        replace_input()
    words = [os.fsdecode(each) for each in argv]
    sys.argv = words[1 + int(options):]
    if hasattr(sys, 'orig_argv'):
        sys.orig_argv = words
    try:
        unusual = is_unusual(script)
    except OSError:
        unusual = True
    file = None if unusual else libc.fopen(script, b'rbe')
    if not file:
        start_anew(argv)
    if 'random' in sys.modules:
        sys.modules['random'].seed()
    hand_over(file, script)


def replace_environment(variables):
    new = dict(variable.split(b'=', 1) for variable in variables)
    if [*os.environ._data.items()] == [*new.items()]:
        return
    os.environ.clear()
    for name, value in new.items():
        os.environb[name] = value


def replace_input():
    """Reads from /dev/null, as a process without input does."""
    old = sys.stdin
    os.close(0)
    os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
    buffer = open(0, 'rb', closefd=False)
    buffer.raw.name = old.name
    new = io.TextIOWrapper(buffer, old.encoding, old.errors, '\n', old.line_buffering, old.write_through)
    new.mode = old.mode
    sys.stdin = sys.__stdin__ = new


def is_unusual(script):
    """Whether it may be an archive, or is not alone: with a module named like one that is loaded, or with new packages."""
    if look_at_packages() != packages:
        return True
    with open(script, 'rb', 0) as file:
        if ARCHIVE_MARK in file.read():
            return True
    if not has_script_folder:
        return False
    resolved = ctypes.create_string_buffer(PATH_BYTES)
    if not libc.realpath(script, resolved):
        return True
    folder = os.path.dirname(os.fsdecode(resolved.value))
    sys.path.insert(0, folder)
    return not loaded.isdisjoint(name.partition('.')[0] for name in os.listdir(folder))


def start_anew(argv):
    # An interpreter ignores these, and a new one takes over what is ignored.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    os.execve(sys.executable, argv, os.environb)


def hand_over(file, name):
    # The frame of the loader, which lives on with the exception, holds the variables of the module before.
    main = types.ModuleType('__main__')
    main.__dict__.clear()
    main.__dict__.update(sys.modules['__main__'].__dict__)
    sys.modules['__main__'] = main
    sys.excepthook = sys.__excepthook__
    for noted in ('last_type', 'last_value', 'last_traceback', 'last_exc'):
        if hasattr(sys, noted):
            delattr(sys, noted)
    steps.append(partial(run_file, file, name, 1, None))
    steps.append(partial(list, map(methodcaller('__call__'), closing)))


def finish():
    """Without an error the exit code is 0. After one, which has been printed, the hook's end is the interpreter's."""
    if results[1] != 0:
        return
    if 'threading' in sys.modules:
        closing.append(sys.modules['threading']._shutdown)
    closing.extend([atexit._run_exitfuncs, leave])


def leave():
    """Ends as an interpreter does after its threads and exit functions, but for taking itself apart, which takes longer than most
    scripts. The script's modules and objects, and what is still to be written, have their turn."""
    for name, module in [*sys.modules.items()]:
        if isinstance(module, types.ModuleType) and (name == '__main__' or name not in bare):
            module.__dict__.clear()
    del module
    gc.collect()
    for each in gc.get_objects():
        if isinstance(each, io.IOBase):
            is_flushed(each)
    # What an interpreter ends with that could not write its output.
    os._exit(0 if is_flushed(sys.stdout) and is_flushed(sys.stderr) else 120)


def is_flushed(file):
    try:
        if file is not None and not getattr(file, 'closed', False):
            file.flush()
        return True
    except Exception:
        return False


# An uncaught exception is handed to the hook when no frame is left. The hook is no function, which would be a frame
# itself: `min` asks its key for each of the three arguments, and each time the next step is taken.
steps = [wait]
closing = [finish]
results = []
taken = map(id, map(results.append, map(methodcaller('__call__'), steps)))
hook = sys.excepthook = partial(min, key=partial(next, taken))
raise Exception
