# Runs cells of Python one after the other in one namespace: `python3 -u DRIVER FOLDER`. A line on stdin names a cell,
# "NAME MS", whose source is FOLDER/NAME; what came of it is written to FOLDER/NAME.json. On stdout and stderr, marks say where
# the output of a cell begins and ends. Invariant: nothing that a cell does ends the driver, but the process's own end.
import ast
import base64
import builtins
import inspect
import io
import json
import linecache
import os
import sys
import traceback
import types

FOLDER = sys.argv[1]
MOST_TEXT = 262_144
MOST_BINARY = 4_194_304
MOST_RESULTS = 20
REPRESENTATIONS = {
    '_repr_html_': 'html',
    '_repr_markdown_': 'markdown',
    '_repr_svg_': 'svg',
    '_repr_latex_': 'latex',
    '_repr_png_': 'png',
    '_repr_jpeg_': 'jpeg',
}

os.environ.setdefault('MPLBACKEND', 'agg')
commands = os.fdopen(os.dup(0), 'rb', buffering=0)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
module = types.ModuleType('__main__')
module.__dict__['__builtins__'] = builtins
sys.modules['__main__'] = module
sys.argv = ['']
sys.path[0] = ''
results = []
count = 0


def mark(name, what):
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
        try:
            os.write(descriptor, b'\0%s:%s\n' % (name.encode(), what))
        except OSError:
            pass


def display(*values):
    """Adds rich results of the cell, beside that of its last expression."""
    for value in values:
        if value is not None and len(results) < MOST_RESULTS:
            results.append(shown(value))


def shown(value):
    forms = {'text': guarded(lambda: repr(value)[:MOST_TEXT]) or f'<{type(value).__name__}>'}
    for method, name in REPRESENTATIONS.items():
        function = None if isinstance(value, type) else getattr(value, method, None)
        form = guarded(function) if callable(function) else None
        if isinstance(form, tuple):
            form = form[0]
        if isinstance(form, bytes) and len(form) <= MOST_BINARY:
            forms[name] = base64.b64encode(form).decode()
        elif isinstance(form, str):
            forms[name] = form[:MOST_BINARY if name in ('png', 'jpeg') else MOST_TEXT]
    if callable(getattr(value, 'savefig', None)) and 'png' not in forms:
        forms['png'] = guarded(lambda: picture(value))
    return {name: form for name, form in forms.items() if form is not None}


def guarded(function):
    try:
        return function()
    except Exception:
        return None


def picture(figure):
    target = io.BytesIO()
    figure.savefig(target, format='png', bbox_inches='tight')
    data = target.getvalue()
    return base64.b64encode(data).decode() if len(data) <= MOST_BINARY else None


def show_figures():
    plots = sys.modules.get('matplotlib.pyplot')
    if plots is None:
        return
    for number in plots.get_fignums():
        if len(results) < MOST_RESULTS:
            results.append({'text': f'<figure {number}>', 'png': guarded(lambda: picture(plots.figure(number)))})
    plots.close('all')


def run(source):
    filename = f'<cell {count}>'
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    tree = ast.parse(source, filename)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    evaluate(tree, filename, 'exec')
    return None if last is None else evaluate(last, filename, 'eval')


def evaluate(tree, filename, mode):
    code = compile(tree, filename, mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)
    value = eval(code, module.__dict__)
    if code.co_flags & inspect.CO_COROUTINE:
        return loop().run_until_complete(value)
    return value


def loop():
    import asyncio
    global own_loop
    if own_loop is None:
        own_loop = asyncio.new_event_loop()
        asyncio.set_event_loop(own_loop)
    return own_loop


own_loop = None


def failure(error):
    frames = error.__traceback__
    while frames and frames.tb_frame.f_globals is globals():
        frames = frames.tb_next
    error.__traceback__ = frames
    lines = traceback.format_exception(type(error), error, frames, chain=True)
    return {
        'name': type(error).__name__,
        'value': (guarded(lambda: str(error)) or '')[:MOST_TEXT],
        'traceback': ''.join(lines)[-MOST_TEXT:],
    }


def cell(name):
    global count
    count += 1
    results.clear()
    outcome = {'execution_count': count}
    mark(name, b'begin')
    try:
        with open(os.path.join(FOLDER, name), encoding='utf-8') as file:
            source = file.read()
        value = run(source)
        if value is not None:
            module.__dict__['_'] = value
            display(value)
        show_figures()
    except BaseException as error:
        outcome['error'] = failure(error)
    outcome['results'] = results
    temporary = os.path.join(FOLDER, name + '.part')
    with open(temporary, 'w', encoding='utf-8', errors='replace') as file:
        json.dump(outcome, file)
    os.replace(temporary, os.path.join(FOLDER, name + '.json'))
    mark(name, b'end')


builtins.display = display
# Above the driver nobody catches what a cell raises, so an interrupt between two cells is caught here.
while True:
    try:
        line = commands.readline()
        if not line:
            break
        cell(line.decode().split()[0])
    except KeyboardInterrupt:
        pass
