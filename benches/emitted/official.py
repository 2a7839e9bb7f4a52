"""Compiles the benchmark's querysets with django-mongodb-backend, without a server.

    python benches/emitted/official.py FOLDER

makes a virtual environment in FOLDER if there is none, installs the backend into it, and writes FOLDER/official.jsonl: of
each queryset the pipelines that the backend would send, how their documents become rows, and how long compiling takes.
Nothing connects: the backend's collections are replaced by ones that take pipelines down.
"""

import gc
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import venv

from backend import start

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = ["django-mongodb-backend==5.2.*"]
APP = "shop"
# What the keys of a first query's row are in the pipelines that follow it: a number for each name.
SENTINEL = 4_611_686_018_427_000


def outside(folder):
    """Makes the environment and starts this script in it."""
    environment = folder / "venv"
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    app = folder / APP
    app.mkdir(exist_ok=True)
    (app / "__init__.py").touch()
    (app / "models.py").write_text((HERE / "models.py").read_text())
    sys.exit(subprocess.run([python, __file__, str(folder), "--inside"]).returncode)


def querysets(path):
    for line in path.read_text().splitlines():
        if line and not line.startswith(("#", "==")):
            name, text = line.split(None, 1)
            yield name, text


class Taken:
    """The pipelines of one evaluation, with the compilers that made them."""

    def __init__(self):
        self.steps = []
        self.keys = {}
        self.follow = False


TAKEN = Taken()


class Collection:
    def __init__(self, name):
        self.name = name

    def aggregate(self, pipeline, **_):
        TAKEN.steps.append((self.name, pipeline))
        # One parent, so that what is fetched after it can be seen.
        return Cursor([Parent()] if TAKEN.follow and len(TAKEN.steps) == 1 else [])


class Cursor:
    def __init__(self, documents):
        self.documents = iter(documents)

    def __iter__(self):
        return self.documents

    def next(self):
        return next(self.documents)


class Parent(dict):
    def get(self, key, default=None):
        if key != "_id" and not key.endswith("_id"):
            return None
        return next((n for n, k in TAKEN.keys.items() if k == key), None) or self.named(key)

    @staticmethod
    def named(key):
        number = SENTINEL + len(TAKEN.keys)
        TAKEN.keys[number] = key
        return number


def paths(compiler):
    """Where the values of a row are in a document, as the backend's `_make_result` looks for them."""
    out = []
    for name, column in compiler.columns:
        alias = getattr(column, "alias", None)
        joined = alias is not None and alias != compiler.collection_name
        out.append([alias, name] if joined else [name])
    return out


def instance_names(info, select, prefix, names):
    for index in info["select_fields"]:
        names[index] = prefix + select[index][0].target.attname
    for related in info.get("related_klass_infos", ()):
        field = related["field"]
        name = field.remote_field.get_accessor_name() if related["reverse"] else field.name
        instance_names(related, select, f"{prefix}{name}.", names)


def names(queryset, compiler):
    """Names of the values of a row; numbers where rows are lists."""
    from django.db.models.query import (
        FlatValuesListIterable,
        ModelIterable,
        ValuesIterable,
        ValuesListIterable,
    )

    count = len(compiler.columns)
    kind = queryset._iterable_class
    if issubclass(kind, ModelIterable):
        out = [None] * count
        instance_names(compiler.klass_info, compiler.select, "", out)
        for name, index in compiler.annotation_col_map.items():
            out[index] = name
        return out
    if issubclass(kind, (ValuesListIterable, FlatValuesListIterable)):
        return [str(i) for i in range(count)]
    if issubclass(kind, ValuesIterable):
        return list(queryset.query.selected or [n for n, _ in compiler.columns])
    return [str(i) for i in range(count)]


def median_us(call, least=30, budget=0.06):
    times = []
    gc.disable()
    until = time.perf_counter() + budget
    while len(times) < least or time.perf_counter() < until:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    gc.enable()
    return statistics.median(times) * 1e6


