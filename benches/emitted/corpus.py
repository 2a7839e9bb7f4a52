"""Compiles the statements of a recorded corpus with django-mongodb-backend, each in its turn.

    python benches/emitted/corpus.py FOLDER STATEMENTS

STATEMENTS has lines {"id", "schema", "text"}: a file with a schema and a statement in Django's Python. The models are made from the
schema. Writes FOLDER/corpus-official.jsonl: of each statement {"id", "us"}, the median time from its evaluation to the
pipeline, or {"id", "error"}. All statements are compiled once, then all a second time, and so on, as an application's requests
would: not one many times over.
"""

import datetime
import decimal
import json
import os
import pathlib
import statistics
import sys
import time
import uuid
import zoneinfo

from backend import start

ROUNDS = 7


class Sent(BaseException):
    """The pipeline is complete: nothing after it is measured. Not an Exception, so that nothing catches it."""


class Collection:
    def aggregate(self, *_, **__):
        raise Sent

    find = insert_many = update_many = delete_many = aggregate


class App:
    """The models of an application, for who looks for the relations that lead to a model."""

    def __init__(self, models):
        self.models = models

    def get_models(self, *_, **__):
        return self.models.values()

    def get_model(self, name, **_):
        return self.models[name.lower()]


class Models:
    """The models of a schema, in a registry of their own."""

    def __init__(self, path):
        from django.apps.registry import Apps

        schema = json.loads(path.read_text())
        self.specs = schema["models"]
        self.apps = Apps()
        for app in {label.split(".")[0] for label in self.specs}:
            self.apps.app_configs[app] = App(self.apps.all_models[app])
        self.classes = {}
        for label in self.specs:
            self.model(label)

    def model(self, label):
        from django.db import models

        if label in self.classes:
            return self.classes[label]
        spec = self.specs[label]
        app, name = label.split(".")
        meta = {"app_label": app, "apps": self.apps, "db_table": spec["collection"]}
        members = {"__module__": app}
        if spec["proxy_for"]:
            meta = {"app_label": app, "apps": self.apps, "proxy": True}
            bases = (self.model(spec["proxy_for"]),)
        else:
            bases = tuple(self.model(parent) for parent in spec["parents"]) or (models.Model,)
            inherited = {name for parent in spec["parents"] for name in self.names(parent)}
            links = set(spec["parents"].values())
            for field in spec["fields"]:
                if field["name"] in links or field["name"] not in inherited:
                    members[field["name"]] = self.field(label, field, field["name"] in links)
        ordering = [o if isinstance(o, str) else self.order(o) for o in spec["ordering"]]
        meta["ordering"] = ordering
        if spec.get("get_latest_by"):
            meta["get_latest_by"] = spec["get_latest_by"]
        members["Meta"] = type("Meta", (), meta)
        self.classes[label] = type(name, bases, members)
        return self.classes[label]

    def names(self, label):
        """The fields of a model and its parents. Asking the class would keep its relations before all are there."""
        spec = self.specs[label]
        parents = [*spec["parents"], *filter(None, [spec["proxy_for"]])]
        return {f["name"] for f in spec["fields"]}.union(*(self.names(p) for p in parents))

    @staticmethod
    def order(order):
        from django.db.models import F

        expr = order["expr"].get("f")
        if expr is None:
            raise ValueError("an order by an expression")
        expr = F(expr)
        nulls = {f"nulls_{order['nulls']}": True} if order.get("nulls") else {}
        return expr.desc(**nulls) if order.get("desc") else expr.asc(**nulls)

    def field(self, label, spec, link=False):
        from django.contrib.contenttypes import fields as generic
        from django.db import models
        from django_mongodb_backend import fields as own

        kind = spec["type"]
        kwargs = {k: spec[k] for k in ("primary_key", "null", "unique", "max_digits", "decimal_places", "max_length") if k in spec}
        if kind == "ArrayField":
            return own.ArrayField(self.field(label, spec["base"]), null=spec.get("null", False), size=spec.get("size"))
        if kind == "CompositePrimaryKey":
            return models.CompositePrimaryKey(*spec["fields"])
        if kind == "GenericForeignKey":
            return generic.GenericForeignKey(spec["generic"]["content_type"], spec["generic"]["object_id"])
        if kind == "GenericRelation":
            names = spec["generic"]
            return generic.GenericRelation(
                spec["to"],
                content_type_field=names["content_type"],
                object_id_field=names["object_id"],
                related_query_name=spec.get("related_query_name"),
            )
        if kind in ("ForeignKey", "OneToOneField", "ForeignObject", "ManyToManyField"):
            query = spec.get("related_query_name")
            hidden = query is None or query.endswith("+")
            accessor = "+" if hidden and not spec.get("symmetrical") else spec.get("related_name")
            target = "self" if spec["to"] == label else spec["to"]
            if accessor:
                kwargs["related_name"] = accessor
            if query and not hidden and accessor != query:
                kwargs["related_query_name"] = query
            if kind == "ManyToManyField":
                kwargs = {k: v for k, v in kwargs.items() if k.startswith("related")}
                if spec["to"] == label:
                    kwargs["symmetrical"] = spec.get("symmetrical", False)
                return models.ManyToManyField(target, through=spec["through"], through_fields=spec["through_fields"], **kwargs)
            if kind == "ForeignObject":
                own = {k: spec[k] for k in ("from_fields", "to_fields")}
                return models.ForeignObject(target, models.DO_NOTHING, **own, **kwargs)
            kwargs["db_column"] = spec["column"]
            if spec.get("to_field"):
                kwargs["to_field"] = spec["to_field"]
            if link:
                kwargs["parent_link"] = True
            return getattr(models, kind)(target, on_delete=models.DO_NOTHING, **kwargs)
        if kind.endswith("AutoField"):
            # The backend refuses automatic integers; to its compiler they are integers.
            kind = "IntegerField"
        if kind == "FilePathField":
            kind = "CharField"
        if "column" in spec:
            kwargs["db_column"] = spec["column"]
        return getattr(models, kind)(**kwargs)


def scope_of(models):
    import django.db.models as all_models
    import django_mongodb_backend.aggregates
    import django_mongodb_backend.expressions
    from django.db.models import lookups
    from django.db.models import functions

    scope = {n: getattr(datetime, n) for n in ("datetime", "date", "time", "timedelta", "timezone")}
    scope.update({"Decimal": decimal.Decimal, "UUID": uuid.UUID, "ZoneInfo": zoneinfo.ZoneInfo})
    for module in (all_models, functions):
        scope.update({n: getattr(module, n) for n in dir(module) if n[0].isupper()})
    for module in (lookups, django_mongodb_backend.expressions, django_mongodb_backend.aggregates):
        scope.update({n: getattr(module, n) for n in dir(module) if n[0].isupper() and n not in scope})
    scope["models"] = all_models
    for label, model in models.classes.items():
        scope[label.split(".")[1]] = model

    class ByLabel:
        get_model = staticmethod(models.classes.__getitem__)

    scope["apps"] = ByLabel
    return scope


def evaluate(code, scope):
    """Seconds from the expression to the pipeline, or none if nothing was sent."""
    from django.db.models import QuerySet

    clock = time.perf_counter
    start = clock()
    try:
        value = eval(code, scope)
        if isinstance(value, QuerySet):
            list(value)
    except Sent:
        return clock() - start
    return None


def main(folder, statements):
    start(["django.contrib.contenttypes"], lambda _: Collection(), USE_TZ=False)

    scopes, work, out = {}, [], []
    for line in statements.read_text().splitlines():
        case = json.loads(line)
        schema = case["schema"]
        try:
            if schema not in scopes:
                scopes[schema] = None
                scopes[schema] = scope_of(Models(pathlib.Path(schema)))
            if scopes[schema] is None:
                raise ValueError("its models are refused")
            code = compile(case["text"], case["id"], "eval")
            work.append((case["id"], code, scopes[schema], []))
        except Exception as e:  # noqa: BLE001: whatever it refuses is a result
            out.append({"id": case["id"], "error": f"{type(e).__name__}: {e}"})
    refused = {}
    for _ in range(ROUNDS):
        for name, code, scope, times in work:
            if name in refused:
                continue
            try:
                seconds = evaluate(code, scope)
                if seconds is None:
                    refused[name] = "nothing is sent"
                else:
                    times.append(seconds)
            except Exception as e:  # noqa: BLE001
                refused[name] = f"{type(e).__name__}: {e}"
    for name, _, _, times in work:
        if name in refused:
            out.append({"id": name, "error": refused[name]})
        else:
            # The first is apart: in it the models are prepared.
            out.append({"id": name, "first_us": times[0] * 1e6, "us": statistics.median(times[1:]) * 1e6})
    (folder / "corpus-official.jsonl").write_text("".join(json.dumps(o) + "\n" for o in out))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