def evaluate(code, scope):
    """Everything that the text asks for, as far as it can be had without a server."""
    from django.core.exceptions import ObjectDoesNotExist
    from django.db.models import QuerySet

    try:
        value = eval(code, scope)
        return list(value) if isinstance(value, QuerySet) else value
    except ObjectDoesNotExist:
        return None
    except (KeyError, IndexError, TypeError) as e:
        # The stub's reply is not what a server would give; the pipeline is there all the same.
        if not TAKEN.steps:
            raise e
        return None


def one(name, text, scope, seen):
    from bson import json_util
    from django.db.models import QuerySet

    options = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL)
    code = compile(text, name, "eval")
    out = {"name": name}
    try:
        seen.clear()
        TAKEN.steps.clear()
        TAKEN.keys.clear()
        TAKEN.follow = "prefetch_related" in text
        evaluate(code, scope)
        steps = list(TAKEN.steps)
        compilers = list(seen)
        out["steps"] = [
            {"collection": collection, "pipeline": json.loads(json_util.dumps(pipeline, json_options=options))}
            for collection, pipeline in steps
        ]
        out["keys"] = {str(number): key for number, key in TAKEN.keys.items()}
        compiler, queryset = compilers[0], None
        TAKEN.steps.clear()
        rows = "rows"
        ordered = False
        if text.endswith(".count()"):
            rows = "count"
        elif text.endswith(".exists()"):
            rows = "exists"
        elif ".aggregate(" in text and not isinstance(evaluate_only(code, scope), QuerySet):
            rows = "aggregate"
        out["kind"] = rows
        out["paths"] = paths(compiler) if rows in ("rows",) else []
        if rows == "rows":
            TAKEN.steps.clear()
            value = evaluate_only(code, scope)
            if isinstance(value, QuerySet):
                queryset = value
                ordered = value.ordered
            else:
                # A terminal: the row of the queryset that it ends.
                queryset = scope[compiler.query.model.__name__].objects.all()
            out["names"] = names(queryset, compiler)
        elif rows == "aggregate":
            out["paths"] = [[n] for n in compiler.query.annotation_select]
            out["names"] = list(compiler.query.annotation_select)
        out["ordered"] = bool(ordered)

        TAKEN.follow = False
        value = evaluate_only(code, scope)
        if isinstance(value, QuerySet):
            query = value.query
            out["build_us"] = median_us(lambda: eval(code, scope))

            def compiled():
                TAKEN.steps.clear()
                query.clone().get_compiler(value.db).execute_sql()

            out["compile_us"] = median_us(compiled)
        else:
            def whole():
                TAKEN.steps.clear()
                evaluate(code, scope)

            out["build_us"] = None
            out["compile_us"] = median_us(whole)
    except Exception as e:  # noqa: BLE001: whatever it refuses is a result
        out["error"] = f"{type(e).__name__}: {e}"
    return out


def evaluate_only(code, scope):
    from django.core.exceptions import ObjectDoesNotExist

    try:
        return eval(code, scope)
    except (ObjectDoesNotExist, KeyError, IndexError, TypeError):
        return None


def inside(folder):
    sys.path.insert(0, str(folder))
    start([APP], Collection, USE_TZ=True)
    from django_mongodb_backend import compiler as backend

    seen = []
    execute = backend.SQLCompiler.execute_sql

    def recorded(self, *args, **kwargs):
        seen.append(self)
        return execute(self, *args, **kwargs)

    import datetime

    from django.db import models
    from django.db.models import functions

    scope = {"datetime": datetime}
    for module in (models, functions):
        scope.update({n: getattr(module, n) for n in dir(module) if n[0].isupper()})
    from importlib import import_module

    own = import_module(f"{APP}.models")
    scope.update({n: v for n, v in vars(own).items() if isinstance(v, type) and issubclass(v, models.Model)})

    backend.SQLCompiler.execute_sql = recorded
    with (folder / "official.jsonl").open("w") as file:
        for name, text in querysets(HERE / "querysets.txt"):
            result = one(name, text, scope, seen)
            if "error" in result:
                print(f"{name}: {result['error']}", file=sys.stderr)
            print(json.dumps(result), file=file)


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    if "--inside" in sys.argv:
        inside(target)
    else:
        outside(target)
